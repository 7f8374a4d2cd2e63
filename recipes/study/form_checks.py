"""Judges of finished texts, by other means than the rules that steered them.

Each task has `NAME(text)`, how often each rule is broken, and `NAME_fires(text, start)`, whether what follows the first
`start` characters breaks a rule anew. The rules use regular expressions over the text as it grows; these walk over
characters and lines with plain string methods.
"""

from collections import Counter
from itertools import pairwise

WORN = {
    *("can", "also", "help", "helps", "start", "use", "using", "try", "ensure", "different"),
    *("consider", "various", "provide", "overall"),
}
UNADDRESSED = {"young", "younger", "youngest", "youngster", "youngsters", "youth", "youths", "youthful"}
PAIRS = {("make", "sure"), ("such", "as")}


def plain(text: str) -> list[str]:
    """Words in small letters, split at whatever is neither letter, digit nor underscore."""
    out, word = [], ""
    for character in text + " ":
        if character.isalnum() or character == "_":
            word += character.lower()
        elif word:
            out.append(word)
            word = ""
    return out


def sentences(text: str) -> list[int]:
    """Words in each sentence; an apostrophe or hyphen inside a word does not part it."""
    counts, count, inside = [], 0, False
    for i, character in enumerate(text):
        following = text[i + 1 : i + 2]
        before = text[i - 1 : i]
        joined = inside and character in "'’-"
        if character.isalnum() or character == "_" or joined:
            count += not inside
            inside = True
            continue
        inside = False
        stop = character in ".!?" and not before.isdigit()
        if character == "\n" or (stop and (not following or following.isspace() or following in "\"'”’).!?")):
            counts.append(count)
            count = 0
    return [*counts, count]


def plain_form(text: str) -> Counter[str]:
    """Commas before a word, sentences of more than fourteen words, numbered lines."""
    found: Counter[str] = Counter()
    for i, character in enumerate(text):
        rest = text[i + 1 :]
        found["comma"] += character == "," and rest[:1].isspace() and rest.lstrip()[:1].isalnum()
    found["long sentence"] = sum(n > 14 for n in sentences(text))
    for line in text.splitlines():
        head, _, rest = line.strip().partition(" ")
        said = rest.strip().lstrip("*")
        found["bullet"] += head[:-1].isdigit() and head[-1:] in (".", ")") and said[:1].isalnum()
    return +found


def lower_case(text: str) -> Counter[str]:
    """Words with a capital."""
    found = 0
    for word in text.replace("-", "_").replace("'", "_").replace("’", "_").split():
        parts = "".join(c if c.isalnum() or c == "_" else " " for c in word).split()
        found += sum(any(c.isupper() for c in part) for part in parts)
    return +Counter({"capital": found})


def short_words(text: str) -> Counter[str]:
    """Worn words."""
    said = plain(text.replace("'", "_").replace("’", "_").replace("-", " "))
    pairs = sum(pair in PAIRS for pair in pairwise(said))
    return +Counter({"worn word": sum(word in WORN for word in said) + pairs})


def impersonal(text: str) -> Counter[str]:
    """Words that address the reader, however they are joined to the next."""
    said = plain(text.replace("'", " ").replace("’", " ").replace("_", " "))
    return +Counter({"address": sum(word.startswith("you") and word not in UNADDRESSED for word in said)})


def sums(text: str) -> Counter[str]:
    """Equations `a + b = c` of whole numbers that are false."""
    found: Counter[str] = Counter()
    said = text.replace("=", " = ").replace("+", " + ").replace("*", " ").split()
    for i in range(len(said) - 4):
        a, plus, b, equals, c = said[i : i + 5]
        c = c.strip(".,;:!?")
        if plus == "+" and equals == "=" and a.isdigit() and b.isdigit() and c.isdigit():
            found["sum"] += int(a) + int(b) != int(c)
    return +found


def _more(count, text: str, start: int) -> bool:
    return sum(count(text).values()) > sum(count(text[:start]).values())


def plain_form_fires(text: str, start: int) -> bool:
    return _more(plain_form, text, start)


def lower_case_fires(text: str, start: int) -> bool:
    return _more(lower_case, text, start)


def short_words_fires(text: str, start: int) -> bool:
    return _more(short_words, text, start)


def impersonal_fires(text: str, start: int) -> bool:
    return _more(impersonal, text, start)


def sums_fires(text: str, start: int) -> bool:
    return _more(sums, text, start)
