"""A task: what is asked, by which rules it is steered, and how a finished text is judged by other means.

    name: house style
    rules: house_style.yaml       # a file of rules, or the list itself
    prompts: prompts.jsonl        # rows with `prompt` and, if wanted, `split`
    checker: house_style_check:fires    # module:function(text, start) beside this file, or a regular expression
    counter: house_style_check:breaks   # module:function(text) -> how often each rule is broken

Paths are read from the folder of the task file. The checker and the counter should share nothing with the rules: they
judge what the rules steered. It knows no model and writes nothing.
"""

import hashlib
import importlib.util
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from midcourse.drafts.simulate import RuleSet
from midcourse.errors import InputError
from midcourse.evaluate.recurrence import Checker, pattern_checker
from midcourse.workflows.prompts import Asked, read_prompts

__all__ = ["Task"]

_FIELDS = {"name", "rules", "prompts", "checker", "counter", "stretch", "max_tokens", "max_steers"}


@dataclass(frozen=True)
class Task:
    """Prompts, rules and an independent judge."""

    name: str
    rules: RuleSet
    prompts: tuple[Asked, ...]
    """Each with its split."""
    checker: Checker | None = None
    counter: Callable[[str], Mapping[str, int]] | None = None
    hash: str = field(default="", compare=False)
    """Of the rules, for the record."""

    @classmethod
    def load(cls, path: str | Path) -> "Task":
        """Read a task file.

        Raises:
            InputError: A field is missing or unknown, or a file it names cannot be used.
        """
        where = Path(path)
        try:
            value = yaml.safe_load(where.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise InputError(f"the task {path} cannot be read: {' '.join(str(error).split())}") from error
        if not isinstance(value, dict) or "rules" not in value or "prompts" not in value:
            raise InputError(f"{path} must hold `rules` and `prompts`; see recipes/study/tasks")
        if unknown := set(value) - _FIELDS:
            raise InputError(f"{path}: unknown field {min(unknown, key=str)!r}; known are {', '.join(sorted(_FIELDS))}")
        rules, text = _rules(value, where)
        asked = read_prompts(where.parent / str(value["prompts"]))
        prompts = tuple(replace(a, split=a.split or _part(a)) for a in asked)
        checker, counter = value.get("checker"), value.get("counter")
        return cls(
            str(value.get("name", where.stem)),
            rules,
            prompts,
            None if checker is None else _checker(str(checker), where),
            None if counter is None else _function(str(counter), where),
            hashlib.sha256(text.encode()).hexdigest()[:8],
        )

    @property
    def by(self) -> str:
        """Who steers, for the record."""
        return f"rules {self.rules.name} {self.hash}"

    def part(self, name: str) -> list[Asked]:
        """The prompts of `train`, `dev` or `test`."""
        return [a for a in self.prompts if a.split == name]

    def broken(self, text: str) -> Counter[str]:
        """How often a finished text breaks the rules: by the independent counter where there is one."""
        if self.counter is not None:
            return Counter(self.counter(text))
        return self.rules.count(text)


def _part(asked: Asked) -> str:
    """70, 10 and 20 in a hundred prompts, by hash."""
    at = int(asked.key, 16) / 16**16
    return "train" if at < 0.7 else "dev" if at < 0.8 else "test"


def _rules(value: dict[str, Any], where: Path) -> tuple[RuleSet, str]:
    given = value["rules"]
    limits: dict[str, Any] = {k: value[k] for k in ("stretch", "max_tokens", "max_steers") if k in value}
    if isinstance(given, list):
        whole: dict[str, Any] = {"name": value.get("name", where.stem), "rules": given, **limits}
        return RuleSet.of(whole, str(where)), where.read_text(encoding="utf-8")
    file = where.parent / str(given)
    return replace(RuleSet.load(file), **limits), file.read_text(encoding="utf-8") + str(limits)


def _checker(text: str, where: Path) -> Checker:
    module, given, name = text.partition(":")
    if given and module.isidentifier() and name.isidentifier():
        checker: Checker = _function(text, where)
        return checker
    return pattern_checker(text)


def _function(text: str, where: Path) -> Callable[..., Any]:
    """`module:function` of a file in the task's folder or one above it, else of an installed module."""
    module, _, name = text.partition(":")
    for folder in (where.parent, *where.resolve().parents[1:3]):
        file = folder / f"{module}.py"
        if file.is_file():
            spec = importlib.util.spec_from_file_location(module, file)
            assert spec is not None
            assert spec.loader is not None
            loaded = sys.modules.get(f"midcourse_task_{module}") or importlib.util.module_from_spec(spec)
            spec.loader.exec_module(loaded)
            break
    else:
        try:
            loaded = importlib.import_module(module)
        except ImportError as error:
            raise InputError(f"{where}: {text!r}: there is no {module}.py beside it and no such module") from error
    found: Any = getattr(loaded, name, None)
    if not callable(found):
        raise InputError(f"{where}: {module} has no function {name!r}")
    return found  # type: ignore[no-any-return]
