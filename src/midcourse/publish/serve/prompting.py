"""From a request to token ids: a chat rendered once, an unfinished answer gone on with, a raw text or ids as they are.

An unfinished answer is not rendered: its text follows the rendered prompt as it is, white space included, and names of
special tokens in it are plain text. It knows no model.
"""

from collections.abc import Sequence

from midcourse.errors import InputError
from midcourse.publish.serve.requests import ChatRequest, CompletionRequest, Turn
from midcourse.tokens import TextTokenizer
from midcourse.types import Message

__all__ = ["chat_ids", "completion_ids"]


def chat_ids(request: ChatRequest, tokenizer: TextTokenizer) -> list[int]:
    """Ids of a chat up to where the assistant goes on.

    Raises:
        InputError: The model has no chat template, or the template refuses the messages.
    """
    turns = request.messages[:-1] if request.continues else request.messages
    if not turns:
        raise InputError("there is nothing to answer: an unfinished answer needs a message before it")
    ids = _rendered([_message(turn) for turn in turns], tokenizer)
    return ids + tokenizer.encode(request.messages[-1].text) if request.continues else ids


def completion_ids(request: CompletionRequest, tokenizer: TextTokenizer) -> list[list[int]]:
    """Ids of each prompt.

    Raises:
        InputError: An id lies outside the vocabulary.
    """
    out = []
    for prompt in request.prompts:
        if isinstance(prompt, str):
            ids = tokenizer.encode_rendered(prompt)
            first = [] if request.add_special_tokens is False else tokenizer.encode_prompt("")
            out.append(ids if ids[: len(first)] == first else first + ids)
        else:
            tokenizer.check_ids(prompt)
            out.append(prompt)
    return out


def _rendered(messages: Sequence[Message], tokenizer: TextTokenizer) -> list[int]:
    try:
        return tokenizer.prompt_ids(messages)
    except InputError:
        raise
    except Exception as error:  # a template is a program: it can fail in any way on messages it does not expect
        raise InputError(f"the chat template refuses these messages ({type(error).__name__})") from error


def _message(turn: Turn) -> Message:
    extra = {
        key: value
        for key, value in (("name", turn.name), ("tool_calls", turn.tool_calls), ("tool_call_id", turn.tool_call_id))
        if value is not None
    }
    return Message("system" if turn.role == "developer" else turn.role, turn.text, extra)
