"""What can go wrong while somebody writes, as a code for the page and a sentence for the person."""

from midcourse.errors import InputError, MidcourseError, ServerError, StoreError

__all__ = ["Refused", "refusal_of", "silence", "trouble_of"]


_STORE = {
    "store_full": "The disk is full: nothing of this step was written, and nothing has changed. When there is room, "
    "do the same once more.",
    "store_locked": "The store is held by another program: nothing of this step was written, and nothing has changed. "
    "Wait a moment and do the same once more.",
}
"""To somebody who writes, not to whoever started the server: no file, no command."""


class Refused(Exception):
    """A command that was not carried out; nothing has changed."""

    def __init__(self, code: str, message: str, *, retry: bool = False) -> None:
        super().__init__(message)
        self.code, self.message, self.retry = code, message, retry


def trouble_of(error: Exception) -> tuple[str, str]:
    """Code and sentence of something that outlasts a command."""
    said = str(error)
    if isinstance(error, StoreError):
        code = "store_full" if "disk is full" in said else "store_locked" if "locked" in said else "store"
        return code, _STORE.get(code, said)
    if isinstance(error, InputError) and "at most" in said:
        return "context_full", said
    if isinstance(error, ServerError):
        return "backend_gone", f"{said}{'' if said.endswith(('?', '.')) else '.'} The text is safe; Enter asks again"
    if isinstance(error, MidcourseError):
        return "backend_cannot", said
    return "backend_gone", f"the model stopped with {type(error).__name__}; the text is safe: go on, or ask the admin"


def silence(seconds: float) -> tuple[str, str]:
    """Code and sentence of a model that has said nothing for a while."""
    return "backend_busy", (
        f"The model has said nothing for {seconds:g} s: it reads, or is busy. The text is safe; stop it, or wait."
    )


def refusal_of(error: MidcourseError) -> Refused:
    """A person's mistake, or a broken machine, as the answer to a command."""
    if isinstance(error, StoreError):
        return Refused("store", trouble_of(error)[1], retry=True)
    return Refused("input", str(error))
