"""What the benchmark counts: the ratios that the design expects, and a tree that is what it says."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from midcourse.tree.attention import dense_mask

_spec = importlib.util.spec_from_file_location("tree_cost", Path(__file__).parents[1] / "benchmarks" / "tree_cost.py")
assert _spec is not None
assert _spec.loader is not None
tree_cost = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tree_cost)

BUILTIN = tree_cost.Shape(body=106_203_456, attention=9 * 64 * 30, head=576 * 49152)


@pytest.mark.parametrize(
    ("size", "tokens", "flops", "shared"),
    [
        ("1536,64,16", 39, 31, 16),
        ("2048,20,64", 13, 11, 5.7),
        ("4096,50,64", 29, 22, 11.5),
        ("8192,100,64", 57, 42, 21.5),
    ],
)
def test_the_ratios_of_the_built_in_model(size: str, tokens: float, flops: float, shared: float):
    counted = tree_cost.costs(tree_cost.Size.read(size))
    cost = {name: BUILTIN.flops(c.tokens, c.pairs, c.labels) for name, c in counted.items()}
    assert counted["pairs"].tokens / counted["tree"].tokens == pytest.approx(tokens, rel=0.03)
    assert cost["pairs"] / cost["tree"] == pytest.approx(flops, rel=0.04)
    assert cost["pairs"] / cost["shared"] * 1.0 == pytest.approx(2, rel=0.2)
    assert cost["shared"] / cost["tree"] == pytest.approx(shared, rel=0.06)


def test_the_tree_is_what_is_counted():
    size = tree_cost.Size.read("40,5,4")
    tree, counted = tree_cost.tree_of(size, 100), tree_cost.costs(size)["tree"]
    assert len(tree) == counted.tokens
    assert int(dense_mask(torch.as_tensor(tree.end), torch.as_tensor(tree.position)).sum()) == counted.pairs
    assert len(tree.labels) == counted.labels
    for pair, prefix in zip(tree.pairs, size.prefixes, strict=True):
        assert tree.position[pair.chosen[0]] == tree.position[pair.rejected[0]] == prefix
        assert tree.parent[pair.chosen[0]] == tree.parent[pair.rejected[0]]
        assert tree.token_ids[pair.chosen[0]] != tree.token_ids[pair.rejected[0]]
    part = tree_cost.tree_of(size, 100, [1, 4])
    assert np.array_equal(part.token_ids[part.pairs[1].rejected], tree.token_ids[tree.pairs[4].rejected])
    assert part.position.max() == tree.position.max()


def test_a_quadratic_is_found_again():
    lengths = list(range(100, 900, 50))
    seconds = [0.5 + 2e-3 * n + 3e-6 * n * n for n in lengths]
    assert tree_cost.fitted(lengths[::2], seconds[::2], lengths) == pytest.approx(sum(seconds))
