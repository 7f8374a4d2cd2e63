"""Each refusal names its column; what is accepted is frozen and complete."""

from typing import Any

import pytest

from midcourse.errors import InputError
from midcourse.rows import read_row, read_rows
from midcourse.types import Message


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ([], "must be an object"),
        (
            {"promt": "p", "chosen": "a"},
            "`prompt` is missing: it needs text or a list of messages; the row has promt, chosen",
        ),
        ({"prompt": 3, "chosen": "a"}, "`prompt` must be text or a list of messages, got int 3"),
        ({"prompt": [], "chosen": "a"}, "`prompt`"),
        ({"prompt": [{"role": "user"}], "chosen": "a"}, "`role` and `content`"),
        ({"prompt": ["hello"], "chosen": "a"}, "a message must be an object"),
        ({"prompt": "p"}, "`chosen` is missing"),
        ({"prompt": "p", "fix": "a"}, "the row has prompt, fix"),
        ({"prompt": "p", "chosen": ""}, "`chosen` is empty"),
        ({"prompt": "p", "chosen": 5}, "`chosen` must be text, got int 5"),
        ({"prompt": "p", "chosen": "a", "prefix": ["x"]}, "`prefix` must be text"),
        ({"prompt": "p", "chosen": "a", "rejected": {"x": 1}}, "`rejected` must be text, a list"),
        ({"prompt": "p", "chosen": "a", "rejected": ["x", None]}, "`rejected` must be text"),
        ({"prompt": "p", "chosen": "\ud83d"}, "half a character at position 0"),
        ({"prompt": "p", "chosen": "a", "kind": "nice"}, "`kind` must be one of typed"),
        ({"prompt": "p", "chosen": "a", "split": "holdout"}, "`split` must be train, dev or test"),
        ({"prompt": "p", "chosen": "a", "weight": "much"}, "`weight` must be a number"),
        ({"prompt": "p", "chosen": "a", "weight": -1}, "`weight` must be a number"),
        ({"prompt": "p", "chosen": "a", "weight": float("nan")}, "`weight` must be a number"),
        ({"prompt": "p", "chosen": "a", "ended": "perhaps"}, "`ended` must be true or false"),
        ({"prompt": "p", "chosen": "a", "author": ["x"]}, "`author` must be text"),
        ({"prompt": "p", "text": "{++a++}", "chosen": "a"}, "either `text` with marks or `chosen`"),
    ],
)
def test_a_bad_row_is_refused_by_name(row: Any, says: str) -> None:
    with pytest.raises(InputError) as error:
        read_rows(row)
    assert says in str(error.value)


def test_columns_are_renamed() -> None:
    row = read_row({"q": "p", "fix": "good", "bad": "b", "chosen": "not this"}, map={"prompt": "q", "chosen": "fix"})
    assert (row.prompt, row.chosen, row.rejected) == ("p", "good", ())
    with pytest.raises(InputError, match="names no column"):
        read_row({"prompt": "p", "chosen": "a"}, map={"choosen": "fix"})


def test_a_whole_row() -> None:
    row = read_row(
        {
            "prompt": [{"role": "user", "content": "hi", "name": None}],
            "prefix": None,
            "rejected": ["x", "x", "y"],
            "chosen": "a",
            "trajectory": 7,
            "split": "validation",
            "weight": "0.5",
            "ended": "true",
        },
        line=3,
    )
    assert row.prompt == (Message("user", "hi"),)
    assert (row.rejected, row.trajectory, row.split, row.weight) == (("x", "y"), "7", "dev", 0.5)
    assert (row.kind, row.ended, row.line) == ("typed", True, 3)
    assert read_row({"prompt": "p", "ended": True}).kind == "ended"
