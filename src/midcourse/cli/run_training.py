"""What `midcourse train` does once torch is there: read the parts, train, save. Imported when the command runs."""

import dataclasses
import difflib
import math
import os
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from midcourse.cli.mixing import mixed_files
from midcourse.cli.parts import read_parts
from midcourse.cli.planning import show, size
from midcourse.cli.reading import is_store
from midcourse.errors import InputError, MidcourseError
from midcourse.model import load_model, resolve
from midcourse.train import SteerConfig, SteerTrainer
from midcourse.train.mix import parse_mix
from midcourse.train.precision import resolved_dtype
from midcourse.train.progress import ProgressFile
from midcourse.workflows.plan import make_plan, steps_of
from midcourse.workflows.scale import IN_4_BITS, Shape, Training, memory, placed

_FEW_STEPS = 30
"""In fewer steps an adapter hardly moves, whatever the steers say."""


def run(
    settings: dict[str, Any], plan: dict[str, Any], console: Console, *, resume: bool, progress: Path | None = None
) -> None:
    """Train and save the adapter."""
    trainer = _trainer(settings, plan, console)
    if progress is not None:
        trainer.add_callback(ProgressFile(progress))
    _tell(trainer.examples, trainer.dev, console)
    _tell_more(trainer, console)
    _tell_steps(trainer, console)
    trainer.train(resume_from_checkpoint=resume or None)
    trainer.save_model()
    trainer.ranks.leave()
    if not trainer.ranks.first:
        return
    _note_in_store(plan["source"], trainer)
    _say_dev(trainer.state.log_history, console)
    _say_next(trainer, plan, console)


def dry(settings: dict[str, Any], plan: dict[str, Any], console: Console, *, as_json: bool, processes: int = 1) -> None:
    """Say what would be trained on, how long it takes and how much memory; leaves nothing behind."""
    with tempfile.TemporaryDirectory() as nowhere:
        quiet = {"disable_tqdm": True, "output_dir": nowhere}
        trainer = _trainer({**settings, **quiet}, plan, console)
        if not as_json:
            _tell(trainer.examples, trainer.dev, console)
            _tell_more(trainer, console)
            _tell_steps(trainer, console, processes)
        with console.status("Running some rows of it"):
            made = make_plan(trainer, processes=processes)
    show(made, as_json=as_json)


def _note_in_store(source: Any, trainer: SteerTrainer) -> None:
    """Let the store know of the adapter, so that a purge can name it."""
    if not is_store(source):
        return
    from midcourse.store import Store

    with Store(source, create=False) as store:
        folder = Path(str(trainer.args.output_dir)).resolve()
        store.record_handed_out("adapter", folder, list(trainer.examples.trees.ids()))


def _trainer(settings: dict[str, Any], plan: dict[str, Any], console: Console) -> SteerTrainer:
    config = _config(settings)
    if _in_shards(config, settings, plan, console):
        config = _config({**settings, "fsdp": True})
    with console.status("Loading the model"):
        loaded = load_model(
            plan["model"], dtype=resolved_dtype(plan["dtype"]), four_bits=plan.get("load_in_4bit", False), device="cpu"
        )
    train, dev = read_parts(plan, loaded.tokenizer, console)
    if dev is not None and "eval_strategy" not in settings:
        config.eval_strategy = "epoch"
        config = dataclasses.replace(config)
    elif config.max_drift is not None and dev is None:
        raise InputError("max_drift needs a dev part: import more prompts, or mark rows with split=dev")
    mixed = mixed_files(list(parse_mix(config.mix)), loaded.tokenizer, chat=plan["chat"])
    try:
        trainer = SteerTrainer(loaded, config, train, dev, mix_datasets=mixed)
    except MidcourseError:
        raise
    except ValueError as error:  # what transformers finds out about settings only here, e.g. an unknown logger
        raise InputError(f"a setting cannot be used: {error}") from error
    return trainer


def _in_shards(config: SteerConfig, settings: dict[str, Any], plan: dict[str, Any], console: Console) -> bool:
    """Whether --fsdp has to be switched on: nothing is said of it, and a process could not hold the base whole."""
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    launched = os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true"
    if processes < 2 or not torch.cuda.is_available() or "fsdp" in settings or launched:
        return False
    half = resolved_dtype(plan["dtype"]) != "float32"
    how = Training(
        bytes_a_weight=IN_4_BITS if plan.get("load_in_4bit") else 2.0 if half else 4.0,
        half=half,
        adapter=config.use_peft,
        checkpointed=bool(config.activation_checkpointing),
    )
    shape = Shape.of(resolve(plan["model"]), rank=config.lora_r if config.use_peft else None)
    room, logits = torch.cuda.get_device_properties(0).total_memory, config.logits_memory * 1e6
    if not placed(shape, how, config.max_tokens, room, processes=processes, logits=logits).sharded:
        return False
    needed = sum(memory(shape, how, config.max_tokens, logits=logits).values())
    console.print(
        f"A process needs about {size(needed)} with the base whole, and a GPU has {size(room)}: it is held in shards "
        "(--fsdp true)"
    )
    return True


