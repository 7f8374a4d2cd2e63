"""Continue pretraining, instruct-tune, steer: one command, three times, that differs in its data and nowhere else.

    python recipes/one_machinery/run.py stages    the three trainings, and what each of them changed
    python recipes/one_machinery/run.py replay    steering with the KL term, with replayed text, both, neither
    python recipes/one_machinery/run.py teacher   synthetic examples at scale: a taught model steers one that is not

Runs in minutes on one core, with the 260-thousand-parameter stories model and public-domain prose: both lie in
MIDCOURSE_DATA (the folders stories260k and drift-text), or --data says where. --texts takes any other folder of text.
What is made lies in --output_dir, and what is there is not made again. --json writes the figures.
"""

import argparse
import json
import os
import random
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import figures
import material
import transformers
from rich.console import Console
from rich.table import Table
from typer.main import get_command

from midcourse.cli import app
from midcourse.evaluate import Options
from midcourse.evaluate.run import load, measure
from midcourse.evaluate.variants import Variants
from midcourse.model import load_model, weights_hash
from midcourse.store import Store
from midcourse.types import Trajectory

HERE = Path(__file__).parent
RULES = HERE / "story_style.yaml"
TRAIN = (
    *("--use_peft", "false", "--learning_rate", "3e-4", "--num_train_epochs", "4"),
    *("--per_device_train_batch_size", "4", "--text_weight", "1"),
)
"""What every training here has in common: all weights, the same steps, ν = 1."""
KL = 5.0
"""λ, the weight of the retain term. Text and instructions have no retained positions: there it adds nothing."""
QUIET = ("--disable_tqdm", "true", "--logging_steps", "1000", "--save_strategy", "no")
ARMS: dict[str, tuple[float, str, float]] = {
    "neither": (0.0, "", 0.0),
    "KL": (KL, "", 0.0),
    "replay-10": (0.0, "text", 0.1),
    "replay-30": (0.0, "text", 0.3),
    "KL-replay-10": (KL, "text", 0.1),
    "KL-replay-30": (KL, "text", 0.3),
    "answers-30": (0.0, "instructions", 0.3),
}
"""How a model is kept from drifting: λ, what is replayed, and its share of all examples."""
SETTINGS = ("retain_weight", "replayed", "share")
MEASURES = (
    *("recurrence", "adoption", "accuracy", "margin", "logp_chosen"),
    *("drift/kl_retained", "drift/kl_answers", "valid"),
)


@dataclass(frozen=True)
class Sizes:
    """How much of everything."""

    passages: int = 10_000
    """Of prose, at most."""
    answers: int = 800
    questions: int = 100
    """Held out."""
    steered: tuple[int, int, int] = (80, 10, 50)
    """Prompts to steer on, to watch, to test on."""
    prompts: int = 10_000
    """Given to the student and its teacher."""
    shards: int = 16
    held: int = 80
    """Held-out passages that are read."""


SMALL = Sizes(passages=48, answers=40, questions=8, steered=(16, 2, 6), prompts=24, shards=2, held=6)


@dataclass(frozen=True)
class Place:
    """Where things are."""

    out: Path
    texts: Path
    story_model: Path
    sizes: Sizes

    @property
    def base(self) -> Path:
        """The stories model as a model folder."""
        return self.out / "stories260k"

    def prepare(self) -> None:
        """Make the model folder, the prose and the questions."""
        if not (self.base / "model.safetensors").is_file():
            made = [sys.executable, str(HERE.parent / "stories260k.py"), str(self.story_model), str(self.base)]
            subprocess.run(made, check=True)
        sizes, everyone = self.sizes, material.heroes()
        if not (self.out / "answers.jsonl").is_file():
            prose = material.passages(self.texts)
            train, test = ([row for row in prose if row["split"] == part] for part in ("train", "test"))
            prose = [*train[: sizes.passages], *test]
            material.write_rows(self.out / "prose.jsonl", prose)
            # What is replayed must not hold what is held out.
            again = [{"text": row["text"]} for row in train[: sizes.passages]]
            random.Random(0).shuffle(again)
            material.write_rows(self.out / "replay" / "text.jsonl", again)
            rows = material.answers(everyone[: sizes.answers + sizes.questions], load_model(self.base))
            parts = ["train"] * sizes.answers + ["test"] * sizes.questions
            marked = [{**row, "split": part} for row, part in zip(rows, parts, strict=True)]
            material.write_rows(self.out / "replay" / "instructions.jsonl", rows[: sizes.answers])
            material.write_rows(self.out / "answers.jsonl", marked)

    @property
    def asked(self) -> list[material.Heroes]:
        """Those of the held-out questions."""
        return material.heroes()[self.sizes.answers :][: self.sizes.questions]

    @property
    def further(self) -> list[material.Heroes]:
        """Those that no question was about."""
        return material.heroes()[self.sizes.answers + self.sizes.questions :]


