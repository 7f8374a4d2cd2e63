"""The quick way gives what the usual one gives, and is really taken."""

import pytest
import torch
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from midcourse.backends import grouped
from midcourse.backends.local import LocalBackend
from midcourse.backends.protocol import Sampling

SHAPE = {
    "vocab_size": 97,
    "hidden_size": 48,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.4,
}
MADE = {
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**SHAPE)),
    "qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(**SHAPE, head_dim=8)),
    "gemma3": lambda: Gemma3ForCausalLM(
        Gemma3TextConfig(**SHAPE, head_dim=8, sliding_window=6, layer_types=["sliding_attention", "full_attention"])
    ),
}


@pytest.mark.parametrize("name", MADE)
def test_same_tokens_and_logprobs(name, monkeypatch):
    torch.manual_seed(0)
    model = MADE[name]().eval()
    asked = Sampling(max_new_tokens=30, alternatives=3)
    # With a hook before each pass, passes are the model's own.
    want = list(LocalBackend(model, (), before=lambda: None).stream([5, 6, 7, 8], asked))
    quick = []
    real = grouped.scaled_dot_product_attention
    monkeypatch.setattr(grouped, "scaled_dot_product_attention", lambda *a, **k: quick.append(1) or real(*a, **k))
    model.set_attn_implementation(grouped.NAME)
    got = list(LocalBackend(model, (), before=lambda: None).stream([5, 6, 7, 8], asked))
    assert [t.id for t in got] == [t.id for t in want]
    assert [t.logprob for t in got] == pytest.approx([t.logprob for t in want], abs=1e-4)
    assert len(quick) >= 29
