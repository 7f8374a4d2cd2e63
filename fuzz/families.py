"""Everything of Midcourse that reads what a stranger wrote, in families: a function takes bytes and returns nothing.

Only a `MidcourseError` may come of any input; whatever else is raised is a finding. Seeds are in `corpus/<family>/`;
the first line of some says what the rest is. It knows no fuzzer: the everyday tests call these functions too.
"""

from collections.abc import Callable
from pathlib import Path

from importing import corrections, exports, files, marks, preferences, rows
from reading import model, proxy, rules, template, tokens, wire

__all__ = ["CORPUS", "FAMILIES"]

CORPUS = Path(__file__).parent / "corpus"
FAMILIES: dict[str, Callable[[bytes], None]] = {
    "marks": marks,
    "rows": rows,
    "files": files,
    "exports": exports,
    "corrections": corrections,
    "preferences": preferences,
    "proxy": proxy,
    "tokens": tokens,
    "template": template,
    "rules": rules,
    "wire": wire,
    "model": model,
}
