"""A written rule in the person's place: it reads along, stops the model at the first mistake and puts it right.

The rules come from a YAML file and see only the text, as a person would. After every correction the whole text is read
again, so a correction that breaks a rule itself is refused and not trained on. It steers through `Draft` alone and
knows no model and no tokens.

    name: plain advice
    stretch: 6            # tokens between two looks
    max_tokens: 90        # of text
    max_steers: 12
    rules:
      - name: no-contractions
        pattern: "\\\\b(do)n't\\\\b"    # Python regex; the steer begins where it matches
        replacement: "\\\\1 not"       # may use groups; or: resample: true
        reason: written out
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from midcourse.drafts.draft import Draft
from midcourse.errors import InputError
from midcourse.types import Trajectory

__all__ = ["Found", "Rule", "RuleSet", "Run", "simulate"]

_EDGE = 2
"""How many characters must stand behind a match before it counts: the word may not be finished yet."""


@dataclass(frozen=True)
class Rule:
    """One kind of mistake and what is put in its place."""

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


@dataclass(frozen=True, slots=True)
class Found:
    """A rule broken at characters `start` to `end` of a text."""

    rule: Rule
    start: int
    end: int
    correction: str | None


@dataclass(frozen=True)
class RuleSet:
    """The rules of one house style."""

    rules: tuple[Rule, ...]
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
        if not isinstance(value, dict) or not isinstance(value.get("rules"), list) or not value["rules"]:
            raise InputError(f"{path} must hold a list `rules`, each with name, pattern and replacement")
        known = {"name", "stretch", "max_tokens", "max_steers", "rules"}
        if unknown := set(value) - known:
            raise InputError(f"{path}: unknown field {sorted(unknown)[0]!r}; known are {', '.join(sorted(known))}")
        limits = {k: value[k] for k in ("stretch", "max_tokens", "max_steers") if k in value}
        for field_name, limit in limits.items():
            if not isinstance(limit, int) or limit < 1:
                raise InputError(f"{path}: {field_name} must be a whole number of at least 1, got {limit!r}")
        rules = tuple(_rule(entry, path, n) for n, entry in enumerate(value["rules"], 1))
        return cls(rules, str(value.get("name", "rules")), **limits)

    def first(self, text: str, *, finished: bool = True, at: int = 0) -> Found | None:
        """The first mistake from `at` on; in an unfinished text only where enough follows to be sure."""
        found: Found | None = None
        for rule in self.rules:
            for match in rule.regex.finditer(text, at):
                if match.end() == match.start() or (not finished and match.end() + _EDGE > len(text)):
                    continue
                if found is None or match.start() < found.start:
                    put = None if rule.replacement is None else _like(match.group(), match.expand(rule.replacement))
                    found = Found(rule, match.start(), match.end(), put)
                break
        return found

    def count(self, text: str) -> Counter[str]:
        """How often each rule is broken in a finished text."""
        broken: Counter[str] = Counter()
        at = 0
        while (found := self.first(text, at=at)) is not None:
            broken[found.rule.name] += 1
            at = found.end
        return broken


@dataclass(frozen=True)
class Run:
    """What a simulated writing came to."""

    trajectory: Trajectory
    text: str
    steers: Counter[str] = field(default_factory=Counter)
    """Corrections made, by rule."""
    tokens: int = 0
    """Tokens of the finished text."""
    broken: Counter[str] = field(default_factory=Counter)
    """Mistakes left, where the budget of steers ran out."""


def simulate(draft: Draft, rules: RuleSet) -> Run:
    """Let the model write below the prompt of `draft` while `rules` steer it, then accept the text.

    Raises:
        InputError: A correction breaks a rule itself.
    """
    made: Counter[str] = Counter()
    while True:
        room = rules.max_tokens - len(draft.answer_ids)
        finished = draft.ended or room <= 0
        found = rules.first(draft.text, finished=finished)
        if found is not None and made.total() < rules.max_steers:
            _steer(draft, rules, found)
            made[found.rule.name] += 1
        elif finished:
            break
        elif not list(draft.stream(min(rules.stretch, room))):
            break  # the context is full
    return Run(draft.accept(), draft.text, made, len(draft.answer_ids), rules.count(draft.text))


def _steer(draft: Draft, rules: RuleSet, found: Found) -> None:
    if found.correction is None:
        draft.resample(found.start, reason=found.rule.reason)
        return
    draft.replace(found.start, found.correction, reason=found.rule.reason)
    again = rules.first(draft.text)
    if again is not None:
        raise InputError(
            f"the correction {found.correction!r} of the rule {found.rule.name!r} breaks the rule "
            f"{again.rule.name!r} itself ({draft.text[again.start : again.end]!r}); change the replacement"
        )


def _like(was: str, put: str) -> str:
    """`put` with a capital where the replaced words began with one."""
    return put[:1].upper() + put[1:] if was[:1].isupper() else put


def _rule(entry: Any, path: str | Path, number: int) -> Rule:
    if not isinstance(entry, dict):
        raise InputError(f"{path}: rule {number} is no mapping")
    unknown = set(entry) - {"name", "pattern", "replacement", "resample", "reason", "ignore_case"}
    if unknown:
        raise InputError(f"{path}: rule {number} has the unknown field {sorted(unknown)[0]!r}")
    name, pattern = entry.get("name"), entry.get("pattern")
    if not isinstance(name, str) or not isinstance(pattern, str):
        raise InputError(f"{path}: rule {number} needs the texts `name` and `pattern`")
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
