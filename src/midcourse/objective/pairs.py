"""What losses read: log-probabilities of both sides of each pair, token by token, and the step's denominators.

Tensors only. No model, no tree, no loss. Sums over the tokens of a side are taken here so that each loss is a line of
arithmetic over [P] tensors.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["PairLogps", "Totals"]


@dataclass(frozen=True, slots=True)
class Totals:
    """Denominators over the whole optimizer step."""

    pairs: float
    """Σ_i w_i"""
    retained: float
    """|U|"""
    text: float
    """Σ_t n_t"""


@dataclass(frozen=True, slots=True)
class PairLogps:
    """Per-token log-probabilities of the sides of P pairs, laid flat: C chosen and R rejected tokens."""

    weight: Tensor
    """[P] w_i"""
    fork: Tensor
    """[P] number of the fork that the pair belongs to; pairs of one fork have the same"""
    chosen: Tensor
    """[C] log π"""
    ref_chosen: Tensor
    """[C] log π_ref"""
    chosen_pair: Tensor
    """[C] which pair each token belongs to"""
    chosen_step: Tensor
    """[C] j − 1, tokens after the fork"""
    chosen_mask: Tensor
    """[C] 1 where the token differs from the rejected side, 0 where a longest common subsequence matches it there"""
    rejected: Tensor
    """[R] log π"""
    ref_rejected: Tensor
    """[R] log π_ref"""
    rejected_pair: Tensor
    """[R]"""
    rejected_step: Tensor
    """[R]"""
    rejected_mask: Tensor
    """[R] d_j: 1 where the token is pushed down, 0 where it also stands in the chosen side or was not seen"""

    def __len__(self) -> int:
        return len(self.weight)

    def per_pair(self, chosen: Tensor | None = None, rejected: Tensor | None = None) -> Tensor:
        """[P] sums of [C] values over the chosen, or of [R] values over the rejected tokens of each pair."""
        values, pair = (rejected, self.rejected_pair) if chosen is None else (chosen, self.chosen_pair)
        if values is None:
            raise ValueError("give the values of one side")
        return values.new_zeros(len(self)).index_add(0, pair, values)

    @property
    def chosen_length(self) -> Tensor:
        """[P] n, chosen tokens of each pair; 0 where the steer has no chosen side."""
        return self.per_pair(chosen=torch.ones_like(self.chosen))

    @property
    def rejected_length(self) -> Tensor:
        """[P] m, rejected tokens of each pair; 0 where the steer has no rejected side."""
        return self.per_pair(rejected=torch.ones_like(self.rejected))

    @property
    def paired(self) -> Tensor:
        """[P] bool, whether both sides are known."""
        return (self.chosen_length > 0) & (self.rejected_length > 0)

    @property
    def moved_chosen(self) -> Tensor:
        """[C] ρ(c_j) = log π − log π_ref"""
        return self.chosen - self.ref_chosen

    @property
    def moved_rejected(self) -> Tensor:
        """[R] ρ(r_j)"""
        return self.rejected - self.ref_rejected

    def sums(self) -> tuple[Tensor, Tensor]:
        """([P] Σ_j ρ(c_j), [P] Σ_j ρ(r_j)): plain sums, as DPO has them."""
        return self.per_pair(chosen=self.moved_chosen), self.per_pair(rejected=self.moved_rejected)

    def nll(self) -> Tensor:
        """[P] mean over the chosen tokens of −log π; 0 where there are none."""
        return -self.per_pair(chosen=self.chosen) / self.chosen_length.clamp(min=1)
