"""Written rules in the person's place: a YAML file of what is wrong and what is put there instead.

    name: plain advice
    stretch: 6            # tokens between two looks
    max_tokens: 90        # of text
    max_steers: 12
    rules:
      - name: no-contractions
        pattern: "\\\\b(do)n't\\\\b"    # Python regex; the steer begins where it matches
        replacement: "\\\\1 not"       # may use groups; or: resample: true
        reason: written out
      - {name: short sentences, sentence_words: 18}
      - {name: sums, check: arithmetic}

Rules see only the text, as a person would. The kinds other than patterns are in `kinds`; what is provably right or
wrong, such as sums, is in `arithmetic`, `json_form` and `word_order`. This module reads files and asks all rules.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import yaml

from midcourse.drafts.simulate import kinds
from midcourse.drafts.simulate.arithmetic import Arithmetic
from midcourse.drafts.simulate.json_form import JsonForm
from midcourse.drafts.simulate.judge import EDGE, Found, asked
from midcourse.drafts.simulate.word_order import WordOrder
from midcourse.errors import InputError
from midcourse.types import Message

__all__ = ["OneRule", "Rule", "RuleSet"]


class OneRule(Protocol):
    """One kind of mistake."""

    @property
    def name(self) -> str: ...  # noqa: D102
    def about(self, prompt: str) -> "OneRule": ...  # noqa: D102
    def first(self, text: str, *, finished: bool = True, at: int = 0) -> Found | None: ...  # noqa: D102


@dataclass(frozen=True)
class Rule:
    """A mistake that a regular expression finds, and what is put in its place."""

    name: str
    pattern: str
    replacement: str | None = None
    """Put from the start of the match on; `\\1`, `\\g<name>` take groups. None: the model tries again (resample)."""
    reason: str | None = None
    ignore_case: bool = False

    @cached_property
    def regex(self) -> re.Pattern[str]:
        """The compiled pattern."""
        return re.compile(self.pattern, re.IGNORECASE if self.ignore_case else 0)

    def about(self, prompt: str) -> "Rule":
        """The same, whatever was asked."""
        return self

    def first(self, text: str, *, finished: bool = True, at: int = 0) -> Found | None:
        """See `Judge.first`."""
        for match in self.regex.finditer(text, at):
            if match.end() == match.start() or (not finished and match.end() + EDGE > len(text)):
                continue
            put = None if self.replacement is None else _like(match.group(), match.expand(self.replacement))
            return Found(self.name, match.start(), match.end(), put, self.reason)
        return None


@dataclass(frozen=True)
class RuleSet:
    """The rules of one house style or task: a `Judge`."""

    rules: tuple[OneRule, ...]
    name: str = "rules"
    stretch: int = 6
    """Tokens the model writes between two looks at the text."""
    max_tokens: int = 90
    max_steers: int = 12

    @classmethod
    def load(cls, path: str | Path) -> "RuleSet":
        """Read a YAML file.

        Raises:
            InputError: The file cannot be read, a field is unknown or missing, or a pattern is no regex.
        """
        try:
            value = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise InputError(f"the rules {path} cannot be read: {' '.join(str(error).split())}") from error
        return cls.of(value, str(path))

    @classmethod
    def of(cls, value: Any, path: str) -> "RuleSet":
        """Rules from what a YAML file holds; `path` names it in errors."""
        if not isinstance(value, dict) or not isinstance(value.get("rules"), list) or not value["rules"]:
            raise InputError(f"{path} must hold a list `rules`, each with name, pattern and replacement")
        known = {"name", "stretch", "max_tokens", "max_steers", "rules"}
        if unknown := set(value) - known:
            raise InputError(f"{path}: unknown field {min(unknown, key=str)!r}; known are {', '.join(sorted(known))}")
        limits = {k: value[k] for k in ("stretch", "max_tokens", "max_steers") if k in value}
        for field_name, limit in limits.items():
            if not isinstance(limit, int) or limit < 1:
                raise InputError(f"{path}: {field_name} must be a whole number of at least 1, got {limit!r}")
        rules = tuple(_rule(entry, path, n) for n, entry in enumerate(value["rules"], 1))
        return cls(rules, str(value.get("name", "rules")), **limits)

    @property
    def strict(self) -> bool:
        """Rules must agree with each other."""
        return True

    def about(self, prompt: str | Sequence[Message]) -> "RuleSet":
        """The rules as they stand for one prompt."""
        return replace(self, rules=tuple(rule.about(asked(prompt)) for rule in self.rules))

    def first(self, text: str, *, finished: bool = True, at: int = 0) -> Found | None:
        """See `Judge.first`; of two at one place, the rule written first."""
        found: Found | None = None
        for rule in self.rules:
            one = rule.first(text, finished=finished, at=at)
            if one is not None and (found is None or one.start < found.start):
                found = one
        return found

    def count(self, text: str) -> Counter[str]:
        """How often each rule is broken in a finished text."""
        broken: Counter[str] = Counter()
        at = 0
        while (found := self.first(text, at=at)) is not None:
            broken[found.rule] += 1
            at = max(found.end, at + 1)
        return broken


_CHECKS: Mapping[str, Callable[..., OneRule]] = {
    "arithmetic": Arithmetic,
    "json": JsonForm,
    "word_order": WordOrder,
}


def _like(was: str, put: str) -> str:
    """`put` with a capital where the replaced words began with one."""
    return put[:1].upper() + put[1:] if was[:1].isupper() else put


def _rule(entry: Any, path: str, number: int) -> OneRule:
    if not isinstance(entry, dict):
        raise InputError(f"{path}: rule {number} is no mapping")
    kind = next((k for k in (*kinds.KINDS, "check") if k in entry), None)
    if kind is None:
        return _pattern(entry, path, number)
    name = entry.get("name")
    if not isinstance(name, str):
        raise InputError(f"{path}: rule {number} needs a `name`")
    rest = {k: v for k, v in entry.items() if k not in ("name", kind)}
    make: Callable[..., OneRule]
    given: tuple[Any, ...] = ()
    if kind == "check":
        if not isinstance(entry["check"], str) or entry["check"] not in _CHECKS:
            raise InputError(f"{path}: rule {name!r}: check is {entry['check']!r}, not one of {', '.join(_CHECKS)}")
        make = _CHECKS[entry["check"]]
    else:
        make, given = kinds.KINDS[kind], (entry[kind],)
    try:
        return make(name, *given, **rest)
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}: rule {name!r} cannot be used: {error}") from error


def _pattern(entry: dict[str, Any], path: str, number: int) -> Rule:
    unknown = set(entry) - {"name", "pattern", "replacement", "resample", "reason", "ignore_case"}
    if unknown:
        raise InputError(f"{path}: rule {number} has the unknown field {min(unknown, key=str)!r}")
    name, pattern = entry.get("name"), entry.get("pattern")
    if not isinstance(name, str) or not isinstance(pattern, str):
        raise InputError(
            f"{path}: rule {number} needs the texts `name` and `pattern`, or a kind: {', '.join(kinds.KINDS)}, check"
        )
    replacement = entry.get("replacement")
    if (replacement is None) == (entry.get("resample") is not True):
        raise InputError(f"{path}: rule {name!r} needs either a `replacement` or `resample: true`")
    rule = Rule(name, pattern, replacement, entry.get("reason"), bool(entry.get("ignore_case", False)))
    try:
        regex = rule.regex
        if replacement is not None:
            _check_groups(regex, replacement)
    except (re.error, IndexError) as error:
        raise InputError(f"{path}: rule {name!r} is no valid pattern and replacement: {error}") from error
    return rule


def _check_groups(regex: re.Pattern[str], replacement: str) -> None:
    re.compile(f"(?:{regex.pattern})|", regex.flags).sub(replacement, "")
