"""What a server can do, found out by a handful of tiny requests rather than believed.

A report holds one line for each ability with what was seen. It refuses to guess: what could not be tried says so.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from midcourse.backends.protocol import Sampling
from midcourse.backends.remote.dialects import VERIFIED, dialect_of, models, recognise
from midcourse.backends.remote.http import Line
from midcourse.backends.remote.wire import Chunk, Word
from midcourse.errors import ServerError
from midcourse.tokens import TextTokenizer

__all__ = ["Ability", "Report", "probe"]

_IDS = [100, 101, 102, 103]
"""Ids that any vocabulary has."""
_TEXT = "The quick brown fox jumps over the"


@dataclass(frozen=True, slots=True)
class Ability:
    """One thing a server can do, or not."""

    name: str
    can: bool | None
    """None: it could not be tried."""
    seen: str


@dataclass(frozen=True, slots=True)
class Report:
    """What was found out about one server."""

    url: str
    dialect: str
    model: str
    verified: bool
    """Whether this dialect was tried on the real server; else only on a scripted one that speaks as documented."""
    abilities: tuple[Ability, ...] = field(default=())
    tried_on: str = ""
    """Version of the real server on which the dialect was tried."""

    def to_dict(self) -> dict[str, Any]:
        """For a record on disk."""
        return asdict(self)

    def can(self, name: str) -> bool | None:
        """Whether the server has an ability; None: it could not be tried."""
        return next(a.can for a in self.abilities if a.name == name)

    def lacking(self) -> tuple[str, ...]:
        """Abilities that the server does not have."""
        return tuple(a.name for a in self.abilities if a.can is False)

    def missing(self) -> str:
        """What the server cannot do, in one line; empty if nothing."""
        return f"{self.url} ({self.dialect}) cannot: {', '.join(self.lacking())}" if self.lacking() else ""


@dataclass(frozen=True)
class _Asker:
    line: Line
    dialect: str
    model: str
    prompt: list[int] | str

    def ask(self, sampling: Sampling) -> list[Chunk]:
        speaks, out = dialect_of(self.dialect), []
        for event in self.line.events(speaks.path, speaks.body(self.prompt, sampling, self.model)):
            try:
                out.append(speaks.chunk(event))
            except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
                raise ServerError(
                    f"{self.line.url} does not answer as {self.dialect} does ({type(error).__name__}: {error}); "
                    "another --dialect may fit"
                ) from error
            if out[-1].ended:
                break
        return out

    def words(self, sampling: Sampling) -> list[Word]:
        return [word for chunk in self.ask(sampling) for word in chunk.words]


def probe(
    url: str,
    *,
    key: str | None = None,
    dialect: str | None = None,
    model: str | None = None,
    tokenizer: TextTokenizer | None = None,
    patience: float = 60.0,
) -> Report:
    """Try a server out with about six requests of a few tokens.

    Args:
        url: Its address.
        key: Bearer token.
        dialect: None: recognised.
        model: The server's name for the model; None: the first it lists.
        tokenizer: Of the model it should be running; None: whether the two agree is not tried.
        patience: Seconds of silence that are waited for.

    Raises:
        InputError: The address or the dialect is none.
        ServerError: It cannot be reached, refuses the key, is no model server, or does not generate at all.
    """
    line = Line(url, key=key, patience=patience)
    try:
        name = dialect or recognise(line)
        speaks = dialect_of(name)
        model = model or str(models(line)[0]["id"])
        prompt: list[int] | str = _TEXT
        if speaks.by_ids:
            prompt = tokenizer.encode(_TEXT) if tokenizer else _IDS
        asker = _Asker(line, name, model, prompt)
        first = asker.ask(Sampling(max_new_tokens=4))
        words = [word for chunk in first for word in chunk.words]
        if not words and not any(chunk.text for chunk in first):
            raise ServerError(f"{line.url} answered with nothing; does {model} generate text?")
        found = (
            Ability("continue token ids", speaks.by_ids, _how(speaks.by_ids)),
            _tells_ids(words),
            _tells_logprobs(words),
            _tried("tell alternatives", lambda: _alternatives(asker, speaks.most_alternatives)),
            _tried("rule tokens out", lambda: _bans(asker, words, speaks.bans)),
            _tried("repeat a draw by its seed", lambda: _seeds(asker)),
            _agrees(first, tokenizer),
        )
        return Report(line.url, name, model, name in VERIFIED, found, VERIFIED.get(name, ""))
    finally:
        line.close()


def _how(by_ids: bool) -> str:
    return "a prompt of ids was continued" if by_ids else "text only: its last tokens may be read differently"


def _tells_ids(words: list[Word]) -> Ability:
    can = bool(words) and all(word.id is not None for word in words)
    bytes_ = bool(words) and all(word.raw is not None for word in words)
    seen = "an id with every token" if can else "bytes, looked up in the tokenizer" if bytes_ else "text alone"
    return Ability("tell token ids", can, seen)


def _tells_logprobs(words: list[Word]) -> Ability:
    can = bool(words) and not any(math.isnan(word.logprob) for word in words)
    return Ability("tell log-probabilities", can, "with every token" if can else "not with every token")


def _tried(name: str, attempt: Callable[[], tuple[bool | None, str]]) -> Ability:
    try:
        return Ability(name, *attempt())
    except ServerError as error:
        return Ability(name, False, str(error))


def _alternatives(asker: _Asker, most: int) -> tuple[bool | None, str]:
    asked = min(most, 20)
    words = asker.words(Sampling(max_new_tokens=1, alternatives=asked))
    told = len(words[0].alternatives) if words else 0
    return told > 1, f"{told} of {asked} asked for"


def _bans(asker: _Asker, words: list[Word], bans: bool) -> tuple[bool | None, str]:
    if not bans:
        return False, "no such setting"
    if not words or words[0].id is None:
        return None, "not tried: the server tells no ids"
    again = asker.words(Sampling(max_new_tokens=1, banned_first=(words[0].id,)))
    if not again:
        return False, "nothing was written"
    differs = again[0].id != words[0].id
    return differs, "another token came" if differs else "the same token came again"


def _seeds(asker: _Asker) -> tuple[bool | None, str]:
    sampling = Sampling(max_new_tokens=8, temperature=1.0, seed=7)
    one, two = ("".join(chunk.text for chunk in asker.ask(sampling)) for _ in range(2))
    return one == two, "twice the same text" if one == two else "two different texts"


def _agrees(chunks: list[Chunk], tokenizer: TextTokenizer | None) -> Ability:
    name = "read with this tokenizer"
    ids = [word.id for chunk in chunks for word in chunk.words if word.id is not None]
    if tokenizer is None:
        return Ability(name, None, "not tried: give --model")
    if not ids:
        return Ability(name, None, "not tried: the server tells no ids")
    text = "".join(chunk.text for chunk in chunks)
    here = tokenizer.decode([i for i in ids if i not in tokenizer.eos]) if max(ids) < tokenizer.size else ""
    same = bool(text) and here.startswith(text.rstrip("\ufffd"))
    return Ability(name, same, "ids and text agree" if same else f"the server reads {text!r}, here it is {here!r}")
