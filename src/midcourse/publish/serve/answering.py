"""One request from its arrival to its last byte: who answers, drawing token by token, whole or as a stream.

Each token is drawn in a thread of its own, so that the event loop stays free; when the client has gone, no further
token is drawn. It knows no route.
"""

import asyncio
import contextlib
import random
import threading
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

from anyio import CancelScope, to_thread
from pydantic import BaseModel
from starlette.requests import Request as Http
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from midcourse.backends.protocol import Sampling
from midcourse.errors import InputError, MidcourseError
from midcourse.publish.serve.models import Lease, Models
from midcourse.publish.serve.prompting import chat_ids, completion_ids
from midcourse.publish.serve.replies import (
    ChatChunk,
    ChatReply,
    ChunkChoice,
    CompletionReply,
    Delta,
    ErrorReply,
    Failure,
)
from midcourse.publish.serve.requests import ChatRequest, CompletionRequest
from midcourse.publish.serve.telling import Teller, as_json, total, usage
from midcourse.publish.serve.writing import Ask, Piece, write

__all__ = ["Answers", "Crowded"]

MOST_ANSWERS = 32
"""Requests that are answered at a time."""


class Crowded(MidcourseError):
    """Too many requests at a time."""


@dataclass
class _Job:
    """One request that is being answered."""

    request: ChatRequest | CompletionRequest
    teller: Teller
    prompts: list[list[int]]
    pieces: list[Iterator[Piece]]
    head: dict[str, Any]

    @property
    def read(self) -> int:
        return sum(map(len, self.prompts))


