"""What all families stand on: a tokenizer made in code, a folder in memory, and the one error that may come out."""

import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import decoders, models, pre_tokenizers

from midcourse.errors import MidcourseError
from midcourse.tokens import TextTokenizer

__all__ = ["FOLDER", "TOKENIZER", "json_of", "made_tokenizer", "placed", "taken"]

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
MOST_ROWS = 200
"""Records of one file that are read: an input is small, what comes of it must be too."""


def made_tokenizer(template: str | None = TEMPLATE) -> TextTokenizer:
    """Byte-level with a few merges, so that cuts fall inside tokens and inside characters."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("t", "h"), ("th", "e"), ("Ġ", "the"), ("Ã", "©"), ("ð", "Ł"), ("i", "n"), ("Ġ", "a"), ("a", "t")]
    vocabulary = {c: i for i, c in enumerate([*alphabet, *(a + b for a, b in merges)])}
    backend = tokenizers.Tokenizer(models.BPE(vocabulary, merges))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(["<|im_start|>", "<|im_end|>"])
    return TextTokenizer(backend, template=template, eos=["<|im_end|>"])


TOKENIZER = made_tokenizer()
FOLDER = Path(tempfile.mkdtemp(prefix="midcourse-fuzz-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))


def taken(found: Iterable[Any]) -> None:
    """Run an importer over a small file, to the end or to its error."""
    try:
        for n, _ in enumerate(found):
            if n > MOST_ROWS:
                break
    except MidcourseError:
        pass


def placed(name: str, data: bytes) -> Path:
    """A file with this ending and these bytes."""
    path = FOLDER / f"{os.getpid()}{name}"
    path.write_bytes(data)
    return path


def json_of(data: bytes) -> Any:
    """The JSON of an input that is one; None for others, which have nothing to say to this family."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None
