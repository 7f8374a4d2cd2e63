"""Whole characters, stop texts, where an answer ends: whatever way the text falls into tokens."""

from itertools import pairwise

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from midcourse.backends.protocol import Sampling, Token
from midcourse.publish.serve.writing import Ask, write
from midcourse.tokens import TextTokenizer
from model_folder import save_model

END = 256


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return TextTokenizer.load(save_model(tmp_path_factory.mktemp("tiny")))


class Says:
    """A backend that writes given ids."""

    def __init__(self, ids):
        self.ids, self.drawn = ids, 0

    def stream(self, token_ids, sampling):
        for i in self.ids[: sampling.max_new_tokens]:
            self.drawn += 1
            yield Token(i, -0.5)
            if i == END:
                return


def run(tokenizer, text, stop=(), end=True, most=1000):
    backend = Says([*tokenizer.encode(text), *([END] if end else [])])
    return list(write(backend, tokenizer, [1], Ask(Sampling(max_new_tokens=most), stop))), backend


WORDS = st.text("aб🙂 \n", max_size=24)


@settings(max_examples=200, deadline=None)
@given(text=WORDS, stops=st.lists(st.text("aб🙂 \n", min_size=1, max_size=4), max_size=3))
def test_the_text_ends_before_the_first_stop_and_never_shows_a_part_of_it(tokenizer, text, stops):
    pieces, _ = run(tokenizer, text, stops)
    ended = ((end, end - len(s)) for end in range(len(text) + 1) for s in stops if text[:end].endswith(s))
    at = min(ended, default=(0, -1))[1]  # the one that is complete first; of several the longest
    assert "".join(p.text for p in pieces) == (text[:at] if at >= 0 else text)
    assert [p.finish for p in pieces] == [""] * (len(pieces) - 1) + ["stop"]
    assert pieces[-1].ends == (at < 0)


@settings(max_examples=100, deadline=None)
@given(text=WORDS.filter(bool), most=st.integers(1, 40))
def test_at_the_limit_the_last_token_says_so(tokenizer, text, most):
    ids = tokenizer.encode(text)
    pieces, _ = run(tokenizer, text, end=False, most=most)
    if most <= len(ids):
        assert len(pieces) == most
        whole = tokenizer.to_bytes(ids[:most]).decode("utf-8", "replace")
        assert "".join(p.text for p in pieces) == whole
        assert pieces[-1].tokens
    assert pieces[-1].finish == "length"
    assert sum(len(p.tokens) for p in pieces) == min(most, len(ids))


def test_characters_come_whole(tokenizer):
    pieces, _ = run(tokenizer, "a🙂b")
    assert [p.text for p in pieces if p.text] == ["a", "🙂", "b"]


def test_nothing_is_drawn_behind_a_stop_text(tokenizer):
    _, backend = run(tokenizer, "abc" * 100, ("ca",))
    assert backend.drawn == 4


def test_a_banned_token_is_banned_at_every_place(tokenizer):
    class Asked:
        def __init__(self):
            self.calls = []

        def stream(self, token_ids, sampling):
            self.calls.append((len(token_ids), sampling))
            yield Token(5, -0.5)

    backend = Asked()
    list(write(backend, tokenizer, [1, 2], Ask(Sampling(max_new_tokens=4, seed=9), (), (7,))))
    assert [size for size, _ in backend.calls] == [2, 3, 4, 5]
    assert all(s.banned_first == (7,) and s.max_new_tokens == 1 for _, s in backend.calls)
    seeds = [s.seed for _, s in backend.calls]
    assert all(a != b for a, b in pairwise(seeds))