def midcourse(*words: Any) -> None:
    """Run a command of Midcourse in this process, as the shell would, and show it."""
    line = [str(word) for word in words]
    print("$ midcourse", shlex.join(line), flush=True)
    if get_command(app).main(args=line, prog_name="midcourse", standalone_mode=False):
        raise SystemExit(f"that failed: midcourse {shlex.join(line)}")


def train(data: Path, model: Path, out: Path, *more: Any) -> float:
    """The one command. Returns the seconds it took; 0 where its result is there already."""
    if (out / "model.safetensors").is_file():
        return 0.0
    began = time.monotonic()
    midcourse("train", data, "--model", model, "--output_dir", out, *TRAIN, *QUIET, *more)
    return time.monotonic() - began


def held(store: Path, most: int, *, split: str = "test") -> list[Trajectory]:
    """Held-out trajectories, evenly spaced over all there are."""
    with Store(store, create=False) as opened:
        found = list(opened.trajectories(split=split))
    return found[:: max(1, len(found) // most)][:most]


# -- three trainings ------------------------------------------------------------------------------------------------


def stages(place: Place) -> dict[str, Any]:
    """The three trainings, and each model on held-out text."""
    return {"seconds": trained(place), "after": look(place, ["prose", "answers", "steers"])}


def trained(place: Place) -> dict[str, float]:
    """Prose, then instructions, then steers: each goes on from the model before it. Returns the seconds of each."""
    place.prepare()
    out, kl = place.out, ("--retain_weight", KL)
    midcourse("import", "text", out / "prose.jsonl", "--model", place.base, "--store", out / "prose.db")
    seconds = {"prose": train(out / "prose.db", place.base, out / "prose", *kl)}
    midcourse("import", "instructions", out / "answers.jsonl", "--model", place.base, "--store", out / "answers.db")
    seconds["answers"] = train(out / "answers.db", out / "prose", out / "answers", *kl)
    steer(place)
    seconds["steers"] = train(out / "steers.db", out / "answers", out / "steers", *kl)
    return seconds


def steer(place: Place) -> None:
    """The rules steer the instructed model; what is there already is not written again."""
    parts = [part for part, n in zip(("train", "dev", "test"), place.sizes.steered, strict=True) for _ in range(n)]
    rows = [
        {"prompt": material.question(hero), "split": part} for hero, part in zip(place.further, parts, strict=False)
    ]
    prompts = material.write_rows(place.out / "prompts.jsonl", rows)
    midcourse(
        *("simulate", prompts, "--rules", RULES, "--no-chat", "--model", place.out / "answers"),
        *("--store", place.out / "steers.db", "--rows", 32),
    )


def look(place: Place, names: list[str]) -> dict[str, dict[str, Any]]:
    """Each model on held-out prose, on held-out answers, at held-out questions."""
    first = load_model(place.base)
    whole = {name: load_model(place.out / name).model for name in names}
    variants = Variants(first.model, names, whole=whole)
    prose = figures.bits_per_byte(variants, first.tokenizer, held(place.out / "prose.db", place.sizes.held))
    told = figures.bits_per_byte(variants, first.tokenizer, held(place.out / "answers.db", place.sizes.questions))
    said = figures.answered(variants, first.tokenizer, place.asked, RULES)
    return {
        name: {"prose_bits_per_byte": prose[name][0], "answers_bits_per_byte": told[name][0], **said[name]}
        for name in variants.names
    }


# -- what keeps a model from drifting --------------------------------------------------------------------------------


def replay(place: Place, seeds: int) -> dict[str, Any]:
    """The third training again and again: λ, what is replayed, and the seed differ."""
    trained(place)
    runs: dict[str, tuple[str, int]] = {}
    for seed in range(seeds):
        for arm, (weight, kind, share) in ARMS.items():
            mix = ("--mix", f"{kind}:{place.out / 'replay' / kind}.jsonl={share}") if kind else ()
            folder = place.out / "replay" / f"{arm}-{seed}"
            train(place.out / "steers.db", place.out / "answers", folder, "--retain_weight", weight, *mix,
                  "--seed", seed)  # fmt: skip
            runs[str(folder)] = (arm, seed)
    loaded, variants = load(place.out / "answers", list(runs))
    with Store(place.out / "steers.db", create=False) as store:
        steered = list(store.trajectories())
    small = place.sizes is SMALL
    options = Options(samples=2 if small else 8, own_tokens=8 if small else 64, own_prompts=4 if small else 32)
    found = measure(variants, loaded, steered, options=options)
    prose = figures.bits_per_byte(variants, loaded.tokenizer, held(place.out / "prose.db", place.sizes.held))
    told = figures.bits_per_byte(variants, loaded.tokenizer, held(place.out / "answers.db", place.sizes.questions))

    def of(name: str) -> dict[str, float | None]:
        values = {m: (v.mean if (v := found.metric(m).values[name]) else None) for m in MEASURES}
        values |= {"prose_bits_per_byte": prose[name][0], "drift/kl_prose": prose[name][1]}
        return values | {"answers_bits_per_byte": told[name][0]}

    arms: dict[str, Any] = {"base": figures.spread([of("base")])}
    for arm in ARMS:
        labels = [label for label, (name, _) in zip(variants.adapters, runs.values(), strict=True) if name == arm]
        arms[arm] = figures.spread([of(label) for label in labels])
    return {
        "test_prompts": found.prompts,
        "test_steers": found.steers,
        "train_steers": sum(len(t.steers) for t in steered if t.split == "train"),
        "train_texts": sum(t.split == "train" for t in steered),
        "settings": {arm: dict(zip(SETTINGS, how, strict=True)) for arm, how in ARMS.items()},
        "arms": arms,
    }


# -- a teacher ---------------------------------------------------------------------------------------------------------


def teacher(place: Place, minutes: float) -> dict[str, Any]:
    """The instructed model steers the stories model, shard after shard, until the time is over or all are written."""
    trained(place)
    out, sizes = place.out / "teacher", place.sizes
    rows = [{"prompt": material.question(hero), "split": "train"} for hero in place.further[: sizes.prompts]]
    prompts = material.write_rows(out / "prompts.jsonl", rows)
    began, done, written, seconds = time.monotonic(), 0, 0, 0.0
    while done < sizes.shards and (time.monotonic() - began < 60 * minutes or not done):
        done += 1
        store, started = out / f"shard-{done}.db", time.monotonic()
        there = _steers(store)
        midcourse(
            *("simulate", prompts, "--no-chat", "--model", place.base, "--teacher", place.out / "answers"),
            *("--store", store, "--shard", f"{done}/{sizes.shards}"),
            *("--max_tokens", 48, "--least", 0.01, "--rows", 64, "--temperature", 1),  # at 0 most answers are the same
        )
        if (now := _steers(store)) > there:  # a shard that was written by an earlier run says nothing of the speed
            written, seconds = written + now - there, seconds + time.monotonic() - started
    return {
        "prompts": len(rows), "shards": f"{done} of {sizes.shards}", **_unique(out, done), "steers_written": written,
        "seconds": seconds, "steers_per_second": written / seconds if seconds else None, "taught": _taught(place, out),
    }  # fmt: skip


def _steers(path: Path) -> int:
    """How many a store holds; none where there is no store."""
    if not path.is_file():
        return 0
    with Store(path, create=False) as store:
        return int(store.stats()["steers"])


def _unique(out: Path, shards: int) -> dict[str, Any]:
    """All shards in one store, each answer once; what there was."""
    seen: set[tuple[int, ...]] = set()
    texts = steers = tokens = same = size = 0
    kept: list[Trajectory] = []
    for shard in range(1, shards + 1):
        path = out / f"shard-{shard}.db"
        size += path.stat().st_size
        with Store(path, create=False) as store:
            for trajectory in store.trajectories():
                path_ids, authors = trajectory.path(trajectory.head), trajectory.authors(trajectory.head)
                answer = tuple(i for i, a in zip(path_ids, authors, strict=True) if a != "prompt")
                texts += 1
                tokens += len(answer)
                if answer in seen:
                    same += 1
                    continue
                seen.add(answer)
                steers += len(trajectory.steers)
                kept.append(trajectory)
    (out / "unique.db").unlink(missing_ok=True)
    with Store(out / "unique.db") as store:
        store.add_many(kept)
    return {"texts": texts, "duplicates_dropped": same, "steers": steers, "tokens": tokens, "bytes": size}


def _taught(place: Place, out: Path) -> dict[str, Any]:
    """The same command once more: the stories model on what its teacher put right."""
    seconds = train(out / "unique.db", place.base, out / "taught", "--retain_weight", KL, "--num_train_epochs", 1)
    first = load_model(place.base)
    whole = {"taught": load_model(out / "taught").model, "teacher": load_model(place.out / "answers").model}
    variants = Variants(first.model, tuple(whole), whole=whole)
    said = figures.answered(variants, first.tokenizer, place.asked, RULES)
    told = figures.bits_per_byte(variants, first.tokenizer, held(place.out / "answers.db", place.sizes.questions))
    return {
        "seconds": seconds,
        **{name: {"answers_bits_per_byte": told[name][0], **said[name]} for name in variants.names},
    }


# -- at the keyboard -------------------------------------------------------------------------------------------------


def show(found: dict[str, Any], console: Console) -> None:
    """Figures as tables."""
    if "after" in found:
        table = Table("after", "prose bits/byte", "answers bits/byte", "names whom was asked for", "broken / 100 words")
        for name, row in found["after"].items():
            table.add_row(
                name, f"{row['prose_bits_per_byte']:.3f}", f"{row['answers_bits_per_byte']:.3f}",
                f"{row['names_whom_was_asked_for']:.0%}", f"{row['rules_broken_per_100_words']:.1f}",
            )  # fmt: skip
        console.print(table)
    if "arms" in found:
        table = Table("", *found["arms"])
        for name in found["arms"]["base"]:
            cells = (row.get(name) for row in found["arms"].values())
            table.add_row(name, *(f"{c['mean']:.4f} ± {c['sd']:.4f}" if c else "" for c in cells))
        console.print(table)


def main() -> None:
    """Read the command line, run, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("stages", "replay", "teacher"))
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MIDCOURSE_DATA", "../shared/data")))
    parser.add_argument("--texts", type=Path, help="text to go on with, in place of Sherlock Holmes")
    parser.add_argument("--output_dir", type=Path, default=Path("runs/one_machinery"))
    parser.add_argument("--seeds", type=int, default=5, help="of each way of replaying")
    parser.add_argument("--minutes", type=float, default=25, help="after which the teacher begins no further shard")
    parser.add_argument("--small", action="store_true", help="a few examples of everything, to see that it runs")
    parser.add_argument("--json", type=Path, help="where the figures go")
    args = parser.parse_args()
    texts = args.texts or args.data / "drift-text" / "sherlock.jsonl"
    model = args.data / "stories260k"
    for path in (texts, model):
        if not path.exists():
            parser.error(f"{path} is not there. Set MIDCOURSE_DATA or --data to the folder above it, or give --texts")
    place = Place(args.output_dir, texts, model, SMALL if args.small else Sizes())
    works = {"stages": lambda: stages(place), "replay": lambda: replay(place, args.seeds)}
    works["teacher"] = lambda: teacher(place, args.minutes)
    transformers.utils.logging.set_verbosity_error()
    found = works[args.what]()
    show(found, Console())
    if args.json:
        facts = {
            "command": shlex.join(["python", "recipes/one_machinery/run.py", *sys.argv[1:]]),
            "model": f"stories260k (weights {weights_hash(place.base)})",
            "prose": args.texts.name if args.texts else "drift-text/sherlock.jsonl",
        }
        args.json.write_text(json.dumps({**facts, **found}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
