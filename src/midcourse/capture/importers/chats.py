"""Exports of chat front ends to answers with their versions: Open WebUI, SillyTavern, text-generation-webui.

What each keeps of an edit: Open WebUI the text before the last one (`originalContent`), and copies that were saved
beside it; SillyTavern all `swipes` of a message; text-generation-webui all `versions`. The last two do not say which
versions a person wrote and which the model wrote anew. Formats as the programs write them (github.com/open-webui,
SillyTavern/SillyTavern, oobabooga/text-generation-webui). It knows no steers and no tokens.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from midcourse.capture.importers.columns import record_of
from midcourse.capture.importers.documents import CONVERSATION_FORMATS, DOCUMENT_FORMATS
from midcourse.capture.importers.records import Imported
from midcourse.capture.importers.versions import Answer, conversation, import_versions
from midcourse.errors import InputError
from midcourse.tokens import TextTokenizer

__all__ = [
    "import_open_webui",
    "import_sillytavern",
    "import_text_generation_webui",
    "open_webui",
    "sillytavern",
    "text_generation_webui",
]

_DETAILS = re.compile(r"<details\b[^>]*\btype=.*?</details>\s*|<think>.*?</think>\s*", re.DOTALL)
_GREETING = "<|BEGIN-VISIBLE-CHAT|>"
"""What text-generation-webui puts in the user's place before a greeting."""


def import_open_webui(paths: Sequence[Path], tokenizer: TextTokenizer, **options: Any) -> Imported:
    """Read chats that Open WebUI exported; options as of `import_versions`."""
    return import_versions(paths, tokenizer, open_webui, formats=DOCUMENT_FORMATS, source="open-webui", **options)


def import_sillytavern(paths: Sequence[Path], tokenizer: TextTokenizer, **options: Any) -> Imported:
    """Read chats of SillyTavern; options as of `import_versions`."""
    return import_versions(paths, tokenizer, sillytavern, formats=CONVERSATION_FORMATS, source="sillytavern", **options)


def import_text_generation_webui(paths: Sequence[Path], tokenizer: TextTokenizer, **options: Any) -> Imported:
    """Read histories of text-generation-webui; options as of `import_versions`."""
    program = "text-generation-webui"
    return import_versions(paths, tokenizer, text_generation_webui, formats=DOCUMENT_FORMATS, source=program, **options)


def open_webui(value: Any) -> Iterator[Answer]:
    """The corrected answers of one exported chat.

    Raises:
        InputError: It is no chat of Open WebUI.
    """
    record = record_of(value)
    chat = record.get("chat", record)
    history = chat.get("history") if isinstance(chat, Mapping) else None
    messages = history.get("messages") if isinstance(history, Mapping) else None
    if not isinstance(messages, Mapping):
        raise InputError("no chat of Open WebUI: it needs `chat.history.messages` (export the chats as JSON)")
    group = record.get("id") or chat.get("id")
    for message in messages.values():
        if not isinstance(message, Mapping) or message.get("role") != "assistant":
            continue
        kept, original = _text(message.get("content")), _text(message.get("originalContent"))
        earlier = [original] if original else []
        earlier += [_text(twin.get("content")) for twin in _copied(message, messages)]
        earlier = [text for text in earlier if text and text.strip() != kept.strip()]
        before = [("system", _system(chat)), *_before(message, messages)]
        if kept and earlier and any(role == "user" for role, _ in before):
            yield Answer(conversation(before), kept, tuple(earlier), group=str(group) if group else None)


