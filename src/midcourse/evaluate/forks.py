"""How likely each side of a held-out fork is, under the base and under each steered model.

Which prompts are held out is fixed here as well: three parts by prompt or problem, by the source's own split where it
has one, else by a hash that is the same everywhere. It knows nothing of sampling or of reports.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from midcourse.errors import InputError
from midcourse.evaluate.variants import Variants
from midcourse.tree.forward import choose_path, token_logps
from midcourse.tree.pack import pack
from midcourse.tree.token_tree import Pair, TokenTree, TreeOptions, build_tree
from midcourse.types import Steer, Trajectory

__all__ = [
    "MEASURES",
    "Fork",
    "HeldOut",
    "forks",
    "group_of",
    "held_out",
    "likelihoods",
    "part_of",
    "side_measures",
    "spread",
]

PARTS = (("train", 0.70), ("dev", 0.80), ("test", 1.01))
"""Where the hash of a prompt, taken as a number in [0, 1), ends each part."""

MEASURES = ("accuracy", "margin", "margin_sum", "first_token_log_odds", "logp_chosen", "p_rejected")
"""What `side_measures` gives, in order."""


def group_of(trajectory: Trajectory) -> str:
    """What a split must not tear apart: the problem the source names, else a hash of the prompt's ids."""
    if trajectory.group:
        return trajectory.group
    prompt = [i for node in trajectory.nodes if node.author == "prompt" and node.parent is None for i in node.token_ids]
    return hashlib.sha256(np.asarray(prompt, dtype="<u4").tobytes()).hexdigest()[:16]


def part_of(trajectory: Trajectory) -> str:
    """`train`, `dev` or `test`: the source's own split, else 70, 10 and 20 in a hundred prompts by hash."""
    if trajectory.split:
        return trajectory.split
    at = int.from_bytes(hashlib.sha256(group_of(trajectory).encode()).digest()[:8], "big") / 2**64
    return next(name for name, end in PARTS if at < end)


@dataclass(frozen=True, slots=True)
class HeldOut:
    """One held-out trajectory with its tree."""

    trajectory: Trajectory
    tree: TokenTree
    group: str


@dataclass(frozen=True, slots=True)
class Fork:
    """One held-out steer as token ids, the sides as the tree reads them."""

    steer: Steer
    held: HeldOut
    prefix: tuple[int, ...]
    """All ids before the place where the sides part."""
    chosen: tuple[int, ...]
    rejected: tuple[tuple[int, ...], ...]
    """One or more, none where the rejected side is unknown."""


def held_out(
    trajectories: Iterable[Trajectory], *, part: str = "test", window: int = 64, max_depth: int | None = None
) -> tuple[list[HeldOut], list[str]]:
    """The trajectories of one part with their trees, and what had to be skipped.

    Args:
        trajectories: All of a source.
        part: `train`, `dev`, `test`, or `all`.
        window: Most tokens of a side.
        max_depth: The model's context.

    Raises:
        InputError: The part is empty.
    """
    found: list[HeldOut] = []
    skipped: list[str] = []
    parts: dict[str, int] = {}
    for trajectory in trajectories:
        name = part_of(trajectory)
        parts[name] = parts.get(name, 0) + 1
        if part not in ("all", name):
            continue
        built = build_tree(trajectory, TreeOptions(window=window, max_depth=max_depth))
        skipped.extend(built.skipped)
        found.append(HeldOut(trajectory, built.tree, group_of(trajectory)))
    if not found:
        there = ", ".join(f"{n} in {p}" for p, n in sorted(parts.items())) or "none at all"
        raise InputError(
            f"no trajectory lies in the part {part!r} (there are {there}); "
            "give rows a `split` of their own, or evaluate another part with --part"
        )
    return found, skipped


