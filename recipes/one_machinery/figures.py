"""What the recipe looks at after each training: bits per byte, answers that fit the question, broken rules, spread.

Models in, numbers out; it trains nothing.
"""

import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from material import Heroes, question

from midcourse.drafts.simulate import RuleSet
from midcourse.evaluate.drift import Place, compare
from midcourse.evaluate.variants import Variants
from midcourse.tokens import TextTokenizer
from midcourse.tree.pack import plain_row
from midcourse.types import Trajectory

TOKENS = 60
"""Of a greedy answer that is read."""


def bits_per_byte(
    variants: Variants, tokenizer: TextTokenizer, held: Iterable[Trajectory]
) -> dict[str, tuple[float, float]]:
    """For each variant: bits per byte of what people wrote in the texts, and KL from the base there in nats a token."""
    places, size = [], 0
    for trajectory in held:
        ids, authors = trajectory.path(trajectory.head), trajectory.authors(trajectory.head)
        at = [i for i, a in enumerate(authors) if i and a == "person" and ids[i] not in tokenizer.eos]
        places.append(Place(plain_row(ids), np.array(at), trajectory.id))
        size += len(tokenizer.to_bytes([ids[i] for i in at]))
    return {
        name: (-sum(float(x.sum()) for x in logps) / float(np.log(2)) / size, float(np.concatenate(kls).mean()))
        for name, (kls, logps) in compare(variants, places).items()
    }


def answered(
    variants: Variants, tokenizer: TextTokenizer, asked: Sequence[Heroes], rules: Path
) -> dict[str, dict[str, Any]]:
    """For each variant: the share of greedy answers that name the animal and its name, broken rules, one answer."""
    prompts = [tokenizer.encode_prompt(question(hero)) for hero in asked]
    style = RuleSet.load(rules)
    found = {}
    for name in variants.names:
        told = variants.sample(name, prompts, [TOKENS] * len(prompts), end_ids=tokenizer.eos, greedy=True)
        texts = [tokenizer.decode(one.token_ids) for (one,) in told]
        fits = [
            all(re.search(rf"\b{word}\b", text) for word in hero[1:]) for hero, text in zip(asked, texts, strict=True)
        ]
        words = sum(len(text.split()) for text in texts)
        broken = sum(style.count(text).total() for text in texts)
        found[name] = {
            "names_whom_was_asked_for": sum(fits) / len(fits),
            "rules_broken_per_100_words": 100 * broken / max(1, words),
            "an_answer": texts[0].strip(),
        }
    return found


def spread(seeds: Sequence[Mapping[str, float | None]]) -> dict[str, dict[str, Any]]:
    """Mean and standard deviation of each measure over runs that differ in their seed."""
    found = {}
    for measure in seeds[0]:
        values = [v for s in seeds if (v := s[measure]) is not None]
        if values:
            sd = statistics.stdev(values) if len(values) > 1 else 0.0
            found[measure] = {"mean": statistics.fmean(values), "sd": sd, "seeds": values}
    return found
