"""Ollama's `/api/generate` with `raw`: text in, bytes and log-probabilities out, no ids. Source: its OpenAPI page."""

from typing import Any

from midcourse.backends.protocol import Sampling
from midcourse.backends.remote.wire import Chunk, Word

__all__ = ["Ollama"]


class Ollama:
    """Ollama: no prompt by ids, and no token can be ruled out."""

    name = "ollama"
    path = "/api/generate"
    by_ids = False
    bans = False
    most_alternatives = 20
    loses_split = False

    def body(self, prompt: list[int] | str, sampling: Sampling, model: str) -> dict[str, Any]:
        """See `Dialect.body`."""
        return {
            "model": model,
            "prompt": prompt,
            "raw": True,
            "stream": True,
            "logprobs": True,
            "top_logprobs": min(sampling.alternatives, self.most_alternatives),
            "options": {
                "num_predict": sampling.max_new_tokens,
                "temperature": sampling.temperature,
                "top_p": sampling.top_p,
                "seed": sampling.seed,
                # Its defaults (40, 1.1) would draw from another distribution than asked for.
                "top_k": 0,
                "min_p": 0.0,
                "repeat_penalty": 1.0,
            },
        }

    def chunk(self, event: Any) -> Chunk:
        """See `Dialect.chunk`."""
        words = tuple(_word(row) for row in event.get("logprobs") or ())
        ended = ("length" if event.get("done_reason") == "length" else "stop") if event["done"] else ""
        return Chunk(event.get("response") or "", words, ended)  # type: ignore[arg-type]


def _word(row: Any) -> Word:
    best = tuple((_bytes(t), float(t["logprob"])) for t in row.get("top_logprobs") or ())
    return Word(None, _bytes(row), float(row["logprob"]), best)


def _bytes(row: Any) -> bytes:
    return bytes(row["bytes"]) if row.get("bytes") else str(row["token"]).encode()
