"""The detached trunk: exact numbers, and no gradient into what stands before a stretch."""

import pytest
import torch

from growing import Growing, random_trajectory, tiny_model
from midcourse.tree.forward import logits_at, token_logps
from midcourse.tree.options import TreeOptions
from midcourse.tree.pack import Row
from midcourse.tree.token_tree import build_tree


@pytest.mark.parametrize("family", ["llama", "gemma3"])
@pytest.mark.parametrize("seed", range(4))
def test_the_numbers_are_those_of_plain_rows(family: str, seed: int):
    model = tiny_model(family)
    row = Row.of([build_tree(random_trajectory(seed + n)).tree for n in (0, 10)])
    sources = torch.unique(torch.as_tensor(row.parent[row.parent >= 0]))[::2]
    with torch.no_grad():
        plain, detached = (logits_at(model, row, sources, path) for path in ("branches", "detached"))
    assert torch.allclose(plain, detached, atol=1e-4)


def test_no_gradient_reaches_the_prefix():
    model = tiny_model()
    growing = Growing([5, 6, 7]).write([10, 11, 12]).steer(1, [30, 31])
    tree = build_tree(growing.value, TreeOptions(retain="none")).tree
    touched = {}
    for path in ("branches", "detached"):
        model.zero_grad()
        token_logps(model, Row.of([tree]), torch.as_tensor(tree.labels), path).sum().backward()
        gradient = model.get_input_embeddings().weight.grad
        touched[path] = {i for i in (5, 6, 7, 10, 11, 12, 30, 31) if gradient[i].abs().sum() > 0}
    assert touched["branches"] == {5, 6, 7, 10, 11, 30}  # the last token of a side is never read
    assert touched["detached"] == {11, 30}  # the fork's own token, and what stands inside the side


def test_the_gradient_is_that_of_a_stretch_behind_a_prefix_that_stands_still():
    """Against arithmetic: weights are moved a little for the stretch alone, the cache of its prefix as it was."""
    model = tiny_model().double()
    growing = Growing([5, 6, 7]).write([10, 11, 12, 13]).steer(2, [30, 31, 32])
    tree = build_tree(growing.value, TreeOptions(retain="none")).tree
    row, labels = Row.of([tree]), torch.as_tensor(tree.labels)
    token_logps(model, row, labels, "detached").sum().backward()
    torch.manual_seed(1)
    ways = [torch.randn_like(p) for p in model.parameters()]
    slope = sum(
        float((p.grad * way).sum()) for p, way in zip(model.parameters(), ways, strict=True) if p.grad is not None
    )
    prefix, sides = [5, 6, 7, 10], ([11, 30, 31, 32], [11, 12, 13])

    def value(step: float) -> float:
        with torch.no_grad():
            total = 0.0
            for side in sides:
                cache = model(torch.tensor([prefix]), use_cache=True).cache
                moved(step)
                logits = model(torch.tensor([side]), cache=cache).logits[0, :-1].log_softmax(-1)
                moved(-step)
                total += float(logits[range(len(side) - 1), side[1:]].sum())
            return total

    def moved(step: float) -> None:
        for p, way in zip(model.parameters(), ways, strict=True):
            p.add_(step * way)

    measured = (value(1e-5) - value(-1e-5)) / 2e-5
    exact = exact_slope(model, row, labels, ways)
    assert slope == pytest.approx(measured, rel=1e-4)
    assert slope != pytest.approx(exact, rel=1e-2)  # what flows into the prefix is no trifle


def exact_slope(model, row, labels, ways) -> float:
    model.zero_grad()
    token_logps(model, row, labels, "branches").sum().backward()
    return sum(float((p.grad * way).sum()) for p, way in zip(model.parameters(), ways, strict=True))
