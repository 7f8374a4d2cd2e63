"""llama.cpp's own `/completion`: ids in, ids out. Source: tools/server/README.md of llama.cpp (2026)."""

from typing import Any

from midcourse.backends.protocol import Sampling
from midcourse.backends.remote.wire import Chunk, Word

__all__ = ["LlamaCpp"]

_ENDED = {"none": "", "eos": "stop", "word": "stop", "limit": "length"}


class LlamaCpp:
    """llama-server."""

    name = "llama.cpp"
    path = "/completion"
    by_ids = True
    bans = True
    most_alternatives = 100
    # Tokens are streamed once the text is whole UTF-8: of a character in several tokens only the last id comes.
    loses_split = True

    def body(self, prompt: list[int] | str, sampling: Sampling, model: str) -> dict[str, Any]:
        """See `Dialect.body`."""
        # The server's own defaults (top_k 40, min_p 0.05) would draw from another distribution than asked for.
        return {
            "prompt": prompt,
            "n_predict": sampling.max_new_tokens,
            "stream": True,
            "cache_prompt": True,
            "return_tokens": True,
            "n_probs": max(1, sampling.alternatives),
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "samplers": ["temperature", "top_p"],
            "seed": sampling.seed,
            "logit_bias": [[i, False] for i in sampling.banned_first],
        }

    def chunk(self, event: Any) -> Chunk:
        """See `Dialect.chunk`."""
        ids = [int(i) for i in event.get("tokens") or ()]
        told = {int(p["id"]): p for p in event.get("completion_probabilities") or ()} if ids else {}
        words = tuple(_word(i, told.get(i)) for i in ids)
        return Chunk(event["content"], words, _ENDED[event.get("stop_type", "none")])  # type: ignore[arg-type]


def _word(token: int, told: Any) -> Word:
    if told is None:
        return Word(token)
    best = tuple((int(t["id"]), float(t["logprob"])) for t in told.get("top_logprobs") or ())
    return Word(token, None, float(told["logprob"]), best)
