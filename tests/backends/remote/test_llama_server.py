"""llama.cpp for real: the built-in GGUF in llama-server, held against the same weights in this process."""

import contextlib
import math

import pytest
from typer.testing import CliRunner

import llama_server
from midcourse.backends.local import LocalBackend
from midcourse.backends.protocol import Sampling
from midcourse.backends.remote import RemoteBackend
from midcourse.builtin import GGUF, builtin_gguf, cache_folder
from midcourse.cli import app
from midcourse.model import builtin_path, load_model
from midcourse.types import Message

pytestmark = [pytest.mark.model, pytest.mark.llama_server]
NEAR = 0.5
"""Nats: llama.cpp rounds activations to 8 bits beside 4-bit weights, so its figures are near ours, not the same."""


@pytest.fixture(scope="module")
def server():
    found = llama_server.find()
    if found is None:
        pytest.skip(llama_server.WANTED)
    return found


@pytest.fixture(scope="module")
def loaded(server):
    if not builtin_path().is_dir():
        pytest.skip("the built-in model is not here: run `midcourse model pull`")
    return load_model("builtin")


@pytest.fixture(scope="module")
def url(server, loaded, tmp_path_factory):
    if not (cache_folder() / "models" / GGUF).is_file():
        pytest.skip("the built-in GGUF is not here: run `midcourse model path --gguf`")
    with llama_server.running(server, builtin_gguf(), log=tmp_path_factory.mktemp("log") / "log") as address:
        yield address


@pytest.fixture(scope="module")
def remote(url, loaded):
    with contextlib.closing(RemoteBackend(url, loaded.tokenizer)) as made:
        yield made


@pytest.fixture(scope="module")
def local(loaded):
    return LocalBackend(loaded.model, loaded.tokenizer.eos)


def prompt(loaded, text="How do I sleep better?"):
    return loaded.tokenizer.prompt_ids([Message("user", text)])


def test_the_check_finds_it_and_nothing_missing(url):
    done = CliRunner().invoke(app, ["backends", "check", url, "--model", "builtin"], env={"COLUMNS": "160"})
    assert done.exit_code == 0, done.output
    assert "speaks llama.cpp (verified" in done.output
    assert "cannot" not in done.output
    assert done.output.count(" yes ") == 7, done.output


def test_ids_and_log_probabilities_are_those_of_the_same_weights_here(loaded, remote, local):
    ids = prompt(loaded)
    tokens = list(remote.stream(ids, Sampling(max_new_tokens=48, alternatives=8)))
    seen = local.read([*ids, *(t.id for t in tokens)], len(ids))
    off = [abs(t.logprob - r.logprob) for t, r in zip(tokens, seen, strict=True)]
    assert not any(math.isnan(t.logprob) for t in tokens)
    assert max(off) < NEAR
    assert sum(off) / len(off) < NEAR / 4
    for token, read in zip(tokens, seen, strict=True):
        assert read.best_logprob - read.logprob < NEAR  # greedy there is greedy here, or nearly a tie
        assert len(token.alternatives) == 8
        assert token.alternatives[0] == (token.id, pytest.approx(token.logprob, abs=1e-4))
        assert sorted((p for _, p in token.alternatives), reverse=True) == [p for _, p in token.alternatives]


def test_resumed_by_ids_it_goes_on_as_if_never_stopped(loaded, remote):
    ids = prompt(loaded)
    whole = [t.id for t in remote.stream(ids, Sampling(max_new_tokens=40))]
    for cut in (1, 7, 23):
        stream = remote.stream(ids, Sampling(max_new_tokens=40))
        begun = [next(stream).id for _ in range(cut)]
        stream.close()  # a person stops it
        rest = [t.id for t in remote.stream([*ids, *begun], Sampling(max_new_tokens=40 - cut))]
        assert begun + rest == whole


def test_a_corrected_place_is_gone_on_from(loaded, remote, local):
    ids = [*prompt(loaded), *loaded.tokenizer.encode("First of all, drink a glass of")]
    tokens = list(remote.stream(ids, Sampling(max_new_tokens=8)))
    seen = local.read([*ids, *(t.id for t in tokens)], len(ids))
    assert all(read.best_logprob - read.logprob < NEAR for read in seen)


def test_a_rejected_token_does_not_come_back_at_its_place_and_may_later(loaded, remote):
    ids = prompt(loaded)
    [first] = remote.stream(ids, Sampling(max_new_tokens=1))
    other = list(remote.stream(ids, Sampling(max_new_tokens=12, banned_first=(first.id,))))
    assert other[0].id != first.id
    assert len(other) == 12


def test_draws_repeat_with_their_seed_and_follow_the_temperature(loaded, remote):
    ids = prompt(loaded)

    def draw(seed, temperature=1.0):
        return [t.id for t in remote.stream(ids, Sampling(max_new_tokens=16, temperature=temperature, seed=seed))]

    assert draw(3) == draw(3)
    assert len({tuple(draw(seed)) for seed in range(4)}) > 1
    assert draw(1, 0.0) == draw(2, 0.0)


def test_draws_come_from_the_whole_distribution(loaded, remote, local):
    """Its default samplers (top-k 40, min-p 0.05) would never draw what is unlikely."""
    ids = prompt(loaded)
    unlikely = 0
    for seed in range(24):
        for token in remote.stream(ids, Sampling(max_new_tokens=12, temperature=1.5, seed=seed, alternatives=40)):
            unlikely += token.id not in {i for i, _ in token.alternatives}
    assert unlikely > 0


def test_the_end_token_is_told(loaded, remote):
    ids = [*prompt(loaded, "Say hi."), *loaded.tokenizer.encode("Hi! How can I help you today?")]
    tokens = list(remote.stream(ids, Sampling(max_new_tokens=40)))
    assert tokens[-1].id in loaded.tokenizer.eos
    assert tokens[-1].logprob < 0


def test_characters_of_several_tokens_keep_their_ids(loaded, remote, local):
    text = "Repeat: 🙂🙃 東京 naïve café 日本語. 🙂🙃 東京 naïve café 日本語. 🙂🙃"
    ids = loaded.tokenizer.encode(text)
    tokens = list(remote.stream(ids, Sampling(max_new_tokens=16)))
    written = [t.id for t in tokens]
    split = [i for i in written if loaded.tokenizer.decode([i]) == "\ufffd"]
    assert split, loaded.tokenizer.decode(written)
    known = [t for t in tokens if not math.isnan(t.logprob)]
    seen = local.read([*ids, *written], len(ids))
    for token, read in zip(tokens, seen, strict=True):
        assert read.best_logprob - read.logprob < NEAR, loaded.tokenizer.decode(written)
        if token in known:
            assert abs(token.logprob - read.logprob) < NEAR


def test_a_stop_in_the_middle_frees_the_server(loaded, remote):
    import time

    ids = prompt(loaded, "Write a very long story about a bridge.")
    stream = remote.stream(ids, Sampling(max_new_tokens=1500))
    next(stream)
    stream.close()
    began = time.monotonic()
    list(remote.stream(ids, Sampling(max_new_tokens=1)))  # its one slot would be busy for many seconds
    assert time.monotonic() - began < 5
