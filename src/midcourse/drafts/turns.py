"""From an answered prompt to the prompt of the next turn.

A turn is a draft of its own. Where the rendered conversation begins with exactly the text as it was written, the new
prompt keeps its ids, corrections and all, as the model would see them; else the template's rendering stands (templates
that drop old thinking). It knows no model and no store of its own.
"""

from midcourse.drafts.draft import Draft
from midcourse.errors import InputError
from midcourse.types import Message

__all__ = ["next_turn"]


def next_turn(draft: Draft, said: str) -> Draft:
    """A draft for the answer to the user's next message.

    Raises:
        InputError: The prompt was raw text, or nothing was said.
    """
    trajectory = draft.trajectory
    if not trajectory.messages:
        raise InputError("a raw text has no next turn: only conversations do")
    if not said.strip():
        raise InputError("the next message is empty: say something to the model")
    ids = trajectory.path(trajectory.head)
    answer = [i for i in ids[draft.prompt_length :] if i not in draft.tokenizer.eos]
    messages = (*trajectory.messages, Message("assistant", draft.tokenizer.decode(answer)), Message("user", said))
    following = draft.another()
    return following.start(
        messages, group=trajectory.group or trajectory.id, token_ids=draft.tokenizer.extend_prompt(ids, messages)
    )
