"""Which texts a cell learns from: those of its task, made once, or others where the cell asks for other ways.

The forks at which a cell is measured stay the task's own, whatever it learnt from. It makes texts and trains nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from midcourse.backends.local import LocalBackend
from midcourse.backends.protocol import Sampling
from midcourse.drafts.fill import fill
from midcourse.drafts.simulate import CAREFUL, RuleSet
from midcourse.drafts.simulate.habits import named
from midcourse.drafts.simulate.wording import Wording, wording_named
from midcourse.model import LoadedModel, load_model
from midcourse.types import Trajectory
from midcourse.workflows.prompts import read_prompts
from midcourse.workflows.simulating import Writer
from midcourse.workflows.study.cell import Cell
from midcourse.workflows.study.cells import Study
from midcourse.workflows.study.corpus import Corpus, corpus_material
from midcourse.workflows.study.material import Lesson, Material, read_in_vain, written
from midcourse.workflows.study.reshaped import as_instruction, filled, joined, one_each, without_rejected
from midcourse.workflows.tasks import Task

__all__ = ["Supply"]

ANSWER = 90
"""Most tokens of an answer that is mixed in."""


class Supply:
    """Tasks and materials by cell; each is made once and kept."""

    def __init__(
        self, study: Study, tasks: Callable[[str], Task | Corpus], work: Path, say: Callable[[str], None]
    ) -> None:
        """Prepare to make texts.

        Args:
            study: Names the model and the folder of files.
            tasks: A task or a corpus by its name.
            work: Folder in which texts are kept.
            say: Told what is written.
        """
        self.study, self.work, self.say = study, work, say
        self._tasks = tasks
        self._kept: dict[tuple[str, ...], Any] = {}

    def task(self, name: str) -> Task | Corpus:
        """A task or a corpus."""
        found: Task | Corpus = self._once(("task", name), lambda: self._tasks(name))
        return found

    def material(self, cell: Cell) -> Material:
        """What a cell is trained on and measured at.

        Raises:
            InputError: There is nothing to learn from, or its texts cannot be made as it asks.
        """
        task = self.task(cell.task)
        if isinstance(task, Corpus):
            fold = cell.seed if task.folds > 1 else 0
            return self._material((cell.task, str(fold)), lambda: corpus_material(task, self._model().tokenizer, fold))
        folder = self.work / cell.task
        usual = self._material(
            (cell.task,), lambda: Material.make(task, self.study.model, self.study.dtype, folder, self.say)
        )
        ways = cell.texts
        if "habits" in ways or "chosen" in ways:
            texts = self._once(
                ("steered", cell.task, str(ways.get("habits")), str(ways.get("chosen"))),
                lambda: self._steered(task, folder, ways),
            )
            accepted = tuple(t for t in texts if t.status == "accepted")
            usual = replace(usual, steered=accepted, originals={}, read_in_vain=read_in_vain(texts))
        if "further" in ways:
            more = self._material(
                (cell.task, "further", str(ways["further"])), lambda: self._further(task, folder, str(ways["further"]))
            )
            usual = replace(usual, further=more.steered, originals={**usual.originals, **more.originals})
        return replace(usual, shape=lambda lesson: self._shaped(lesson, ways))

    # -- texts that are written anew -------------------------------------------------------------------------------

    def _steered(self, task: Task, folder: Path, ways: Mapping[str, Any]) -> tuple[Trajectory, ...]:
        """The training prompts under another person. Who is not careful has no checker that sorts out their texts."""
        loaded = self._model()
        habits = named(str(ways.get("habits", "careful")))
        writer = Writer(
            loaded.model, loaded.tokenizer, task.rules, loaded.ref, task.by, habits,
            checker=task.checker if habits == CAREFUL else None, wording=self._wording(ways, loaded),
        )  # fmt: skip
        said = ", ".join(f"{k} {v}" for k, v in ways.items())
        train = task.part("train")
        texts = written(
            folder / "steered.db", writer, train, f"{task.name}: steering {len(train)} texts ({said})", self.say
        )
        return tuple(texts.values())

    def _wording(self, ways: Mapping[str, Any], loaded: LoadedModel) -> Wording | None:
        return wording_named(str(ways.get("chosen", "typed")), LocalBackend(loaded.model, loaded.tokenizer.eos))

    def _further(self, task: Task, folder: Path, file: str) -> Material:
        prompts = tuple(replace(a, split="train") for a in read_prompts(self.study.folder / file))
        more = replace(task, prompts=prompts)
        return Material.make(more, self.study.model, self.study.dtype, folder / "further", self.say)

    def _answers(self, file: str) -> tuple[Trajectory, ...]:
        """The base's own answers to other prompts, with chance."""
        loaded, asked = self._model(), read_prompts(self.study.folder / file)
        nobody = RuleSet((), "nobody", max_tokens=ANSWER)
        writer = Writer(
            loaded.model, loaded.tokenizer, nobody, loaded.ref, "nobody", CAREFUL, Sampling(temperature=1.0),
            mark="beside",
        )  # fmt: skip
        texts = written(self.work / "beside.db", writer, asked, f"writing {len(asked)} other answers", self.say)
        return tuple(as_instruction(t) for t in texts.values() if t.head.depth > len(t.nodes[0].token_ids))

    # -- the same steers in other texts ----------------------------------------------------------------------------

    def _shaped(self, lesson: Lesson, ways: Mapping[str, Any]) -> Lesson:
        texts = list(lesson.texts)
        rejected, cut = str(ways.get("rejected", "shown")), str(ways.get("texts", "written"))
        if rejected != "shown":
            texts = [without_rejected(t) for t in texts]
        if rejected == "sampled":
            loaded = self._model()
            self.say(f"sampling rejected sides for {lesson.steers} steers")
            texts = filled(texts, fill(texts, LocalBackend(loaded.model, loaded.tokenizer.eos), loaded.tokenizer))
        if cut == "short":
            texts = one_each(texts)
        elif cut == "long":
            texts = [joined(texts, self._model().tokenizer)]
        if "beside" in ways:
            file = str(ways["beside"])
            texts += self._once(("beside", file), lambda: self._answers(file))
        return replace(lesson, texts=tuple(texts))

    # -- kept ------------------------------------------------------------------------------------------------------

    def _model(self) -> LoadedModel:
        found: LoadedModel = self._once(("model",), lambda: load_model(self.study.model, dtype=self.study.dtype))
        return found

    def _material(self, key: tuple[str, ...], make: Callable[[], Material]) -> Material:
        found: Material = self._once(("material", *key), make)
        return found

    def _once(self, key: tuple[str, ...], make: Callable[[], Any]) -> Any:
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]