def _config(settings: dict[str, Any]) -> SteerConfig:
    known = {f.name for f in dataclasses.fields(SteerConfig) if f.init}
    for name in settings:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else "; see docs/configuration.md"
            raise InputError(f"there is no setting {name!r}{hint}")
    try:
        return SteerConfig(**{"disable_tqdm": None, **settings})
    except (TypeError, ValueError) as error:
        raise InputError(f"a setting cannot be used: {error}") from error


def _say_next(trainer: SteerTrainer, plan: dict[str, Any], console: Console) -> None:
    """Where the result is, and what to do with it."""
    out, model = trainer.args.output_dir, plan["model"]
    what = "adapter" if trainer.args.use_peft else "model"
    console.print(f"\nThe {what} is in [bold]{out}[/]. Next:")
    if trainer.examples.steers:
        console.print(f"  midcourse eval {plan['source']} --model {model} --adapter {out}", soft_wrap=True)
    talk = f"--model {model} --adapter {out} --compare" if trainer.args.use_peft else f"--model {out}"
    console.print(f"  midcourse chat {talk}", soft_wrap=True)


def _say_dev(history: list[dict[str, float]], console: Console) -> None:
    """What the last look at the dev part showed, in words."""
    last = next((h for h in reversed(history) if "eval_loss" in h), {})
    parts = []
    if "eval_rewards/accuracies" in last:
        parts.append(f"the chosen side is preferred at {last['eval_rewards/accuracies']:.0%} of the forks")
    if "eval_logps/chosen_delta" in last:
        parts.append(f"the chosen text gained {last['eval_logps/chosen_delta']:+.2f} nats")
    if "eval_drift/kl_retained" in last:
        parts.append(f"the model drifted {last['eval_drift/kl_retained']:.4f} nats per token where it was let stand")
    if parts:
        console.print(f"\nOn the dev part {', '.join(parts)}.")


def _tell_more(trainer: SteerTrainer, console: Console) -> None:
    """What is mixed in, and how much of the whole answers is known."""
    for source in trainer.data.sources:
        again = source.per_pass / source.size
        console.print(
            f"mixed in: {source.per_pass} of {source.size} examples of {source.name} in each pass over "
            f"{trainer.data.main}" + (f" ({again:.1f} times all of them)" if again > 1 else "")
        )
    for reason, count in Counter(s.rsplit(": ", 1)[-1] for s in trainer.data.skipped).most_common(5):
        console.print(f"[yellow]left out of the mix {count}:[/] {reason}")
    if trainer.args.whole_answers:
        known, pairs = trainer.examples.whole_originals, int((trainer.examples.trees.column("pairs") > 0).sum())
        console.print(f"{pairs} pairs of whole answers; {known} originals are known to their end")
        if known < pairs:
            console.print(
                f"[yellow]The other {pairs - known} end where the model was stopped:[/] what it would have gone on to "
                "say was never written, so these pairs also tell a short text from a long one"
            )


def _tell_steps(trainer: SteerTrainer, console: Console, processes: int = 1) -> None:
    """A word where the run is too short to teach: a hundred steers in one long text are one step a pass."""
    texts = trainer.pass_length
    a_pass, steps = steps_of(trainer, processes)
    if steps < _FEW_STEPS:
        console.print(
            f"[yellow]Only {steps} step{'s' if steps > 1 else ''}:[/] {texts} text{'s' if texts > 1 else ''} by "
            f"{trainer.examples_a_step * processes} a step. An adapter hardly moves in so few; --num_train_epochs "
            f"{math.ceil(_FEW_STEPS / a_pass)} makes it {_FEW_STEPS}"
        )


def _tell(examples: Any, dev: Any, console: Console) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("", "trajectories", "steers", "without rejected", "tokens", "left out"):
        table.add_column(column, justify="right" if column else "left")
    for name, part in (("train", examples), ("dev", dev)):
        if part is not None:
            counts = (len(part.trees), part.steers, part.unpaired, part.tokens, len(part.skipped))
            table.add_row(name, *map(str, counts))
    console.print(table)
    for reason, count in Counter(s.split(": ", 1)[-1] for s in examples.skipped).most_common(5):
        console.print(f"[yellow]left out {count}:[/] {reason}")
