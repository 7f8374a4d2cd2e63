"""Rows as each trainer reads them, and a tally of what did not fit.

One function per trainer: a checked pair goes in, its row comes out. The formats are those that the trainers document
(docs/export.md names the pages). No file and no command line is known here.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from midcourse.publish.pairs import Form, Pair, Verdict, checked, pairs
from midcourse.tokens import TextTokenizer
from midcourse.types import Trajectory

__all__ = ["CLOSES", "Tally", "Trainer", "trainer_rows"]


class Trainer(StrEnum):
    """Whose rows are written."""

    trl = "trl"
    trl_ids = "trl-ids"
    ms_swift = "ms-swift"
    axolotl = "axolotl"


CLOSES = {Trainer.trl: (True, True), Trainer.ms_swift: (True, True), Trainer.axolotl: (True, False)}
"""Whether a trainer puts the end token behind a side that does not end, in preference and in supervised training."""


@dataclass
class Tally:
    """What was written, and what was not and why."""

    rows: int = 0
    open_ends: int = 0
    """Rows with a side that does not end the answer: where the trainer closes it, stopping is taught."""
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    other: list[str] = field(default_factory=list)
    """Steers whose text gives other ids than the model saw."""
    left_out: dict[str, list[str]] = field(default_factory=dict)
    """Reason to the ids of the steers."""

    def leave_out(self, reason: str, steer: str) -> None:
        """Count a steer that gives no row."""
        known = self.left_out.setdefault(reason, [])
        if steer not in known:
            known.append(steer)


def trainer_rows(
    trajectory: Trajectory,
    tokenizer: TextTokenizer,
    trainer: Trainer,
    tally: Tally,
    *,
    form: Form = "span",
    supervised: bool = False,
    exact: bool = False,
) -> Iterator[dict[str, Any]]:
    """Rows of a trajectory's steers for a trainer.

    Args:
        trajectory: Whose steers.
        tokenizer: The one that made its ids.
        trainer: Whose format.
        tally: Counts what was written and what was left out.
        form: The words alone or whole answers.
        supervised: What was chosen alone, each text once; else pairs.
        exact: Leave out rows whose text does not give the ids that the model saw.

    Raises:
        TokenizerMismatch: The tokenizer did not make these ids.
    """
    made: set[str] = set()
    given = set()
    for pair in pairs(trajectory, tokenizer, form=form):
        given.add(pair.steer.id)
        if pair.rejected is None and not supervised:
            tally.leave_out("nothing was rejected", pair.steer.id)
            continue
        if trainer is Trainer.trl_ids:
            verdict: Verdict = "same"
        elif trainer is Trainer.ms_swift:
            if not trajectory.messages:
                tally.leave_out("the prompt is text, and ms-swift takes messages", pair.steer.id)
                continue
            pair, verdict = _by_parts(trajectory, pair, tokenizer)
        else:
            pair, verdict = checked(pair, tokenizer)
        if verdict == "crossing" or (exact and verdict != "same"):
            tally.leave_out(_WHY[verdict], pair.steer.id)
            continue
        row = (_SUPERVISED if supervised else _PREFERENCE)[trainer](trajectory, pair)
        if supervised and repr(row) in made:
            continue
        made.add(repr(row))
        tally.rows += 1
        tally.verdicts[verdict] += 1
        if verdict == "other" and pair.steer.id not in tally.other:
            tally.other.append(pair.steer.id)
        tally.open_ends += not pair.closed or not supervised
        yield row
    for steer in trajectory.steers:
        if steer.counts and steer.id not in given:
            tally.leave_out("words were only cut", steer.id)


_WHY: dict[Verdict, str] = {
    "crossing": "the text has no clean split where the model was stopped",
    "other": "the text gives other ids than the model saw",
    "moved": "the split would have to move back",
}


def _by_parts(trajectory: Trajectory, pair: Pair, tokenizer: TextTokenizer) -> tuple[Pair, Verdict]:
    """The pair without its end token, which the trainer's template adds, and what tokenizing each part alone gives."""
    if pair.closed:
        end = tokenizer.decode(pair.chosen_ids[-1:])
        pair = replace(pair, chosen=pair.chosen.removesuffix(end), chosen_ids=pair.chosen_ids[:-1])
    same = tokenizer.prompt_ids(trajectory.messages) + tokenizer.encode(pair.prefix) == pair.prompt_ids
    same = same and tokenizer.encode(pair.chosen) == pair.chosen_ids
    same = same and tokenizer.encode(pair.rejected or "") == pair.rejected_ids
    return pair, "same" if same else "other"


def _trl_pair(trajectory: Trajectory, pair: Pair) -> dict[str, Any]:
    return {"prompt": pair.prompt, "chosen": pair.chosen, "rejected": pair.rejected}


def _trl_completion(trajectory: Trajectory, pair: Pair) -> dict[str, Any]:
    return {"prompt": pair.prompt, "completion": pair.chosen}


def _id_pair(trajectory: Trajectory, pair: Pair) -> dict[str, Any]:
    return {"prompt_ids": pair.prompt_ids, "chosen_ids": pair.chosen_ids, "rejected_ids": pair.rejected_ids}


def _id_completion(trajectory: Trajectory, pair: Pair) -> dict[str, Any]:
    labels = [-100] * len(pair.prompt_ids) + pair.chosen_ids  # a mask column would need `completion_only_loss`
    return {"input_ids": pair.prompt_ids + pair.chosen_ids, "labels": labels}


def _segments(trajectory: Trajectory, pair: Pair) -> dict[str, Any]:
    return {"segments": [{"label": False, "text": pair.prompt}, {"label": True, "text": pair.chosen}]}


def _parts(trajectory: Trajectory, pair: Pair, side: str) -> list[dict[str, Any]]:
    kept = [{"role": "assistant", "content": pair.prefix, "loss": False}] if pair.prefix else []
    asked = [message.to_dict() for message in trajectory.messages]
    return [*asked, *kept, {"role": "assistant", "content": side, "loss": True}]


def _swift_pair(trajectory: Trajectory, pair: Pair) -> dict[str, Any]:
    return {
        "messages": _parts(trajectory, pair, pair.chosen),
        "rejected_messages": _parts(trajectory, pair, pair.rejected or ""),
    }


def _swift_completion(trajectory: Trajectory, pair: Pair) -> dict[str, Any]:
    return {"messages": _parts(trajectory, pair, pair.chosen)}


Make = Callable[[Trajectory, Pair], dict[str, Any]]
_PREFERENCE: dict[Trainer, Make] = {
    Trainer.trl: _trl_pair,
    Trainer.trl_ids: _id_pair,
    Trainer.ms_swift: _swift_pair,
    Trainer.axolotl: _trl_pair,
}
_SUPERVISED: dict[Trainer, Make] = {
    Trainer.trl: _trl_completion,
    Trainer.trl_ids: _id_completion,
    Trainer.ms_swift: _swift_completion,
    Trainer.axolotl: _segments,
}
