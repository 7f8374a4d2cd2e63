"""Counts breaks of the house style in a finished text, by other means than the rule that steers.

`house_style.yaml` stops the model with regular expressions; this walks over the words of a text with lists and plain
string methods, so that a slip in a pattern cannot hide itself. Run it on texts, one per line of a JSONL file:

    python recipes/house_style_check.py texts.jsonl text
"""

import json
import sys
from collections import Counter

SHORT_FOR_IS = {"it", "that", "there", "here", "what", "who", "where", "how", "he", "she", "this", "let"}
SHORT_FOR_IS |= {"everything", "everyone", "one"}
TAILS = {"t", "re", "ve", "ll", "d", "m"}
PRESSING = {"essential", "crucial", "vital", "critical", "important", "must", "should"}
BIG = {"simple", "effective", "great", "fantastic", "wonderful", "perfect", "delicate", "eternal"}
WHO = {"you", "we", "they", "i"}


def words(text: str) -> list[str]:
    """Lower-case words with their apostrophes; everything else separates, a sentence's end stays as a word."""
    out: list[str] = []
    word = ""
    for character in text.replace("’", "'").lower() + " ":
        if character.isalnum() or character in "'_":
            word += character
            continue
        if word.strip("'"):
            out.append(word.strip("'"))
        word = ""
        if not character.isspace():
            out.append(character)
    return out


def breaks(text: str) -> Counter[str]:
    """How often a text breaks the style, by what is broken."""
    found: Counter[str] = Counter()
    said = words(text)
    for i, word in enumerate(said):
        head, mark, tail = word.partition("'")
        following = said[i + 1] if i + 1 < len(said) else ""
        if mark and (tail in TAILS or (tail == "s" and head in SHORT_FOR_IS)):
            found["contraction"] += 1
        if word in PRESSING and not following.startswith("oil"):
            found["pressure"] += 1
        if word in ("need", "have") and following == "to":
            found["pressure"] += i > 0 and said[i - 1] in WHO
        found["big word"] += word in BIG
    found["bold"] = text.count("**")
    found["shouting"] = text.count("!")
    return +found


def fires(text: str, start: int) -> bool:
    """Whether what follows the first `start` characters breaks the style anew: `midcourse eval --checker`."""
    return sum(breaks(text).values()) > sum(breaks(text[:start]).values())


def main() -> None:
    path, column = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "text"
    total: Counter[str] = Counter()
    with open(path, encoding="utf-8") as lines:
        texts = [json.loads(line)[column] for line in lines]
    for text in texts:
        total += breaks(text)
    print(f"{len(texts)} texts, {sum(len(t.split()) for t in texts)} words: {dict(total) or 'nothing broken'}")


if __name__ == "__main__":
    main()
