"""Readings of a head in chunks: values and gradients against autograd over all logits, in float64."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from midcourse.objective import topk_kl
from midcourse.train.head import Head, Labels, Retained, read_head, top_of

V, D, S, K = 90, 12, 7, 9


def parts(seed: int, *, bias: bool = False, chunk: int = 3):
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=draw, dtype=torch.float64)

    hidden, weight = normal(S, D).requires_grad_(), normal(V, D)
    head = Head(weight, normal(V) if bias else None, memory=(chunk + 0.5) * 12 * V / 2**20)
    rows = torch.randint(0, S, (11,), generator=draw)
    labels = Labels(rows, torch.randint(0, V, (11,), generator=draw))
    reference = 2 * normal(11, V)
    logps = reference.log_softmax(1)
    ids = logps.topk(K, dim=1).indices
    rest = logps.scatter(1, ids, float("-inf")).logsumexp(1)
    return hidden, head, labels, Retained(rows.flip(0), ids, logps.gather(1, ids), rest), normal(2, 11)


def expected(hidden, head, labels, retained):
    logits = torch.nn.functional.linear(hidden, head.weight, head.bias)
    logps = logits[labels.rows].log_softmax(1).gather(1, labels.targets[:, None])[:, 0]
    log_q = logits[retained.rows].log_softmax(1)
    q_rest = log_q.scatter(1, retained.ids, float("-inf")).logsumexp(1)
    kl = (retained.top.exp() * (retained.top - log_q.gather(1, retained.ids))).sum(1)
    return logps, kl + retained.rest.exp() * (retained.rest - q_rest)


@given(st.integers(0, 1000), st.booleans(), st.booleans(), st.sampled_from([1, 3, 50]))
@settings(max_examples=30, deadline=None)
def test_values_and_gradients_are_those_of_all_logits(seed: int, bias: bool, learns: bool, chunk: int):
    hidden, head, labels, retained, upstream = parts(seed, bias=bias, chunk=chunk)
    assert head.chunk == chunk
    by = [hidden]
    if learns:
        by += [t.requires_grad_() for t in (head.weight, head.bias) if t is not None]
    mine = [read_head(hidden, head, r) for r in (labels, retained)]
    full = expected(hidden, head, labels, retained)
    # Not linear in the readings, so that the upstream gradient is not known when the slopes are formed.
    losses = [(u * r + r.square()).sum() for both in (mine, full) for u, r in zip(upstream, both, strict=True)]
    grads = [torch.autograd.grad(a + b, by) for a, b in (losses[:2], losses[2:])]
    for a, b in zip((*mine, *grads[0]), (*full, *grads[1]), strict=True):
        assert (a - b).abs().max() < 1e-10


@pytest.mark.long
def test_gradcheck():
    hidden, head, labels, retained, _ = parts(3)
    for reading in (labels, retained):
        assert torch.autograd.gradcheck(lambda h, r=reading: read_head(h, head, r), hidden)
        head.weight.requires_grad_()
        assert torch.autograd.gradcheck(
            lambda h, w, r=reading: read_head(h, Head(w, None, 1), r), (hidden, head.weight)
        )
        head.weight.requires_grad_(False)


def test_the_kl_is_that_of_the_objective():
    hidden, head, _, retained, _ = parts(5)
    kl = topk_kl((hidden @ head.weight.T)[retained.rows], retained.ids, retained.top, retained.rest)
    assert (read_head(hidden, head, retained) - kl).abs().max() < 1e-5


def test_a_policy_that_is_its_reference_has_no_kl_and_no_gradient():
    hidden, head, _, _, _ = parts(6)
    rows = torch.arange(S)
    kl = read_head(hidden, head, Retained(rows, *top_of(hidden.detach(), head, rows, K)))
    (grad,) = torch.autograd.grad(kl.sum(), hidden)
    assert kl.abs().max() < 1e-12
    assert grad.abs().max() < 1e-12


def test_a_sure_token_keeps_its_small_gradient_in_half_precision():
    weight = torch.zeros(50, 4)
    weight[3] = torch.tensor([8.0, 0, 0, 0])
    hidden = torch.tensor([[1.5, 0, 0, 0]])
    grads = []
    for dtype in (torch.float64, torch.bfloat16):
        h = hidden.to(dtype).requires_grad_()
        logp = read_head(h, Head(weight.to(dtype), None), Labels(torch.tensor([0]), torch.tensor([3])))
        grads.append(torch.autograd.grad(logp.sum(), h)[0].double())
    assert grads[0][0, 0] < 0.01
    assert torch.allclose(grads[0], grads[1], rtol=0.02)


def test_logits_are_never_all_there(monkeypatch: pytest.MonkeyPatch):
    largest = []
    linear = torch.nn.functional.linear
    monkeypatch.setattr("midcourse.train.head.F.linear", lambda *a: (largest.append(len(a[0])), linear(*a))[1])
    hidden, head, labels, retained, _ = parts(1, chunk=2)
    (read_head(hidden, head, labels).sum() + read_head(hidden, head, retained).sum()).backward()
    assert max(largest) <= 2
    assert len(largest) == 2 * 6  # once each: nothing is made again in the backward pass


def test_nothing_to_read_is_nothing():
    hidden, head, *_ = parts(1)
    none = torch.zeros(0, dtype=torch.int64)
    assert read_head(hidden, head, Labels(none, none)).shape == (0,)
    assert top_of(hidden, head, none, K)[0].shape == (0, K)
