"""Sums checked as they are written: stops at the first false result and writes the right one.

Only digits, points, brackets and the four operations are read; nothing the model wrote is ever run as code.
"""

import re
from dataclasses import dataclass
from fractions import Fraction

from midcourse.drafts.simulate.judge import Found

__all__ = ["Arithmetic", "value_of"]

_NUMBER = r"-?\$?\d+(?:,\d{3})*(?:\.\d+)?"
_SUM = re.compile(rf"(?P<left>[\d$(][\d\s.,$()+*/x×÷–−-]*?)\s*=\s*(?P<right>{_NUMBER})")
_TOKEN = re.compile(r"\s*(?:(\d+(?:\.\d+)?)|(.))")
_SIGNS = {"x": "*", "×": "*", "÷": "/", "−": "-", "–": "-"}


@dataclass(frozen=True)
class Arithmetic:
    """Every `a + b = c` must be true."""

    name: str
    reason: str | None = None
    decimals: int = 2
    """A result counts as right when it is the true one rounded to as many places as it shows, at most so many."""

    def about(self, prompt: str) -> "Arithmetic":
        """The same: a sum is true whatever was asked."""
        return self

    def first(self, text: str, *, finished: bool = True, at: int = 0) -> Found | None:
        """See `Judge.first`; the mistake is the result alone."""
        for match in _SUM.finditer(text):
            start, end = match.span("right")
            if start < at or (not finished and end + 1 > len(text) - (text[end : end + 1] in (".", ","))):
                continue
            value = value_of(match["left"])
            if value is None or not re.search(r"\d\s*[+*/x×÷–−-]", match["left"]):
                continue
            said = match["right"].replace("$", "").replace(",", "")
            if not self._right(value, said):
                mark = "$" if "$" in match["right"] else ""
                return Found(self.name, start, end, mark + self._written(value), self.reason)
        return None

    def _right(self, value: Fraction, said: str) -> bool:
        places = len(said.partition(".")[2])
        if value.denominator == 1 or places == 0:
            return Fraction(said) in (value, round(value)) if places == 0 else Fraction(said) == value
        return abs(Fraction(said) - value) <= Fraction(1, 2 * 10 ** min(places, self.decimals))

    def _written(self, value: Fraction) -> str:
        if value.denominator == 1:
            return str(value.numerator)
        return f"{float(value):.{self.decimals}f}".rstrip("0").rstrip(".")


def value_of(expression: str) -> Fraction | None:
    """The value of a sum with brackets; None where it is no sum, or divides by zero."""
    tokens: list[str] = []
    for number, sign in _TOKEN.findall(expression.replace("$", "").replace(",", "").strip()):
        tokens.append(number or _SIGNS.get(sign, sign))
    try:
        value, rest = _sum(tokens)
    except (ValueError, IndexError, ZeroDivisionError, RecursionError):
        return None
    return None if rest else value


def _sum(tokens: list[str]) -> tuple[Fraction, list[str]]:
    value, tokens = _product(tokens)
    while tokens and tokens[0] in "+-":
        sign, (other, tokens) = tokens[0], _product(tokens[1:])
        value = value + other if sign == "+" else value - other
    return value, tokens


def _product(tokens: list[str]) -> tuple[Fraction, list[str]]:
    value, tokens = _atom(tokens)
    while tokens and tokens[0] in "*/":
        sign, (other, tokens) = tokens[0], _atom(tokens[1:])
        value = value * other if sign == "*" else value / other
    return value, tokens


def _atom(tokens: list[str]) -> tuple[Fraction, list[str]]:
    if tokens[0] == "-":
        value, rest = _atom(tokens[1:])
        return -value, rest
    if tokens[0] == "(":
        value, rest = _sum(tokens[1:])
        if not rest or rest[0] != ")":
            raise ValueError("no closing bracket")
        return value, rest[1:]
    return Fraction(tokens[0]), tokens[1:]
