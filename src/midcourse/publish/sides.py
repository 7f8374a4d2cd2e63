"""Both sides of a stored steer as token ids: what was kept, what was turned down, what was put, what came after.

The ids are as the model saw them; nothing is decoded here. A tokenizer is given, for its end tokens alone.
"""

from dataclasses import dataclass

from midcourse.errors import TokenizerMismatch
from midcourse.tokens import TextTokenizer, common_prefix
from midcourse.types import Place, Steer, Trajectory

__all__ = ["SteerIds", "check_tokenizer", "steer_ids"]

KEPT = 64
"""Tokens of the kept text that stand for the chosen side where nothing was put (`resampled`)."""


@dataclass(frozen=True, slots=True)
class SteerIds:
    """One steer as the model saw it, without end tokens (but where ending itself was turned down)."""

    prompt: list[int]
    prefix: list[int]
    """What was kept of the answer before the fork."""
    rejected: tuple[list[int], ...]
    chosen: list[int]
    """What was put there; for `resampled` the ids that were kept instead."""
    after: list[int]
    """What follows the chosen ids in the kept text; empty where the steer lies in an abandoned part."""
    ended: bool
    """An end token stood behind all of this."""


def check_tokenizer(trajectory: Trajectory, tokenizer: TextTokenizer) -> None:
    """Refuse a tokenizer that did not make these ids.

    Raises:
        TokenizerMismatch: The hashes differ.
    """
    if trajectory.tokenizer != tokenizer.hash:
        raise TokenizerMismatch(
            f"the steers of trajectory {trajectory.id[:12]} are stored under tokenizer {trajectory.tokenizer}, and the "
            f"given model has tokenizer {tokenizer.hash}: name the model they were imported or written with by --model"
        )


def steer_ids(trajectory: Trajectory, steer: Steer, tokenizer: TextTokenizer) -> SteerIds:
    """Both sides of a steer and what stands around them.

    Raises:
        TokenizerMismatch: The tokenizer did not make these ids.
    """
    check_tokenizer(trajectory, tokenizer)
    prefix = trajectory.path(steer.fork)
    at = min(_prompt_length(trajectory, steer.fork), len(prefix))
    trunk = trajectory.path(trajectory.head)
    sides = [trajectory.path(r.end)[len(prefix) :] for r in steer.rejected]
    if steer.chosen is not None:
        chosen = trajectory.path(steer.chosen)[len(prefix) :]
    else:
        kept = trunk[len(prefix) :] if trunk[: len(prefix)] == prefix else []
        chosen = kept[: min(KEPT, max(map(len, sides), default=KEPT))]
    path = prefix + chosen
    after = trunk[len(path) :] if common_prefix(trunk, path) == len(path) else []
    ended = bool(chosen or after) and [*chosen, *after][-1] in tokenizer.eos
    if ended:
        chosen, after = (chosen, after[:-1]) if after else (chosen[:-1], after)
    return SteerIds(prefix[:at], prefix[at:], tuple(_strip(s, tokenizer) for s in sides), chosen, after, ended)


def _prompt_length(trajectory: Trajectory, place: Place) -> int:
    """Leading tokens of a path that belong to the prompt."""
    authors = trajectory.authors(place)
    return next((i for i, author in enumerate(authors) if author != "prompt"), len(authors))


def _strip(ids: list[int], tokenizer: TextTokenizer) -> list[int]:
    """A rejected side without the end token, unless ending is what was turned down (`continued`)."""
    return [i for i in ids if i not in tokenizer.eos] or ids
