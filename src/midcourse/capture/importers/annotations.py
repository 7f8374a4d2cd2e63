"""Exports of annotation tools to corrected answers: text questions of Argilla, text areas of Label Studio.

Original is what was suggested there (a suggestion, a prediction) or a column that is named; corrected is what a person
submitted. Formats: docs.argilla.io (`records.to_json`, or the data set on the Hub), labelstud.io/guide/task_format. It
knows no steers and no tokens.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from midcourse.capture.importers.columns import check_names, fill, record_of, text_at, value_at
from midcourse.capture.importers.documents import DOCUMENT_FORMATS
from midcourse.capture.importers.records import Imported
from midcourse.capture.importers.trl import messages_of
from midcourse.capture.importers.versions import Answer, import_versions
from midcourse.errors import InputError
from midcourse.rows.row import Prompt
from midcourse.tokens import TextTokenizer

__all__ = ["COLUMNS", "argilla", "import_argilla", "import_label_studio", "label_studio"]

COLUMNS = ("prompt", "original", "group")


def import_argilla(
    paths: Sequence[Path],
    tokenizer: TextTokenizer,
    *,
    question: str | None = None,
    columns: Mapping[str, str] | None = None,
    prompt: str | None = None,
    **options: Any,
) -> Imported:
    """Read records of Argilla; the first options as of `argilla`, others as of `import_versions`.

    Raises:
        InputError: A path, a format or a name in `columns` cannot be used.
    """
    check_names(columns or {}, COLUMNS)
    read = partial(argilla, question=question, columns=columns, prompt=prompt)
    return import_versions(paths, tokenizer, read, formats=DOCUMENT_FORMATS, source="argilla", **options)


def import_label_studio(
    paths: Sequence[Path],
    tokenizer: TextTokenizer,
    *,
    question: str | None = None,
    columns: Mapping[str, str] | None = None,
    prompt: str | None = None,
    **options: Any,
) -> Imported:
    """Read tasks of Label Studio; the first options as of `label_studio`, others as of `import_versions`.

    Raises:
        InputError: A path, a format or a name in `columns` cannot be used.
    """
    check_names(columns or {}, COLUMNS)
    read = partial(label_studio, question=question, columns=columns, prompt=prompt)
    return import_versions(paths, tokenizer, read, formats=DOCUMENT_FORMATS, source="label-studio", **options)


def argilla(
    value: Any, *, question: str | None = None, columns: Mapping[str, str] | None = None, prompt: str | None = None
) -> Iterator[Answer]:
    """The answers of one record: one for each person who submitted.

    Args:
        value: The record, nested or flattened.
        question: Which text question; None: the only one with a suggestion and a response.
        columns: Our name (`prompt`, `original`, `group`) to the record's, as `fields.instruction`.
        prompt: A text with `{columns}` in place of the column `prompt`.

    Raises:
        InputError: It is no record of Argilla, or has no such question.
    """
    record, where = record_of(value), columns or {}
    if not _answered(record):
        return
    name = question or _only(_questions(record), "question", "--question")
    nested = record.get("suggestions"), record.get("responses")
    if isinstance(nested[1], Mapping):
        suggested = (nested[0] or {}).get(name) if isinstance(nested[0], Mapping) else None
        original = suggested.get("value") if isinstance(suggested, Mapping) else suggested
        given = _listed(nested[1].get(name), f"responses.{name}")
        responses = [(r.get("value"), r.get("user_id"), r.get("status")) for r in given if isinstance(r, Mapping)]
    else:
        original = record.get(f"{name}.suggestion")
        values = _listed(record.get(f"{name}.responses"), f"{name}.responses")
        about = (f"{name}.responses.users", f"{name}.responses.status")
        people, states = (_listed(record.get(n), n) or [None] * len(values) for n in about)
        if not len(values) == len(people) == len(states):
            raise InputError(f"question `{name}` has {len(values)} responses of {len(people)} people; expected as many")
        responses = list(zip(values, people, states, strict=True))
    if "original" in where:
        original = text_at(record, where["original"])
    if original is None:
        raise InputError(f"question `{name}` has no suggestion, so what was corrected is not known; --map original=…")
    asked = _prompt(record, where, prompt, _fields(record))
    group = value_at(record, where["group"]) if "group" in where else None
    for text, person, state in responses:
        if isinstance(text, str) and state in (None, "submitted"):
            told = str(group) if group is not None else None
            yield Answer(asked, text, (str(original),), read=True, group=told, author=str(person) if person else None)


def label_studio(
    value: Any, *, question: str | None = None, columns: Mapping[str, str] | None = None, prompt: str | None = None
) -> Iterator[Answer]:
    """The answers of one task: one for each annotation that was submitted.

    Args:
        value: The task.
        question: `from_name` of the text area; None: the only one.
        columns: Our name (`prompt`, `original`, `group`) to the task's, as `data.answer`.
        prompt: A text with `{columns}` in place of the column `prompt`.

    Raises:
        InputError: It is no task of Label Studio, or has no such text area.
    """
    task, where = record_of(value), columns or {}
    annotations = task.get("annotations", task.get("completions"))
    if not isinstance(annotations, list):
        raise InputError("no task of Label Studio: it needs `annotations` (export as JSON, not JSON-MIN)")
    done = [a for a in annotations if isinstance(a, Mapping) and not a.get("was_cancelled")]
    if not done:
        return  # nobody has worked on it yet
    areas = [_areas(a) for a in done]
    name = question or _only(sorted({n for found in areas for n in found}), "text area", "--question")
    predicted = [_areas(p) for p in _listed(task.get("predictions"), "predictions") if isinstance(p, Mapping)]
    original = next((found[name] for found in predicted if name in found), None)
    if "original" in where:
        original = text_at(task, where["original"])
    if original is None:
        raise InputError(f"text area `{name}` has no prediction, so what was corrected is not known; --map original=…")
    data = task.get("data")
    asked = _prompt(task, where, prompt, {f"data.{n}": v for n, v in data.items()} if isinstance(data, Mapping) else {})
    group = value_at(task, where["group"]) if "group" in where else None
    for annotation, found in zip(done, areas, strict=True):
        by = annotation.get("completed_by")
        person = by.get("id") if isinstance(by, Mapping) else by
        if name in found:
            told = str(group) if group is not None else None
            author = str(person) if person is not None else None
            yield Answer(asked, found[name], (original,), read=True, group=told, author=author)


def _listed(value: Any, column: str) -> list[Any]:
    if value is not None and not isinstance(value, list | tuple):
        raise InputError(f"column `{column}` must be a list, got {type(value).__name__}")
    return list(value or ())


def _answered(record: Mapping[str, Any]) -> bool:
    """Whether somebody answered a question of the record."""
    responses = record.get("responses")
    flat = [name for name in record if name.endswith((".responses", ".suggestion"))]
    if not isinstance(responses, Mapping) and not flat:
        raise InputError("no record of Argilla: it needs `responses` or a column `….responses`")
    return any(responses.values()) if isinstance(responses, Mapping) else any(map(record.get, flat))


def _questions(record: Mapping[str, Any]) -> list[str]:
    responses = record.get("responses")
    if isinstance(responses, Mapping):
        found = record.get("suggestions")
        suggestions = found if isinstance(found, Mapping) else {}
        return [n for n, given in responses.items() if given and (n in suggestions or len(responses) == 1)]
    ending = ".responses"
    return [n.removesuffix(ending) for n in record if n.endswith(ending) and record.get(n)]


def _fields(record: Mapping[str, Any]) -> dict[str, Any]:
    fields = record.get("fields")
    return {f"fields.{name}": value for name, value in fields.items()} if isinstance(fields, Mapping) else {}


def _areas(result: Mapping[str, Any]) -> dict[str, str]:
    """Text areas by name: lines of one area joined."""
    found: dict[str, str] = {}
    for region in (r for r in _listed(result.get("result"), "result") if isinstance(r, Mapping)):
        value = region.get("value")
        text = value.get("text") if isinstance(value, Mapping) else None
        if region.get("type") == "textarea" and isinstance(text, str | list):
            found[str(region.get("from_name"))] = text if isinstance(text, str) else "\n".join(map(str, text))
    return found


def _prompt(
    record: Mapping[str, Any], where: Mapping[str, str], template: str | None, there: Mapping[str, Any]
) -> Prompt:
    if template is not None:
        return fill(template, record)
    path = where.get("prompt") or _only(sorted(there), "column that may be the prompt", "--map prompt=… or --prompt")
    value = value_at(record, path)
    return messages_of(value, path) if isinstance(value, list) else text_at(record, path)


def _only(names: list[str], what: str, option: str) -> str:
    if len(names) == 1:
        return names[0]
    there = f"there are {', '.join(names)}" if names else "there is none"
    raise InputError(f"which {what}? {there}; name it with {option}")
