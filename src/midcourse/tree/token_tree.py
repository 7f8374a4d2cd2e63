"""A trajectory as arrays: every token once, each knowing the token before it on its branch.

Tokens stand in depth-first order, side branches at their fork before the trunk goes on, so that the tokens below k are
exactly k < q < end[k]. That one array is the attention mask. Pure NumPy; it knows no model and no loss.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from midcourse.tree.sides import Side, read_sides
from midcourse.types import Teaches, Trajectory

__all__ = ["BuiltTree", "IntArray", "Pair", "TokenTree", "TreeOptions", "build_tree", "chain", "restrict", "split_tree"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TreeOptions:
    """What of a trajectory is run and learnt from."""

    window: int = 64
    """Most chosen tokens of a steer that are learnt from (W)."""
    retain_margin: int = 4
    """Tokens before each fork that are not retained, since people stop late."""
    max_depth: int | None = None
    """The model's context in tokens; what lies deeper is left out and named."""
    text: str = "none"
    """Which trunk tokens carry plain next-token weight: `none`, `spans` (what the person put), `full` (all after the
    prompt: the corrected text). A trajectory that teaches `instructions` or `text` has at least `spans`."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Chosen against rejected token indices of one tree."""

    steer: str
    chosen: IntArray
    """[n] indices of the chosen tokens, fork first."""
    rejected: IntArray
    """[m] indices of the rejected tokens, fork first; empty when no rejected side is known."""
    rejected_mask: FloatArray
    """[m] 1 where the token is pushed down, 0 where it also stands in the chosen text or was not seen."""
    weight: float
    """The steer's weight over the number of rejected at its fork."""


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
    fits, skipped = _fitting_sides(trajectory, options.window, limit)
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
    retain = np.zeros(len(order), dtype=bool)
    retain[index[[t for t, a in zip(trunk, authors, strict=True) if a == "model"]]] = True
    nll = np.zeros(len(order), dtype=np.float32)
    if options.text != "none" or trajectory.learns_text:
        wanted = ("person", "model") if options.text == "full" else ("person",)
        nll[index[[t for t, a in zip(trunk, authors, strict=True) if a in wanted]]] = 1.0
    pairs = tuple(replace(p, chosen=index[p.chosen], rejected=index[p.rejected]) for p in pairs)
    parent = np.array([index[trie.parent[i]] if trie.parent[i] >= 0 else -1 for i in order], dtype=np.int64)
    retain[parent < 0] = False
    nll[parent < 0] = 0.0
    _release(retain, pairs, parent, options.retain_margin)
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
    )
    return BuiltTree(tree, tuple(skipped))


def _fitting_sides(trajectory: Trajectory, window: int, limit: int) -> tuple[list[Side], list[str]]:
    """The sides of all steers that count and end within `limit` tokens, and a sentence for each that is left out."""
    skipped: list[str] = []
    sides: list[Side] = []
    for steer in trajectory.steers:
        if steer.counts:
            read, why = read_sides(trajectory, steer, window)
            sides += read
            skipped += why
    fits = [s for s in sides if len(s.prefix) + max(len(s.chosen), len(s.rejected)) <= limit]
    for side in sides:
        if side not in fits:
            depth = len(side.prefix) + len(side.chosen)
            skipped.append(f"steer {side.steer.id}: it ends at token {depth}, beyond the context of {limit} tokens")
    return fits, skipped


def _release(retain: npt.NDArray[np.bool_], pairs: tuple[Pair, ...], parent: IntArray, margin: int) -> None:
    """Clear `retain` on both sides of each pair, and on the `margin` tokens before its fork: people stop late."""
    for pair in pairs:
        retain[pair.chosen] = False
        retain[pair.rejected] = False
        before = parent[pair.chosen[0]]
        for _ in range(margin):
            if before < 0:
                break
            retain[before] = False
            before = parent[before]


def _pairs(placed: list[tuple[Side, list[int], list[int]]], trie: _Trie) -> tuple[tuple[Pair, ...], list[str]]:
    """Pairs with their weights, none of which pushes down a token that another one pushes up."""
    at_fork: dict[tuple[int, ...], int] = {}
    for side, _, rejected in placed:
        if rejected:
            key = (side.steer.fork.depth, *side.prefix[: side.steer.fork.depth])
            at_fork[key] = at_fork.get(key, 0) + 1
    raised = {i for _, chosen, _ in placed for i in chosen}
    pairs: list[Pair] = []
    skipped: list[str] = []
    for side, chosen, rejected in placed:
        mask = [c and i not in raised for i, c in zip(rejected, side.counted, strict=True)]
        if rejected and not mask[0]:
            skipped.append(f"steer {side.steer.id}: what it rejects at its fork, another steer chose")
            continue
        key = (side.steer.fork.depth, *side.prefix[: side.steer.fork.depth])
        pairs.append(
            Pair(
                steer=side.steer.id,
                chosen=np.array(chosen, dtype=np.int64),
                rejected=np.array(rejected, dtype=np.int64),
                rejected_mask=np.array(mask, dtype=np.float32),
                weight=side.steer.weight / max(1, at_fork.get(key, 1)),
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

    A single pair that needs more than `max_tokens` stays one tree over the budget.
    """
    if len(tree) <= max_tokens:
        return [tree]
    items: list[tuple[int, int, tuple[int, ...]]] = [
        (
            int(max(p.chosen.max(), p.rejected.max() if len(p.rejected) else -1)),
            n,
            (*map(int, p.chosen), *map(int, p.rejected)),
        )
        for n, p in enumerate(tree.pairs)
    ]
    items += [(int(i), -1, (int(i),)) for i in np.flatnonzero(tree.retain | (tree.nll_weight > 0))]
    parts: list[TokenTree] = []
    seen: set[int] = set()
    pairs: list[int] = []
    keep: list[int] = []

    def grown(indices: tuple[int, ...]) -> set[int]:
        fresh: set[int] = set()
        for i in indices:
            while i >= 0 and i not in seen and i not in fresh:
                fresh.add(i)
                i = int(tree.parent[i])
        return fresh

    for _, n, indices in sorted(items):
        fresh = grown(indices)
        if seen and len(seen) + len(fresh) > max_tokens:
            parts.append(restrict(tree, pairs, keep, part=f"/{len(parts)}"))
            seen, pairs, keep = set(), [], []
            fresh = grown(indices)
        seen |= fresh
        (pairs if n >= 0 else keep).append(n if n >= 0 else indices[0])
    parts.append(restrict(tree, pairs, keep, part=f"/{len(parts)}"))
    return parts
