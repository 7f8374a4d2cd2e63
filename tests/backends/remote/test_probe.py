"""What probing finds out about servers that can do different things."""

import pytest

from midcourse.backends.remote import DIALECTS, probe
from midcourse.errors import InputError, ServerError
from midcourse.tokens import TextTokenizer
from model_folder import save_model
from model_server import serving


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return TextTokenizer.load(save_model(tmp_path_factory.mktemp("tiny")))


@pytest.mark.parametrize("dialect", ["llama.cpp", "vllm", "sglang"])
def test_a_server_that_can_do_everything(dialect, tokenizer):
    with serving(dialect, tokenizer) as server:
        report = probe(server.url + "/v1", tokenizer=tokenizer)
    assert report.dialect == dialect
    assert report.verified == (dialect in ("llama.cpp", "midcourse"))
    assert report.missing() == ""
    assert all(a.can for a in report.abilities)
    assert report.to_dict()["abilities"][0]["name"] == "continue token ids"


def test_without_a_tokenizer_that_is_the_one_thing_not_tried(tokenizer):
    with serving("vllm", tokenizer) as server:
        report = probe(server.url)
    assert [a.name for a in report.abilities if a.can is None] == ["read with this tokenizer"]


@pytest.mark.parametrize("dialect", ["ollama", "openai"])
def test_what_a_server_lacks_is_one_line(dialect, tokenizer):
    with serving(dialect, tokenizer) as server:
        report = probe(server.url, tokenizer=tokenizer)
    assert report.dialect == dialect
    assert report.missing().startswith(f"{server.url} ({dialect}) cannot: continue token ids, tell token ids")


def test_another_tokenizer_is_noticed(tokenizer, tmp_path):
    import tokenizers
    from tokenizers import decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet(), reverse=True)
    other = tokenizers.Tokenizer(models.BPE({c: i for i, c in enumerate(alphabet)}, []))
    other.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    other.decoder = decoders.ByteLevel()
    with serving("vllm", tokenizer) as server:
        report = probe(server.url, tokenizer=TextTokenizer(other))
    assert {a.name: a.can for a in report.abilities}["read with this tokenizer"] is False


def test_a_dialect_that_does_not_fit_is_told(tokenizer):
    with serving("vllm", tokenizer) as server:
        with pytest.raises(ServerError, match="has no /completion"):
            probe(server.url, dialect="llama.cpp")
        with pytest.raises(InputError, match="no dialect 'lama'; there are"):
            probe(server.url, dialect="lama")
    with serving("openai", tokenizer) as server, pytest.raises(ServerError, match="unknown fields"):
        probe(server.url, dialect="vllm")  # refused by a server that takes no fields it does not know
    assert set(DIALECTS) == {"llama.cpp", "vllm", "sglang", "ollama", "openai", "midcourse"}
