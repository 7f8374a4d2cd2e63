"""Chat templates: programs that come with a model, run in jinja2's sandbox and within bounds of time and size.

jinja2's sandbox keeps a template from the machine: no attribute that leads to Python, no file, no change of what it is
given. It does not keep it from running forever or filling memory, so loops, macros, calls, filters and operators ask
here first. Bounds are far above what any chat needs. It knows no messages, no tokens and no clock: a prompt has the
same ids on any day. `strftime_now` is defined where `MIDCOURSE_DATE` names a day, and always says that one; without it
a template that asks first takes its own fixed date, and any other is refused.
"""

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from datetime import date, datetime
from functools import lru_cache, wraps
from itertools import islice
from typing import Any

import jinja2
import jinja2.ext
import jinja2.parser
import jinja2.sandbox
from jinja2 import nodes
from jinja2.visitor import NodeTransformer

__all__ = ["MOST", "SECONDS", "render"]

SECONDS = 10.0
"""Longest that a template may run."""
MOST = 50_000_000
"""Characters of the longest text, or entries of the longest list, that it may make."""
DATE = "MIDCOURSE_DATE"
"""Names the environment variable with the day that templates take for today."""
_until: ContextVar[float] = ContextVar("until", default=0.0)


def render(template: str, variables: Mapping[str, Any]) -> str:
    """The text that a template makes.

    Raises:
        jinja2.TemplateError: It cannot be compiled, refuses what it is given, or leaves its bounds.
    """
    compiled = _compile(template, os.environ.get(DATE))
    token = _until.set(time.monotonic() + SECONDS)
    made, size = list[str](), 0
    try:
        for part in compiled.generate(**variables):
            size += len(part)
            _bound(size)
            made.append(part)
    except jinja2.UndefinedError as error:
        if "strftime_now" not in str(error):
            raise
        raise jinja2.TemplateError(
            f"it puts the date into the prompt, which would be another text every day; set {DATE} to the day that it "
            f"shall name for good, for example {DATE}={date.today()}"
        ) from error
    finally:
        _until.reset(token)
    return "".join(made)


@lru_cache(maxsize=16)
def _compile(template: str, day: str | None) -> jinja2.Template:
    def raise_exception(message: str) -> None:
        raise jinja2.TemplateError(message)

    def tojson(
        value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False
    ) -> str:
        """With the arguments of transformers, in its order: templates name them, or not."""
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    # Not optimized: constants would be worked out while it is compiled, without a clock.
    environment = _Environment(
        trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols, _Generation], optimized=False
    )
    environment.filters["tojson"] = tojson
    environment.filters.update({name: _bounded(name, f) for name, f in environment.filters.items()})
    environment.globals["raise_exception"] = raise_exception
    if day:
        environment.globals["strftime_now"] = _day(day).strftime
    del environment.globals["lipsum"]
    return environment.from_string(template)


def _day(day: str) -> datetime:
    try:
        return datetime.fromisoformat(day)
    except ValueError as error:
        raise jinja2.TemplateError(f"{DATE} is {day!r}, which is no day such as {date.today()}") from error


class _Generation(jinja2.ext.Extension):
    """`{% generation %}` tells trainers which part the assistant wrote; what it encloses is text like any other."""

    tags = {"generation"}  # noqa: RUF012  # as jinja2 declares it

    def parse(self, parser: jinja2.parser.Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body, lineno=line)


class _Environment(jinja2.sandbox.ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset(("+", "*", "**", "%"))

    def _generate(self, source: nodes.Template, *args: Any, **options: Any) -> str:
        return super()._generate(_Steps().visit(source), *args, **options)

    def call(self, __context: Any, __obj: Any, *args: Any, **options: Any) -> Any:
        _check(getattr(__obj, "__self__", None), (*args, *options.values()))
        return _made(super().call(__context, __obj, *args, **options))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "+":
            _bound(_size(left) + _size(right))
        elif operator == "**":
            _bound(abs(right) * abs(left).bit_length() if isinstance(left, int) and isinstance(right, int) else 0)
        else:
            sizes = [abs(v) if isinstance(v, int) else _size(v) for v in (left, right)]
            numbers = all(isinstance(v, int | float) for v in (left, right))
            _bound(0 if numbers else sizes[0] * sizes[1] if operator == "*" else _widths(left))
        return _made(super().call_binop(context, operator, left, right))

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """`"{:>9}".format(x)`: the width stands in the text itself."""
        _bound(_widths(getattr(value, "__self__", None)))
        return super().wrap_str_format(value)

    def step(self) -> bool:
        """Asked at each round of a loop and each call of a macro."""
        return True

    def joined(self, *parts: Any) -> str:
        """What `~` does."""
        texts = [str(part) for part in parts]
        _bound(sum(map(len, texts)))
        return "".join(texts)


class _Steps(NodeTransformer):
    """Has every loop and macro ask, and `~` too."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        node.body.insert(0, nodes.ExprStmt(_ask("step"), lineno=node.lineno))
        if node.test is not None:
            node.test = nodes.And(_ask("step"), node.test, lineno=node.lineno)
        return node

    def visit_Macro(self, node: nodes.Macro) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        node.body.insert(0, nodes.ExprStmt(_ask("step"), lineno=node.lineno))
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _ask("joined", node.nodes)


def _ask(name: str, parts: Iterable[nodes.Expr] = ()) -> nodes.Call:
    return nodes.Call(nodes.EnvironmentAttribute(name), list(parts), [], None, None)


def _bounded(name: str, filter_: Callable[..., Any]) -> Callable[..., Any]:
    passed = 1 if hasattr(filter_, "jinja_pass_arg") else 0

    @wraps(filter_)
    def asked(*args: Any, **options: Any) -> Any:
        value: Any = args[passed] if len(args) > passed else None
        before, rest = args[:passed], args[passed + 1 :]
        if hasattr(value, "__next__"):  # what a filter before it yields: made now, within bounds
            value = list(islice(value, MOST))
        if name in ("format", "center"):
            _bound(_widths(value))
        _check(value, (*rest, *options.values()))
        return _made(filter_(*before, value, *rest, **options))

    return asked


def _check(subject: Any, args: tuple[Any, ...]) -> None:
    """Refuse a call that could make more than is allowed, as far as its arguments tell: what is put in, so often."""
    if time.monotonic() > _until.get():
        raise jinja2.TemplateError(f"it runs for more than {SECONDS:g} s")
    factor = max((abs(a) if isinstance(a, int) else _size(a) for a in args), default=1)
    _bound(max(1, _size(subject)) * max(1, factor))
    _bound(_widths(subject) if args else 0)


def _made(value: Any) -> Any:
    _bound(_size(value))
    return value


def _size(value: Any) -> int:
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, list | tuple):
        return len(value) + sum(len(v) for v in value if isinstance(v, str))
    return len(value) if isinstance(value, range | dict) else 0


def _widths(value: Any) -> int:
    """The largest number in a format such as `%9d` or `{:>9}`."""
    if not isinstance(value, str) or not ("%" in value or "{" in value):
        return 0
    digits = "".join(c if c.isascii() and c.isdigit() else " " for c in value).split()
    return max((int(d[:12]) for d in digits), default=0)


def _bound(size: int) -> None:
    if size > MOST:
        raise jinja2.TemplateError(f"it makes a value of more than {MOST:,} characters")
