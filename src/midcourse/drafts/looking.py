"""What the model might have written at a place of a draft: looked at, never kept.

Where to look is read off the draft at once; asking the model may take as long as it takes and needs the draft no more.
"""

from collections.abc import Callable

from midcourse.backends.protocol import Sampling
from midcourse.drafts.draft import Draft
from midcourse.errors import InputError

__all__ = ["alternatives", "ghost", "look_for_alternatives", "look_for_ghost"]


def alternatives(draft: Draft, index: int, most: int) -> tuple[tuple[int, float], ...]:
    """The likeliest (id, logprob) in the place of token `index` of the text, best first."""
    return look_for_alternatives(draft, index, most)()


def ghost(draft: Draft, index: int, token_id: int, most: int) -> list[int]:
    """How the text would go on, were `token_id` its token `index`: that token and at most `most` greedy ones."""
    return look_for_ghost(draft, index, token_id, most)()


def look_for_alternatives(draft: Draft, index: int, most: int) -> Callable[[], tuple[tuple[int, float], ...]]:
    """`alternatives`, to be asked for later."""
    backend, ids = draft.backend, _up_to(draft, index)
    asked = Sampling(max_new_tokens=1, alternatives=most, end_ids=draft.tokenizer.eos)
    return lambda: next((t.alternatives for t in backend.stream(ids, asked)), ())


def look_for_ghost(draft: Draft, index: int, token_id: int, most: int) -> Callable[[], list[int]]:
    """`ghost`, to be asked for later."""
    draft.tokenizer.check_ids([token_id])
    if token_id in draft.tokenizer.eos:
        return lambda: [token_id]
    backend, ids = draft.backend, [*_up_to(draft, index), token_id]
    asked = Sampling(max_new_tokens=most, end_ids=draft.tokenizer.eos)
    return lambda: [token_id, *(t.id for t in backend.stream(ids, asked))]


def _up_to(draft: Draft, index: int) -> list[int]:
    ids = draft.token_ids
    if not 0 <= index <= len(ids) - draft.prompt_length:
        raise InputError(f"the text has {len(ids) - draft.prompt_length} tokens, so there is no token {index}")
    return ids[: draft.prompt_length + index]
