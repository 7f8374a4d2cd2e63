"""Prompts in, steered texts out, at scale: nobody at the keys, every text with its provenance and its price.

A text's id says what made it (prompt, judge, habits, sampling, weights), so a run that was stopped goes on where it
was, several shards never write the same text, and the same prompt is written once. It knows backends, drafts and a
place to keep texts in; not where prompts come from, nor what texts are for.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from midcourse.backends.local import LocalBackend
from midcourse.backends.lockstep import Lockstep, can_run
from midcourse.backends.protocol import Sampling, Token
from midcourse.drafts.draft import Draft
from midcourse.drafts.simulate import (
    CAREFUL,
    Habits,
    Judge,
    Keystrokes,
    Paid,
    Run,
    Teacher,
    Wording,
    simulate,
    simulate_many,
)
from midcourse.evaluate.prompted import Prompted
from midcourse.tokens import TextTokenizer
from midcourse.types import ModelRef, Trajectory
from midcourse.workflows.prompts import Asked

__all__ = ["Estimate", "Finished", "Tally", "Writer"]

Checker = Callable[[str, int], bool]
_AGAIN = 1.4
"""Tokens written for a token that stays."""
_TRIED = 8
"""Texts that are begun to see what a teacher takes."""


@dataclass(frozen=True)
class Finished:
    """One text with what was made of it."""

    trajectory: Trajectory
    run: Run
    passed: bool
    """Whether the independent checker let it pass; true without one."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run will take, from a few tokens tried."""

    texts: int
    tokens: int
    """The student writes about so many, turned down ones included."""
    read: int
    """The teacher reads about so many."""
    seconds: float

    def __str__(self) -> str:
        """As a person wants to read it."""
        teacher = f", the teacher reads about {self.read:,}" if self.read else ""
        time_ = f"{self.seconds / 60:.0f} min" if self.seconds > 90 else f"{self.seconds:.0f} s"
        return f"{self.texts} texts, about {self.tokens:,} tokens to write{teacher}: about {time_} on this machine"


