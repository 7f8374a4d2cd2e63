"""Every dialect against a server that speaks it as documented and refuses what it does not know."""

import math
import socket

import pytest

from midcourse.backends.protocol import Sampling
from midcourse.backends.remote import DIALECTS, RemoteBackend
from midcourse.errors import InputError, ServerError
from midcourse.tokens import TextTokenizer
from model_folder import save_model
from model_server import END, TEXT, serving

ALL = sorted(DIALECTS)
BY_IDS = ["llama.cpp", "sglang", "vllm", "midcourse"]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return TextTokenizer.load(save_model(tmp_path_factory.mktemp("tiny")))


def said(url, tokenizer, prompt="A", **asked):
    backend = RemoteBackend(url, tokenizer, patience=asked.pop("patience", 5.0), key=asked.pop("key", None))
    try:
        return list(backend.stream(tokenizer.encode(prompt), Sampling(**asked)))
    finally:
        backend.close()


@pytest.mark.parametrize("dialect", ALL)
def test_ids_come_back_exactly_and_an_end_token_is_the_last(dialect, tokenizer):
    with serving(dialect, tokenizer) as server:
        tokens = said(server.url, tokenizer, alternatives=2)
    assert [t.id for t in tokens] == [*tokenizer.encode(TEXT), END]
    assert tokens[0].logprob == pytest.approx(math.log(0.75))
    assert tokens[1].alternatives[0] == (tokens[1].id, pytest.approx(math.log(0.75)))
    assert tokenizer.decode([tokens[1].alternatives[1][0]]) == "G"


@pytest.mark.parametrize("dialect", ALL)
def test_a_correction_is_continued_from_its_last_token(dialect, tokenizer):
    with serving(dialect, tokenizer) as server:
        tokens = said(server.url, tokenizer, "A" + TEXT[:5], max_new_tokens=3)
        prompt = server.asked[-1].get("prompt", server.asked[-1].get("input_ids"))
    assert tokenizer.decode([t.id for t in tokens]) == TEXT[5:8]
    given = tokenizer.encode("A" + TEXT[:5])
    assert prompt == (given if dialect in BY_IDS else "A" + TEXT[:5])


@pytest.mark.parametrize("dialect", [d for d in ALL if d != "ollama"])
def test_only_the_first_token_is_ruled_out(dialect, tokenizer):
    with serving(dialect, tokenizer) as server:
        start = "A" + TEXT[:1]
        tokens = said(server.url, tokenizer, start, max_new_tokens=1, banned_first=tuple(tokenizer.encode("g")))
        assert tokenizer.decode([t.id for t in tokens]) == "G"
        more = said(server.url, tokenizer, start, max_new_tokens=3, banned_first=tuple(tokenizer.encode("g")))
    assert len(more) == 3
    assert len(server.asked) == 3  # the token after the ruled-out one is asked for without the ban


def test_what_a_server_cannot_do_is_refused(tokenizer):
    with serving("ollama", tokenizer) as server:
        with pytest.raises(InputError, match="cannot rule out tokens"):
            said(server.url, tokenizer, banned_first=(3,))
        with pytest.raises(InputError, match="ollama tells 20"):
            said(server.url, tokenizer, alternatives=21)


def test_text_that_ends_inside_a_character_is_not_sent_as_text(tokenizer):
    half = tokenizer.encode("é")[:1]
    with serving("ollama", tokenizer) as server:
        backend = RemoteBackend(server.url, tokenizer)
        with pytest.raises(InputError, match="ends inside a character"):
            next(backend.stream(half, Sampling()))
        backend.close()
    assert server.asked == []


def test_a_seam_that_reads_differently_is_counted(tokenizer):
    with serving("openai", tokenizer) as server:
        backend = RemoteBackend(server.url, tokenizer)
        next(backend.stream([*tokenizer.encode("A<end>")], Sampling(max_new_tokens=1)))
        assert backend.seam == len("<end>")  # written out, the letters read as the end token
        next(backend.stream(tokenizer.encode("A"), Sampling(max_new_tokens=1)))
        assert backend.seam == 0
        backend.close()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("cut", "broke off in the middle"),
        ("silent", "said nothing for 0.5 s"),
        ("garbage", "sent what is no event"),
        ("other", "does not answer as"),
        ("error", "stopped with an error: out of memory"),
    ],
)
@pytest.mark.parametrize("dialect", ALL)
def test_faults_are_one_sentence_and_what_came_before_is_kept(dialect, fault, words, tokenizer):
    with serving(dialect, tokenizer, fault) as server:
        backend = RemoteBackend(server.url, tokenizer, patience=0.5)
        stream = backend.stream(tokenizer.encode("A"), Sampling())
        kept = [next(stream).id, next(stream).id]
        with pytest.raises(ServerError, match=words):
            next(stream)
        backend.close()
    assert kept == tokenizer.encode(TEXT)[:2]


def test_a_wrong_key_an_unreachable_server_and_a_web_page_are_told(tokenizer):
    with serving("vllm", tokenizer, key="right") as server:
        with pytest.raises(ServerError, match="refuses the key"):
            said(server.url, tokenizer, key="wrong")
        assert said(server.url, tokenizer, key="right")
    with pytest.raises(ServerError, match="cannot be reached"):
        said(server.url, tokenizer)
    with serving("vllm", tokenizer, "page") as server, pytest.raises(ServerError, match="lists no models"):
        said(server.url, tokenizer)
    for url in ("localhost:8080", "http://", "ftp://a", "nonsense"):
        with pytest.raises(InputError, match="no address"):
            said(url, tokenizer)


def test_a_silent_port_is_given_up(tokenizer):
    with socket.create_server(("127.0.0.1", 0)) as port, pytest.raises(ServerError, match="said nothing"):
        said(f"http://127.0.0.1:{port.getsockname()[1]}", tokenizer, patience=0.3)


def test_closing_the_stream_stops_the_server(tokenizer):
    with serving("llama.cpp", tokenizer, "patient") as server:
        backend = RemoteBackend(server.url, tokenizer)
        stream = backend.stream(tokenizer.encode("A"), Sampling())
        next(stream)
        stream.close()
        assert server.gone.wait(3)
        backend.close()


def test_two_streams_at_a_time_do_not_mix(tokenizer):
    with serving("sglang", tokenizer) as server:
        backend = RemoteBackend(server.url, tokenizer)
        one, two = (backend.stream(tokenizer.encode("A"), Sampling()) for _ in range(2))
        pairs = [(a.id, b.id) for a, b in zip(one, two, strict=True)]
        backend.close()
    assert pairs == [(i, i) for i in [*tokenizer.encode(TEXT), END]]
