"""The cost of a pass against sums written out by hand, and against the products a real model makes."""

import torch
from torch.utils.flop_counter import FlopCounterMode

import growing
from midcourse.workflows.arithmetic import body_parameters, forward_flops


def test_each_term_by_hand():
    nothing = {"body": 10, "attended": 3, "vocabulary": 7, "tokens": 0, "pairs": 0, "positions": 0}
    assert forward_flops(**nothing | {"tokens": 5}) == 2 * 10 * 5
    assert forward_flops(**nothing | {"pairs": 6}) == 4 * 3 * 6
    assert forward_flops(**nothing | {"positions": 2}) == 2 * 7 * 2


def test_what_torch_counts_in_the_linear_layers_is_what_is_reckoned():
    model = growing.tiny_model()
    ids = torch.arange(12)[None] % growing.VOCAB
    with torch.no_grad(), FlopCounterMode(display=False) as counted:
        model(ids)
    linear = sum(n for op, n in counted.get_flop_counts()["Global"].items() if "mm" in str(op))
    text = model.config
    reckoned = forward_flops(
        body=body_parameters(model),
        attended=0,
        vocabulary=text.hidden_size * text.vocab_size,
        tokens=12,
        pairs=0,
        positions=12,
    )
    # Rotary embeddings are small products too.
    assert reckoned <= linear < reckoned * 1.05
