"""A trajectory as arrays: every token once, each knowing the token before it on its branch.

Tokens stand in depth-first order, side branches at their fork before the trunk goes on, so that the tokens below k are
exactly k < q < end[k]. That one array is the attention mask. Pure NumPy; it knows no model and no loss.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from midcourse.tree.answers import answer_sides
from midcourse.tree.marks import trunk_marks
from midcourse.tree.options import TreeOptions
from midcourse.tree.sides import Side, read_sides
from midcourse.types import Teaches, Trajectory

__all__ = ["BuiltTree", "IntArray", "Pair", "TokenTree", "TreeOptions", "build_tree", "chain", "restrict", "split_tree"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Pair:
    """Chosen against rejected token indices of one tree."""

    steer: str
    chosen: IntArray
    """[n] indices of the chosen tokens, fork first; empty when only what was turned down is known."""
    rejected: IntArray
    """[m] indices of the rejected tokens, fork first; empty when no rejected side is known."""
    rejected_mask: FloatArray
    """[m] 1 where the token is pushed down, 0 where it also stands in the chosen text or was not seen."""
    weight: float
    """The steer's weight over the number of rejected at its fork."""
    chosen_mask: FloatArray
    """[n] 1 where the token differs from the rejected side, 0 where it also stands there."""
    fork: int = 0
    """Number of its fork within the tree; several rejected at one fork have the same."""


@dataclass(frozen=True, slots=True)
class TokenTree:
    """Arrays over T tokens in depth-first order."""

    id: str
    token_ids: IntArray
    parent: IntArray
    """Index of the token before it on its branch, -1 for a root."""
    position: IntArray
    """Depth on its branch."""
    end: IntArray
    """Index after the last token below it."""
    nll_weight: FloatArray
    retain: npt.NDArray[np.bool_]
    """Whether the distribution that predicts this token (read at its parent) must stay as it was."""
    pairs: tuple[Pair, ...] = ()
    group: str | None = None
    split: str | None = None
    teaches: Teaches = "steers"
    """What it is an example of."""
    source: str | None = None
    """Under which name a run counts it, where that is not what it teaches."""
    writer: str | None = None
    """Hash of the weights that wrote it, where that is known."""

    def __len__(self) -> int:
        return len(self.token_ids)

    @property
    def labels(self) -> IntArray:
        """Sorted indices of all tokens whose log-probability a loss reads."""
        used = [np.flatnonzero(self.nll_weight)]
        used += [a for p in self.pairs for a in (p.chosen, p.rejected)]
        return np.unique(np.concatenate(used)).astype(np.int64)

    @property
    def retained(self) -> IntArray:
        """Sorted indices of the retained tokens."""
        return np.flatnonzero(self.retain)

    @property
    def branch_tokens(self) -> int:
        """Tokens that independent rows would take: for each pair its prefix twice and both sides."""
        return int(sum(self.position[side[-1]] + 1 for p in self.pairs for side in (p.chosen, p.rejected) if len(side)))


@dataclass(frozen=True, slots=True)
class BuiltTree:
    """A tree and the sentences that name what could not be learnt from."""

    tree: TokenTree
    skipped: tuple[str, ...]


class _Trie:
    """Tokens by insertion; the same token below the same parent is one."""

    def __init__(self) -> None:
        self.token: list[int] = []
        self.parent: list[int] = []
        self.depth: list[int] = []
        self.children: list[dict[int, int]] = []
        self.roots: dict[int, int] = {}

    def insert(self, ids: Sequence[int]) -> list[int]:
        """Indices of the tokens of a path from the root."""
        at, path = -1, []
        for token in ids:
            below = self.children[at] if at >= 0 else self.roots
            index = below.get(token, -1)
            if index < 0:
                index = below[token] = len(self.token)
                self.token.append(token)
                self.parent.append(at)
                self.depth.append(0 if at < 0 else self.depth[at] + 1)
                self.children.append({})
            path.append(index)
            at = index
        return path

    def order(self, trunk: set[int]) -> list[int]:
        """Depth first; at each fork the light branches first, the heaviest later, the trunk last."""
        size = [1] * len(self.token)
        for i in range(len(size) - 1, -1, -1):
            if self.parent[i] >= 0:
                size[self.parent[i]] += size[i]
        out: list[int] = []
        stack = sorted(self.roots.values(), key=lambda i: (i in trunk, size[i], -i), reverse=True)
        while stack:
            i = stack.pop()
            out.append(i)
            stack += sorted(self.children[i].values(), key=lambda c: (c in trunk, size[c], -c), reverse=True)
        return out


