"""How a cell's texts can be made in another way than the headline's: the names, what they take, and their check.

Checked when a study is read, so that a slip is told before hours were spent. It makes no texts.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from midcourse.drafts.simulate.habits import named
from midcourse.drafts.simulate.wording import WORDINGS
from midcourse.errors import InputError

__all__ = ["WAYS", "check_ways"]

WAYS: Mapping[str, str] = {
    "habits": "of the simulated person: careful, measured, or numbers such as late=8,wrong=0.1",
    "chosen": "where the corrected words come from: typed, picked or rephrased",
    "rejected": "the rejected side: shown, none, or sampled from the base",
    "texts": "how they are cut: written, long (one text) or short (one for each steer)",
    "beside": "a file of prompts; the base's answers to them are mixed in as instructions",
    "further": "a file of prompts whose texts come behind the usual ones, for more steers than those hold",
    "shown": "how many steers stand in the prompt, for the method in_prompt",
}
_ONE_OF = {"chosen": WORDINGS, "rejected": ("shown", "none", "sampled"), "texts": ("written", "long", "short")}


def check_ways(ways: Any, where: str, folder: Path) -> None:
    """Refuse what cannot be done.

    Args:
        ways: Way -> value.
        where: Names it in errors.
        folder: Files are named from here.

    Raises:
        InputError: A way is unknown, or its value is.
    """
    if not isinstance(ways, dict):
        raise InputError(f"{where}: `texts` is {ways!r}; expected ways such as {{habits: late=8}}")
    for way, value in ways.items():
        if way not in WAYS:
            known = "; ".join(f"{k} ({v})" for k, v in WAYS.items())
            raise InputError(f"{where}: unknown way {way!r} to make texts; known are {known}")
        if way in _ONE_OF and value not in _ONE_OF[way]:
            raise InputError(f"{where}: {way} is {value!r}; expected {WAYS[way]}")
        if way == "habits":
            named(str(value))
        if way in ("beside", "further") and not (folder / str(value)).is_file():
            raise InputError(f"{where}: {way} names {value!r}, and {folder} holds no such file")
