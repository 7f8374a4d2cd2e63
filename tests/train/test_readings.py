"""What is read of a row: the same from hidden states and from all logits, packed and by branches, gradients too."""

import numpy as np
import pytest
import torch

from growing import tiny_model
from midcourse.objective import topk_kl
from midcourse.train.readings import read_policy, read_reference
from midcourse.tree.forward import has_plain_head, logits_at
from midcourse.tree.pack import Row
from random_trees import random_row


def places(row: Row) -> tuple[np.ndarray, np.ndarray]:
    labels = np.concatenate([t.labels + o for t, o in zip(row.trees, row.offsets, strict=True)])
    return labels, np.concatenate([t.retained + o for t, o in zip(row.trees, row.offsets, strict=True)])


def model_of(kind: str, seed: int = 0):
    model = tiny_model("gemma3" if kind == "capped" else "llama", seed)
    if kind == "capped":
        model.config.final_logit_softcapping = 2.0
    if kind == "tied":
        model.config.tie_word_embeddings = True
        model.tie_weights()
    return model


@pytest.mark.parametrize("path", ["packed", "branches"])
@pytest.mark.parametrize("kind", ["separate", "tied", "capped"])
def test_readings_and_gradients_are_those_of_all_logits(kind: str, path: str):
    model, other, row = model_of(kind), model_of(kind, seed=1), random_row(4, trees=2)
    assert has_plain_head(model) == (kind != "capped")
    labels, retained = places(row)
    with torch.no_grad():
        ref_logps, *reference = read_reference(other, row, labels, retained, 64, path, 512)
    logps, kl = read_policy(model, row, labels, retained, tuple(reference), path, 0.01)

    def logits(m, indices):
        return logits_at(m, row, torch.as_tensor(row.parent[indices]), "branches")

    targets = torch.as_tensor(row.token_ids[labels])[:, None]
    assert (logits(other, labels).log_softmax(1).gather(1, targets)[:, 0] - ref_logps).abs().max() < 1e-5
    all_logps = logits(model, labels).log_softmax(1).gather(1, targets)[:, 0]
    all_kl = topk_kl(logits(model, retained), *reference)
    assert (logps - all_logps).abs().max() < 1e-5
    assert (kl - all_kl).abs().max() < 1e-5
    grads = [
        torch.cat([g.flatten() for g in torch.autograd.grad(a.square().sum() + 3 * b.sum(), list(model.parameters()))])
        for a, b in ((logps, kl), (all_logps, all_kl))
    ]
    assert (grads[0] - grads[1]).norm() / grads[1].norm() < 1e-5


def test_the_head_is_itself_again_afterwards():
    model, row = tiny_model(), random_row(2)
    labels, retained = places(row)
    read_policy(model, row, labels, retained[:0], (), "packed", 512)
    assert "forward" not in vars(model.lm_head)
    assert model(torch.tensor([[1, 2]])).logits.shape == (1, 2, 100)


def test_a_head_with_an_adapter_of_its_own_is_left_alone():
    from peft import LoraConfig, get_peft_model

    model = get_peft_model(tiny_model(), LoraConfig(target_modules=["lm_head", "q_proj"]))
    assert not has_plain_head(model)
    assert has_plain_head(get_peft_model(tiny_model(), LoraConfig(target_modules=["q_proj"])))
