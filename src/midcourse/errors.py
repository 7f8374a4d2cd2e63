"""What a user's mistake or a broken machine looks like: one sentence, no traceback.

    MidcourseError
    ├── InputError (ValueError)          a file, row, option or value cannot be used as given
    ├── TokenizerMismatch (ValueError)   two things were tokenized by different tokenizers
    ├── ModelError (ValueError)          a model or adapter is missing, unreadable, or not the one expected
    ├── StoreError (RuntimeError)        the store cannot be opened, read or written
    ├── OutOfMemory (MemoryError)        a tree does not fit
    └── MissingExtra (ImportError)       a part of Midcourse is not installed

Every message says what was given, what was expected and what to do. This module imports nothing.
"""

__all__ = [
    "InputError",
    "MidcourseError",
    "MissingExtra",
    "ModelError",
    "OutOfMemory",
    "StoreError",
    "TokenizerMismatch",
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


class OutOfMemory(MidcourseError, MemoryError):
    """A tree does not fit into memory; the message names it, its tokens and the settings to change."""


class MissingExtra(MidcourseError, ImportError):
    """A part of Midcourse is not installed; the message names the extra to install."""

    @classmethod
    def of(cls, extra: str, wanted_for: str) -> "MissingExtra":
        """Name the extra that `wanted_for` needs."""
        return cls(f"{wanted_for} needs packages that are not installed. Run: pip install 'midcourse[{extra}]'")
