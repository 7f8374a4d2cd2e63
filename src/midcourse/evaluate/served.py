"""Whether models on servers make the corrected errors again: sampled at held-out forks, by the same rules as here.

What needs the log-probability of given tokens (likelihoods, drift, how odd a sample is) no server is asked for: it is
listed as not measured, never guessed. The luck is the server's own, so samples of two models are not paired by it.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from midcourse.backends.protocol import Backend, Sampling
from midcourse.errors import InputError
from midcourse.evaluate.forks import MEASURES, Fork, forks, held_out, spread
from midcourse.evaluate.recurrence import MORE, Checker, ErrorSpec, error_of, judge
from midcourse.evaluate.results import METRICS, ForkResult, Metric, Results
from midcourse.evaluate.run import Options, Stage
from midcourse.evaluate.sampling import Sample
from midcourse.evaluate.telling import checked, fork_result, metric
from midcourse.tokens import TextTokenizer
from midcourse.types import Trajectory

__all__ = ["MEASURED", "measure_served"]

MEASURED = ("recurrence", "adoption")
PARALLEL = 8
"""Requests under way at a time; a server batches them."""


def measure_served(
    backends: Mapping[str, Backend],
    tokenizer: TextTokenizer,
    trajectories: Iterable[Trajectory],
    *,
    model: str,
    names: Mapping[str, str],
    options: Options | None = None,
    checker: Checker | None = None,
    stage: Stage | None = None,
) -> Results:
    """Measure recurrence and adoption on the held-out part of some trajectories.

    Args:
        backends: By variant; `base` first.
        tokenizer: Of all of them.
        trajectories: Made with it.
        model: What the base is called.
        names: What each other variant is called on its server.
        options: How much.
        checker: What an error looks like.
        stage: Told of the progress.

    Raises:
        TokenizerMismatch: A trajectory was made with another tokenizer.
        InputError: Nothing is held out.
        ServerError: A server has gone, or says what is no answer.
    """
    options, stage, begun = options or Options(), stage or (lambda *_: lambda _: None), time.monotonic()
    held, skipped = held_out(checked(trajectories, tokenizer), part=options.part, window=options.window)
    found = forks(held)
    asked = [(f, e) for f in spread(found, options.max_forks) if (e := error_of(f, tokenizer, checker)) is not None]
    asked = asked if options.samples > 0 else []
    tick = stage("Samples at forks", len(asked) * len(backends))
    drawn, lost = _sample(backends, asked, tokenizer, options, tick)
    at = [_At.of(f, e, s, tokenizer, checker) for (f, e), s in zip(asked, drawn, strict=True) if s is not None]
    prompts = [a.fork.held.group for a in at]
    measured = {n: metric(n, {v: [a.shares[v][n] for a in at] for v in backends}, prompts) for n in MEASURED}
    unknown = Metric("", dict.fromkeys(backends), dict.fromkeys(names))
    return Results(
        model=model,
        weights=None,
        adapters=dict(names),
        part=options.part,
        prompts=len({f.held.group for f in found}),
        steers=len(found),
        settings={
            "samples": options.samples,
            "sampled_forks": len(at),
            "seed": options.seed,
            "window": options.window,
            "checker": checker is not None,
            "luck": "the server's own",
        },
        metrics=tuple(measured.get(n) or replace(unknown, name=n) for n in METRICS),
        forks=tuple(a.result(tokenizer) for a in at),
        tiers=dict(Counter(a.error.tier for a in at)),
        collapse={},
        signs={},
        written=(),
        drawn=None,
        curves={},
        skipped=(*skipped, *lost),
        seconds=time.monotonic() - begun,
    )


@dataclass(frozen=True, slots=True)
class _At:
    """One fork, and what each variant wrote there."""

    fork: Fork
    error: ErrorSpec
    samples: dict[str, list[Sample]]
    shares: dict[str, dict[str, float]]
    """By variant: shares of samples that repeat the error, and that adopt what was put."""

    @classmethod
    def of(
        cls, fork: Fork, error: ErrorSpec, samples: dict[str, list[Sample]], tokenizer: TextTokenizer,
        checker: Checker | None,
    ) -> "_At":  # fmt: skip
        shares = {}
        for name, written in samples.items():
            said = [judge(fork, error, s, tokenizer, checker) for s in written]
            again, adopts = (
                float(np.mean(flags)) for flags in zip(*((j.repeats, j.adopts) for j in said), strict=True)
            )
            shares[name] = dict(zip(MEASURED, (again, adopts), strict=True))
        return cls(fork, error, samples, shares)

    def result(self, tokenizer: TextTokenizer) -> ForkResult:
        unknown = dict.fromkeys(MEASURES, float("nan"))
        return fork_result(
            self.fork,
            {v: unknown | s for v, s in self.shares.items()},
            tokenizer,
            tier=self.error.tier,
            sampled={v: tokenizer.decode(s[0].token_ids) for v, s in self.samples.items()},
        )


def _sample(
    backends: Mapping[str, Backend], asked: Sequence[tuple[Fork, ErrorSpec]], tokenizer: TextTokenizer,
    options: Options, tick: Callable[[int], None],
) -> tuple[list[dict[str, list[Sample]] | None], list[str]]:  # fmt: skip
    """By fork and variant `options.samples` continuations; None and a line where one could not be continued."""
    drawn: list[dict[str, list[Sample]] | None] = []
    lost = []
    with ThreadPoolExecutor(PARALLEL, "eval-draw") as pool:
        waiting = [
            {v: [pool.submit(_draw, b, f, e, tokenizer, options, i, k) for k in range(options.samples)]
             for v, b in backends.items()}
            for i, (f, e) in enumerate(asked)
        ]  # fmt: skip
        try:
            for (fork, _), by_variant in zip(asked, waiting, strict=True):
                try:
                    drawn.append({v: [f.result() for f in futures] for v, futures in by_variant.items()})
                except InputError as error:  # e.g. a prefix that ends inside a character, where only text can be sent
                    drawn.append(None)
                    lost.append(f"steer {fork.steer.id}: {error}")
                tick(len(backends))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return drawn, lost


def _draw(
    backend: Backend, fork: Fork, error: ErrorSpec, tokenizer: TextTokenizer, options: Options, i: int, k: int
) -> Sample:
    """Sample `k` at fork `i`, at temperature 1 from the full distribution, as long as it is read."""
    asked = Sampling(
        max_new_tokens=max(error.limit, len(fork.chosen) + MORE),
        temperature=1.0,
        seed=((options.seed * 1_000_003 + i) * 1_009 + k) % 2**31,
        end_ids=tokenizer.eos,
    )
    ids = [t.id for t in backend.stream(fork.prefix, asked)]
    ended = bool(ids) and ids[-1] in tokenizer.eos
    return Sample(tuple(ids[:-1] if ended else ids), ended)
