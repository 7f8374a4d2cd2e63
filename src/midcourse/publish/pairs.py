"""A steer as a trainer of pairs wants it: a prompt, what is learnt, what is turned down, as text and as ids.

Other trainers tokenize text again. So each pair is checked: does its text give the ids that the model saw, split where
the model was stopped? Where the split would cut a token, it moves back to a word boundary; a pair without a clean
split says so. No trainer and no file is known here.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from midcourse.publish.datasets import raw_prompt, steer_text
from midcourse.publish.sides import steer_ids
from midcourse.tokens import TextTokenizer
from midcourse.types import Steer, Trajectory

__all__ = ["Form", "Pair", "Verdict", "checked", "pairs", "trl_rows"]

Form = Literal["span", "full"]
"""`span`: the words that were put against the words that were rejected, the kept beginning in the prompt. `full`: the
whole answer as it was kept against the beginning with the rejected words."""
Verdict = Literal["same", "moved", "other", "crossing"]
"""What tokenizing the text again gives: the same ids; clean sides after the split moved back some words; other ids than
the model saw, cleanly split; or no clean split."""
MOVES = 3
"""Words by which a split moves back at most."""
_LAST_WORD = re.compile(r"\s*\S+\s*$")


@dataclass(frozen=True, slots=True)
class Pair:
    """One prompt with what is learnt and what is turned down."""

    steer: Steer
    prompt: str
    """Rendered, without the BOS that a tokenizer adds; in the form `span` with the kept beginning of the answer."""
    prefix: str
    """The kept beginning of the answer where the prompt ends with it (`span`); else empty."""
    chosen: str
    rejected: str | None
    """None where nothing was turned down: the pair is for supervised training alone."""
    prompt_ids: list[int]
    chosen_ids: list[int]
    rejected_ids: list[int]
    closed: bool
    """The chosen side ends the answer, its end token included."""


def pairs(trajectory: Trajectory, tokenizer: TextTokenizer, *, form: Form = "span") -> Iterator[Pair]:
    """Pairs of a trajectory's steers, one for each rejected side; what was withdrawn is left out.

    A steer without text on the rejected side gives one pair whose `rejected` is None; one that put nothing gives none.

    Raises:
        TokenizerMismatch: The tokenizer did not make these ids.
    """
    for steer in trajectory.steers:
        if not steer.counts:
            continue
        ids, text = steer_ids(trajectory, steer, tokenizer), steer_text(trajectory, steer, tokenizer)
        closed = ids.ended if form == "full" else text.ended
        end = list(tokenizer.eos[:1]) if closed else []
        put = text.chosen + (text.tail if form == "full" else "") + tokenizer.decode(end)
        if not put:
            continue
        put_ids = ids.chosen + (ids.after if form == "full" else []) + end
        sides: list[tuple[str | None, list[int]]] = [
            (side, i) for side, i in zip(text.rejected, ids.rejected, strict=True) if side
        ]
        for rejected, rejected_ids in sides or [(None, [])]:
            before, kept = (text.prefix, ids.prefix) if form == "full" else ("", [])
            yield Pair(
                steer,
                raw_prompt(text.prompt, tokenizer) + ("" if form == "full" else text.prefix),
                "" if form == "full" else text.prefix,
                before + put,
                None if rejected is None else before + rejected,
                ids.prompt + ([] if form == "full" else ids.prefix),
                kept + put_ids,
                kept + rejected_ids if rejected is not None else [],
                closed,
            )


def checked(pair: Pair, tokenizer: TextTokenizer) -> tuple[Pair, Verdict]:
    """The pair, its split moved where that is needed, and what tokenizing its text again gives."""
    moved = pair
    for move in range(MOVES + 1):
        alone, wholes = _tokenized(moved, tokenizer)
        if all(whole[: len(alone)] == alone for whole in wholes):
            if move:
                return moved, "moved"
            wanted = [pair.prompt_ids + pair.chosen_ids]
            if pair.rejected is not None:
                wanted.append(pair.prompt_ids + pair.rejected_ids)
            return pair, "same" if alone == pair.prompt_ids and wholes == wanted else "other"
        back = _LAST_WORD.search(moved.prompt)
        # Never into the prompt proper: what stands there is not the answer's.
        if back is None or len(pair.prompt) - back.start() > len(pair.prefix):
            break
        word = back[0]
        moved = replace(
            moved,
            prompt=moved.prompt[: back.start()],
            chosen=word + moved.chosen,
            rejected=None if moved.rejected is None else word + moved.rejected,
        )
    return pair, "crossing"


def trl_rows(trajectory: Trajectory, tokenizer: TextTokenizer) -> Iterator[dict[str, Any]]:
    """Rows in TRL's explicit-prompt preference format: one for each rejected side, none without text on both sides.

    The prompt is plain text up to the fork, template included: TRL's conversational rows cannot begin inside an answer.
    """
    for pair in pairs(trajectory, tokenizer):
        if pair.rejected is not None:
            yield {"prompt": pair.prompt, "chosen": pair.chosen, "rejected": pair.rejected}


def _tokenized(pair: Pair, tokenizer: TextTokenizer) -> tuple[list[int], list[list[int]]]:
    sides = [pair.chosen] if pair.rejected is None else [pair.chosen, pair.rejected]
    return tokenizer.encode_marked(pair.prompt), [tokenizer.encode_marked(pair.prompt + side) for side in sides]
