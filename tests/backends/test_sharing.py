"""Streams in threads take turns: everybody gets tokens, nobody two at a time."""

import threading
from collections.abc import Iterator

import pytest

from growing import tiny_model
from midcourse.backends.local import LocalBackend
from midcourse.backends.protocol import Sampling, Token
from midcourse.backends.sharing import Shared, Turns


class OneAtATime:
    def __init__(self) -> None:
        self.inside, self.order, self.read = 0, [], []

    def stream(self, token_ids, sampling) -> Iterator[Token]:
        for _ in range(sampling.max_new_tokens):
            self.inside += 1
            assert self.inside == 1
            self.order.append(token_ids[0])
            threading.Event().wait(0.002)
            self.inside -= 1
            yield Token(1, 0.0)

    def held(self, token_ids) -> int:
        return 10

    def warm(self, token_ids) -> None:
        self.read.append(len(token_ids))


def test_streams_advance_side_by_side():
    backend = OneAtATime()
    shared = Shared(backend)
    threads = [
        threading.Thread(target=lambda n=n: list(shared.stream([n], Sampling(max_new_tokens=30)))) for n in range(4)
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(backend.order) == [n for n in range(4) for _ in range(30)]
    middle = backend.order[20:80]
    assert all(abs(middle.count(n) - 15) <= 3 for n in range(4))
    assert shared.turns.waiting == 0


def test_a_long_text_is_read_in_pieces():
    backend = OneAtATime()
    next(Shared(backend).stream(list(range(1000)), Sampling(max_new_tokens=1)))
    assert backend.read[0] == 10 + 256
    assert max(b - a for a, b in zip(backend.read, backend.read[1:], strict=False)) <= 256
    assert backend.read == sorted(set(backend.read))  # each piece goes on where the last one ended
    assert 1000 - backend.read[-1] == 256


class Watched(LocalBackend):
    """Notes how many streams each pass served."""

    def step(self, goings):
        self.__dict__.setdefault("passes", []).append(len(goings))
        return super().step(goings)


def together(shared, texts, sampling):
    found = {}
    gate = threading.Barrier(len(texts))

    def write(n):
        gate.wait()
        found[n] = list(shared.stream(texts[n], sampling))

    threads = [threading.Thread(target=write, args=(n,)) for n in range(len(texts))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return [found[n] for n in range(len(texts))]


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(max_new_tokens=60, alternatives=3, end_ids=()),
        Sampling(max_new_tokens=60, temperature=1.0, seed=4, end_ids=(7, 8, 9)),
    ],
)
def test_streams_in_one_pass_write_what_each_writes_alone(sampling):
    texts = [[5, 6, 7], [9, 10, 11, 12, 13], [5, 6, 7], [20]]  # two are the same text
    backend = Watched(tiny_model(), ())
    found = together(Shared(backend), texts, sampling)
    for text, tokens in zip(texts, found, strict=True):
        alone = list(LocalBackend(tiny_model(), ()).stream(text, sampling))
        assert [t.id for t in tokens] == [t.id for t in alone]
        assert [t.logprob for t in tokens] == pytest.approx([t.logprob for t in alone], abs=1e-4)
    assert max(backend.passes) >= 3
    assert sum(backend.passes) == sum(map(len, found))


def test_only_who_needs_a_turn_of_their_own_counts_as_waiting():
    turns, inside, go = Turns(), threading.Event(), threading.Event()

    def hold():
        with turns.turn():
            inside.set()
            go.wait()

    def wait(along):
        with turns.turn(along=along):
            pass

    threads = [threading.Thread(target=hold)]
    threads[0].start()
    inside.wait()
    for along in (True, False, True):
        threads.append(threading.Thread(target=wait, args=(along,)))
        threads[-1].start()
    while len(turns._queue) < 3:
        threading.Event().wait(0.001)
    assert turns.waiting == 1
    go.set()
    for t in threads:
        t.join()
    assert turns.waiting == 0


def test_models_of_another_build_take_turns():
    texts = [[5, 6, 7], [9, 10, 11], [20]]
    sampling = Sampling(max_new_tokens=12, end_ids=())
    backend = Watched(tiny_model("gemma3"), ())
    found = together(Shared(backend), texts, sampling)
    for text, tokens in zip(texts, found, strict=True):
        alone = LocalBackend(tiny_model("gemma3"), ()).stream(text, sampling)
        assert [t.id for t in tokens] == [t.id for t in alone]
    assert set(backend.passes) == {1}


def test_who_stops_reading_is_taken_along_a_few_tokens_only():
    backend = Watched(tiny_model(), ())
    shared = Shared(backend)
    idle = shared.stream([9, 10, 11], Sampling(max_new_tokens=100, end_ids=()))
    next(idle)
    assert len(list(shared.stream([5, 6, 7], Sampling(max_new_tokens=50, end_ids=())))) == 50
    assert backend.passes.count(2) == 2
    rest = [t.id for t in idle]
    assert len(rest) == 99
    idle.close()
    assert shared.turns.streams == []


def test_a_tail_is_scored_in_pieces_as_in_one_pass(monkeypatch):
    monkeypatch.setattr("midcourse.backends.sharing._CHUNK", 7)
    ids = [*range(10, 50)]
    whole = [read.logprob for read in LocalBackend(tiny_model(), ()).read(ids, 12)]
    backend = LocalBackend(tiny_model(), ())
    assert Shared(backend).score(ids, 12) == pytest.approx(whole, abs=1e-4)
    assert backend.held(ids) >= len(ids) - 1  # what was scored need not be read again to write on


def test_a_backend_that_scores_nothing_reads_all_the_same():
    backend = OneAtATime()
    assert Shared(backend).score([*range(30)], 12) is None
    assert backend.read[-1] == 30