def forks(held: Sequence[HeldOut]) -> list[Fork]:
    """The steers that have a side to measure, in the order of their trajectories.

    Where several rejected sides part from the chosen one at different places, those of the first place are taken.
    """
    found = []
    for one in held:
        steers = {s.id: s for s in one.trajectory.steers}
        at: dict[str, list[Pair]] = {}
        for pair in one.tree.pairs:
            same = at.setdefault(pair.steer, [])
            if not same or one.tree.parent[same[0].chosen[0]] == one.tree.parent[pair.chosen[0]]:
                same.append(pair)
        for name, pairs in at.items():
            rejected = tuple(_ids(one.tree, p.rejected) for p in pairs if len(p.rejected))
            prefix = _ids(one.tree, _above(one.tree, int(pairs[0].chosen[0])))
            found.append(Fork(steers[name], one, prefix, _ids(one.tree, pairs[0].chosen), rejected))
    return found


def _ids(tree: TokenTree, indices: Iterable[int]) -> tuple[int, ...]:
    return tuple(int(tree.token_ids[i]) for i in indices)


def _above(tree: TokenTree, index: int) -> list[int]:
    """Indices of the tokens before one on its branch, root first."""
    path: list[int] = []
    while (index := int(tree.parent[index])) >= 0:
        path.append(index)
    return path[::-1]


def spread(forks: Sequence[Fork], most: int) -> list[Fork]:
    """At most `most` forks, one of each prompt before a second of any, in a fixed order."""
    rank: dict[str, int] = {}
    order: list[tuple[int, int]] = []
    for i, fork in enumerate(forks):
        n = rank[fork.held.group] = rank.get(fork.held.group, -1) + 1
        order.append((n, i))
    return [forks[i] for i in sorted(i for _, i in sorted(order)[:most])]


def side_measures(chosen: np.ndarray, rejected: np.ndarray) -> dict[str, float]:
    """What the log-probabilities of two sides say; NaN where there is no rejected side.

    Args:
        chosen: log π of each chosen token, at least one.
        rejected: log π of each rejected token, maybe none.

    Returns:
        `accuracy`: 1 where chosen is likelier per token; `margin` and `margin_sum` in nats, per token and summed;
        `first_token_log_odds`: log π(c₁|h) − log π(r₁|h); `logp_chosen`: summed; `p_rejected`: π(r₁|h), exact.
    """
    total = float(chosen.sum())
    if not len(rejected):
        return dict.fromkeys(MEASURES, float("nan")) | {"logp_chosen": total}
    margin = float(chosen.mean() - rejected.mean())
    return {
        "accuracy": float(margin > 0),
        "margin": margin,
        "margin_sum": total - float(rejected.sum()),
        "first_token_log_odds": float(chosen[0] - rejected[0]),
        "logp_chosen": total,
        "p_rejected": float(np.exp(rejected[0])),
    }


def likelihoods(
    variants: Variants, held: Sequence[HeldOut], progress: Callable[[int], None] = lambda _: None
) -> dict[str, dict[str, dict[str, float]]]:
    """`side_measures` of every steer under every variant: found[steer][variant][measure].

    Several rejected sides of one steer are averaged, so that a steer counts once.
    """
    found: dict[str, dict[str, dict[str, float]]] = {}
    for one in held:
        for steer, name, values in _of_tree(variants, one.tree):
            found.setdefault(steer, {})[name] = values
        progress(1)
    return found


def _of_tree(variants: Variants, tree: TokenTree) -> list[tuple[str, str, dict[str, float]]]:
    pairs = [p for p in tree.pairs if len(p.chosen)]
    if not pairs:
        return []
    (row,) = pack([tree], max_tokens=len(tree))
    path, _ = choose_path(variants.model)
    indices = np.unique(np.concatenate([np.concatenate([p.chosen, p.rejected]) for p in pairs])).astype(np.int64)
    found = []
    for name in variants.names:
        values = variants.read(name, row, torch.from_numpy(indices), token_logps, path).float().cpu().numpy()
        at = dict(zip(indices.tolist(), values.tolist(), strict=True))
        by_steer: dict[str, list[dict[str, float]]] = {}
        for pair in pairs:
            sides = [np.array([at[int(t)] for t in side]) for side in (pair.chosen, pair.rejected)]
            by_steer.setdefault(pair.steer, []).append(side_measures(*sides))
        for steer, several in by_steer.items():
            found.append((steer, name, {m: float(np.mean([s[m] for s in several])) for m in MEASURES}))
    return found
