"""Texts written side by side come out as one by one, whatever is cut, corrected or joined on the way."""

import random

import pytest
import torch

from growing import tiny_model
from midcourse.backends.local import LocalBackend
from midcourse.backends.lockstep import Lockstep
from midcourse.backends.protocol import Sampling
from midcourse.errors import InputError

END = 2


class Rewriter:
    """Writes some tokens, goes back a few, puts others, and again: a text under correction."""

    def __init__(self, seed: int, temperature: float = 0.0) -> None:
        self.dice = random.Random(seed)
        self.ids = [self.dice.randrange(3, 100) for _ in range(self.dice.randint(1, 9))]
        self.prompt = len(self.ids)
        self.temperature, self.rounds, self.log = temperature, 0, []

    def request(self):
        if self.rounds == 4:
            return None
        self.rounds += 1
        n, ban = self.dice.randint(1, 7), (self.dice.randrange(100),)
        return list(self.ids), Sampling(n, temperature=self.temperature, seed=self.rounds, banned_first=ban)

    def receive(self, tokens):
        self.log.append([(t.id, round(t.logprob, 3)) for t in tokens])
        self.ids += [t.id for t in tokens]
        kept = self.dice.randint(self.prompt, len(self.ids))
        self.ids = self.ids[:kept] + [self.dice.randrange(3, 100) for _ in range(self.dice.randint(0, 3))]


def alone(job: Rewriter, backend: LocalBackend) -> None:
    while (asked := job.request()) is not None:
        job.receive(list(backend.stream(*asked)))


@pytest.mark.parametrize("rows", [1, 3, 8])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_side_by_side_is_as_one_by_one(rows, temperature):
    model = tiny_model()
    want = [Rewriter(seed, temperature) for seed in range(12)]
    for job in want:
        alone(job, LocalBackend(model, (END,)))
    found = [Rewriter(seed, temperature) for seed in range(12)]
    Lockstep(model, (END,), rows=rows).run(found)
    assert [j.log for j in found] == [j.log for j in want]
    assert [j.ids for j in found] == [j.ids for j in want]


@pytest.mark.long
def test_the_cache_stays_small_where_much_is_turned_down():
    class Wasteful(Rewriter):
        def request(self):
            self.rounds += 1
            return ([5, 6, 7], Sampling(20)) if self.rounds < 30 else None

        def receive(self, tokens):
            self.log.append([t.id for t in tokens])

    crowd, widest = Lockstep(tiny_model(), (), rows=2), 0
    step = crowd._step

    def watched():
        nonlocal widest
        step()
        widest = max(widest, crowd._mask.shape[1])

    crowd._step = watched
    jobs = [Wasteful(0), Wasteful(1)]
    crowd.run(jobs)
    assert widest < 2 * 23 + 64 + 3
    assert all(log == jobs[0].log[0] for job in jobs for log in job.log)


def test_a_full_context_ends_a_text():
    class Long(Rewriter):
        def __init__(self):
            super().__init__(0)
            self.ids = [4] * 250

        def request(self):
            self.rounds += 1
            return (list(self.ids), Sampling(50)) if self.rounds < 3 else None

        def receive(self, tokens):
            self.log.append(len(tokens))
            self.ids += [t.id for t in tokens]

    job = Long()
    Lockstep(tiny_model(), ()).run([job])
    assert job.log == [6, 0]


def test_a_model_with_a_window_is_refused():
    with pytest.raises(InputError, match="one by one"):
        Lockstep(tiny_model("gemma3"), ())


def test_nothing_to_do_runs_no_model_and_leaves_it_ready():
    class Done(Rewriter):
        def request(self):
            self.rounds += 1

    model, passes = tiny_model(), []
    model.register_forward_pre_hook(lambda *_: passes.append(1))
    crowd, done, last = Lockstep(model, (END,)), [Done(seed) for seed in range(3)], Rewriter(5)
    crowd.run([])
    crowd.run(done)
    assert passes == []
    assert [(job.rounds, job.log) for job in done] == [(1, [])] * 3
    crowd.run([last])
    assert len(last.log) == 4


def test_reading_given_tokens_is_what_streaming_says():
    backend = LocalBackend(tiny_model(), (END,))
    written = list(backend.stream([5, 6, 7], Sampling(5)))
    read = backend.read([5, 6, 7, *(t.id for t in written)], 3)
    assert [r.best for r in read] == [t.id for t in written]
    torch.testing.assert_close([r.logprob for r in read], [t.logprob for t in written], atol=1e-5, rtol=0)
