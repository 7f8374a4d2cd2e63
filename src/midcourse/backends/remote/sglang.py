"""SGLang's own `/generate`: ids in, ids out; each event repeats what came before. Source: SGLang's native API."""

from typing import Any

from midcourse.backends.protocol import Sampling
from midcourse.backends.remote.wire import Chunk, Garbled, Word

__all__ = ["SGLang"]


class SGLang:
    """SGLang."""

    name = "sglang"
    path = "/generate"
    by_ids = True
    bans = True
    most_alternatives = 20
    loses_split = False

    def __init__(self) -> None:
        self._heard = 0
        self._text = 0

    def body(self, prompt: list[int] | str, sampling: Sampling, model: str) -> dict[str, Any]:
        """See `Dialect.body`; begins a new stream."""
        self._heard = self._text = 0
        drawn: dict[str, Any] = {
            "max_new_tokens": sampling.max_new_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "skip_special_tokens": False,
        }
        if sampling.end_ids is not None:
            drawn["stop_token_ids"] = list(sampling.end_ids)
        if sampling.banned_first:
            drawn["logit_bias"] = {str(i): -100 for i in sampling.banned_first}
        given = {"text": prompt} if isinstance(prompt, str) else {"input_ids": prompt}
        return {
            **given,
            "sampling_params": drawn,
            "stream": True,
            "return_logprob": True,
            "top_logprobs_num": sampling.alternatives,
        }

    def chunk(self, event: Any) -> Chunk:
        """See `Dialect.chunk`."""
        meta = event["meta_info"]
        rows = meta["output_token_logprobs"]
        top = meta.get("output_top_logprobs") or [None] * len(rows)
        if len(rows) < self._heard or len(top) < len(rows):
            raise Garbled("an event holds fewer tokens than the one before it")
        words = tuple(_word(rows[i], top[i]) for i in range(self._heard, len(rows)))
        text = event["text"][self._text :]
        self._heard, self._text = len(rows), len(event["text"])
        reason = (meta.get("finish_reason") or {}).get("type")
        if reason not in (None, "stop", "length"):
            raise Garbled(f"the answer ended by {reason!r}")
        return Chunk(text, words, reason or "")


def _word(row: Any, top: Any) -> Word:
    return Word(int(row[1]), None, float(row[0]), tuple((int(t[1]), float(t[0])) for t in top or ()))
