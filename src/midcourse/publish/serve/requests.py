"""What may be asked: the shapes of OpenAI's requests, and what vLLM adds to continue texts by token ids.

What would change an answer and cannot be done is refused by name; what asks for nothing is taken. Fields that are not
known are passed over, as most servers do. It knows no model.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

__all__ = ["ChatRequest", "CompletionRequest", "Request", "Turn"]

MOST_STOPS, MOST_ALTERNATIVES = 16, 20
_MOST_TEXT = 1_000_000


def _encodable(text: str) -> str:
    """Half of a surrogate pair is no text."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("text must be whole Unicode characters") from error
    return text


Text = Annotated[str, Field(max_length=_MOST_TEXT), AfterValidator(_encodable)]
Stop = Annotated[str, Field(min_length=1, max_length=1_000), AfterValidator(_encodable)]
Id = Annotated[int, Field(ge=0, le=2**31)]


class Part(BaseModel):
    """A part of a message; text alone is read."""

    type: Literal["text"]
    text: Text


class Turn(BaseModel):
    """One message."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Text | list[Part] | None = None
    name: Text | None = None
    prefix: bool | None = None
    """On the last message, an assistant's: go on from its text (as Mistral and DeepSeek call it)."""
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: Text | None = None

    @property
    def text(self) -> str:
        """All text of the message."""
        if isinstance(self.content, list):
            return "".join(part.text for part in self.content)
        return self.content or ""


class StreamOptions(BaseModel):
    """How a stream is told."""

    include_usage: bool = False


class Request(BaseModel):
    """What both routes take."""

    model_config = ConfigDict(extra="ignore")

    model: Text
    max_tokens: Annotated[int, Field(ge=0)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    """1 if nothing is said, as at OpenAI."""
    top_p: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), le=2**63 - 1)] | None = None
    """Draws repeat with the same seed; without one each answer draws anew."""
    stop: Stop | Annotated[list[Stop], Field(max_length=MOST_STOPS)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    logit_bias: dict[str, float] | None = None
    """-100 rules a token out; nothing else can be done."""
    stop_token_ids: Annotated[list[Id], Field(max_length=64)] | None = None
    """Ids that end the answer, in place of the model's own."""
    return_token_ids: bool | None = None
    n: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    repetition_penalty: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    response_format: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _refuse(self) -> "Request":
        neutral = {
            "n": (None, 1),
            "presence_penalty": (None, 0),
            "frequency_penalty": (None, 0),
            "repetition_penalty": (None, 1),
            "top_k": (None, 0, -1),
            "min_p": (None, 0),
            "response_format": (None, {}, {"type": "text"}),
        }
        for field, values in neutral.items():
            if getattr(self, field) not in values:
                raise ValueError(f"{field} cannot be done here; leave it out")
        for token, bias in (self.logit_bias or {}).items():
            if not (token.isascii() and token.isdigit() and len(token) < 10) or bias > -100:
                raise ValueError("logit_bias takes token ids with -100, which rules them out; no other value is done")
        return self

    @property
    def stops(self) -> tuple[str, ...]:
        """Stop texts."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    @property
    def banned(self) -> tuple[int, ...]:
        """Ids that are ruled out."""
        return tuple(int(token) for token in self.logit_bias or ())


class ChatRequest(Request):
    """`/v1/chat/completions`."""

    messages: Annotated[list[Turn], Field(min_length=1, max_length=10_000)]
    max_completion_tokens: Annotated[int, Field(ge=0)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=MOST_ALTERNATIVES)] | None = None
    continue_final_message: bool | None = None
    """Whether a last message of the assistant is gone on with; it is unless this is false."""
    add_generation_prompt: bool | None = None
    """False goes with continuing."""
    tools: list[Any] | None = None
    functions: list[Any] | None = None
    audio: Any = None

    @model_validator(mode="after")
    def _chat(self) -> "ChatRequest":
        for field in ("tools", "functions", "audio"):
            if getattr(self, field):
                raise ValueError(f"{field} cannot be done here; leave it out")
        if self.continue_final_message and self.messages[-1].role != "assistant":
            raise ValueError("continue_final_message needs a last message of the assistant")
        if self.continue_final_message and self.add_generation_prompt:
            raise ValueError("continue_final_message and add_generation_prompt exclude each other")
        if self.add_generation_prompt is False and self.messages[-1].role != "assistant":
            raise ValueError("without a generation prompt there must be a last message of the assistant to go on with")
        return self

    @property
    def continues(self) -> bool:
        """Whether the last message is gone on with."""
        last = self.messages[-1]
        return last.role == "assistant" and self.continue_final_message is not False and not self.add_generation_prompt


class CompletionRequest(Request):
    """`/v1/completions`."""

    prompt: (
        Text
        | Annotated[list[Id], Field(min_length=1, max_length=1_000_000)]
        | Annotated[list[Text], Field(min_length=1, max_length=64)]
        | Annotated[list[Annotated[list[Id], Field(min_length=1)]], Field(min_length=1, max_length=64)]
    )
    """Text, in which names of special tokens are those tokens; or token ids, which are gone on from as they are."""
    logprobs: Annotated[int, Field(ge=0, le=MOST_ALTERNATIVES)] | None = None
    add_special_tokens: bool | None = None
    """Whether a text gets the BOS of its tokenizer, where it has none yet; it does unless this is false."""
    return_tokens_as_token_ids: bool | None = None
    """Tokens of log-probabilities are called `token_id:N`."""
    best_of: int | None = None
    echo: bool | None = None
    suffix: str | None = None

    @model_validator(mode="after")
    def _completion(self) -> "CompletionRequest":
        for field, values in {"best_of": (None, 1), "echo": (None, False), "suffix": (None, "")}.items():
            if getattr(self, field) not in values:
                raise ValueError(f"{field} cannot be done here; leave it out")
        return self

    @property
    def prompts(self) -> list[str | list[int]]:
        """One for each choice."""
        if isinstance(self.prompt, str):
            return [self.prompt]
        ids = [p for p in self.prompt if isinstance(p, int)]
        return [ids] if ids else [p for p in self.prompt if not isinstance(p, int)]
