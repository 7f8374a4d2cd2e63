"""A server behind the same Protocol as a model in this process: token ids in, a stream of tokens out.

Ids are sent wherever the server takes them. Where it takes text only, the text is checked first: it must be whole
characters, and how many of its last tokens the server may read differently is kept in `seam`. Where a server tells no
ids, bytes are looked up in the tokenizer. It refuses to make up what a server does not tell: a log-probability it does
not know is not a number.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from midcourse.backends.protocol import Sampling, Token
from midcourse.backends.remote.dialects import dialect_of, models, recognise
from midcourse.backends.remote.http import Line
from midcourse.backends.remote.wire import Chunk, Dialect, Word
from midcourse.errors import InputError, ServerError
from midcourse.tokens import TextTokenizer, common_prefix

__all__ = ["RemoteBackend"]


class RemoteBackend:
    """A model server as a backend."""

    def __init__(
        self,
        url: str,
        tokenizer: TextTokenizer,
        *,
        dialect: str | None = None,
        model: str | None = None,
        key: str | None = None,
        patience: float = 60.0,
    ) -> None:
        """Find out who answers at `url`.

        Args:
            url: Address of the server, with or without /v1.
            tokenizer: Of the model that the server runs.
            dialect: A name of `DIALECTS`; None: recognised.
            model: The server's name for the model; None: the first it lists.
            key: Bearer token.
            patience: Seconds of silence that are waited for.

        Raises:
            InputError: The address or the dialect is none.
            ServerError: The server cannot be reached, refuses the key, or is no model server.
        """
        self.line = Line(url, key=key, patience=patience)
        self.tokenizer = tokenizer
        self.dialect = dialect_of(dialect or recognise(self.line))
        self.model = model or str(models(self.line)[0]["id"])
        self.seam = 0
        """Of the last prompt sent as text: how many tokens at its end the server may read differently."""
        self._by_bytes: dict[bytes, int] | None = None

    def close(self) -> None:
        """Let go of the connection."""
        self.line.close()

    def stream(self, token_ids: Sequence[int], sampling: Sampling) -> Iterator[Token]:
        """Continue `token_ids`, see `Backend.stream`. Closing the iterator stops the server.

        Raises:
            InputError: Nothing to continue from, text that ends inside a character for a server that takes text only,
                or something asked for that this server cannot do.
            ServerError: The server cannot be reached, refuses, breaks off, or says what is no answer.
        """
        ids = list(token_ids)
        if not ids:
            raise InputError("there is nothing to continue from: the prompt has no tokens")
        self._check(sampling)
        left = sampling.max_new_tokens
        if sampling.banned_first and left:
            # Servers rule a token out for a whole answer: the first token is an answer of its own.
            for token in self._request(ids, replace(sampling, max_new_tokens=1)):
                if token.id in sampling.banned_first:
                    raise ServerError(f"{self.line.url} wrote token {token.id} although it was ruled out")
                yield token
                ids.append(token.id)
                left -= 1
                if token.id in self._ends(sampling):
                    return
        if left > 0:
            yield from self._request(ids, replace(sampling, max_new_tokens=left, banned_first=()))

    def _check(self, sampling: Sampling) -> None:
        if sampling.banned_first and not self.dialect.bans:
            raise InputError(
                f"{self.dialect.name} cannot rule out tokens: a rejected word cannot be kept from coming back"
            )
        most = self.dialect.most_alternatives
        if sampling.alternatives > most:
            raise InputError(f"{sampling.alternatives} alternatives were asked for; {self.dialect.name} tells {most}")

    def _ends(self, sampling: Sampling) -> Sequence[int]:
        return self.tokenizer.eos if sampling.end_ids is None else sampling.end_ids

    def _request(self, ids: list[int], sampling: Sampling) -> Iterator[Token]:
        prompt = ids if self.dialect.by_ids else self._as_text(ids)
        ends, left, ended = self._ends(sampling), sampling.max_new_tokens, ""
        dialect = dialect_of(self.dialect.name)  # one that counts what it heard must not be shared by two streams
        events = self.line.events(dialect.path, dialect.body(prompt, sampling, self.model))
        try:
            for event in events:
                chunk = self._heard(dialect, event)
                for token in self._tokens(chunk, sampling.alternatives):
                    yield token
                    left -= 1
                    if token.id in ends or left <= 0:
                        return
                ended = chunk.ended
                if ended:
                    break
        finally:
            events.close()  # type: ignore[attr-defined]
        if not ended:
            raise ServerError(f"{self.line.url} broke off in the middle of an answer; what came before it is kept")
        if ended == "stop" and ends:
            yield Token(ends[0], math.nan)  # the server kept its end token to itself

    def _heard(self, dialect: Dialect, event: object) -> Chunk:
        try:
            chunk = dialect.chunk(event)
            chunk.check()
            return chunk
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
            raise ServerError(
                f"{self.line.url} does not answer as {dialect.name} does ({type(error).__name__}: {error}); "
                "another --dialect may fit"
            ) from error

    def _tokens(self, chunk: Chunk, alternatives: int) -> Iterator[Token]:
        words = chunk.words or ((Word(raw=chunk.text.encode()),) if chunk.text else ())
        self.tokenizer.check_ids([word.id for word in words if word.id is not None])
        if self.dialect.loses_split and len(words) == 1 and words[0].id is not None:
            for lost in self._lost(chunk.text, words[0].id):
                yield Token(lost, math.nan)
        for word in words:
            found = [word.id] if word.id is not None else self._ids(word.raw or b"")
            best = []
            for name, logprob in word.alternatives[:alternatives]:
                known = [name] if isinstance(name, int) else self._ids(name)
                if len(known) == 1 and 0 <= known[0] < self.tokenizer.size:  # a model may have more than its tokenizer
                    best.append((known[0], logprob))
            for i in found:
                # Bytes that are several tokens here were one there: its log-probability is none of theirs.
                yield Token(i, word.logprob, tuple(best)) if len(found) == 1 else Token(i, math.nan)

    def _lost(self, text: str, last: int) -> list[int]:
        """Ids that a server left out because they end inside a character, found again from the text."""
        raw, told = text.encode(), self.tokenizer.token_bytes(last)
        if not raw or raw == told or not raw.endswith(told):
            return []
        again = self.tokenizer.encode(text)
        if again[-1:] != [last]:
            raise ServerError(f"{self.line.url} left out the ids of {text!r}, and they cannot be found again")
        return again[:-1]

    def _ids(self, raw: bytes) -> list[int]:
        """The token of these bytes, or the tokens of the text where there is none."""
        if self._by_bytes is None:
            every = range(self.tokenizer.size)
            # The lowest id wins, as a vocabulary lists plain tokens before the added ones.
            self._by_bytes = {self.tokenizer.token_bytes(i): i for i in reversed(every)}
        if not raw:
            return []
        known = self._by_bytes.get(raw)
        if known is not None:
            return [known]
        return self.tokenizer.encode(raw.decode("utf-8", errors="replace"))

    def _as_text(self, ids: list[int]) -> str:
        try:
            text = self.tokenizer.to_bytes(ids).decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(
                f"the text ends inside a character, and {self.dialect.name} continues whole text only; "
                "move the cut by a token"
            ) from error
        self.seam = len(ids) - common_prefix(ids, self.tokenizer.encode_rendered(text))
        return text