def sillytavern(value: Any) -> Iterator[Answer]:
    """The answers of one chat that have swipes.

    Raises:
        InputError: It is no chat of SillyTavern.
    """
    lines = [line for line in value if isinstance(line, Mapping)] if isinstance(value, list) else []
    if not lines or not any("mes" in line for line in lines):
        raise InputError("no chat of SillyTavern: its lines need `mes`, `is_user` and `swipes` (a .jsonl of `chats`)")
    header = lines[0] if "mes" not in lines[0] else {}
    name = str(header.get("character_name") or "") + str(header.get("create_date") or "")
    before: list[tuple[str, str]] = []
    for line in lines:
        said = line.get("mes")
        if not isinstance(said, str) or line.get("is_system"):
            continue
        swipes = line.get("swipes")
        swiped = isinstance(swipes, list) and not line.get("is_user") and any(role == "user" for role, _ in before)
        if swiped and isinstance(swipes, list):
            others = tuple(s for s in swipes if isinstance(s, str) and s.strip() and s.strip() != said.strip())
            if said.strip() and others:
                yield Answer(conversation(before), said, others, group=name or None)
        before.append(("user" if line.get("is_user") else "assistant", said))


def text_generation_webui(value: Any) -> Iterator[Answer]:
    """The answers of one history that have versions.

    Raises:
        InputError: It is no history of text-generation-webui.
    """
    record = record_of(value)
    pairs, metadata = record.get("internal"), record.get("metadata")
    if not isinstance(pairs, list) or not all(isinstance(p, list) and len(p) == 2 for p in pairs):
        raise InputError("no history of text-generation-webui: it needs `internal`, a list of pairs (a file of `logs`)")
    about = metadata if isinstance(metadata, Mapping) else {}
    before: list[tuple[str, str]] = []
    for row, (asked, kept) in enumerate(pairs):
        if asked and asked != _GREETING:
            before.append(("user", _text(asked)))
        told = about.get(f"assistant_{row}")
        versions = told.get("versions") if isinstance(told, Mapping) else None
        listed = versions if isinstance(versions, list) else []
        others = [_text(v.get("content")) for v in listed if isinstance(v, Mapping)]
        others = [text for text in others if text.strip() and text.strip() != _text(kept).strip()]
        if others and _text(kept).strip() and any(role == "user" for role, _ in before):
            yield Answer(conversation(before), _text(kept), tuple(others))
        before.append(("assistant", _text(kept)))


def _copied(message: Mapping[str, Any], messages: Mapping[Any, Any]) -> Iterator[Mapping[str, Any]]:
    """What an answer was copied from and then edited: a sibling that reports the very same generation."""
    about = message.get("usage") or message.get("info")
    parent = _named(messages, message.get("parentId"))
    children = parent.get("childrenIds") if parent is not None else None
    if not about or not isinstance(children, list):
        return
    for twin in (_named(messages, child) for child in children):
        if twin is None or twin.get("id") == message.get("id"):
            continue
        older = _number(twin.get("timestamp")) < _number(message.get("timestamp"))
        if older and (twin.get("usage") or twin.get("info")) == about:
            yield twin


def _before(message: Mapping[str, Any], messages: Mapping[Any, Any]) -> list[tuple[str, str]]:
    """The messages above one, from the first on."""
    above: list[tuple[str, str]] = []
    seen = set()
    at = message.get("parentId")
    while (one := _named(messages, at)) is not None and at not in seen:
        seen.add(at)
        above.append((str(one.get("role")), _text(one.get("content"))))
        at = one.get("parentId")
    return above[::-1]


def _named(messages: Mapping[Any, Any], name: Any) -> Mapping[str, Any] | None:
    """The message of this id, if there is one and it is one."""
    found = messages.get(name) if isinstance(name, str) else None
    return found if isinstance(found, Mapping) else None


def _number(value: Any) -> float:
    return value if isinstance(value, int | float) else 0


def _system(chat: Mapping[str, Any]) -> str:
    params = chat.get("params")
    return _text(params.get("system") if isinstance(params, Mapping) else None) or _text(chat.get("system"))


def _text(value: Any) -> str:
    """The words of a message without blocks that only the program shows, such as folded thinking."""
    return _DETAILS.sub("", value) if isinstance(value, str) else ""