@dataclass
class Writer:
    """A model that writes, and who steers it."""

    model: Any
    tokenizer: TextTokenizer
    judge: Judge
    ref: ModelRef | None = None
    by: str = "rules"
    """Who steers, for the record: rules and their hash, or the teacher and its weights."""
    habits: Habits = CAREFUL
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 0
    rows: int = 16
    adapter: bool = True
    mark: str = ""
    """Sets texts apart that have all else in common, such as the round of a loop."""
    checker: Checker | None = None
    """Judges the finished text by other means: (text, 0) -> whether something is wrong."""
    wording: Wording | None = None
    """Where the words of a correction come from; None: typed as the judge says."""
    prompted: Prompted | None = None
    """What the model is shown in place of a prompt; None: the prompt itself."""

    @property
    def made_by(self) -> dict[str, Any]:
        """What makes a text what it is."""
        limits = {k: getattr(self.judge, k) for k in ("stretch", "max_tokens", "max_steers")}
        # Named only where they are used: texts that were written before these ways were there keep their ids.
        ways = {} if self.wording is None else {"chosen": self.wording.name}
        ways |= {} if self.prompted is None else {"prompted": self.prompted.hash}
        return {"by": self.by, "habits": asdict(self.habits), **limits, "seed": self.seed, "mark": self.mark, **ways}

    def id_of(self, asked: Asked) -> str:
        """The id of the text for a prompt: the same whenever, and only when, the same would be written."""
        sampler = [self.sampling.temperature, self.sampling.top_p, self.sampling.seed]
        facts = [asked.key, self.made_by, sampler, self.ref.weights if self.ref else None, self.adapter]
        return "sim-" + hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:20]

    def write(self, asked: Iterable[Asked], done: Callable[[Finished], None]) -> None:
        """Write and steer a text for each prompt; `done` gets them as they are finished.

        Raises:
            InputError: A correction breaks a rule itself.
        """
        backend = LocalBackend(self.model, self.tokenizer.eos, adapter=self.adapter)
        drafts = self._drafts(asked, backend)
        if can_run(self.model):
            crowd = Lockstep(self.model, self.tokenizer.eos, rows=self.rows, adapter=self.adapter)
            simulate_many(
                drafts, crowd, lambda run: done(self._finish(run)), self.habits, seed=self.seed, wording=self.wording
            )
        else:
            for draft, judge in drafts:
                done(self._finish(simulate(draft, judge, self.habits, seed=self.seed, wording=self.wording)))

    def _drafts(self, asked: Iterable[Asked], backend: LocalBackend) -> Iterator[tuple[Draft, Judge]]:
        for one in asked:
            draft = Draft(
                backend, self.tokenizer, sampling=self.sampling, model=self.ref, annotator=self.by, source="simulated"
            )
            shown = None
            if self.prompted is not None:
                shown = self.prompted.ids(self.tokenizer.prompt_ids(one.prompt))
            yield (
                draft.start(one.prompt, id=self.id_of(one), group=one.group, split=one.split, token_ids=shown),
                self.judge.about(one.prompt),
            )

    def _finish(self, run: Run) -> Finished:
        passed = self.checker is None or not self.checker(run.text, 0)
        trajectory = run.trajectory
        sampler = {**trajectory.sampler, "simulated": {**self.made_by, "paid": run.paid.to_dict(), "passed": passed}}
        steers = trajectory.steers
        if not passed:  # kept, so that it is not written again; trains nothing
            steers = tuple(replace(s, state="refused") for s in steers)
        status = "accepted" if passed else "discarded"
        kept = trajectory.with_(sampler=sampler, steers=steers, status=status)
        return Finished(kept, replace(run, trajectory=kept), passed)

    def estimate(self, asked: Sequence[Asked], *, tokens: int = 8) -> Estimate:
        """What writing for all these prompts will take, by trying some of them; nothing of that is kept."""
        texts = len(asked)
        written = int(texts * self.judge.max_tokens * _AGAIN)
        if not texts:
            return Estimate(0, 0, 0, 0.0)
        if isinstance(self.judge, Teacher):
            reads = self._reads(self.judge.max_tokens)
            return Estimate(texts, written, int(texts * reads), texts * self._pilot(asked[:_TRIED], self.judge))
        some = asked[: self.rows]
        begun = time.perf_counter()
        if can_run(self.model):
            jobs = [_Probe(self.tokenizer.prompt_ids(a.prompt), tokens) for a in some]
            Lockstep(self.model, self.tokenizer.eos, rows=self.rows, adapter=self.adapter).run(jobs)
            speed = len(some) * tokens / (time.perf_counter() - begun)
        else:
            backend = LocalBackend(self.model, self.tokenizer.eos, adapter=self.adapter)
            sampling = replace(self.sampling, max_new_tokens=tokens)
            list(backend.stream(self.tokenizer.prompt_ids(some[0].prompt), sampling))
            speed = tokens / (time.perf_counter() - begun)
        return Estimate(texts, written, 0, written / speed)

    def _reads(self, tokens: int) -> float:
        """Tokens that a teacher reads of a text of so many: all there is, at every look."""
        return tokens / self.judge.stretch * tokens / 2

    def _pilot(self, some: Sequence[Asked], judge: Teacher) -> float:
        """Seconds a text, by the beginnings of a few: corrections and looks take their share of a teacher's time."""
        short = min(judge.max_tokens, 2 * judge.stretch)
        begun = time.perf_counter()
        replace(self, judge=replace(judge, max_tokens=short), checker=None).write(some, lambda _: None)
        took = (time.perf_counter() - begun) / len(some)
        begun = time.perf_counter()
        text = "The student has written some words that the teacher reads once to see how long that takes."
        judge.about(some[0].prompt).count(text)
        token = (time.perf_counter() - begun) / len(judge.tokenizer.encode(text))
        grown = judge.max_tokens / short
        return took * grown + token * (self._reads(judge.max_tokens) - grown * self._reads(short))


class _Probe:
    """A few tokens, thrown away."""

    def __init__(self, ids: list[int], tokens: int) -> None:
        self.asked: tuple[list[int], Sampling] | None = (ids, Sampling(tokens, end_ids=()))

    def request(self) -> tuple[Sequence[int], Sampling] | None:
        asked, self.asked = self.asked, None
        return asked

    def receive(self, tokens: Sequence[Token]) -> None:
        pass


@dataclass
class Tally:
    """What a run came to, as it goes."""

    begun: float = field(default_factory=time.monotonic)
    texts: int = 0
    steers: int = 0
    tokens: int = 0
    refused: int = 0
    broken: int = 0
    paid: Paid = field(default_factory=Paid)
    rewrite: float = 0.0
    """Seconds that writing every answer anew would have cost."""

    def add(self, finished: Finished) -> None:
        """Count one text."""
        run = finished.run
        self.texts += 1
        self.refused += not finished.passed
        self.broken += run.broken.total()
        self.steers += run.steers.total() if finished.passed else 0
        self.tokens += run.tokens
        self.paid += run.paid
        self.rewrite += Keystrokes().rewrite(run.text, run.text)

    def lines(self) -> list[str]:
        """What to tell a person."""
        seconds = max(time.monotonic() - self.begun, 1e-9)
        price = Keystrokes().seconds(self.paid)
        return [
            f"{self.texts} texts, {self.steers} steers, {self.tokens:,} tokens kept, {self.refused} texts refused by "
            f"the checker, {self.broken} mistakes left; {seconds:.0f} s, {self.tokens / seconds:.0f} tokens a "
            f"second and {60 * self.steers / seconds:.1f} steers a minute",
            f"A person would have paid about {price / 60:.0f} min for it: {self.paid.stops} stops, {self.paid.keys} "
            f"keys, {self.paid.words_typed} words typed, {self.paid.words_read} read. Writing every answer anew: about "
            f"{self.rewrite / 60:.0f} min.",
        ]
