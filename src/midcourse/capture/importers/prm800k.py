"""PRM800K to trajectories: a step that a person wrote, against the candidates they had rated −1 in that place.

One labelled solution is one trajectory with all its steers, its steps joined by newlines. Reads the published nested
layout and its flattened form (`problem`, `steps`). Source: Lightman et al. 2023, github.com/openai/prm800k (MIT). It
knows no store and no command line.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from midcourse.capture.importers.files import Record
from midcourse.capture.importers.records import Advance, Imported, import_records, read_split
from midcourse.errors import InputError
from midcourse.rows.row import Prompt, SteerRow, check_text, digest
from midcourse.tokens import TextTokenizer
from midcourse.types import Message

__all__ = ["import_prm800k", "solution_rows"]


def import_prm800k(
    paths: Sequence[Path],
    tokenizer: TextTokenizer,
    *,
    preferences: bool = False,
    split: str | None = None,
    advance: Advance | None = None,
) -> Imported:
    """Read PRM800K files.

    Args:
        paths: Files or folders of them.
        tokenizer: Of the model that will be trained; with a chat template the problem becomes the user's message.
        preferences: Also make a `stepwise` steer of each chosen candidate against those rated −1 beside it.
        split: `train`, `dev` or `test` for all of them.
        advance: Told about progress.

    Returns:
        One trajectory for each solution that has steers, and what was skipped, with file and line.

    Raises:
        InputError: A path or format cannot be used.
    """
    chosen_split = read_split(split)
    chat = tokenizer.template is not None

    def read(record: Record) -> list[SteerRow]:
        rows = solution_rows(record.value, chat=chat, preferences=preferences, split=chosen_split)
        return [replace(row, line=record.line) for row in rows]

    return import_records(paths, read, tokenizer, source="prm800k", advance=advance)


def solution_rows(
    record: Any, *, chat: bool = True, preferences: bool = False, split: str | None = None
) -> list[SteerRow]:
    """Steers of one labelled solution.

    Args:
        record: `{problem, steps}`, or as published `{question: {problem}, label: {steps}}`.
        chat: Give the problem as the user's message, else as text and a newline.
        preferences: Also make `stepwise` steers.
        split: For all rows.

    Raises:
        InputError: The record has another layout.
    """
    problem, steps = _layout(record)
    prompt: Prompt = (Message("user", problem),) if chat else problem + "\n"
    kept: list[str] = []
    found: list[tuple[int, bool, tuple[str, ...]]] = []
    for number, step in enumerate(steps):
        candidates = _candidates(step, number)
        person = _written(step, number)
        if person is not None:
            found.append((number, True, _turned_down(candidates, person)))
            kept.append(person)
            continue
        index = step.get("chosen_completion")
        if index is None:
            break  # labelling stopped here
        if not isinstance(index, int) or not 0 <= index < len(candidates):
            raise InputError(f"step {number}: chosen_completion {index!r} is none of {len(candidates)} completions")
        text, rating = candidates[index]
        against = _turned_down(candidates, text)
        if preferences and against and rating != -1:
            found.append((number, False, against))
        kept.append(text)
    rows = []
    for number, person_wrote, against in found:
        prefix = "".join(step + "\n" for step in kept[:number])
        rows.append(
            SteerRow(
                prompt=prompt,
                prefix=prefix,
                chosen=kept[number],
                rejected=against,
                tail="".join("\n" + step for step in kept[number + 1 :]),
                kind="typed" if person_wrote else "stepwise",
                origin="candidate",
                trajectory=digest(record)[:16],
                group=digest("prm800k", problem)[:16],
                split=split,
            )
        )
    return rows


def _layout(record: Any) -> tuple[str, list[Mapping[str, Any]]]:
    if not isinstance(record, Mapping):
        raise InputError(f"a solution must be an object with `problem` and `steps`, got {type(record).__name__}")
    question, label = record.get("question"), record.get("label")
    problem = question.get("problem") if isinstance(question, Mapping) else record.get("problem")
    steps = label.get("steps") if isinstance(label, Mapping) else record.get("steps")
    if not isinstance(problem, str) or not isinstance(steps, list):
        raise InputError("not a PRM800K solution: expected `problem` and `steps` (or `question` and `label`)")
    for number, step in enumerate(steps):
        if not isinstance(step, Mapping):
            raise InputError(f"step {number} must be an object, got {type(step).__name__}")
    return check_text(problem, "problem"), steps


def _candidates(step: Mapping[str, Any], number: int) -> list[tuple[str, int | None]]:
    candidates = []
    listed = step.get("completions") or ()
    if not isinstance(listed, list | tuple):
        raise InputError(f"step {number}: completions must be a list, got {type(listed).__name__}")
    for c in listed:
        if not isinstance(c, Mapping) or not isinstance(c.get("text"), str):
            raise InputError(f"step {number}: each of `completions` needs a `text`")
        candidates.append((check_text(c["text"], "completions"), c.get("rating")))
    return candidates


def _written(step: Mapping[str, Any], number: int) -> str | None:
    """The step a person wrote: text, or as published an object that holds it."""
    person = step.get("human_completion")
    text = person.get("text") if isinstance(person, Mapping) else person
    if text is None or text == "":
        return None
    if not isinstance(text, str):
        raise InputError(f"step {number}: human_completion must be text, got {type(text).__name__}")
    return check_text(text, "human_completion")


def _turned_down(candidates: list[tuple[str, int | None]], chosen: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for text, rating in candidates if rating == -1 and text and text != chosen))
