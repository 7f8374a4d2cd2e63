"""The routes: models, chat, completions, health; errors in OpenAI's shape.

This module wires parts and decides nothing. It opens no port.
"""

import logging
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from midcourse.errors import InputError, MidcourseError
from midcourse.publish.serve.answering import Answers, Crowded
from midcourse.publish.serve.door import Door, refusal
from midcourse.publish.serve.models import Models, Unknown
from midcourse.publish.serve.replies import ChatReply, CompletionReply, ErrorReply, ModelEntry, ModelList
from midcourse.publish.serve.requests import ChatRequest, CompletionRequest

__all__ = ["create_app"]

log = logging.getLogger("midcourse.serve")
_WRONG: dict[int | str, dict[str, Any]] = {"4XX": {"model": ErrorReply}, "5XX": {"model": ErrorReply}}


def create_app(models: Models, *, most_tokens: int = 1024, key: str | None = None) -> FastAPI:
    """The application; `app.state.answers` answers.

    Args:
        models: What is served.
        most_tokens: Longest answer where a request does not say.
        key: What every request must carry as a bearer token.
    """
    app = FastAPI(
        title="Midcourse serve", version=version("midcourse"), docs_url=None, redoc_url=None, responses=_WRONG
    )
    answers = app.state.answers = Answers(models, most_tokens)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/v1/models")
    async def list_models() -> ModelList:
        return ModelList(data=[_entry(models, name) for name in models.names])

    @app.get("/v1/models/{name:path}")
    async def one_model(name: str) -> ModelEntry:
        if name not in models.names:
            raise Unknown(f"there is no model {name[:100]!r} here; there are: {', '.join(models.names)}")
        return _entry(models, name)

    @app.post("/v1/chat/completions", responses={200: {"model": ChatReply}})
    async def chat(body: ChatRequest, request: Request) -> Response:
        return await answers.answer(body, request)

    @app.post("/v1/completions", responses={200: {"model": CompletionReply}})
    async def completions(body: CompletionRequest, request: Request) -> Response:
        return await answers.answer(body, request)

    _errors(app)
    app.add_middleware(Door, key=key)
    return app


def _entry(models: Models, name: str) -> ModelEntry:
    base = name == models.name
    return ModelEntry(
        id=name,
        created=models.began,
        root=name,
        parent=None if base else models.name,
        max_model_len=models.context,
    )


def _errors(app: FastAPI) -> None:
    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        place = [str(part) for part in first["loc"] if part not in ("body", "path", "query")]
        said = str(first["msg"]).removeprefix("Value error, ")
        param = place[0] if place and not place[0].isdigit() else None
        return refusal(400, f"{'.'.join(place)}: {said}" if param else said, param=param)

    @app.exception_handler(MidcourseError)
    async def known(_: Request, error: MidcourseError) -> JSONResponse:
        if isinstance(error, Unknown):
            return refusal(404, str(error), param="model", code="model_not_found")
        if isinstance(error, Crowded):
            return refusal(429, str(error), kind="rate_limit_error", headers={"Retry-After": "1"})
        if isinstance(error, InputError):
            long = "reads at most" in str(error)
            return refusal(400, str(error), code="context_length_exceeded" if long else None)
        log.error("%s", error)
        return refusal(500, str(error), kind="server_error")

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        said = f"there is no {request.method} {request.url.path}" if error.status_code in (404, 405) else error.detail
        return refusal(error.status_code, said, headers=dict(error.headers or {}))

    @app.exception_handler(Exception)
    async def unknown(_: Request, error: Exception) -> JSONResponse:
        return refusal(500, f"something went wrong here ({type(error).__name__})", kind="server_error")
