"""Rounds of write, steer, train: does a person have to step in less and less?

Each round the newest model writes on prompts of its own, is steered, and a fresh adapter is trained from the base on
all steers so far, held to each text's writer where it was let stand; then it writes tasks nobody trained on, and the
steers it still needs are counted. Every step leaves a file when it is done, so a loop that was stopped goes on at the
step it was in. It only puts steps in order.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from midcourse.backends.protocol import Sampling
from midcourse.drafts.simulate import CAREFUL, Habits
from midcourse.errors import InputError
from midcourse.model import LoadedModel, load_model
from midcourse.store import Store
from midcourse.types import Trajectory
from midcourse.workflows.effort import Efforts, measure_effort
from midcourse.workflows.notes import write_note
from midcourse.workflows.prompts import Asked
from midcourse.workflows.rounds import Round, write_rounds
from midcourse.workflows.simulating import Finished, Writer
from midcourse.workflows.tasks import Task

__all__ = ["Loop", "run_loop", "train_adapter"]

Say = Callable[[str], None]


@dataclass(frozen=True)
class Loop:
    """What to run."""

    task: Task
    output_dir: Path
    model: str = "builtin"
    rounds: int = 3
    habits: Habits = CAREFUL
    settings: dict[str, Any] = field(default_factory=dict)
    """Of `SteerConfig`."""
    temperature: float = 0.0
    seed: int = 0
    rows: int = 16
    dtype: str = "float32"
    per_round: int | None = None
    """Prompts steered in a round; None: all training prompts, spread over the rounds."""
    tests: int = 30
    """Unseen tasks at most."""
    report: bool = True
    """Evaluate every round's adapter at the base's own forks, with a page each."""

    def facts(self) -> dict[str, Any]:
        """What must be the same for a loop to go on."""
        named = ("model", "rounds", "settings", "temperature", "seed", "dtype", "per_round", "tests")
        return {
            "task": self.task.name,
            "rules": self.task.hash,
            "habits": asdict(self.habits),
            **{n: getattr(self, n) for n in named},
        }


def run_loop(loop: Loop, say: Say = lambda _: None) -> list[Round]:
    """Run all rounds, or what is left of them.

    Raises:
        InputError: The folder holds a loop with other settings, or there are too few prompts.
    """
    train, test = loop.task.part("train"), loop.task.part("test")[: loop.tests]
    if len(train) < loop.rounds or not test:
        raise InputError(
            f"the task {loop.task.name} has {len(train)} prompts to train on and {len(test)} to test on; "
            f"{loop.rounds} rounds need at least {loop.rounds} and 1"
        )
    _claim(loop)
    size = loop.per_round or len(train) // loop.rounds
    found: list[Round] = []
    with Store(loop.output_dir / "loop.db") as store:
        for number in range(loop.rounds + 1):
            adapter = loop.output_dir / f"round-{number}" / "adapter" if number else None
            if number:
                part = train[(number - 1) * size : number * size]
                _steer(loop, store, number, part, loop.task.part("dev")[:10] if number == 1 else [], say)
                assert adapter is not None
                if not (adapter / "adapter_model.safetensors").is_file():
                    texts = _until(store, number)
                    say(f"Round {number}: training on {_steers(texts)} steers")
                    earlier = [str(loop.output_dir / f"round-{n}" / "adapter") for n in range(1, number)]
                    settings = {"writers": earlier, **loop.settings}
                    train_adapter(loop.model, loop.dtype, texts, adapter, settings, seed=loop.seed)
            efforts = _efforts(loop, number, adapter, test, found[0].efforts if found else None, say)
            texts = _until(store, number)
            found.append(Round(number, _steers(texts), efforts, _paid(texts)))
            write_rounds(loop.task, found, loop.output_dir)
            if loop.report and adapter is not None:
                found[-1] = replace(found[-1], report=_report(loop, number, adapter, say))
                write_rounds(loop.task, found, loop.output_dir)
    return found


def train_adapter(
    model: str, dtype: str, texts: list[Trajectory], output_dir: Path, settings: dict[str, Any], *, seed: int = 0
) -> dict[str, Any]:
    """A fresh adapter from the base on the train part of some texts; goes on where it was stopped.

    Returns:
        The last line of the trainer's log that holds a training figure.
    """
    from midcourse.train import SteerConfig, SteerTrainer

    loaded = load_model(model, dtype=dtype, device="cpu")
    kept = [t for t in texts if t.status != "discarded"]
    part = {name: [t for t in kept if (t.split or "train") == name] for name in ("train", "dev")}
    usual = {"disable_tqdm": True, "seed": seed, "save_strategy": "epoch", "logging_steps": 5}
    config = SteerConfig(output_dir=str(output_dir), **{**usual, **settings})
    dev = part["dev"] if config.max_drift is not None else None
    trainer = SteerTrainer(loaded, config, part["train"], dev or None)
    trainer.train(resume_from_checkpoint=True)
    trainer.save_model()
    return next((h for h in reversed(trainer.state.log_history) if "loss" in h), {})


def _claim(loop: Loop) -> None:
    """A folder belongs to one loop."""
    loop.output_dir.mkdir(parents=True, exist_ok=True)
    note, facts = loop.output_dir / "loop.json", json.loads(json.dumps(loop.facts()))
    if note.is_file():
        before = json.loads(note.read_text(encoding="utf-8"))
        changed = [k for k in facts if before.get(k) != facts[k]]
        if changed:
            raise InputError(
                f"{loop.output_dir} holds a loop with another {changed[0]} ({before.get(changed[0])!r}, now "
                f"{facts[changed[0]]!r}); choose another --output_dir"
            )
    write_note(note, facts)


def _writer(loop: Loop, loaded: LoadedModel, mark: str, habits: Habits) -> Writer:
    task = loop.task
    sampling = Sampling(temperature=loop.temperature, seed=loop.seed)
    return Writer(
        loaded.model, loaded.tokenizer, task.rules, loaded.wrote, task.by, habits, sampling,
        seed=loop.seed, rows=loop.rows, mark=mark, checker=task.checker,
    )  # fmt: skip


def _steer(loop: Loop, store: Store, number: int, part: list[Asked], dev: list[Asked], say: Say) -> None:
    """Write and steer this round's prompts with the model of the round before."""
    there = set(store.ids())
    adapter = loop.output_dir / f"round-{number - 1}" / "adapter" if number > 1 else None
    loaded: LoadedModel | None = None
    # Dev texts are the base's own, written under one mark: they watch the drift of every round alike.
    for asked, mark in ((part, f"round {number}"), (dev, "dev")):
        loaded = loaded or load_model(loop.model, dtype=loop.dtype, adapter=adapter)
        writer = _writer(loop, loaded, mark, loop.habits)
        left = [a for a in asked if writer.id_of(a) not in there]
        if left:
            say(f"Round {number}: writing {len(left)} texts ({mark})")
            writer.write(left, lambda finished: _add(store, finished))


