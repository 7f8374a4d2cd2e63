"""Generation must equal plain forward passes, whatever is cached, padded or dropped from a batch."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    Lfm2Config,
    Lfm2ForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
)

from midcourse.backends.local import LocalBackend, draw
from midcourse.backends.protocol import Sampling
from midcourse.errors import InputError

END = 3


def tiny_llama(context: int = 128) -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=97,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=context,
        initializer_range=0.4,
    )
    return LlamaForCausalLM(config).eval()


def tiny_gemma() -> Gemma3ForCausalLM:
    torch.manual_seed(0)
    config = Gemma3TextConfig(
        vocab_size=97,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        sliding_window=6,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"],
        max_position_embeddings=128,
        initializer_range=0.4,
    )
    return Gemma3ForCausalLM(config).eval()


def tiny_lfm() -> Lfm2ForCausalLM:
    """Convolutions keep a state that cannot be taken back to an earlier token."""
    torch.manual_seed(0)
    config = Lfm2Config(
        vocab_size=97,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        layer_types=["conv", "full_attention"],
        max_position_embeddings=128,
        initializer_range=0.4,
    )
    return Lfm2ForCausalLM(config).eval()


MODELS = {"llama": tiny_llama(), "gemma": tiny_gemma(), "lfm": tiny_lfm()}


@torch.no_grad()
def plain(model, ids: list[int], steps: int, ends: tuple[int, ...] = (END,)) -> list[tuple[int, float]]:
    """Greedy without any cache: one whole forward pass per token."""
    ids, out = list(ids), []
    for _ in range(steps):
        logps = torch.log_softmax(model(torch.tensor([ids]), use_cache=False).logits[0, -1].float(), -1)
        out.append((int(logps.argmax()), float(logps.max())))
        ids.append(out[-1][0])
        if ids[-1] in ends:
            break
    return out


@pytest.mark.parametrize("name", MODELS)
def test_cached_stream_equals_plain_forward_after_every_rewind(name):
    model = MODELS[name]
    backend = LocalBackend(model, (END,))

    @settings(max_examples=25, deadline=None)
    @given(st.lists(st.integers(4, 96), min_size=1, max_size=20), st.data())
    def check(prompt, data):
        ids = list(prompt)
        for _ in range(3):
            ids = ids[: data.draw(st.integers(1, len(ids)))] + data.draw(st.lists(st.integers(4, 96), max_size=3))
            steps = data.draw(st.integers(1, 9))
            got = list(backend.stream(ids, Sampling(max_new_tokens=steps)))
            want = plain(model, ids, steps)
            assert [t.id for t in got] == [t for t, _ in want]
            assert [t.logprob for t in got] == pytest.approx([p for _, p in want], abs=1e-4)
            ids += [t.id for t in got]

    check()


def test_only_what_is_new_is_read():
    model = tiny_llama()
    seen = []
    model.get_input_embeddings().register_forward_pre_hook(lambda m, a: seen.append(a[0].numel()))
    backend = LocalBackend(model, ())
    backend.warm(list(range(10, 50)))
    stream = backend.stream([*range(10, 40), 5, 6], Sampling(max_new_tokens=5))
    next(stream)
    stream.close()
    assert seen == [40, 2]


def test_a_stream_goes_on_while_another_used_the_cache():
    model = MODELS["llama"]
    backend = LocalBackend(model, ())
    first = backend.stream([5, 6, 7], Sampling(max_new_tokens=6))
    got = [next(first).id, next(first).id]
    list(backend.stream([9, 8], Sampling(max_new_tokens=3)))
    got += [t.id for t in first]
    assert got == [t for t, _ in plain(model, [5, 6, 7], 6, ())]


def test_ban_end_alternatives_and_seed():
    backend = LocalBackend(MODELS["llama"], ())
    [first] = backend.stream([5, 6], Sampling(max_new_tokens=1, alternatives=3))
    assert first.alternatives[0] == (first.id, pytest.approx(first.logprob))
    [other] = backend.stream([5, 6], Sampling(max_new_tokens=1, banned_first=(first.id,)))
    assert other.id == first.alternatives[1][0]
    ended = list(backend.stream([5, 6], Sampling(max_new_tokens=20, end_ids=(first.id,))))
    assert [t.id for t in ended] == [first.id]

    def run(seed: int) -> list[int]:
        return [t.id for t in backend.stream([5, 6], Sampling(max_new_tokens=12, temperature=1.5, seed=seed))]

    assert run(1) == run(1) != run(2)


def test_drawing_follows_the_distribution():
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log().expand(4000, 4)
    uniform = torch.linspace(0, 1, 4001)[:-1]
    share = torch.bincount(draw(logits, uniform, 1.0, 1.0), minlength=4) / 4000
    assert share.tolist() == pytest.approx([0.5, 0.3, 0.15, 0.05], abs=0.002)
    nucleus = torch.bincount(draw(logits, uniform, 1.0, 0.7), minlength=4) / 4000
    assert nucleus.tolist() == pytest.approx([0.625, 0.375, 0, 0], abs=0.002)


@pytest.mark.parametrize("name", MODELS)
def test_a_greedy_batch_equals_plain_forward(name):
    model = MODELS[name]
    prefixes = [[5], [9, 8, 7, 6, 5, 4, 11, 12, 13], [20, 21], [30, 31, 32, 33]]
    end = plain(model, prefixes[0], 3, ())[2][0]  # one row ends early, and is dropped from the batch
    batch = LocalBackend(model, (end,)).sample_batch(prefixes, 2, max_new_tokens=8, temperature=0, rows=6)
    for prefix, rows in zip(prefixes, batch, strict=True):
        want = [t for t, _ in plain(model, prefix, 8, (end,))]
        assert rows == [want, want]


def test_samples_do_not_depend_on_the_batch():
    backend = LocalBackend(MODELS["llama"], (END,))
    prefixes = [[5, 6, 7], [8], [9, 10, 11, 12, 13]]
    wide = backend.sample_batch(prefixes, 3, max_new_tokens=10, seed=4)
    narrow = backend.sample_batch(prefixes, 3, max_new_tokens=10, seed=4, rows=1)
    assert wide == narrow
    assert wide != backend.sample_batch(prefixes, 3, max_new_tokens=10, seed=5)
    assert len({tuple(s) for s in wide[0]}) > 1


def test_batch_bans_are_per_prefix():
    backend = LocalBackend(MODELS["llama"], ())
    free = backend.sample_batch([[5, 6], [5, 6]], max_new_tokens=1, temperature=0)
    banned = backend.sample_batch([[5, 6], [5, 6]], max_new_tokens=1, temperature=0, banned_first=[[free[0][0][0]], []])
    assert banned[0] != free[0]
    assert banned[1] == free[1]


def test_adapter_switch():
    from peft import LoraConfig, get_peft_model

    base = tiny_llama()
    want = [t for t, _ in plain(base, [5, 6, 7], 6, ())]
    tuned = get_peft_model(base, LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)).eval()
    assert [t.id for t in LocalBackend(tuned, (), adapter=False).stream([5, 6, 7], Sampling(max_new_tokens=6))] == want
    on = LocalBackend(tuned, ())
    assert [t.id for t in on.stream([5, 6, 7], Sampling(max_new_tokens=6))] != want
    assert on.sample_batch([[5, 6, 7]], max_new_tokens=6, temperature=0, adapter=False)[0][0] == want
    assert on.adapter
    on.adapter = False  # what the cache holds was read with the adapter
    assert [t.id for t in on.stream([5, 6, 7], Sampling(max_new_tokens=6))] == want


def test_a_text_that_fills_the_context_is_refused():
    backend = LocalBackend(tiny_llama(context=8), ())
    assert len(list(backend.stream([5] * 6, Sampling(max_new_tokens=9)))) == 2
    with pytest.raises(InputError, match="reads at most 8"):
        next(backend.stream([5] * 8, Sampling()))
    with pytest.raises(InputError, match="nothing to continue"):
        next(backend.stream([], Sampling()))
