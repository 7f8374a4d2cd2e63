"""What a tree with evenly spaced forks costs against rows, counted: tokens, pairs of query and key, FLOPs.

A size is trunk L, forks N, branch b: the chosen side of a fork is the next b tokens of the trunk, the rejected one a
side branch of b tokens. Three ways to run it: one tree; one row per fork that holds both sides behind one prefix
(pairwise prefix sharing); two rows per fork (independent pair rows).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from midcourse.tree.token_tree import Pair, TokenTree, _ends
from midcourse.workflows.arithmetic import forward_flops


@dataclass(frozen=True)
class Size:
    trunk: int
    forks: int
    branch: int

    @classmethod
    def read(cls, text: str) -> "Size":
        try:
            made = cls(*(int(part) for part in text.split(",")))
        except (TypeError, ValueError):
            raise SystemExit(f"--size {text}: expected TRUNK,FORKS,BRANCH in tokens, like 1536,64,16") from None
        if min(made.trunk, made.forks, made.branch) < 1 or made.trunk < made.branch + made.forks:
            raise SystemExit(f"--size {text}: the trunk is too short for its forks")
        return made

    def __str__(self) -> str:
        return f"{self.trunk},{self.forks},{self.branch}"

    @property
    def prefixes(self) -> list[int]:
        """Tokens before each fork, evenly spread; the last chosen side ends with the trunk."""
        return [int((i + 1) * (self.trunk - self.branch) / self.forks) for i in range(self.forks)]

    def spread(self, count: int) -> list[int]:
        """Some forks, the first and the last among them."""
        return sorted({round(i) for i in np.linspace(0, self.forks - 1, min(count, self.forks)).tolist()})


@dataclass(frozen=True)
class Shape:
    """What of a model the formula needs."""

    body: int
    """Parameters of its layers."""
    attention: int
    """Query heads × width of a head × layers."""
    head: int
    """Hidden size × vocabulary."""

    @classmethod
    def of(cls, base: "object") -> "Shape":
        text = base.config.get_text_config()  # type: ignore[attr-defined]
        width = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
        layers = base.get_decoder().layers  # type: ignore[attr-defined]
        return cls(
            sum(p.numel() for n, p in layers.named_parameters() if "lora_" not in n),
            text.num_attention_heads * width * text.num_hidden_layers,
            text.hidden_size * text.vocab_size,
        )

    def flops(self, tokens: float, pairs: float, labels: float) -> float:
        """Of one forward pass; the others are multiples of it on all sides."""
        return forward_flops(
            body=self.body, attended=self.attention, vocabulary=self.head, tokens=tokens, pairs=pairs, positions=labels
        )


@dataclass(frozen=True)
class Cost:
    tokens: int
    pairs: int
    """(query, key) pairs that are seen."""
    labels: int


def costs(size: Size) -> dict[str, Cost]:
    """By variant: `tree`, `shared` (pairwise prefix sharing), `pairs` (independent rows)."""
    b, labels = size.branch, 2 * size.branch * size.forks

    def causal(n: int) -> int:
        return n * (n + 1) // 2

    def side(prefix: int) -> int:
        return causal(prefix + b) - causal(prefix)

    at = size.prefixes
    return {
        "tree": Cost(size.trunk + size.forks * b, causal(size.trunk) + sum(side(p) for p in at), labels),
        "shared": Cost(sum(p + 2 * b for p in at), sum(causal(p) + 2 * side(p) for p in at), labels),
        "pairs": Cost(sum(2 * (p + b) for p in at), sum(2 * causal(p + b) for p in at), labels),
    }


def tree_of(size: Size, vocabulary: int, forks: Sequence[int] | None = None) -> TokenTree:
    """The tree of a size, or of some of its forks with the same tokens; each pair has weight 1."""
    draw = np.random.default_rng(0)
    trunk = draw.integers(5, vocabulary, size.trunk)
    sides = draw.integers(5, vocabulary, (size.forks, size.branch))
    chosen = forks if forks is not None else range(size.forks)
    before = {size.prefixes[i]: i for i in chosen}
    length = size.trunk if forks is None else max(before) + size.branch
    ids: list[int] = []
    parent: list[int] = []
    position: list[int] = []
    rejected: dict[int, list[int]] = {}
    on_trunk: list[int] = []

    def put(token: int, above: int, depth: int) -> int:
        ids.append(int(token))
        parent.append(above)
        position.append(depth)
        return len(ids) - 1

    for depth in range(length):
        last = on_trunk[-1] if on_trunk else -1
        if depth in before:
            fork, above = before[depth], last
            rejected[fork] = []
            for step, token in enumerate(sides[fork]):
                differs = 4 if step == 0 and token == trunk[depth] else int(token)
                above = put(differs, above, depth + step)
                rejected[fork].append(above)
        on_trunk.append(put(trunk[depth], last, depth))
    up = np.array(parent, dtype=np.int64)
    pairs = tuple(
        Pair(
            steer=f"{fork}",
            chosen=np.array(on_trunk[prefix : prefix + size.branch], dtype=np.int64),
            rejected=np.array(rejected[fork], dtype=np.int64),
            rejected_mask=np.ones(size.branch, dtype=np.float32),
            weight=1.0,
            chosen_mask=np.ones(size.branch, dtype=np.float32),
            fork=fork,
        )
        for prefix, fork in sorted(before.items())
    )
    n = len(ids)
    return TokenTree(
        f"{size}",
        np.array(ids, dtype=np.int64),
        up,
        np.array(position, dtype=np.int64),
        _ends(up),
        np.zeros(n, dtype=np.float32),
        np.zeros(n, dtype=bool),
        pairs,
    )


def fitted(prefixes: Sequence[int], seconds: Sequence[float], all_prefixes: Sequence[int]) -> float:
    """Seconds over all forks: a quadratic in the length of the prefix, by least squares of relative errors."""
    x = np.array(prefixes, dtype=float)
    powers = np.stack([np.ones_like(x), x, x**2], axis=1)
    y = np.array(seconds)
    found = np.linalg.lstsq(powers / y[:, None], np.ones_like(y), rcond=None)[0]
    every = np.array(all_prefixes, dtype=float)
    return float((found[0] + found[1] * every + found[2] * every**2).sum())
