"""The card of an exported data set: what is in it, under which licence, and what those who wrote it agreed to.

Licence and consent are what the exporter states; where nothing was stated the card says so rather than guess. No
person is named. Where it is written is not known here.
"""

from collections import Counter
from dataclasses import dataclass, field

from midcourse.types import Steer, Trajectory

__all__ = ["Contents", "card", "rights"]


@dataclass
class Contents:
    """What went into an export."""

    trajectories: list[str] = field(default_factory=list)
    steers: int = 0
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    people: set[str] = field(default_factory=set)
    tokenizers: set[str] = field(default_factory=set)

    def add(self, trajectory: Trajectory) -> None:
        """Count a trajectory and its steers."""
        self.trajectories.append(trajectory.id)
        self.tokenizers.add(trajectory.tokenizer)
        self._count("source", trajectory.source)
        if trajectory.model is not None:
            self._count("model", trajectory.model.name.rsplit("/", 1)[-1])
        for steer in trajectory.steers:
            if steer.counts:
                self._steer(trajectory, steer)

    def _steer(self, trajectory: Trajectory, steer: Steer) -> None:
        self.steers += 1
        self._count("kind", steer.kind)
        self._count("split", trajectory.split or "none")
        if who := steer.annotator or trajectory.annotator:
            self.people.add(who)

    def _count(self, what: str, value: str) -> None:
        self.counts.setdefault(what, Counter())[value] += 1


def card(
    contents: Contents, *, form: str, rows: int, notes: list[str], licence: str | None, consent: str | None
) -> str:
    """The card as Markdown with the YAML head that the Hugging Face Hub reads.

    Args:
        contents: What went in.
        form: The format's name, with its options.
        rows: How many rows were written.
        notes: Sentences on what was left out or differs.
        licence: The Hub's name of a licence, e.g. `cc-by-4.0`.
        consent: How the people whose corrections these are agreed.
    """
    lines = [
        "---",
        f"license: {licence or 'unknown'}",
        "tags: [steers, preference, midcourse]",
        "---",
        "",
        "# Steers",
        "",
    ]
    lines += [f"{rows} rows ({form}) of {contents.steers} corrections in {len(contents.trajectories)} texts.", ""]
    lines += ["| | | |", "|---|---|---:|"]
    for what, counter in contents.counts.items():
        lines += [f"| {what} | {value} | {n} |" for value, n in counter.most_common()]
    lines += ["", "Tokenizers (hash): " + ", ".join(sorted(contents.tokenizers)) + "."] if contents.tokenizers else []
    people = f"{len(contents.people)} people are recorded as the ones who corrected."
    lines += rights(licence, consent, command="Export", told=people)
    lines += ["Texts may name people. Native rows (jsonl, parquet, hf) say in `author` who made a correction."]
    lines += ["", "## What differs from the store", "", *(f"- {note}" for note in notes or ["nothing"]), ""]
    return "\n".join(lines)


def rights(licence: str | None, consent: str | None, *, command: str, told: str | None = None) -> list[str]:
    """The lines of a card on licence and consent.

    Args:
        licence: The Hub's name of a licence.
        consent: How the people whose corrections these are agreed.
        command: What is to be done again where either was not stated, as a verb.
        told: What is known of those people.
    """
    stated = licence or f"None was stated: without one nobody may use this. {command} with --license."
    lines = ["", "## Licence", "", stated, "", "## Consent", ""] + ([told] if told else [])
    return [*lines, consent or "What they agreed to was not stated: ask them before this is published (--consent)."]
