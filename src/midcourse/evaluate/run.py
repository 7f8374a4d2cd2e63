"""One evaluation from trajectories to results: the order of the measurements and nothing else.

It opens no store and writes no file.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from midcourse.errors import ModelError, TokenizerMismatch
from midcourse.evaluate.curves import learning_curve
from midcourse.evaluate.drift import Place, answer_places, compare, neutral_prompts, prose, retained_places, text_place
from midcourse.evaluate.forks import MEASURES, Fork, HeldOut, forks, held_out, likelihoods, spread
from midcourse.evaluate.kept import Kept
from midcourse.evaluate.own import own_answers
from midcourse.evaluate.recurrence import MORE, Checker, ErrorSpec, error_of, judge, valid
from midcourse.evaluate.results import Drawn, ForkResult, Metric, Results, Segment
from midcourse.evaluate.sampling import Sample
from midcourse.evaluate.telling import checked, fork_result, metric, prompt_text
from midcourse.evaluate.variants import BASE, Variants, adapter_labels
from midcourse.model import LoadedModel, adapter_base, check_adapter, load_model
from midcourse.tokens import TextTokenizer
from midcourse.types import Trajectory

__all__ = ["Options", "Stage", "evaluate", "load", "measure"]

SHARES = ("recurrence", "adoption", "valid", "flawed")
"""Of the samples at a fork; a model that is destroyed repeats no error, so `flawed` counts what is no text as well."""
Stage = Callable[[str, int], Callable[[int], None]]
"""(what is being measured, out of how many) -> called with each number done."""


@dataclass(frozen=True, slots=True)
class Options:
    """How much is measured."""

    part: str = "test"
    samples: int = 8
    """At each fork."""
    max_forks: int = 40
    """Forks that are sampled at; likelihoods are measured at all."""
    window: int = 64
    seed: int = 0
    own_prompts: int = 32
    """Test prompts that each variant answers by itself."""
    own_tokens: int = 128
    answer_tokens: int = 64
    """Of the base's answers to unrelated prompts."""
    shown: int = 6
    """Prompts whose greedy answers are kept for reading."""


def evaluate(
    trajectories: Iterable[Trajectory],
    model: str | Path,
    adapters: Sequence[str | Path] = (),
    *,
    options: Options | None = None,
    checker: Checker | None = None,
    dtype: str = "float32",
    stage: Stage | None = None,
) -> Results:
    """Measure a base and its adapters on the held-out part of some trajectories.

    Raises:
        ModelError: The model or an adapter cannot be used.
        TokenizerMismatch: The trajectories were made with another tokenizer.
        InputError: Nothing is held out.
    """
    loaded, variants = load(model, adapters, dtype=dtype)
    paths = dict(zip(variants.adapters, map(str, adapters), strict=True))
    return measure(variants, loaded, trajectories, paths=paths, options=options, checker=checker, stage=stage)


def load(
    model: str | Path,
    adapters: Sequence[str | Path],
    *,
    dtype: str = "float32",
    merge: bool = False,
    kept: Kept | None = None,
) -> tuple[LoadedModel, Variants]:
    """A base with all adapters on top, each under its label, and beside it models of which all weights were trained.

    Args:
        model: `builtin`, a folder or a hub id.
        adapters: Folders of adapters, or of models that began as this one.
        dtype: Of the weights.
        merge: Merge each adapter into weights of its own: a model more in memory, less time to read with it.
        kept: Where what the base writes is kept, so that further evaluations need not let it write again.
    """
    folders = dict(zip(adapter_labels(adapters), map(Path, adapters), strict=True))
    loaded = load_model(model, dtype=dtype)
    whole = {label: _whole(folder, loaded, dtype) for label, folder in folders.items() if _is_model(folder)}
    steered: Any = loaded.model
    for label, folder in folders.items():
        if label in whole:
            continue
        if merge:
            whole[label] = load_model(model, dtype=dtype, adapter=folder, merge=True).model
            continue
        check_adapter(folder, loaded.ref)
        if steered is loaded.model:
            from peft import PeftModel

            steered = PeftModel.from_pretrained(loaded.model, str(folder), adapter_name=label)
        else:
            steered.load_adapter(str(folder), adapter_name=label)
    return loaded, Variants(steered, tuple(folders), whole=whole, kept=kept and kept.of(loaded.ref.weights))


def _is_model(folder: Path) -> bool:
    return (folder / "config.json").is_file() and not (folder / "adapter_config.json").is_file()


def _whole(folder: Path, base: LoadedModel, dtype: str) -> Any:
    """A model of which all weights were trained, refused where it did not begin as the base."""
    began = adapter_base(folder)
    if began is not None and began.weights not in (None, base.ref.weights):
        raise ModelError(
            f"the model in {folder} began as {began.name} (weights {began.weights}), not as {base.ref.name} (weights "
            f"{base.ref.weights}); give --model {began.name}"
        )
    loaded = load_model(folder, dtype=dtype)
    if loaded.ref.weights == base.ref.weights:
        raise ModelError(
            f"{folder} is no PEFT adapter: it holds no adapter_config.json; nor was it trained further, its weights "
            f"are those of {base.ref.name}"
        )
    if loaded.tokenizer.hash != base.tokenizer.hash:
        raise TokenizerMismatch(
            f"the model in {folder} reads with the tokenizer {loaded.tokenizer.hash}, {base.ref.name} with "
            f"{base.tokenizer.hash}: what each says to the same text cannot be compared"
        )
    return loaded.model


