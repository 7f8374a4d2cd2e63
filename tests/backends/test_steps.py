"""Stepped by hand, several texts at a time, a model says what its own pass says."""

import pytest
import torch
from peft import LoraConfig, get_peft_model

from growing import tiny_model
from midcourse.backends.branches import Branch
from midcourse.backends.steps import Steps


@torch.inference_mode()
def plain(model, ids):
    return model(torch.tensor([ids]), use_cache=False).logits[0, -1].float()


TEXTS = [[5, 6, 7, 8, 9, 10], [11, 12], [13]]
MORE = [[[3], [4, 5, 6], [7]], [[8], [9], [10]], [[20, 21], [22], list(range(3, 30))]]


def follow(model, steps, tolerance, adapter=True):
    branches, texts = [Branch() for _ in TEXTS], [[] for _ in TEXTS]
    for new in [TEXTS, *MORE]:
        found = steps.run(new, [b.cache for b in branches], adapter)
        texts = [t + n for t, n in zip(texts, new, strict=True)]
        for text, logits in zip(texts, found, strict=True):
            torch.testing.assert_close(logits, plain(model, text), atol=tolerance, rtol=0)


@pytest.mark.parametrize("family", ["llama", "qwen3"])
@pytest.mark.parametrize(("halves", "tolerance"), [(False, 1e-5), (True, 1e-3)])
def test_texts_of_other_lengths_beside_each_other(family, halves, tolerance):
    model = tiny_model(family)
    follow(model, Steps.of(model, halves=halves), tolerance)


@pytest.mark.parametrize("halves", [False, True])
def test_an_adapter_on_and_off(halves):
    model = get_peft_model(tiny_model(), LoraConfig(r=4, target_modules="all-linear", lora_alpha=16)).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.05)
    steps = Steps.of(model, halves=halves)
    follow(model, steps, 1e-3)
    steered = plain(model, TEXTS[0])
    with model.disable_adapter():
        follow(model, steps, 1e-3, adapter=False)
        assert (plain(model, TEXTS[0]) - steered).abs().max() > 0.01


def test_in_bfloat16_within_its_rounding():
    model = tiny_model().to(torch.bfloat16)
    follow(model, Steps.of(model), 0.03)
    follow(model, Steps.of(model, halves=True), 0.03)


@pytest.mark.parametrize("family", ["gemma3", "mistral"])
def test_models_of_another_build_are_not_taken(family):
    model = tiny_model(family)
    if family == "mistral":
        model.config.sliding_window = 6
    assert Steps.of(model) is None
