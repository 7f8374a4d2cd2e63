"""What people said of each token of the vocabulary: how often it was turned down, how often it was let stand.

A hundred corrections come with thousands of tokens that somebody read and left as they were. Where a token was turned
down again and again and never let stand, holding the model to the base's chance of it everywhere else works against
the corrections; where it was let stand as well, the place made the difference and not the token. It knows no model and
no loss.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from midcourse.tree.token_tree import TokenTree

__all__ = ["DOUBT", "discounts", "votes"]

DOUBT = 1.0
"""Votes for a token that nobody cast, so that one correction alone halves its chance and no more."""


def votes(trees: Iterable[TokenTree], vocabulary: int) -> tuple[Tensor, Tensor]:
    """([V] forks at which a token was turned down first, [V] places at which it was let stand), float64."""
    down, stand = (torch.zeros(vocabulary, dtype=torch.float64) for _ in range(2))
    for tree in trees:
        firsts = {(p.fork, int(tree.token_ids[p.rejected[0]])) for p in tree.pairs if len(p.rejected)}
        for _, token in firsts:
            down[token] += 1
        kept = torch.as_tensor(tree.token_ids[tree.retained])
        stand.index_add_(0, kept, torch.ones(len(kept), dtype=torch.float64))
    return down, stand


def discounts(down: Tensor, stand: Tensor, strength: float) -> Tensor:
    """[V] log(1 − δ·n⁻ / (n⁻ + n⁺ + `DOUBT`)), what is added to the reference's log-probabilities; δ = `strength`."""
    return torch.log1p(-strength * down / (down + stand + DOUBT)).float()