def build_tree(trajectory: Trajectory, options: TreeOptions | None = None) -> BuiltTree:
    """Build the tree of a trajectory: its trunk, and below it every rejected branch within the windows."""
    options = options or TreeOptions()
    limit = options.max_depth or 1 << 62
    fits, skipped = _fitting_sides(trajectory, options, limit)
    trie = _Trie()
    trunk_ids = trajectory.path(trajectory.head)[:limit]
    trunk = trie.insert(trunk_ids)
    placed = [
        (
            s,
            trie.insert([*s.prefix, *s.chosen])[len(s.prefix) :],
            trie.insert([*s.prefix, *s.rejected])[len(s.prefix) :],
        )
        for s in fits
    ]
    pairs, conflicts = _pairs(placed, trie)
    skipped += conflicts
    order = trie.order(set(trunk))
    index = np.empty(len(order), dtype=np.int64)
    index[order] = np.arange(len(order))
    authors = trajectory.authors(trajectory.head)[:limit]
    pairs = tuple(replace(p, chosen=index[p.chosen], rejected=index[p.rejected]) for p in pairs)
    if options.per_trajectory and pairs:
        whole = sum(p.weight for p in pairs)
        pairs = tuple(replace(p, weight=p.weight / whole) for p in pairs) if whole else pairs
    parent = np.array([index[trie.parent[i]] if trie.parent[i] >= 0 else -1 for i in order], dtype=np.int64)
    sides = [(p.chosen, p.rejected) for p in pairs]
    retain, nll = trunk_marks(parent, index[trunk], authors, sides, options, learns_text=trajectory.learns_text)
    tree = TokenTree(
        id=trajectory.id,
        token_ids=np.array([trie.token[i] for i in order], dtype=np.int64),
        parent=parent,
        position=np.array([trie.depth[i] for i in order], dtype=np.int64),
        end=_ends(parent),
        nll_weight=nll,
        retain=retain,
        pairs=pairs,
        group=trajectory.group,
        split=trajectory.split,
        teaches=trajectory.teaches,
        writer=trajectory.model.weights if trajectory.model else None,
    )
    return BuiltTree(tree, tuple(skipped))


def _fitting_sides(trajectory: Trajectory, options: TreeOptions, limit: int) -> tuple[list[Side], list[str]]:
    """The sides of all steers that count and end within `limit` tokens, and a sentence for each that is left out."""
    skipped: list[str] = []
    sides: list[Side] = []
    if options.whole_answers or trajectory.teaches == "pairs":
        sides, skipped = answer_sides(trajectory, options)
    else:
        for steer in trajectory.steers:
            if steer.counts:
                read, why = read_sides(trajectory, steer, options.window, options)
                sides += read
                skipped += why
    if options.without_rejected == "skip":
        known = [s for s in sides if s.rejected]
        skipped += [f"steer {s.steer.id}: no rejected side is known" for s in sides if not s.rejected]
        sides = known
    fits = [s for s in sides if len(s.prefix) + max(len(s.chosen), len(s.rejected)) <= limit]
    for side in sides:
        if side not in fits:
            depth = len(side.prefix) + max(len(side.chosen), len(side.rejected))
            skipped.append(f"steer {side.steer.id}: it ends at token {depth}, beyond the context of {limit} tokens")
    return fits, skipped


_UNCORRECTED = 0.25
"""What a stop without a correction weighs beside a steer: that something was wrong says less than what is right."""


def _pairs(placed: list[tuple[Side, list[int], list[int]]], trie: _Trie) -> tuple[tuple[Pair, ...], list[str]]:
    """Pairs with their weights, none of which pushes down a token that another one pushes up."""
    keys = [(s.steer.fork.depth, *s.prefix[: s.steer.fork.depth]) for s, _, _ in placed]
    forks = {key: n for n, key in enumerate(dict.fromkeys(keys))}
    at_fork = Counter(key for key, (_, _, rejected) in zip(keys, placed, strict=True) if rejected)
    raised = {i for _, chosen, _ in placed for i in chosen}
    pairs: list[Pair] = []
    skipped: list[str] = []
    for key, (side, chosen, rejected) in zip(keys, placed, strict=True):
        mask = [c and i not in raised for i, c in zip(rejected, side.counted, strict=True)]
        if rejected and not mask[side.shared]:
            skipped.append(f"steer {side.steer.id}: what it rejects at its fork, another steer chose")
            continue
        pairs.append(
            Pair(
                steer=side.steer.id,
                chosen=np.array(chosen, dtype=np.int64),
                rejected=np.array(rejected, dtype=np.int64),
                rejected_mask=np.array(mask, dtype=np.float32),
                weight=side.steer.weight / max(1, at_fork[key]) * (1.0 if chosen else _UNCORRECTED),
                chosen_mask=np.array(side.changed, dtype=np.float32),
                fork=forks[key],
            )
        )
    return tuple(pairs), skipped


