"""What each cell learns from: the same steers for every method, or what the same seconds of a person buy.

A task's texts are written and steered once, by the base under a careful simulated person. A seed shuffles the texts;
so many steers are taken from the front, exactly. A method of whole answers gets the same texts as pairs of what the
base wrote unsteered and what it became; in its own session it is charged the reading and the typing of every answer in
full. It trains nothing.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from midcourse.backends.protocol import Sampling
from midcourse.drafts.simulate import CAREFUL, Keystrokes, RuleSet
from midcourse.errors import InputError
from midcourse.model import LoadedModel, load_model
from midcourse.rows import join
from midcourse.rows.row import SteerRow
from midcourse.store import Store
from midcourse.tokens import TextTokenizer
from midcourse.types import Trajectory
from midcourse.workflows.prompts import Asked
from midcourse.workflows.simulating import Writer
from midcourse.workflows.tasks import Task

__all__ = ["Lesson", "Material", "plain_writer", "read_in_vain", "written"]


@dataclass(frozen=True)
class Lesson:
    """What one cell is trained on, and what it would have cost a person."""

    texts: tuple[Trajectory, ...]
    steers: int
    seconds: float
    words_typed: int
    budget: float
    """Seconds that there were to spend."""


@dataclass(frozen=True)
class Material:
    """The texts of one task."""

    steered: tuple[Trajectory, ...]
    """Of the training prompts."""
    originals: dict[str, Trajectory]
    """What the base writes when nobody steers, by the id of the steered text."""
    held_out: tuple[Trajectory, ...]
    tokenizer: TextTokenizer
    further: tuple[Trajectory, ...] = ()
    """More steered texts, which come behind the others however those are shuffled."""
    read_in_vain: float = 1.0
    """See the function of that name."""
    shape: Callable[["Lesson"], "Lesson"] = lambda lesson: lesson
    """What becomes of a lesson once its steers were counted."""

    @classmethod
    def make(cls, task: Task, model: str, dtype: str, folder: Path, say: Callable[[str], None]) -> "Material":
        """Write the texts, or read them where they were written before.

        Raises:
            InputError: The rules stopped the model nowhere.
        """
        folder.mkdir(parents=True, exist_ok=True)
        loaded = load_model(model, dtype=dtype)
        writer = Writer(loaded.model, loaded.tokenizer, task.rules, loaded.ref, task.by, checker=task.checker)
        plain = plain_writer(loaded, task)
        train, test = task.part("train"), task.part("test")
        steered = written(folder / "steered.db", writer, train, f"{task.name}: steering {len(train)} texts", say)
        plainly = written(folder / "plain.db", plain, train, f"{task.name}: writing {len(train)} texts unsteered", say)
        held = written(folder / "held_out.db", writer, test, f"{task.name}: steering {len(test)} test texts", say)
        originals = {writer.id_of(a): plainly[plain.id_of(a)] for a in train}
        kept = tuple(t for t in steered.values() if t.status == "accepted")
        if not any(s.counts for t in kept for s in t.steers):
            raise InputError(f"the rules of {task.name} never stopped the model: there is nothing to learn from")
        in_vain = read_in_vain(list(steered.values()))
        return cls(kept, originals, tuple(held.values()), loaded.tokenizer, read_in_vain=in_vain)

    def same(self, method: str, steers: int, seed: int, *, whole: bool) -> Lesson:
        """The first `steers` steers of the texts as a seed shuffles them, in the form a method reads."""
        texts = self._first(self._shuffled(seed), steers, method)
        seconds, words = self._paid(texts)
        found = sum(s.counts for t in texts for s in t.steers)
        given = self._pairs(texts) if whole else tuple(texts)
        return self.shape(Lesson(given, found, seconds, words, seconds))

    def watched(self, lesson: Lesson, seed: int, texts: int = 12) -> Lesson:
        """The lesson with further texts of its order as the dev part, which a drift budget watches and nothing learns.

        Raises:
            InputError: There are none beyond those that are learnt from.
        """
        learnt = {t.id for t in lesson.texts}
        more = [t.with_(split="dev") for t in self._shuffled(seed) if t.id not in learnt][:texts]
        if not more:
            raise InputError("a drift budget needs texts to watch it on, and all were learnt from")
        return replace(lesson, texts=(*lesson.texts, *more))

    def own(self, method: str, steers: int, seed: int, *, pairs: bool) -> Lesson:
        """Whole answers, written anew by a person until the seconds that `steers` steers cost are spent."""
        order, keys = self._shuffled(seed), Keystrokes()
        budget, _ = self._paid(self._first(order, steers, method))
        bought: list[Trajectory] = []
        seconds, words = 0.0, 0
        for text in order:
            final = self._text(text)
            price = keys.rewrite(self._text(self.originals[text.id]), final)
            if bought and seconds + price > budget:
                break
            bought.append(text)
            seconds, words = seconds + price, words + len(final.split())
        given = self._pairs(bought) if pairs else tuple(bought)
        return Lesson(given, 0, seconds, words, budget)

    def _shuffled(self, seed: int) -> list[Trajectory]:
        order: list[Trajectory] = []
        for part in (self.steered, self.further):
            some = sorted((t for t in part if any(s.counts for s in t.steers)), key=lambda t: t.id)
            random.Random(seed).shuffle(some)
            order += some
        return order

    def _first(self, order: Sequence[Trajectory], steers: int, method: str) -> list[Trajectory]:
        """Texts from the front with so many steers in all; of the last one, the later steers do not count."""
        taken: list[Trajectory] = []
        left = steers
        for text in order:
            if left <= 0:
                break
            counted = [s.id for s in text.steers if s.counts]
            drop = set(counted[left:])
            marked = tuple(replace(s, state="withdrawn") if s.id in drop else s for s in text.steers)
            taken.append(text.with_(steers=marked))
            left -= min(left, len(counted))
        if left > 0:
            raise InputError(f"there are only {steers - left} steers and {method} was to learn from {steers}")
        return taken

    def _paid(self, texts: Sequence[Trajectory]) -> tuple[float, int]:
        """Seconds and words typed; a text of which only some steers count is charged by their share, and each its
        share of the texts that taught nothing. What real people paid is not known: nothing."""
        seconds, words = 0.0, 0.0
        for text in texts:
            share = sum(s.counts for s in text.steers) / max(1, len(text.steers))
            paid = text.sampler.get("simulated", {}).get("paid", {"seconds": 0, "words_typed": 0})
            seconds, words = seconds + share * float(paid["seconds"]), words + share * int(paid["words_typed"])
        return seconds * self.read_in_vain, round(words)

    def _pairs(self, texts: Sequence[Trajectory]) -> tuple[Trajectory, ...]:
        """Each text as one preference pair: what the base wrote, what it became."""
        rows = []
        for text in texts:
            before, after = self._text(self.originals[text.id]), self._text(text)
            if before != after:
                prompt = text.messages or self.tokenizer.decode(text.nodes[0].token_ids)
                rows.append(
                    SteerRow(prompt, "", after, (before,), whole=True, kind="edit", trajectory=text.id, split="train")
                )
        made, skipped = join(rows, self.tokenizer, source="whole answers")
        if skipped:
            raise InputError(f"a whole answer cannot be learnt from: {skipped[0]}")
        return tuple(made)

    def _text(self, text: Trajectory) -> str:
        ids = text.path(text.head)[len(text.nodes[0].token_ids) :]
        return self.tokenizer.decode([i for i in ids if i not in self.tokenizer.eos])


def plain_writer(loaded: LoadedModel, task: Task, mark: str = "unsteered") -> Writer:
    """A model that writes a task's prompts while nobody interferes, as long as it would be steered for."""
    nobody = RuleSet((), "nobody", task.rules.stretch, task.rules.max_tokens, task.rules.max_steers)
    return Writer(loaded.model, loaded.tokenizer, nobody, loaded.ref, "nobody", CAREFUL, Sampling(), mark=mark)


def written(
    path: Path, writer: Writer, asked: Sequence[Asked], what: str, say: Callable[[str], None]
) -> dict[str, Trajectory]:
    """The texts of a writer by id, kept in a store at `path`; only what is not there yet is written."""
    with Store(path) as store:
        there = set(store.ids())
        left = [a for a in asked if writer.id_of(a) not in there]
        if left:
            say(f"{what}: {len(left)} to go")
            writer.write(left, lambda finished: _keep(store, finished.trajectory))
        ids = [writer.id_of(a) for a in asked]
        return {t.id: t for t in store.trajectories(ids=ids)}


def _keep(store: Store, text: Trajectory) -> None:
    store.add(text)


def read_in_vain(texts: Sequence[Trajectory]) -> float:
    """Seconds of all texts over those of texts that teach: whoever looks for steers reads the others too."""
    teach = [t for t in texts if t.status == "accepted" and any(s.counts for s in t.steers)]
    return _seconds(texts) / _seconds(teach) if teach else 1.0


def _seconds(texts: Iterable[Trajectory]) -> float:
    return sum(float(t.sampler["simulated"]["paid"]["seconds"]) for t in texts if "simulated" in t.sampler)
