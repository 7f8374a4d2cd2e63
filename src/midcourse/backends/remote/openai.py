"""`/v1/completions`: vLLM with token ids both ways, and any other OpenAI-compatible server with text.

Sources: vLLM's OpenAI-compatible server (`return_token_ids`, `return_tokens_as_token_ids`: "token_id:123" in place of
text) and OpenAI's API reference for completions.
"""

import math
from typing import Any

from midcourse.backends.protocol import Sampling
from midcourse.backends.remote.wire import Chunk, Garbled, Word

__all__ = ["VLLM", "Midcourse", "OpenAI"]

_ENDED = {None: "", "stop": "stop", "length": "length"}
_NAMED = "token_id:"
_RAW = "bytes:"
"""How OpenAI writes a token that is no whole text: bytes:\\xc3."""


class OpenAI:
    """Any server with OpenAI's completions route: text in, text and log-probabilities out."""

    name = "openai"
    path = "/v1/completions"
    by_ids = False
    bans = True
    most_alternatives = 5
    loses_split = False

    def body(self, prompt: list[int] | str, sampling: Sampling, model: str) -> dict[str, Any]:
        """See `Dialect.body`."""
        body: dict[str, Any] = {
            "model": model,
            "prompt": prompt,
            "max_tokens": sampling.max_new_tokens,
            "stream": True,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": sampling.seed,
            "logprobs": max(1, min(sampling.alternatives, self.most_alternatives)),
        }
        if sampling.banned_first:
            body["logit_bias"] = {str(i): -100 for i in sampling.banned_first}
        return body

    def chunk(self, event: Any) -> Chunk:
        """See `Dialect.chunk`."""
        if not event["choices"]:
            return Chunk()  # usage alone
        choice = event["choices"][0]
        reason = choice.get("finish_reason")
        if reason not in _ENDED:
            raise Garbled(f"the answer ended by {reason!r}")
        return Chunk(choice.get("text") or "", _words(choice), _ENDED[reason])  # type: ignore[arg-type]


class VLLM(OpenAI):
    """vLLM: the same route with ids in the prompt and for every token."""

    name = "vllm"
    by_ids = True
    most_alternatives = 20  # its own default for --max-logprobs

    def body(self, prompt: list[int] | str, sampling: Sampling, model: str) -> dict[str, Any]:
        """See `Dialect.body`."""
        more: dict[str, Any] = {
            "return_token_ids": True,
            "return_tokens_as_token_ids": True,
            "skip_special_tokens": False,
            "add_special_tokens": False,
            # A model's own generation_config would set these where a request is silent.
            "top_k": -1,
            "min_p": 0.0,
            "repetition_penalty": 1.0,
        }
        if sampling.end_ids is not None:
            more["stop_token_ids"] = list(sampling.end_ids)
        return super().body(prompt, sampling, model) | more


class Midcourse(VLLM):
    """`midcourse serve`: what vLLM adds, it has too."""

    name = "midcourse"


def _words(choice: Any) -> tuple[Word, ...]:
    told = choice.get("logprobs") or {}
    names = told.get("tokens") or []
    ids = choice.get("token_ids") or [None] * len(names)
    if names and len(ids) != len(names):
        raise Garbled(f"{len(ids)} token ids and {len(names)} log-probabilities")
    logprobs = told.get("token_logprobs") or [None] * len(ids)
    top = told.get("top_logprobs") or [None] * len(ids)
    out = []
    for i, token in enumerate(ids):
        named = _named(names[i]) if names else None
        known = token if token is not None else named if isinstance(named, int) else None
        raw = named if isinstance(named, bytes) else None
        best = sorted(((_named(n), float(p)) for n, p in (top[i] or {}).items()), key=lambda a: -a[1])
        logprob = math.nan if logprobs[i] is None else float(logprobs[i])
        out.append(Word(known, raw, logprob, tuple(best)))
    return tuple(out)


def _named(name: str) -> int | bytes:
    if name.startswith(_NAMED):
        return int(name.removeprefix(_NAMED))
    if name.startswith(_RAW):
        return bytes.fromhex(name.removeprefix(_RAW).replace("\\x", ""))
    return name.encode()