def _ends(parent: IntArray) -> IntArray:
    end = np.arange(1, len(parent) + 1, dtype=np.int64)
    for i in range(len(parent) - 1, -1, -1):
        if parent[i] >= 0:
            end[parent[i]] = max(end[parent[i]], end[i])
    return end


def chain(token_ids: Sequence[int], *, id: str = "", nll: bool = False) -> TokenTree:
    """An ordinary text as a tree without branches; with `nll` every token after the first has weight."""
    n = len(token_ids)
    weight = np.zeros(n, dtype=np.float32)
    weight[1:] = float(nll)
    return TokenTree(
        id=id,
        token_ids=np.array(token_ids, dtype=np.int64),
        parent=np.arange(-1, n - 1, dtype=np.int64),
        position=np.arange(n, dtype=np.int64),
        end=np.full(n, n, dtype=np.int64),
        nll_weight=weight,
        retain=np.zeros(n, dtype=bool),
    )


def restrict(tree: TokenTree, pairs: Sequence[int], keep: Iterable[int], *, part: str = "") -> TokenTree:
    """The part of a tree that some pairs and some retained or weighted tokens need: they and all before them."""
    keep_set = set(keep)
    wanted = keep_set | {int(i) for p in pairs for a in (tree.pairs[p].chosen, tree.pairs[p].rejected) for i in a}
    needed = np.zeros(len(tree), dtype=bool)
    for i in wanted:
        while i >= 0 and not needed[i]:
            needed[i] = True
            i = int(tree.parent[i])
    old = np.flatnonzero(needed)
    new = np.full(len(tree) + 1, -1, dtype=np.int64)
    new[old] = np.arange(len(old))
    marked = np.zeros(len(tree), dtype=bool)
    marked[list(keep_set)] = True
    parent = new[tree.parent[old]]
    return replace(
        tree,
        id=tree.id + part,
        token_ids=tree.token_ids[old],
        parent=parent,
        position=tree.position[old],
        end=_ends(parent),
        nll_weight=np.where(marked, tree.nll_weight, 0.0)[old].astype(np.float32),
        retain=(tree.retain & marked)[old],
        pairs=tuple(
            replace(tree.pairs[p], chosen=new[tree.pairs[p].chosen], rejected=new[tree.pairs[p].rejected])
            for p in pairs
        ),
    )


def split_tree(tree: TokenTree, max_tokens: int) -> list[TokenTree]:
    """Cut a tree over the budget into trees that repeat what their pairs need above them; sums over them are unchanged.

    What lies deeper than `max_tokens`, and pairs of one fork that need more, cannot be read in less: every part may be
    as large as the largest of these, and no larger.
    """
    if len(tree) <= max_tokens:
        return [tree]
    # What is compared at one fork stays in one part: a listwise loss sums over it.
    forks: dict[int, list[int]] = {}
    for n, pair in enumerate(tree.pairs):
        forks.setdefault(pair.fork, []).append(n)
    items: list[tuple[int, list[int], list[int]]] = []
    for members in forks.values():
        indices = [int(i) for n in members for side in (tree.pairs[n].chosen, tree.pairs[n].rejected) for i in side]
        items.append((max(indices), members, indices))
    items += [(int(i), [], [int(i)]) for i in np.flatnonzero(tree.retain | (tree.nll_weight > 0))]
    parts: list[TokenTree] = []
    seen: set[int] = set()
    pairs: list[int] = []
    keep: list[int] = []

    depth = np.ones(len(tree), dtype=np.int64)
    for i, above in enumerate(tree.parent):
        depth[i] += depth[above] if above >= 0 else 0

    def grown(indices: list[int]) -> set[int]:
        fresh: set[int] = set()
        for i in indices:
            while i >= 0 and i not in seen and i not in fresh:
                fresh.add(i)
                i = int(tree.parent[i])
        return fresh

    needs = (int(depth[indices[0]]) if len(indices) == 1 else len(grown(indices)) for _, _, indices in items)
    most = max(max_tokens, *needs)
    for _, members, indices in sorted(items):
        fresh = grown(indices)
        if seen and len(seen) + len(fresh) > most:
            parts.append(restrict(tree, pairs, keep, part=f"/{len(parts)}"))
            seen, pairs, keep = set(), [], []
            fresh = grown(indices)
        seen |= fresh
        pairs += members
        keep += [] if members else indices
    parts.append(restrict(tree, pairs, keep, part=f"/{len(parts)}"))
    return parts
