"""From pieces of an answer to OpenAI's words for them. Pure: no stream, no clock, no model."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from midcourse.backends.protocol import Token
from midcourse.publish.serve.replies import (
    ChatChoice,
    ChunkChoice,
    CompletionChoice,
    Delta,
    Logprobs,
    Said,
    TokenLogprob,
    TopLogprob,
    TopLogprobs,
    Usage,
)
from midcourse.publish.serve.requests import ChatRequest, CompletionRequest
from midcourse.publish.serve.writing import Piece
from midcourse.tokens import TextTokenizer

__all__ = ["Teller", "as_json", "total", "usage"]

_LEAN = {"token_ids", "prompt_token_ids", "role", "content", "usage"}
"""Fields that are left out where they hold nothing."""
_LEAST = -9999.0
"""In place of minus infinity, which JSON does not know; OpenAI's own."""


@dataclass(frozen=True)
class Teller:
    """How one request wants to be told."""

    request: ChatRequest | CompletionRequest
    tokenizer: TextTokenizer

    @property
    def alternatives(self) -> int:
        """How many the backend must report."""
        if isinstance(self.request, ChatRequest):
            return (self.request.top_logprobs or 0) if self.request.logprobs else 0
        return self.request.logprobs or 0

    def chunk(self, index: int, piece: Piece, prompt: Sequence[int] | None, offset: int) -> BaseModel:
        """A choice of a streamed event; `prompt` comes with the first one, `offset` is the text before it."""
        ids = [t.id for t in piece.tokens] if self.request.return_token_ids else None
        if isinstance(self.request, ChatRequest):
            delta = Delta(content=piece.text if piece.text or not piece.finish else None)
            logprobs = self._chat_logprobs(piece)
            return ChunkChoice(
                index=index, delta=delta, logprobs=logprobs, finish_reason=piece.finish or None, token_ids=ids
            )
        return CompletionChoice(
            index=index,
            text=piece.text,
            logprobs=self._logprobs(piece, offset),
            finish_reason=piece.finish or None,
            token_ids=ids,
            prompt_token_ids=list(prompt) if prompt is not None and ids is not None else None,
        )

    def chat(self, piece: Piece) -> ChatChoice:
        """The whole answer of a chat."""
        return ChatChoice(
            index=0,
            message=Said(content=piece.text),
            logprobs=self._chat_logprobs(piece),
            finish_reason=piece.finish or "length",
            token_ids=[t.id for t in piece.tokens] if self.request.return_token_ids else None,
        )

    def worth(self, piece: Piece) -> bool:
        """Whether an event has something to tell."""
        asked = self.request.return_token_ids or self.request.logprobs is not None
        return bool(piece.text or piece.finish or (asked and piece.tokens))

    # -- inside ----------------------------------------------------------------------------------------------------

    def _told(self, piece: Piece) -> tuple[Token, ...]:
        """An end token has no text: only who asks for ids hears of it."""
        return piece.tokens[:-1] if piece.ends and not self.request.return_token_ids else piece.tokens

    def _chat_logprobs(self, piece: Piece) -> TopLogprobs | None:
        if not self.request.logprobs:
            return None
        content = []
        for token in self._told(piece):
            top = [TopLogprob(**self._entry(*a)) for a in token.alternatives]
            content.append(TokenLogprob(**self._entry(token.id, token.logprob), top_logprobs=top))
        return TopLogprobs(content=content)

    def _entry(self, token: int, logprob: float) -> dict[str, Any]:
        return {
            "token": self._name(token),
            "logprob": max(logprob, _LEAST),
            "bytes": list(self.tokenizer.token_bytes(token)),
        }

    def _logprobs(self, piece: Piece, offset: int) -> Logprobs | None:
        if self.request.logprobs is None:
            return None
        out = Logprobs()
        for token in self._told(piece):
            out.tokens.append(self._name(token.id))
            out.token_logprobs.append(max(token.logprob, _LEAST))
            best: dict[str, float] = {}
            for other, logprob in token.alternatives:
                best.setdefault(self._name(other), max(logprob, _LEAST))
            out.top_logprobs.append(best)
            out.text_offset.append(offset)
            offset += len(self.tokenizer.token_bytes(token.id).decode("utf-8", "ignore"))
        return out

    def _name(self, token: int) -> str:
        """A token's text; one that is no whole text as OpenAI writes it: bytes:\\xc3."""
        if isinstance(self.request, CompletionRequest) and self.request.return_tokens_as_token_ids:
            return f"token_id:{token}"
        raw = self.tokenizer.token_bytes(token)
        try:
            return raw.decode()
        except UnicodeDecodeError:
            return "bytes:" + "".join(f"\\x{byte:02x}" for byte in raw)


def total(pieces: Sequence[Piece]) -> Piece:
    """All pieces of an answer as one."""
    tokens = tuple(token for piece in pieces for token in piece.tokens)
    last = pieces[-1]
    return Piece("".join(piece.text for piece in pieces), tokens, last.finish, last.ends)


def usage(read: int, written: int) -> Usage:
    """Tokens of a request."""
    return Usage(prompt_tokens=read, completion_tokens=written, total_tokens=read + written)


def as_json(value: BaseModel) -> str:
    """An answer as JSON, without the fields that only some ask for."""
    return json.dumps(_lean(value.model_dump()), ensure_ascii=False, separators=(",", ":"))


def _lean(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _lean(v) for k, v in value.items() if v is not None or k not in _LEAN}
    return [_lean(v) for v in value] if isinstance(value, list) else value
