"""Rows side by side are what each would be alone, whatever their lengths, limits and ends."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import DynamicCache

from growing import tiny_model
from midcourse.backends.batches import Batch, one_by_one, side_by_side

MODEL = tiny_model()
CALLS: list[tuple[int, ...]] = []


@torch.inference_mode()
def forward(**inputs):
    CALLS.append(tuple(inputs["input_ids"].shape))
    return MODEL(**inputs, use_cache=True).logits.float()


@torch.inference_mode()
def read(ids):
    return MODEL(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].float()


def second_best_at_first(logits, rows, step):
    """Each continuation of a prefix takes another beginning, then the likeliest."""
    if step == 0:
        order = logits.argsort(-1, descending=True)
        return torch.stack([order[k, row % 2] for k, row in enumerate(rows)])
    return logits.argmax(-1)


PREFIXES = st.lists(st.lists(st.integers(3, 99), min_size=1, max_size=8), min_size=1, max_size=4)


@settings(max_examples=20, deadline=None)
@given(PREFIXES, st.data())
def test_side_by_side_is_as_one_by_one(prefixes, data):
    limits = data.draw(st.lists(st.integers(0, 6), min_size=2 * len(prefixes), max_size=2 * len(prefixes)))
    free = Batch(tuple(map(tuple, prefixes)), 2, tuple(limits), frozenset(), second_best_at_first)
    alone = one_by_one(read, free)
    assert side_by_side(forward, free, DynamicCache()) == alone
    assert [len(new) for new in alone] == limits
    ends = frozenset(data.draw(st.sets(st.sampled_from(sorted({i for new in alone for i in new} or {3})))))
    ended = Batch(free.prefixes, 2, free.limits, ends, second_best_at_first)
    want = [new[: next((k + 1 for k, i in enumerate(new) if i in ends), len(new))] for new in alone]
    assert one_by_one(read, ended) == want
    assert side_by_side(forward, ended, DynamicCache()) == want


def test_a_prefix_is_read_once_and_rows_leave_when_half_are_done():
    CALLS.clear()
    batch = Batch(((5, 6, 7), (8,)), 2, (1, 4, 0, 2), frozenset(), second_best_at_first)
    assert [len(new) for new in side_by_side(forward, batch, DynamicCache())] == [1, 4, 0, 2]
    assert CALLS == [(2, 2), (3, 1), (3, 1), (1, 1), (1, 1)]


def test_rows_without_room_run_nothing():
    CALLS.clear()
    assert side_by_side(forward, Batch(((5,),), 3, (0, 0, 0), frozenset(), second_best_at_first), DynamicCache()) == [
        [],
        [],
        [],
    ]
    assert CALLS == []


def test_a_batch_is_a_value():
    batch = Batch(((5,),), 1, (1,), frozenset(), second_best_at_first)
    with pytest.raises(AttributeError):
        batch.n = 2


def test_layers_that_see_a_window_may_lie_beside_others():
    model = tiny_model("gemma3")
    prefixes = ((5, 6, 7, 8, 9, 10, 11, 12), (13,), (14, 15, 16))
    batch = Batch(prefixes, 2, (12,) * 6, frozenset(), second_best_at_first)

    @torch.inference_mode()
    def whole(**inputs):
        return model(**inputs, use_cache="cache" in inputs).logits.float()

    alone = one_by_one(lambda ids: whole(input_ids=torch.tensor([ids]))[0, -1], batch)
    assert side_by_side(whole, batch, DynamicCache(config=model.config)) == alone