def measure(
    variants: Variants,
    loaded: LoadedModel,
    trajectories: Iterable[Trajectory],
    *,
    paths: dict[str, str] | None = None,
    options: Options | None = None,
    checker: Checker | None = None,
    stage: Stage | None = None,
) -> Results:
    """`evaluate` with the models already there."""
    options, stage, begun = options or Options(), stage or (lambda *_: lambda _: None), time.monotonic()
    tokenizer = loaded.tokenizer
    limit = getattr(variants.model.config, "max_position_embeddings", None)
    held, skipped = held_out(
        checked(trajectories, tokenizer), part=options.part, window=options.window, max_depth=limit
    )
    found = forks(held)
    values = likelihoods(variants, held, stage("Likelihoods at forks", len(held)))
    again = _Recurrence.measure(variants, tokenizer, spread(found, options.max_forks), checker, options, stage)
    metrics = [
        metric(m, {v: [values[f.steer.id][v][m] for f in found] for v in variants.names}, _groups(found))
        for m in MEASURES
    ]
    prompts = neutral_prompts(tokenizer)
    answers = _answers(variants, tokenizer, prompts, options, stage)
    places = {
        "drift/kl_retained": retained_places(held),
        "drift/kl_answers": answer_places(prompts, answers, tokenizer.eos[0] if tokenizer.eos else None),
    }
    metrics = [*again.metrics(variants), *metrics, *_drifts(variants, tokenizer, places, stage)]
    own = own_answers(
        variants, tokenizer, held, sampled=options.own_prompts, shown=options.shown, tokens=options.own_tokens,
        seed=options.seed, stage=stage,
    )  # fmt: skip
    return Results(
        model=loaded.ref.name,
        weights=loaded.ref.weights,
        adapters=paths or {a: a for a in variants.adapters},
        part=options.part,
        prompts=len({f.held.group for f in found}),
        steers=len(found),
        settings={
            "samples": options.samples,
            "sampled_forks": len(again.forks),
            "seed": options.seed,
            "window": options.window,
            "checker": checker is not None,
        },
        metrics=tuple(metrics),
        forks=tuple(_fork_result(f, values[f.steer.id], again, tokenizer) for f in found),
        tiers=dict(Counter(e.tier for e in again.errors)),
        collapse=own.collapse,
        signs={a: own.collapse[a].signs(own.collapse[BASE]) for a in variants.adapters} if own.collapse else {},
        written=own.written,
        answers=tuple(tokenizer.decode(a.token_ids) for a in answers),
        drawn=_draw(held, found, tokenizer),
        curves={a: learning_curve(Path(p)) for a, p in (paths or {}).items()},
        skipped=tuple(skipped),
        seconds=time.monotonic() - begun,
    )


def _groups(found: Sequence[Fork]) -> list[str]:
    return [f.held.group for f in found]


@dataclass(frozen=True, slots=True)
class _Recurrence:
    """Samples at forks and what they say."""

    forks: list[Fork]
    errors: list[ErrorSpec]
    shares: dict[str, list[tuple[float, ...]]]
    """Variant -> per fork: shares of samples by `SHARES`."""
    texts: dict[str, list[str]]

    @classmethod
    def measure(
        cls, variants: Variants, tokenizer: TextTokenizer, found: Sequence[Fork], checker: Checker | None,
        options: Options, stage: Stage,
    ) -> "_Recurrence":  # fmt: skip
        both = [(f, e) for f in found if (e := error_of(f, tokenizer, checker)) is not None]
        at, errors = [f for f, _ in both], [e for _, e in both]
        if not both or options.samples < 1:
            return cls([], [], {v: [] for v in variants.names}, {})
        tick = stage("Samples at forks", len(at) * (len(variants.names) + 1))
        lengths = [max(e.limit, len(f.chosen) + MORE) for f, e in both]
        prefixes = [f.prefix for f in at]
        samples: dict[str, list[list[Sample]]] = {}
        for name in variants.names:
            samples[name] = variants.sample(
                name, prefixes, lengths, n=options.samples, seed=options.seed, end_ids=tokenizer.eos, progress=tick
            )
        nll = _base_nll(variants, tokenizer, prefixes, samples)
        tick(len(at))
        ceiling = float(np.nanquantile(np.concatenate(nll[BASE]), 0.99))
        shares: dict[str, list[tuple[float, ...]]] = {}
        for name in variants.names:
            shares[name] = []
            for fork, error, drawn, odd in zip(at, errors, samples[name], nll[name], strict=True):
                said = [judge(fork, error, s, tokenizer, checker) for s in drawn]
                sound = valid(drawn, odd, ceiling)
                flawed = [j.repeats or not fine for j, fine in zip(said, sound, strict=True)]
                flags = ([j.repeats for j in said], [j.adopts for j in said], sound, flawed)
                shares[name].append(tuple(map(_share, flags)))
        texts = {v: [tokenizer.decode(drawn[0].token_ids) for drawn in samples[v]] for v in variants.names}
        return cls(at, errors, shares, texts)

    def metrics(self, variants: Variants) -> list[Metric]:
        return [
            metric(name, {v: [s[i] for s in self.shares[v]] for v in variants.names}, _groups(self.forks))
            for i, name in enumerate(SHARES)
        ]


