"""Other inputs out of one: JSON is changed as a tree, so that most of what comes out is still JSON and gets deep.

An input is an optional first line that says what it is, then JSON, or lines of JSON, or any text. It knows no parser.
"""

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

__all__ = ["mutated", "replaced"]

KINDS: tuple[Any, ...] = (None, True, 3, 0.5, float("inf"), "a", [], ["a"], [[]], {}, {"a": 1})
"""One of each kind of JSON."""

ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 7, 2**31, 2**63, -(2**63), 10**30, 0.5, 1e308, float("nan"), float("inf"), "", " "),
    *(
        "\n",
        "0",
        "null",
        "{}",
        "[]",
        "é",
        "日本",
        "🙂",
        "\ud83d",
        "\ufffd",
        "\0",
        "\u202e",
        "a" * 300,
        "../../x",
        "{a.b}",
    ),
    *("{~~a~>b~~}", "{--a", "<|im_end|>", "[DONE]", "data: {}", "user", "assistant", "system", "stop", "length", "%s"),
    *([], {}, [[]], [{}], [None], ["a", 1], {"a": None}, {"text": "x"}, {"role": "user", "content": "x"}, {"0": []}),
)
GLUE = (
    "\n",
    "\r\n",
    "\0",
    ",",
    '"',
    "'",
    "{",
    "}",
    "[",
    "]",
    ":",
    "~>",
    "~~}",
    "{++",
    "++}",
    "{>>",
    "<<}",
    "{{",
    "}}",
    "\ud800",
)


def replaced(data: bytes) -> Iterator[bytes]:
    """All inputs in which one place of the JSON holds another kind of value; of lines and items, each shape once."""
    head, body = _parted(data)
    lines = [body] if _json(body) is not None else body.split(b"\n")
    values = [_json(line) for line in lines]
    for at in _shapes(values):
        for place in _places(values[at]):
            for other in KINDS:
                new = json.dumps(_with(values[at], place, other)).encode()
                yield head + b"\n".join([*lines[:at], new, *lines[at + 1 :]])


def _json(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _shapes(values: list[Any]) -> list[int]:
    """Where the first of each shape stands."""
    first: dict[str, int] = {}
    for at, value in enumerate(values):
        if value is not None:
            first.setdefault(repr(list(_places(value))), at)
    return list(first.values())


def _places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield above
    keys = value if isinstance(value, dict) else _shapes(value) if isinstance(value, list) else ()
    for key in keys:
        yield from _places(value[key], (*above, key))


def _with(value: Any, place: tuple[Any, ...], other: Any) -> Any:
    if not place:
        return other
    new = copy.copy(value)
    new[place[0]] = _with(value[place[0]], place[1:], other)
    return new


def _parted(data: bytes) -> tuple[bytes, bytes]:
    """The line that says what the rest is, with its end and if there is one, and the rest."""
    head, newline, body = data.partition(b"\n")
    if not newline or head[:1] in b'{["':
        return b"", data
    return head + newline, body


def mutated(data: bytes, dice: random.Random) -> bytes:
    """One more input, near this one."""
    head, body = _parted(data)
    lines = body.split(b"\n")
    at = dice.randrange(len(lines))
    for chosen, before, behind in ((body, [], []), (lines[at], lines[:at], lines[at + 1 :])):
        try:
            value = json.loads(chosen)
        except (ValueError, RecursionError):
            continue
        for _ in range(dice.choice((1, 1, 2, 4))):
            value = _tree(value, dice)
        new = json.dumps(value, ensure_ascii=dice.random() < 0.5).encode("utf-8", "surrogatepass")
        lines = [*before, new, *behind]
        break
    else:
        lines[at] = _words(lines[at].decode("utf-8", "replace"), dice).encode("utf-8", "surrogatepass")
    if dice.random() < 0.1:
        lines.insert(dice.randrange(len(lines) + 1), dice.choice(lines))
    if dice.random() < 0.03:
        lines = lines[: dice.randrange(len(lines) + 1)]
    return head + b"\n".join(lines)


def _tree(value: Any, dice: random.Random) -> Any:
    """The value with one place in it changed."""
    inside = value if isinstance(value, dict | list) and value else None
    if inside is None or dice.random() < 0.15:
        if isinstance(value, str) and dice.random() < 0.7:
            return _words(value, dice)
        if isinstance(value, int | float) and dice.random() < 0.3:
            return value + dice.choice((-1, 1, 0.5, -1000))
        return copy.deepcopy(dice.choice(ODD))
    keys = list(inside) if isinstance(inside, dict) else list(range(len(inside)))
    key, way = dice.choice(keys), dice.random()
    if way < 0.75:
        inside[key] = _tree(inside[key], dice)
    elif way < 0.83:
        del inside[key]
    elif way < 0.9:
        inside[key] = copy.deepcopy(inside[dice.choice(keys)] if dice.random() < 0.5 else dice.choice(ODD))
    elif isinstance(inside, list):
        inside.insert(dice.randrange(len(inside) + 1), copy.deepcopy(inside[key]))
    else:
        inside[dice.choice((*keys, "text", "value", "id", "content", "0"))] = copy.deepcopy(dice.choice(ODD))
    return inside


def _words(text: str, dice: random.Random) -> str:
    a, b = sorted(dice.randrange(len(text) + 1) for _ in range(2))
    b = min(b, a + dice.choice((0, 1, 5, 40)))
    odd = dice.choice(ODD)
    put = dice.choice((dice.choice(GLUE), odd if isinstance(odd, str) else str(odd), text[a : a + 20] * 2, ""))
    return text[:a] + put + text[b:]
