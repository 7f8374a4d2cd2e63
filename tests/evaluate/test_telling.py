"""A fork in words is what people wrote and read, without the signs that a template puts around it."""

import pytest

from midcourse.evaluate.forks import forks, held_out
from midcourse.evaluate.telling import fork_result
from midcourse.rows import join, read_row

ROW = {"prefix": "It is a ", "rejected": "bad thing", "chosen": "good thing", "split": "test"}


@pytest.mark.parametrize(
    ("prompt", "before"),
    [("Q: ", "Q: It is a"), ([{"role": "user", "content": "Is it?"}], "It is a")],
    ids=["raw text", "a conversation"],
)
def test_before_a_fork_stands_the_answer_alone_where_a_template_made_the_prompt(tiny_tokenizer, prompt, before):
    rows = [read_row({"prompt": prompt, **ROW}, map=None, line=1)]
    found, skipped = join(rows, tiny_tokenizer, source="t")
    assert not skipped
    [fork] = forks(held_out(found)[0])
    assert fork_result(fork, {}, tiny_tokenizer).before == before
