"""What a forward pass costs: multiplications and additions, from a few numbers of a model and of what it reads.

It knows no tree and no hardware.
"""

from typing import Any

__all__ = ["body_parameters", "forward_flops"]


def forward_flops(
    *, body: float, attended: float, vocabulary: float, tokens: float, pairs: float, positions: float
) -> float:
    """Weights, visible pairs of attention, logits that are read: 2·P·T + 4·n_heads·d_head·layers·pairs + 2·d·V·read.

    Args:
        body: P, see `body_parameters`.
        attended: n_heads · d_head · layers.
        vocabulary: d · V, the weights of the head.
        tokens: T.
        pairs: Of a token and one it sees, itself included.
        positions: At which logits are read.
    """
    return 2.0 * body * tokens + 4.0 * attended * pairs + 2.0 * vocabulary * positions


def body_parameters(model: Any) -> int:
    """Weights that every token passes through: matrices other than embeddings and head."""
    outside = {id(m.weight) for m in (model.get_input_embeddings(), model.get_output_embeddings()) if m is not None}
    return sum(p.numel() for p in model.parameters() if p.dim() >= 2 and id(p) not in outside)
