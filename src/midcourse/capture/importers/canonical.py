"""Whether a fork stands where the tokenizer itself would have put an end: else the model never saw such a prefix.

It looks at the words before the fork only, so its cost does not grow with the text.
"""

from midcourse.tokens import TextTokenizer
from midcourse.types import Place, Trajectory

__all__ = ["is_canonical"]

LOOK_BACK = 48
"""Tokens before the fork that are tokenized again."""


def is_canonical(trajectory: Trajectory, fork: Place, tokenizer: TextTokenizer) -> bool:
    """Whether the text before the fork, tokenized alone, gives the ids that stand there."""
    authors = trajectory.authors(fork)
    prompt = next((n for n, author in enumerate(authors) if author != "prompt"), len(authors))
    first = prompt if trajectory.messages else 0  # a chat prompt was rendered, not written
    ids = trajectory.path(fork)[first:]
    start = max(0, len(ids) - LOOK_BACK)
    start = next((n for n in range(start, len(ids)) if tokenizer.token_bytes(ids[n])[:1].isspace()), start)
    near = ids[start:]
    try:
        text = tokenizer.to_bytes(near).decode("utf-8")
    except UnicodeDecodeError:
        return False
    if start == 0 and not trajectory.messages:
        return near in (tokenizer.encode_prompt(text), tokenizer.encode(text))
    return tokenizer.encode(text) == near
