"""What a user's mistake or a broken machine looks like: one sentence, no traceback.

    MidcourseError
    ├── InputError (ValueError)          a file, row, option or value cannot be used as given
    ├── TokenizerMismatch (ValueError)   two things were tokenized by different tokenizers
    ├── ModelError (ValueError)          a model or adapter is missing, unreadable, or not the one expected
    ├── StoreError (RuntimeError)        the store cannot be opened, read or written
    ├── ServerError (RuntimeError)        a model server cannot be reached, refuses, breaks off, or is none
    ├── OutOfMemory (MemoryError)        a tree does not fit
    ├── DiskFull (OSError)               what was to be written does not fit
    └── MissingExtra (ImportError)       a part of Midcourse is not installed

Every message says what was given, what was expected and what to do. This module imports nothing of ours and no torch.
"""

import errno
from typing import Literal

__all__ = [
    "DiskFull",
    "InputError",
    "MidcourseError",
    "MissingExtra",
    "ModelError",
    "OutOfMemory",
    "ServerError",
    "StoreError",
    "TokenizerMismatch",
    "ran_out_of",
]


class MidcourseError(Exception):
    """Base of all errors that the command line prints as one sentence and exits with 2."""


class InputError(MidcourseError, ValueError):
    """A file, row, option or value cannot be used as given."""


class TokenizerMismatch(MidcourseError, ValueError):
    """Two things that must share a tokenizer do not."""


class ModelError(MidcourseError, ValueError):
    """A model or adapter is missing, unreadable, or not the one expected."""


class StoreError(MidcourseError, RuntimeError):
    """The store cannot be opened, read or written."""


class ServerError(MidcourseError, RuntimeError):
    """A model server cannot be reached, refuses, breaks off, or says what is no answer."""


class OutOfMemory(MidcourseError, MemoryError):
    """A tree does not fit into memory; the message names it, its tokens and the settings to change."""


class DiskFull(MidcourseError, OSError):
    """There is no room for what was to be written; the message says what is whole."""


class MissingExtra(MidcourseError, ImportError):
    """A part of Midcourse is not installed; the message names the extra to install."""

    @classmethod
    def of(cls, extra: str, wanted_for: str) -> "MissingExtra":
        """Name the extra that `wanted_for` needs."""
        return cls(f"{wanted_for} needs packages that are not installed. Run: pip install 'midcourse[{extra}]'")


_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SAID = {
    "disk": (
        *(f"(os error {number})" for number in _DISK),  # safetensors
        "PytorchStreamWriter failed writing",
        "inline_container.cc",
        "iostream error",  # its last bytes
    ),
    "memory": (
        "can't allocate memory",  # torch on a CPU
        "Cannot allocate memory",
        "out of memory",  # CUDA and others
        "bad_alloc",
        "CUBLAS_STATUS_ALLOC_FAILED",
        "could not create a memory object",
    ),
}


def ran_out_of(error: BaseException) -> Literal["disk", "memory"] | None:
    """What a machine lacked when a library raised this; None where it is something else.

    An error that was raised from one of those means the same.
    """
    if isinstance(error, MemoryError):
        return "memory"
    if isinstance(error, OSError) and error.errno is not None:
        return "disk" if error.errno in _DISK else "memory" if error.errno == errno.ENOMEM else None
    said = str(error)
    if any(words in said for words in _SAID["memory"]):
        return "memory"
    if any(words in said for words in _SAID["disk"]):
        return "disk"
    return ran_out_of(error.__cause__) if error.__cause__ is not None else None
