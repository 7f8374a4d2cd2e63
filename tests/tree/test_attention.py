"""A model made to follow a tree: switched once, without a plan as before, refused where its layers cannot."""

import pytest
import torch
import transformers

from growing import random_trajectory, tiny_model
from midcourse.errors import ModelError
from midcourse.tree.attention import NAME, attention_kind, packed_refusal
from midcourse.tree.forward import choose_path, token_logps
from midcourse.tree.pack import Row, plain_row
from midcourse.tree.token_tree import build_tree
from random_trees import random_row

DYNAMIC = {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}


def labels(row: Row) -> torch.Tensor:
    return torch.as_tensor((row.parent >= 0).nonzero()[0])


def gradients(model, logps: torch.Tensor) -> torch.Tensor:
    weights = torch.linspace(-1, 1, len(logps))
    return torch.cat([g.flatten() for g in torch.autograd.grad((weights * logps).sum(), list(model.parameters()))])


@pytest.mark.parametrize("family", ["llama", "qwen3", "gemma3", "mistral"])
@pytest.mark.parametrize("seed", range(3))
def test_any_tree_gives_what_a_dense_mask_and_plain_rows_give(family: str, seed: int):
    row = random_row(seed, trees=2, tokens=50, trunk=130 * (seed == 2))
    model = tiny_model(family)
    sliced = token_logps(model, row, labels(row))
    assert model.config._attn_implementation == NAME
    plain = token_logps(model, row, labels(row), "branches")
    other = tiny_model(family)
    other.set_attn_implementation("eager")
    assert attention_kind(other) == "dense"
    dense = token_logps(other, row, labels(row))
    assert (sliced - plain).abs().max() < 1e-4
    assert (sliced - dense).abs().max() < 1e-4
    exact = gradients(model, plain)
    assert (gradients(model, sliced) - exact).norm() / exact.norm() < 1e-5
    assert (gradients(other, dense) - exact).norm() / exact.norm() < 1e-5


@pytest.mark.parametrize("reentrant", [False, True])
def test_activation_checkpointing_recomputes_with_the_same_plan(reentrant: bool):
    rows = [random_row(s, trees=2) for s in (1, 2)]
    model = tiny_model("gemma3").train()
    plain = [gradients(model, token_logps(model, r, labels(r))) for r in rows]
    model.activation_checkpointing_enable({"use_reentrant": reentrant})
    model.enable_input_require_grads()
    both = [token_logps(model, r, labels(r)) for r in rows]  # the other row's plan comes between
    weights = [torch.linspace(-1, 1, len(b)) for b in both]
    for b, w, expected in zip(both, weights, plain, strict=True):
        model.zero_grad()
        (w * b).sum().backward()
        again = torch.cat([p.grad.flatten() for p in model.parameters()])
        assert (again - expected).norm() / expected.norm() < 1e-6


def test_a_switched_model_does_everything_else_as_before():
    model, ids = tiny_model(), torch.tensor([[1, 5, 9, 13, 4]])
    before = model.generate(ids, max_new_tokens=5, do_sample=False)
    padded = {
        "input_ids": torch.tensor([[0, 0, 1, 5], [1, 4, 3, 9]]),
        "attention_mask": torch.tensor([[0, 0, 1, 1], [1, 1, 1, 1]]),
    }
    logits = model(**padded).logits
    token_logps(model, plain_row([1, 2, 3]), torch.tensor([1]))
    assert model.config._attn_implementation == NAME
    assert torch.equal(model.generate(ids, max_new_tokens=5, do_sample=False), before)
    assert torch.equal(model(**padded).logits, logits)
    assert NAME not in model.config.to_json_string()


def test_dropout_of_attention_is_refused_by_name():
    model = tiny_model()
    for layer in model.model.layers:
        layer.self_attn.attention_dropout = 0.1
    model.train()
    with pytest.raises(ModelError, match="dropout"):
        token_logps(model, random_row(1), torch.tensor([1]))


@pytest.mark.parametrize(
    ("config", "why"),
    [
        (transformers.MambaConfig(), "linear_attention"),
        (transformers.RwkvConfig(), "no attention"),
        (transformers.Qwen3NextConfig(num_hidden_layers=4), "linear_attention"),
        (transformers.Gemma2Config(), "caps its scores"),
        (
            transformers.LlamaConfig(rope_parameters={"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}),
            "rotary",
        ),
        (transformers.LlamaConfig(attn_implementation="flash_attention_2"), "flash_attention_2"),
    ],
    ids=["mamba", "rwkv", "qwen3-next", "gemma2", "dynamic rope", "flash"],
)
def test_what_cannot_follow_a_tree_is_refused_with_its_reason(config, why: str):
    assert why in str(packed_refusal(config))


def test_a_model_of_state_space_layers_goes_by_branches():
    config = transformers.MambaConfig(vocab_size=100, hidden_size=16, num_hidden_layers=1, state_size=4)
    model = transformers.MambaForCausalLM(config).eval()
    path, why = choose_path(model)
    assert path == "branches"
    assert "take no tree mask" in str(why)
    row = Row.of([build_tree(random_trajectory(3)).tree])
    assert token_logps(model, row, labels(row), path).isfinite().all()
