"""Streams in threads take turns: everybody gets tokens, nobody two at a time."""

import threading
from collections.abc import Iterator

from midcourse.backends.protocol import Sampling, Token
from midcourse.backends.sharing import Shared


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