def _share(flags: Sequence[bool]) -> float:
    return float(np.mean(flags))


def _base_nll(
    variants: Variants, tokenizer: TextTokenizer, prefixes: Sequence[Sequence[int]],
    samples: dict[str, list[list[Sample]]],
) -> dict[str, list[list[float]]]:  # fmt: skip
    """Mean nats a token under the base of every sample of every variant."""
    end = tokenizer.eos[0] if tokenizer.eos else None
    scored = variants.scored(prefixes, {v: [[s.scored_ids(end) for s in row] for row in samples[v]] for v in samples})
    return {v: [[float(-x.mean()) if len(x) else float("nan") for x in row] for row in scored[v]] for v in samples}


def _answers(
    variants: Variants, tokenizer: TextTokenizer, prompts: Sequence[Sequence[int]], options: Options, stage: Stage
) -> list[Sample]:
    """What the base says to each prompt."""
    answers = variants.sample(
        BASE, prompts, [options.answer_tokens] * len(prompts), seed=options.seed, end_ids=tokenizer.eos,
        progress=stage("The base's answers to unrelated prompts", len(prompts)),
    )  # fmt: skip
    return [first for first, *_ in answers]


def _drifts(variants: Variants, tokenizer: TextTokenizer, kinds: dict[str, list[Place]], stage: Stage) -> list[Metric]:
    """Drift at these places and on a page of prose."""
    text, size = text_place(tokenizer, prose(), getattr(variants.model.config, "max_position_embeddings", None))
    kinds = {**kinds, "drift/kl_text": [text]}
    tick = stage("Drift", sum(map(len, kinds.values())))
    metrics = []
    for name, places in kinds.items():
        compared = compare(variants, places, tick)
        prompts_of = [p.prompt for p in places for _ in p.targets]
        kls = {v: [float(x) for a in compared[v][0] for x in a] for v in variants.names}
        metrics.append(metric(name, kls, prompts_of))
        if name == "drift/kl_text":
            bits = {v: [float(-compared[v][1][0].sum() / np.log(2) / size)] for v in variants.names}
            metrics.append(metric("drift/bits_per_byte", bits, ["text"]))
    return metrics


def _fork_result(
    fork: Fork, measures: dict[str, dict[str, float]], again: _Recurrence, tokenizer: TextTokenizer
) -> ForkResult:
    at = next((i for i, f in enumerate(again.forks) if f is fork), None)
    if at is None:
        return fork_result(fork, measures, tokenizer)
    shares = {v: dict(zip(SHARES, s[at], strict=True)) for v, s in again.shares.items()}
    return fork_result(
        fork,
        {v: {**m, **shares[v]} for v, m in measures.items()},
        tokenizer,
        tier=again.errors[at].tier,
        sampled={v: texts[at] for v, texts in again.texts.items()},
    )


def _draw(held: Sequence[HeldOut], found: Sequence[Fork], tokenizer: TextTokenizer) -> Drawn | None:
    """The trajectory with most steers, its kept text cut where its author changes and where something was rejected."""
    counts = Counter(f.held.trajectory.id for f in found)
    if not counts:
        return None
    one = max((h.trajectory for h in held), key=lambda t: (min(counts[t.id], 12), -t.head.depth))
    path, authors = one.path(one.head), one.authors(one.head)
    start = next((i for i, a in enumerate(authors) if a != "prompt"), len(authors))
    at = {
        len(f.prefix): f
        for f in found
        if f.held.trajectory is one and list(f.prefix) == path[: len(f.prefix)] and len(f.prefix) < len(path)
    }
    changes = [i for i in range(start + 1, len(path)) if authors[i] != authors[i - 1]]
    cuts = sorted({start, *changes, *at})
    segments = []
    for begin, end in zip(cuts, [*cuts[1:], len(path)], strict=True):
        fork = at.get(begin)
        segments.append(
            Segment(
                tokenizer.decode(path[begin:end]),
                authors[begin],
                end - begin,
                () if fork is None else tuple(tokenizer.decode(r) for r in fork.rejected),
                0 if fork is None else max((len(r) for r in fork.rejected), default=0),
                None if fork is None else fork.steer.reason,
            )
        )
    return Drawn(one.id, prompt_text(one, tokenizer), tuple(segments))
