"""The first node of a text: its prompt, rendered once."""

from collections.abc import Mapping, Sequence
from typing import Any

from midcourse.backends.protocol import Sampling
from midcourse.errors import InputError, TokenizerMismatch
from midcourse.tokens import TextTokenizer
from midcourse.types import Message, Node, Place, Trajectory

__all__ = ["begin", "check_tokenizer"]


def begin(
    tokenizer: TextTokenizer,
    prompt: str | Sequence[Message],
    sampling: Sampling,
    token_ids: Sequence[int] | None,
    **facts: Any,
) -> Trajectory:
    """A trajectory that holds a prompt alone.

    Args:
        tokenizer: Renders messages by its chat template and takes raw text as it is.
        prompt: What the model answers.
        sampling: How it will be asked; put on record.
        token_ids: The prompt's ids where they are known.
        facts: Further fields of the trajectory.
    """
    ids = tokenizer.prompt_ids(prompt) if token_ids is None else token_ids
    root = Node.below(None, ids, "prompt", tokenizer.hash)
    if not root.token_ids:
        raise InputError("the prompt is empty: give the model something to answer")
    chat = not isinstance(prompt, str)
    sampler: Mapping[str, Any] = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": sampling.seed,
    }
    return Trajectory(
        nodes=(root,),
        head=Place(root.id, len(root.token_ids)),
        tokenizer=tokenizer.hash,
        messages=() if isinstance(prompt, str) else tuple(prompt),
        template=tokenizer.template_hash if chat else None,
        sampler=sampler,
        **facts,
    )


def check_tokenizer(trajectory: Trajectory, tokenizer: TextTokenizer) -> None:
    """Refuse a text of another tokenizer.

    Raises:
        TokenizerMismatch: Naming both.
    """
    if trajectory.tokenizer != tokenizer.hash:
        raise TokenizerMismatch(
            f"text {trajectory.id} was written with tokenizer {trajectory.tokenizer}, this model has "
            f"{tokenizer.hash}: open it with the model it was begun with"
        )
