"""What the recipe trains on: passages of prose, questions with answers, and prompts, all made by a rule from a seed.

It knows no model but the one that tells how its own stories go on.
"""

import json
import random
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from midcourse.errors import InputError
from midcourse.evaluate.sampling import sample
from midcourse.model import LoadedModel

WORDS = ("little", "small", "sad", "brave", "kind", "funny", "young", "red", "shy", "good", "nice", "silly")
ANIMALS = (
    *("cat", "dog", "bird", "bear", "fish", "frog", "fox", "duck", "cow", "mouse", "bunny", "pig"),
    *("boy", "girl", "horse", "lion", "bee", "sheep", "goat", "hen", "fly", "wolf", "bug", "man"),
)
NAMES = (
    *("Tom", "Tim", "Sam", "Max", "Ben", "Lily", "Lucy", "Mia", "Anna", "Sue", "Amy", "Bob", "Jack", "Leo", "Mary"),
    *("Sara", "Zoe", "Emma", "Jane", "Joe", "Billy", "Kitty", "Spot", "Fluffy", "Daisy", "Molly", "Rex", "Ted"),
    *("Fred", "Nina", "Ella", "Rosie", "Jill", "Pip", "Toby", "Ruby"),
)
PIECE = 700
"""Most characters of a passage: with half a token a character it fits the small model's 512 tokens."""
EVERY = 6
"""One chapter in so many is held out."""
STORY = 48
"""Tokens of the model's own that an answer goes on with."""
_SENTENCE = re.compile(r".+?(?:[.!?][\"')]*(?=\s)|\n\n|\Z)\s*", re.DOTALL)

Heroes = tuple[str, str, str]
"""What a story is asked about: a word, an animal, a name."""


def heroes(seed: int = 0) -> list[Heroes]:
    """All 10,368 of them, in an order of the seed."""
    found = [(word, animal, name) for word in WORDS for animal in ANIMALS for name in NAMES]
    random.Random(seed).shuffle(found)
    return found


def question(hero: Heroes) -> str:
    """The prompt, in the form in which models without a chat template are asked unrelated questions too."""
    return "Question: Tell me of a {} {} named {}.\nAnswer:".format(*hero)


def answers(of: Sequence[Heroes], loaded: LoadedModel, *, seed: int = 0) -> list[dict[str, Any]]:
    """Instruction rows: the first sentence by a rule, the rest as the model goes on by itself at temperature 1."""
    begun = ["Once upon a time, there was a {} {} named {}.".format(*hero) for hero in of]
    prefixes = [loaded.tokenizer.encode_prompt(text) for text in begun]
    told = sample(loaded.model, prefixes, [STORY] * len(of), seed=seed, end_ids=loaded.tokenizer.eos)
    rows = []
    for hero, text, (story,) in zip(of, begun, told, strict=True):
        more = loaded.tokenizer.decode(story.token_ids).replace("\ufffd", "")
        whole = re.match(r"(?s).*[.!?]", text + more)
        rows.append({"prompt": question(hero), "completion": " " + (whole.group() if whole else text)})
    return rows


def passages(path: Path) -> list[dict[str, str]]:
    """Text rows of a file or folder (.jsonl with `text`, .txt), short, with every sixth chapter held out.

    Raises:
        InputError: There is no text.
    """
    chapters: dict[str, list[str]] = {}
    files = sorted(f for f in path.rglob("*") if f.suffix in (".jsonl", ".txt")) if path.is_dir() else [path]
    for file in files:
        for chapter, text in _texts(file):
            chapters.setdefault(chapter, []).extend(_pieces(unicodedata.normalize("NFC", text)))
    rows = [{"text": piece, "group": chapter} for chapter, pieces in chapters.items() for piece in pieces]
    if len(rows) < EVERY:
        raise InputError(f"{path} holds {len(rows)} passages of text; give .txt files or JSONL rows with `text`")
    held = set(list(chapters)[EVERY - 1 :: EVERY])
    late = len(rows) - len(rows) // EVERY  # of few chapters the end is held out
    return [
        {**row, "split": "test" if (row["group"] in held if held else n >= late) else "train"}
        for n, row in enumerate(rows)
    ]


def _texts(file: Path) -> Iterator[tuple[str, str]]:
    whole = file.read_text(encoding="utf-8")
    if file.suffix == ".txt":
        yield file.stem, whole
        return
    for line in whole.splitlines():
        row = json.loads(line)
        if isinstance(row.get("text"), str):
            yield str(row.get("chapter") or row.get("title") or row.get("group") or file.stem), row["text"]


def _pieces(text: str) -> Iterator[str]:
    """Runs of whole sentences of at most PIECE characters; a longer sentence is cut."""
    piece = ""
    for sentence in _SENTENCE.findall(text):
        if piece and len(piece) + len(sentence) > PIECE:
            yield piece.strip()
            piece = ""
        piece += sentence
        while len(piece) > PIECE:
            yield piece[:PIECE].strip()
            piece = piece[PIECE:]
    if piece.strip():
        yield piece.strip()


def write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    """As JSONL."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path
