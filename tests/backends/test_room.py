"""A cache with room ahead holds what the usual one holds, and does not copy it at every token."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import DynamicCache, Gemma3TextConfig, LlamaConfig
from transformers.cache_utils import DynamicLayer

from midcourse.backends.room import AHEAD, RoomyLayer, roomy_cache

READ = st.tuples(st.just("read"), st.integers(1, 5))
MANY = st.tuples(st.just("read"), st.integers(AHEAD - 1, AHEAD + 3))
PICK = st.tuples(st.just("pick"), st.lists(st.integers(0, 1), min_size=1, max_size=4))
CROP = st.tuples(st.just("crop"), st.integers(0, 4))


def states(size, rows, dice):
    return [torch.randn(rows, 2, size, 3, generator=dice) for _ in "kv"]


@given(st.lists(st.one_of(READ, READ, MANY, PICK, CROP), min_size=1, max_size=12))
def test_it_holds_what_the_usual_one_holds(steps):
    dice, usual, roomy, rows = torch.Generator().manual_seed(0), DynamicLayer(), RoomyLayer(), 2
    for what, much in [("read", 3), *steps]:
        if what == "read":
            new = states(much, rows, dice)
            returned = roomy.update(*new)
            for ours, theirs in zip(returned, usual.update(*new), strict=True):
                assert torch.equal(ours, theirs)
        elif what == "pick":
            pick = torch.tensor([min(i, rows - 1) for i in much])
            rows = len(pick)
            usual.batch_select_indices(pick)
            roomy.batch_select_indices(pick)
        else:
            much = min(much, usual.get_seq_length() - 1)
            usual.crop(-much)
            roomy.crop(-much)
        assert torch.equal(roomy.keys, usual.keys)
        assert torch.equal(roomy.values, usual.values)


def test_nothing_is_copied_while_there_is_room():
    dice, layer = torch.Generator().manual_seed(0), RoomyLayer()
    layer.update(*states(7, 2, dice))
    layer.update(*states(1, 2, dice))
    at = layer.keys.data_ptr()
    for _ in range(AHEAD):
        layer.update(*states(1, 2, dice))
    assert layer.keys.data_ptr() == at
    layer.update(*states(1, 2, dice))
    assert layer.keys.data_ptr() != at


def test_layers_that_see_a_part_of_the_text_keep_their_kind():
    kinds = ["sliding_attention", "full_attention"]
    gemma = Gemma3TextConfig(num_hidden_layers=2, sliding_window=6, layer_types=kinds)
    usual = [type(layer) for layer in DynamicCache(config=gemma).layers]
    assert [type(layer) for layer in roomy_cache(gemma).layers] == [usual[0], RoomyLayer]
    assert {type(layer) for layer in roomy_cache(LlamaConfig(num_hidden_layers=3)).layers} == {RoomyLayer}
