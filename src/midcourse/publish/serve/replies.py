"""What is answered: the shapes of OpenAI's answers, whole and in chunks, and of its errors."""

from typing import Any, Literal

from pydantic import BaseModel, Field

__all__ = [
    "ChatChoice",
    "ChatChunk",
    "ChatReply",
    "ChunkChoice",
    "CompletionChoice",
    "CompletionReply",
    "Delta",
    "ErrorReply",
    "Failure",
    "Logprobs",
    "ModelEntry",
    "ModelList",
    "Said",
    "TokenLogprob",
    "TopLogprob",
    "TopLogprobs",
    "Usage",
]

Finish = Literal["stop", "length"]


class Usage(BaseModel):
    """Tokens read and written."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0


class TopLogprob(BaseModel):
    """A token that might have stood there."""

    token: str
    logprob: float
    bytes: list[int]


class TokenLogprob(TopLogprob):
    """A written token. Log-probabilities are the model's own: before temperature, top_p and bans."""

    top_logprobs: list[TopLogprob]


class TopLogprobs(BaseModel):
    """Log-probabilities of a chat."""

    content: list[TokenLogprob]
    refusal: None = None


class Logprobs(BaseModel):
    """Log-probabilities of a completion."""

    tokens: list[str] = Field(default_factory=list)
    token_logprobs: list[float] = Field(default_factory=list)
    top_logprobs: list[dict[str, float]] = Field(default_factory=list)
    text_offset: list[int] = Field(default_factory=list)


class Said(BaseModel):
    """The assistant's message."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None


class ChatChoice(BaseModel):
    """One answer of a chat."""

    index: int
    message: Said
    logprobs: TopLogprobs | None = None
    finish_reason: Finish
    token_ids: list[int] | None = None


class ChatReply(BaseModel):
    """A whole chat answer."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    system_fingerprint: str
    choices: list[ChatChoice]
    usage: Usage
    prompt_token_ids: list[int] | None = None


class Delta(BaseModel):
    """What a chunk adds."""

    role: Literal["assistant"] | None = None
    content: str | None = None


class ChunkChoice(BaseModel):
    """One answer of a chat, further on."""

    index: int
    delta: Delta
    logprobs: TopLogprobs | None = None
    finish_reason: Finish | None = None
    token_ids: list[int] | None = None


class ChatChunk(BaseModel):
    """An event of a streamed chat."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    system_fingerprint: str
    choices: list[ChunkChoice]
    usage: Usage | None = None
    prompt_token_ids: list[int] | None = None


class CompletionChoice(BaseModel):
    """One completion, or how it goes on."""

    index: int
    text: str
    logprobs: Logprobs | None = None
    finish_reason: Finish | None = None
    token_ids: list[int] | None = None
    prompt_token_ids: list[int] | None = None


class CompletionReply(BaseModel):
    """A completion, whole or an event of a stream."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    system_fingerprint: str
    choices: list[CompletionChoice]
    usage: Usage | None = None


class ModelEntry(BaseModel):
    """One model that is served."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: Literal["midcourse"] = "midcourse"
    root: str
    parent: str | None = None
    """Of an adapter: its base."""
    max_model_len: int


class ModelList(BaseModel):
    """All models."""

    object: Literal["list"] = "list"
    data: list[ModelEntry]


class Failure(BaseModel):
    """What went wrong."""

    message: str
    type: str
    param: str | None = None
    code: Any = None


class ErrorReply(BaseModel):
    """An error as OpenAI gives it."""

    error: Failure
