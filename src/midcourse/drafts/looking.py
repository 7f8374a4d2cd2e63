"""What the model might have written at a place of a draft: looked at, never kept."""

from midcourse.backends.protocol import Sampling
from midcourse.drafts.draft import Draft
from midcourse.errors import InputError

__all__ = ["alternatives", "ghost"]


def alternatives(draft: Draft, index: int, most: int) -> tuple[tuple[int, float], ...]:
    """The likeliest (id, logprob) in the place of token `index` of the text, best first."""
    asked = Sampling(max_new_tokens=1, alternatives=most, end_ids=draft.tokenizer.eos)
    return next((t.alternatives for t in draft.backend.stream(_up_to(draft, index), asked)), ())


def ghost(draft: Draft, index: int, token_id: int, most: int) -> list[int]:
    """How the text would go on, were `token_id` its token `index`: that token and at most `most` greedy ones."""
    draft.tokenizer.check_ids([token_id])
    if token_id in draft.tokenizer.eos:
        return [token_id]
    asked = Sampling(max_new_tokens=most, end_ids=draft.tokenizer.eos)
    return [token_id, *(t.id for t in draft.backend.stream([*_up_to(draft, index), token_id], asked))]


def _up_to(draft: Draft, index: int) -> list[int]:
    ids = draft.token_ids
    if not 0 <= index <= len(ids) - draft.prompt_length:
        raise InputError(f"the text has {len(ids) - draft.prompt_length} tokens, so there is no token {index}")
    return ids[: draft.prompt_length + index]