def _until(store: Store, number: int) -> list[Trajectory]:
    """The texts that were there when round `number` was trained; a loop that goes on may hold later ones."""
    marks = {"dev", *(f"round {n}" for n in range(1, number + 1))}
    return [t for t in store.trajectories() if t.sampler["simulated"]["mark"] in marks]


def _add(store: Store, finished: Finished) -> None:
    store.add(finished.trajectory)


def _efforts(
    loop: Loop, number: int, adapter: Path | None, test: list[Asked], base: Efforts | None, say: Say
) -> Efforts:
    """Steers per unseen task; of the base, the texts are kept as held-out forks."""
    path = loop.output_dir / f"round-{number}" / "effort.json"
    if path.is_file():
        return Efforts.read(path)
    say(f"Round {number}: counting the steers that {len(test)} unseen tasks need")
    loaded = load_model(loop.model, dtype=loop.dtype, adapter=adapter)
    lengths = {t.prompt: t.tokens for t in base.tasks} if base else None
    efforts, texts = measure_effort(_writer(loop, loaded, f"test {number}", CAREFUL), loop.task, test, lengths)
    path.parent.mkdir(parents=True, exist_ok=True)
    if base is None:
        with Store(loop.output_dir / "held_out.db") as kept:
            kept.add_many(t.trajectory for t in texts)
    write_note(path, efforts.to_dict())
    return efforts


def _report(loop: Loop, number: int, adapter: Path, say: Say) -> Path:
    """Evaluate a round where that was not done; returns the folder of its report."""
    from midcourse.evaluate import Options, evaluate, write_report

    folder = loop.output_dir / f"round-{number}" / "report"
    if (folder / "eval.json").is_file():
        return folder
    say(f"Round {number}: evaluating")
    with Store(loop.output_dir / "held_out.db", create=False) as kept:
        texts = list(kept.trajectories())
    options = Options(seed=loop.seed)
    results = evaluate(texts, loop.model, [adapter], options=options, checker=loop.task.checker, dtype=loop.dtype)
    write_report(results, folder)
    return folder


def _steers(texts: list[Trajectory]) -> int:
    return sum(s.counts for t in texts for s in t.steers if t.split != "dev")


def _paid(texts: list[Trajectory]) -> float:
    return sum(float(t.sampler["simulated"]["paid"]["seconds"]) for t in texts if t.split != "dev")
