"""A server that is asked for no more than it can do: nothing is refused that can be had another way."""

import math

import pytest

from midcourse.backends.protocol import Sampling, Token
from midcourse.backends.remote import DIALECTS, Fitted, connect
from midcourse.backends.remote.fitted import another
from midcourse.errors import InputError
from midcourse.tokens import TextTokenizer
from model_folder import save_model
from model_server import END, TEXT, serving

ALL = sorted(DIALECTS)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return TextTokenizer.load(save_model(tmp_path_factory.mktemp("tiny")))


def fitted(server, tokenizer):
    return Fitted(*connect(server.url, tokenizer, patience=5.0))


def said(server, tokenizer, prompt, **asked):
    backend = fitted(server, tokenizer)
    server.asked.clear()
    try:
        return list(backend.stream(tokenizer.encode(prompt), Sampling(**asked)))
    finally:
        backend.backend.close()


@pytest.mark.parametrize("dialect", ALL)
def test_what_was_rejected_does_not_come_back(dialect, tokenizer):
    with serving(dialect, tokenizer) as server:
        banned = tuple(tokenizer.encode("g"))
        tokens = said(server, tokenizer, "A ", max_new_tokens=3, banned_first=banned, alternatives=1)
    assert tokenizer.decode([t.id for t in tokens]) == "G g"  # and only in the first place
    assert all(len(t.alternatives) <= 1 for t in tokens)
    if dialect in ("ollama", "openai"):
        assert tokens[0].logprob == pytest.approx(math.log(0.125))  # as it was told


@pytest.mark.parametrize("dialect", ALL)
def test_more_alternatives_than_are_told_are_not_asked_for(dialect, tokenizer):
    with serving(dialect, tokenizer) as server:
        tokens = said(server, tokenizer, "A", max_new_tokens=2, alternatives=99)
    assert tokenizer.decode([t.id for t in tokens]) == TEXT[:2]
    assert tokens[1].alternatives[0][0] == tokens[1].id


def test_a_first_token_may_be_all_that_is_asked_for(tokenizer):
    with serving("ollama", tokenizer) as server:
        banned = tuple(tokenizer.encode("g"))
        assert len(said(server, tokenizer, "A ", max_new_tokens=1, banned_first=banned)) == 1
        assert len(server.asked) == 1
        assert said(server, tokenizer, "A ", max_new_tokens=0, banned_first=banned) == []


def test_where_nothing_else_is_told_it_is_given_up_and_said(tokenizer):
    with serving("ollama", tokenizer) as server:
        with pytest.raises(InputError, match="cannot rule words out, and what was rejected came 5 times"):
            said(server, tokenizer, "A ", banned_first=(*tokenizer.encode("g"), *tokenizer.encode("G")))
        assert len(server.asked) == 5
        assert len({body["options"]["seed"] for body in server.asked}) == 5
        with pytest.raises(InputError, match="type what should stand there"):
            said(server, tokenizer, "A" + TEXT, banned_first=(END,))


def test_another_is_drawn_by_its_share():
    told = ((1, math.log(0.5)), (2, math.log(0.3)), (3, math.log(0.1)), (4, math.nan))
    drawn = Token(1, math.log(0.5), told)
    assert another(drawn, Sampling(banned_first=(9,), alternatives=2)) == Token(1, math.log(0.5), told[:2])
    assert another(drawn, Sampling(banned_first=(1,))) == Token(2, math.log(0.3))
    assert another(drawn, Sampling(banned_first=(1, 2, 3))) is None
    taken = [another(drawn, Sampling(banned_first=(1,), temperature=1.0, seed=s)).id for s in range(2000)]
    assert taken.count(2) / 2000 == pytest.approx(0.75, abs=0.04)
    assert set(taken) == {2, 3}


def test_another_tokenizer_is_refused(tokenizer):
    import tokenizers
    from tokenizers import decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet(), reverse=True)
    other = tokenizers.Tokenizer(models.BPE({c: i for i, c in enumerate(alphabet)}, []))
    other.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    other.decoder = decoders.ByteLevel()
    with serving("vllm", tokenizer) as server, pytest.raises(InputError, match="with another tokenizer"):
        connect(server.url, TextTokenizer(other))