class Answers:
    """Answers requests with the models that are served."""

    def __init__(self, models: Models, most_tokens: int) -> None:
        """`most_tokens` are written where a request does not say how many."""
        self.models, self.most_tokens = models, most_tokens
        self._places = threading.BoundedSemaphore(MOST_ANSWERS)

    async def answer(self, request: ChatRequest | CompletionRequest, http: Http) -> Response:
        """A response, whole or streamed.

        Raises:
            Unknown: No such model.
            Crowded: Too many at a time.
            InputError: What is asked cannot be answered.
        """
        if not self._places.acquire(blocking=False):
            raise Crowded(f"{MOST_ANSWERS} answers are being written: try again in a moment")
        stack = contextlib.ExitStack()
        stack.callback(self._places.release)
        try:
            lease = await to_thread.run_sync(stack.enter_context, self.models.lease(request.model))
            job = await to_thread.run_sync(self._begin, request, lease)
            if request.stream:
                # The first piece is drawn before anything is sent, so that what cannot be done has a status of its own.
                first = await to_thread.run_sync(next, job.pieces[0], None)
                return _Stream(self._events(job, first), stack.pop_all(), job)
            return await self._whole(job, http)
        finally:
            with CancelScope(shield=True):
                await to_thread.run_sync(stack.close)

    def _begin(self, request: ChatRequest | CompletionRequest, lease: Lease) -> _Job:
        tokenizer, context = self.models.tokenizer, self.models.context
        if isinstance(request, ChatRequest):
            prompts, limit = [chat_ids(request, tokenizer)], request.max_completion_tokens or request.max_tokens
            name = "chatcmpl"
        else:
            prompts, limit, name = completion_ids(request, tokenizer), request.max_tokens, "cmpl"
        tokenizer.check_ids(request.banned)
        teller = Teller(request, tokenizer)
        seed = random.randrange(1 << 31) if request.seed is None else request.seed
        ends = None if request.stop_token_ids is None else tuple(request.stop_token_ids)
        pieces = []
        for n, ids in enumerate(prompts):
            if not ids:
                raise InputError("there is nothing to continue from: the prompt has no tokens")
            if len(ids) >= context:
                raise InputError(f"the prompt has {len(ids)} tokens and the model reads at most {context}; shorten it")
            sampling = Sampling(
                max_new_tokens=min(self.most_tokens if limit is None else limit, context - len(ids)),
                temperature=1.0 if request.temperature is None else request.temperature,
                top_p=1.0 if request.top_p is None else request.top_p,
                seed=min(seed + n, (1 << 63) - 1),
                alternatives=teller.alternatives,
                end_ids=ends,
            )
            pieces.append(write(lease.backend, tokenizer, ids, Ask(sampling, request.stops, request.banned)))
        head = {
            "id": f"{name}-{uuid.uuid4().hex}",
            "created": int(time.time()),
            "model": request.model,
            "system_fingerprint": f"fp_{lease.fingerprint}",
        }
        return _Job(request, teller, prompts, pieces, head)

    # -- whole -----------------------------------------------------------------------------------------------------

    async def _whole(self, job: _Job, http: Http) -> Response:
        answers = []
        for pieces in job.pieces:
            drawn: list[Piece] = []
            while (piece := await to_thread.run_sync(next, pieces, None)) is not None:
                drawn.append(piece)
                if await http.is_disconnected():
                    return Response(status_code=499)
            answers.append(total(drawn))
        used = usage(job.read, sum(len(a.tokens) for a in answers))
        reply: BaseModel
        if isinstance(job.request, ChatRequest):
            asked = job.prompts[0] if job.request.return_token_ids else None
            reply = ChatReply(**job.head, choices=[job.teller.chat(answers[0])], usage=used, prompt_token_ids=asked)
        else:
            parts = zip(answers, job.prompts, strict=True)
            choices: list[Any] = [job.teller.chunk(n, answer, ids, 0) for n, (answer, ids) in enumerate(parts)]
            reply = CompletionReply(**job.head, choices=choices, usage=used)
        return Response(as_json(reply), media_type="application/json")

    # -- streamed --------------------------------------------------------------------------------------------------

    async def _events(self, job: _Job, first: Piece | None) -> AsyncIterator[str]:
        try:
            if isinstance(job.request, ChatRequest):
                role = ChunkChoice(index=0, delta=Delta(role="assistant", content=""))
                asked = job.prompts[0] if job.request.return_token_ids else None
                yield _event(ChatChunk(**job.head, choices=[role], prompt_token_ids=asked))
            written = 0
            for n, pieces in enumerate(job.pieces):
                offset, prompt = 0, job.prompts[n]
                piece = first if n == 0 else await to_thread.run_sync(next, pieces, None)
                begun = False
                while piece is not None:
                    written += len(piece.tokens)
                    if job.teller.worth(piece):
                        yield self._chunk(job, job.teller.chunk(n, piece, None if begun else prompt, offset))
                        begun = True
                    offset += len(piece.text)
                    piece = await to_thread.run_sync(next, pieces, None)
            if job.request.stream_options and job.request.stream_options.include_usage:
                kind = ChatChunk if isinstance(job.request, ChatRequest) else CompletionReply
                yield _event(kind(**job.head, choices=[], usage=usage(job.read, written)))
            yield "data: [DONE]\n\n"
        except MidcourseError as error:
            yield _event(ErrorReply(error=Failure(message=str(error), type="server_error")))

    def _chunk(self, job: _Job, choice: Any) -> str:
        kind = ChatChunk if isinstance(job.request, ChatRequest) else CompletionReply
        return _event(kind(**job.head, choices=[choice]))


class _Stream(StreamingResponse):
    """Events that let go of the model whatever happens to the connection."""

    def __init__(self, events: AsyncIterator[str], stack: contextlib.ExitStack, job: _Job) -> None:
        super().__init__(events, media_type="text/event-stream", headers={"Cache-Control": "no-cache"})
        self._stack, self._job = stack, job

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send; then no further token is drawn."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            for pieces in self._job.pieces:
                pieces.close()  # type: ignore[attr-defined]
            # Letting go may wait for a turn; whoever is cancelled here must not.
            asyncio.get_running_loop().run_in_executor(None, self._stack.close)


def _event(value: BaseModel) -> str:
    return f"data: {as_json(value)}\n\n"
