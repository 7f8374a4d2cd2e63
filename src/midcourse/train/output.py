"""What a run leaves behind beside the weights: the resolved settings and a model card a reader can trust."""

import json
import os
from dataclasses import fields
from pathlib import Path
from typing import Any

from transformers import TrainingArguments

from midcourse import __version__
from midcourse.model import copy_companions
from midcourse.train.config import SteerConfig
from midcourse.train.examples import Examples
from midcourse.types import ModelRef

__all__ = ["STEER_SETTINGS", "complete", "data_facts", "write_card", "write_record"]

STEER_SETTINGS = [
    *(f.name for f in fields(SteerConfig) if f.name not in {g.name for g in fields(TrainingArguments)}),
    *("learning_rate", "num_train_epochs", "per_device_train_batch_size", "gradient_accumulation_steps", "seed"),
]
"""All that steers add, and what else decides what a run learns."""
_NAMED = 100_000
"""Trajectories that a record names one by one."""


def data_facts(examples: Examples) -> dict[str, Any]:
    """What a run was trained on, in numbers and by name."""
    count = len(examples.trees)
    return {
        "data": {
            "trajectories": count,
            "steers": examples.steers,
            "steers without a rejected side": examples.unpaired,
            "tokens": examples.tokens,
            "left out": len(examples.skipped),
        },
        "trajectories": sorted(set(examples.trees.ids())) if count <= _NAMED else f"{count}, too many to name",
    }


def complete(folder: Path, model: Any) -> None:
    """Where all weights were trained, what makes a model folder of them: the files beside those they started from."""
    start = getattr(model.config, "_name_or_path", "")
    if not hasattr(model, "peft_config") and start and Path(start).is_dir():
        copy_companions(Path(start), folder)


def write_record(folder: Path, base: ModelRef, config: SteerConfig, facts: dict[str, Any]) -> None:
    """`midcourse.json`: the base by name and hash, every setting, what was trained on."""
    record = {
        "midcourse": __version__,
        "base": {"name": base.name, "weights": base.weights},
        "settings": {name: getattr(config, name) for name in STEER_SETTINGS},
        "arguments": json.loads(config.to_json_string()),
        **facts,
    }
    beside = folder / f".midcourse.{os.getpid()}"
    beside.write_text(json.dumps(record, indent=1, default=str) + "\n", encoding="utf-8")
    beside.replace(folder / "midcourse.json")


def write_card(folder: Path, base: ModelRef, config: SteerConfig, facts: dict[str, Any]) -> None:
    """`README.md` of the adapter or model, in the shape hubs read."""
    rows = "\n".join(f"| {name} | {getattr(config, name)} |" for name in STEER_SETTINGS)
    data = "\n".join(f"- {name}: {value}" for name, value in facts.get("data", {}).items())
    last = "\n".join(f"- {name}: {value:.4g}" for name, value in facts.get("metrics", {}).items())
    library, how = ("peft", ", lora") if config.use_peft else ("transformers", "")
    text = f"""---
library_name: {library}
base_model: {base.name}
tags: [midcourse, preference-optimization{how}]
---
# A steered {base.name}

Trained with [Midcourse](https://pypi.org/project/midcourse/) {__version__} on corrections made while the model wrote.
The base is identified by its weights: `{base.weights}`.

## Data
{data}

## Settings
| setting | value |
|---|---|
{rows}

## Measured at the end of training
{last or "- nothing was held out"}

Run `midcourse eval` for what it gained and what it cost on unseen prompts.
"""
    (folder / "README.md").write_text(text, encoding="utf-8")
