"""Packed weights give what the layers give, up to the rounding of a weight; an adapter's part is added unrounded."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn

from growing import tiny_model
from midcourse.backends.halves import Halves, can_pack


def layers(biases=(True, False)):
    torch.manual_seed(0)
    return [nn.Linear(64, 32 * (n + 1), bias=b) for n, b in enumerate(biases)]


pytestmark = pytest.mark.skipif(
    "fbgemm" not in torch.backends.quantized.supported_engines, reason="this machine's torch has no product for it"
)


@torch.no_grad()
def test_layers_of_one_input_are_one_product():
    some = layers()
    assert can_pack(some)
    given = torch.randn(5, 64)
    want = torch.cat([layer(given) for layer in some], -1)
    found = Halves(some)(given)
    assert 0 < (found - want).abs().max() < 2e-3  # rounded, and no more than that


@torch.no_grad()
def test_what_an_adapter_adds_comes_and_goes():
    model = get_peft_model(tiny_model(), LoraConfig(r=4, target_modules=["q_proj", "v_proj"], lora_alpha=16))
    attention = model.get_base_model().model.layers[0].self_attn
    for name in ("q_proj", "v_proj"):
        getattr(attention, name).lora_B["default"].weight.normal_()
    some = [attention.q_proj, attention.k_proj, attention.v_proj]
    assert can_pack(some)
    packed, given = Halves(some), torch.randn(3, 32)
    want = torch.cat([layer(given) for layer in some], -1)
    with model.disable_adapter():
        without = torch.cat([layer(given) for layer in some], -1)
    assert (want - without).abs().max() > 1
    torch.testing.assert_close(packed(given), want, atol=2e-3, rtol=2e-3)
    torch.testing.assert_close(packed(given, adapter=False), without, atol=2e-3, rtol=2e-3)


@torch.no_grad()
def test_weights_beyond_half_precision_and_other_layers_are_left_alone():
    some = layers()
    some[1].weight[3, 3] = 1e6
    assert not can_pack(some)

    class Other(nn.Linear):
        pass

    assert not can_pack([Other(8, 8)])
