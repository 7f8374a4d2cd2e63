"""A server that is asked for no more than it can do, so that whoever writes with it need not know what that is.

Fewer alternatives are asked for where fewer are told. Where tokens cannot be ruled out, the first one after a rejection
is drawn apart: the likeliest that was told and not rejected stands in its place. It refuses to hide what is missing;
the report of the probe says it.
"""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

from midcourse.backends.protocol import Sampling, Token
from midcourse.backends.remote.backend import RemoteBackend
from midcourse.backends.remote.probe import Report, probe
from midcourse.errors import InputError
from midcourse.tokens import TextTokenizer

__all__ = ["Fitted", "connect"]

_TRIES = 5
"""Draws of a first token before it is given up."""
_MOST = 20
"""Alternatives among which a first token is looked for."""


def connect(
    url: str,
    tokenizer: TextTokenizer,
    *,
    key: str | None = None,
    dialect: str | None = None,
    model: str | None = None,
    patience: float = 60.0,
) -> tuple[RemoteBackend, Report]:
    """Try a server out and open it; the arguments are those of `probe`.

    Raises:
        InputError: The address or the dialect is none, or the server reads with another tokenizer.
        ServerError: It cannot be reached, refuses, is no model server, or does not generate.
    """
    report = probe(url, key=key, dialect=dialect, model=model, tokenizer=tokenizer, patience=patience)
    if report.can("read with this tokenizer") is False:
        raise InputError(
            f"{report.url} runs {report.model} with another tokenizer than the one given: its ids are other words "
            "here. Give the model that it runs, whose tokenizer is read; see: midcourse backends check"
        )
    backend = RemoteBackend(url, tokenizer, key=key, dialect=report.dialect, model=report.model, patience=patience)
    return backend, report


class Fitted:
    """A server behind its report."""

    def __init__(self, backend: RemoteBackend, report: Report) -> None:
        """Ask `backend` for what `report` found only."""
        self.backend = backend
        self.most = backend.dialect.most_alternatives if report.can("tell alternatives") else 0
        """Alternatives that are told at most."""
        self.bans = report.can("rule tokens out") is True
        """Whether the server rules tokens out itself."""

    def stream(self, token_ids: Sequence[int], sampling: Sampling) -> Iterator[Token]:
        """See `RemoteBackend.stream`; no number of alternatives and no ban is refused.

        Raises:
            InputError: What was rejected came again each time, and nothing else was told.
        """
        ids = list(token_ids)
        sampling = replace(sampling, alternatives=min(sampling.alternatives, self.most))
        if sampling.max_new_tokens < 1:
            return
        if sampling.banned_first and not self.bans:
            first = self._first(ids, sampling)
            yield first
            ends = self.backend.tokenizer.eos if sampling.end_ids is None else sampling.end_ids
            if first.id in ends:
                return
            ids.append(first.id)
            sampling = replace(sampling, max_new_tokens=sampling.max_new_tokens - 1, banned_first=())
        yield from self.backend.stream(ids, sampling)

    def _first(self, ids: list[int], sampling: Sampling) -> Token:
        for k in range(_TRIES):
            warmth = sampling.temperature if k == 0 else max(1.0, sampling.temperature)
            asked = replace(
                sampling,
                max_new_tokens=1,
                alternatives=min(self.most, _MOST),
                banned_first=(),
                temperature=warmth,
                seed=sampling.seed + k,
            )
            for token in self.backend.stream(ids, asked):
                found = another(token, sampling)
                if found is not None:
                    return found
        raise InputError(
            f"{self.backend.line.url} ({self.backend.dialect.name}) cannot rule words out, and what was rejected came "
            f"{_TRIES} times: type what should stand there"
        )


def another(drawn: Token, sampling: Sampling) -> Token | None:
    """A token that is not banned: the drawn one, else one of its alternatives; None where all are."""
    told = drawn.alternatives
    shown = told[: sampling.alternatives]
    if drawn.id not in sampling.banned_first:
        return replace(drawn, alternatives=shown)
    left = [(i, p) for i, p in told if i not in sampling.banned_first and not math.isnan(p)]
    if not left:
        return None
    if sampling.temperature <= 0:
        taken = max(left, key=lambda a: a[1])
    else:
        best = max(p for _, p in left)
        weights = [math.exp((p - best) / sampling.temperature) for _, p in left]
        taken = random.Random(sampling.seed).choices(left, weights)[0]
    return Token(taken[0], taken[1], shown)
