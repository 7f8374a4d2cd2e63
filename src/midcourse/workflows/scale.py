"""What a run of any size will take, reckoned from a model's config alone: weights, memory a process, hours.

No weight is fetched and nothing is run: the model is laid out without storage and its parameters counted. Time is
arithmetic over what the hardware is said, or was measured, to do; memory is counted piece by piece. It refuses to know
data: a tree is a trunk with forks spread evenly over it.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from midcourse.errors import InputError
from midcourse.workflows.arithmetic import body_parameters, forward_flops

__all__ = [
    "GPUS",
    "IN_4_BITS",
    "PRESETS",
    "Forked",
    "Hardware",
    "Reckoned",
    "Shape",
    "Training",
    "activation_bytes",
    "copied",
    "fits",
    "flops",
    "host_memory",
    "memory",
    "placed",
    "reckon",
    "step_flops",
]

IN_4_BITS = 0.55
"""Bytes of a weight in NF4, with its scales."""
_WIDTHS = {"float64": 8.0, "float32": 4.0, "bfloat16": 2.0, "float16": 2.0}
"""Bytes of a weight."""
_LLAMA = {
    "model_type": "llama",
    "dtype": "bfloat16",
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": False,
    "rope_parameters": {
        "rope_type": "llama3",
        "rope_theta": 500000.0,
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    },
}
PRESETS: dict[str, dict[str, Any]] = {
    "llama-3.1-8b": _LLAMA
    | {"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32},
    "llama-3.1-70b": _LLAMA
    | {"hidden_size": 8192, "intermediate_size": 28672, "num_hidden_layers": 80, "num_attention_heads": 64},
}
"""Published configs by name."""


@dataclass(frozen=True, slots=True)
class Hardware:
    """One GPU, or whatever a process runs on."""

    flops: float
    """Multiplications and additions a second that it could do."""
    memory: float
    """Bytes."""
    used: float = 0.35
    """The share of `flops` that training gets out of it: an assumption until it is measured."""


GPUS = {
    "bfloat16": {
        "h100": Hardware(989e12, 80e9),
        "a100": Hardware(312e12, 80e9),
        "l40s": Hardware(362e12, 48e9),
        "rtx4090": Hardware(165e12, 24e9),
    },
    "float32": {
        "h100": Hardware(67e12, 80e9),
        "a100": Hardware(19.5e12, 80e9),
        "l40s": Hardware(91.6e12, 48e9),
        "rtx4090": Hardware(82.6e12, 24e9),
    },
}
"""Dense, by the vendors' data sheets and the type that is reckoned in; float32 in full, not as TF32."""


@dataclass(frozen=True, slots=True)
class Training:
    """How a model is trained."""

    bytes_a_weight: float = 2.0
    """4 in float32, 2 in bfloat16, about 0.55 in 4 bits."""
    half: bool = True
    """Whether activations are of 2 bytes."""
    adapter: bool = True
    checkpointed: bool = True
    sharded: bool = False

    @property
    def four_bits(self) -> bool:
        """Whether the base is quantized."""
        return self.bytes_a_weight < 1


@dataclass(frozen=True, slots=True)
class Shape:
    """The numbers of a model that time and memory depend on."""

    parameters: int
    body: int
    """Of the matrices every token passes."""
    trained: int
    layers: int
    hidden: int
    inner: int
    heads: int
    key_heads: int
    head: int
    vocabulary: int
    stored: str = "bfloat16"
    """The type of its weights on disk."""

    @classmethod
    def of(cls, model: str | Path | Mapping[str, Any], *, rank: int | None = 16) -> "Shape":
        """Count a model from its config.

        Args:
            model: A name in `PRESETS`, a folder or file with a config.json, or the config itself.
            rank: Of the LoRA adapter on all linear layers; None where all weights are trained.

        Raises:
            InputError: There is no such config, or no model of that kind.
        """
        import torch
        import transformers

        values = dict(model) if isinstance(model, Mapping) else _config(str(model))
        try:
            config = transformers.AutoConfig.for_model(**values)
            with torch.device("meta"):
                laid_out = transformers.AutoModelForCausalLM.from_config(config)
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{model} is no config of a language model that transformers knows: {error}") from error
        text = config.get_text_config()
        ends = {id(m.weight) for m in (laid_out.get_input_embeddings(), laid_out.get_output_embeddings()) if m}
        linear = [m for m in laid_out.modules() if isinstance(m, torch.nn.Linear) and id(m.weight) not in ends]
        parameters = sum(p.numel() for p in laid_out.parameters())
        return cls(
            parameters=parameters,
            body=body_parameters(laid_out),
            trained=parameters if rank is None else sum(rank * (m.in_features + m.out_features) for m in linear),
            layers=text.num_hidden_layers,
            hidden=text.hidden_size,
            inner=text.intermediate_size,
            heads=text.num_attention_heads,
            key_heads=getattr(text, "num_key_value_heads", None) or text.num_attention_heads,
            head=getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads,
            vocabulary=text.vocab_size,
            stored=str(config.dtype or "float32").removeprefix("torch."),
        )


def _config(name: str) -> dict[str, Any]:
    if name.lower() in PRESETS:
        return PRESETS[name.lower()]
    path = Path(name).expanduser()
    path = path / "config.json" if path.is_dir() else path
    try:
        values: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{name} is no config: expected {', '.join(PRESETS)}, or the path of a model folder or a config.json"
        ) from error
    if not isinstance(values, dict) or "model_type" not in values:
        raise InputError(f"{path} names no model_type, so it is no config of a model")
    return values


@dataclass(frozen=True, slots=True)
class Forked:
    """A tree: a trunk of `trunk` tokens, with `forks` rejected sides of `branch` tokens spread evenly over it."""

    trunk: int
    forks: int
    branch: int

    @property
    def tokens(self) -> int:
        """Each once."""
        return self.trunk + self.forks * self.branch

    @property
    def branch_tokens(self) -> int:
        """Of one row for each side of each pair, as without trees."""
        return 2 * sum(int(at) + self.branch for at in self._forks)

    @property
    def _forks(self) -> list[float]:
        return [(n + 1) * self.trunk / (self.forks + 1) for n in range(self.forks)]

    def row(self, max_tokens: int) -> int:
        """Tokens of the longest row: a larger tree is cut, yet not below what its deepest token needs."""
        last = max((int(at) + self.branch for at in self._forks), default=0)
        return min(self.tokens, max(max_tokens, self.trunk, last))

    @property
    def visible(self) -> float:
        """Pairs of a token and one it sees."""
        sides = sum(self.branch * at + self.branch * (self.branch + 1) / 2 for at in self._forks)
        return self.trunk * (self.trunk + 1) / 2 + sides


def flops(shape: Shape, tree: Forked) -> float:
    """Multiplications and additions of a forward pass over a tree whose every token is read."""
    return forward_flops(
        body=shape.body,
        attended=shape.heads * shape.head * shape.layers,
        vocabulary=shape.hidden * shape.vocabulary,
        tokens=tree.tokens,
        pairs=tree.visible,
        positions=tree.tokens,
    )


def step_flops(shape: Shape, tree: Forked, training: Training) -> float:
    """Of a step over a tree: one forward pass; backward one by the states and, if all learn, one by the weights;
    checkpointing goes forward once more, without the head."""
    again = flops(replace(shape, vocabulary=0), tree) if training.checkpointed else 0.0
    return (2.0 + (not training.adapter)) * flops(shape, tree) + again


def activation_bytes(shape: Shape, training: Training) -> float:
    """Bytes that are kept of a token from forward to backward, counted over what each layer keeps."""
    width = 2 if training.half else 4
    heads, keys = shape.heads * shape.head, shape.key_heads * shape.head
    # Inputs of two norms and what they make; q, k, v before and after rotation; what attention gives; four of the MLP.
    kept = width * (4 * shape.hidden + 2 * heads + 3 * keys + heads + 4 * shape.inner)
    if training.half:  # norms reckon in float32, and an adapter in float32 keeps its own copy of each input
        kept += 4 * 4 * shape.hidden
        kept += 4 * (5 * shape.hidden + heads + shape.inner) if training.adapter else 0
    if training.checkpointed:  # the input of each layer, and all of one layer at a time
        return shape.layers * width * shape.hidden + kept
    return float(shape.layers * kept)


def memory(shape: Shape, training: Training, row: int, processes: int = 1, logits: float = 512e6) -> dict[str, float]:
    """Peak bytes of a process by what takes them; shards are of weights, gradients and optimizer.

    Args:
        shape: The model.
        training: How.
        row: Tokens of the longest row.
        processes: That share the weights where they are sharded.
        logits: Bytes of logits held at a time.
    """
    over = processes if training.sharded else 1
    own = 4 * shape.trained if training.adapter else 0
    parts = {
        "weights": (shape.parameters * training.bytes_a_weight + own) / over,
        "gradients": 4.0 * shape.trained / over,
        "optimizer": 8.0 * shape.trained / over,
        "activations": activation_bytes(shape, training) * row,
        "logits": logits,
    }
    if training.sharded:  # one layer whole, and the next on its way
        parts["gathered layers"] = 2 * shape.body / shape.layers * training.bytes_a_weight
    return parts


_HEADROOM = 0.9
"""Of a process's memory: the rest is fragments, buffers of communication and the system's own."""


def fits(needed: Mapping[str, float], room: float) -> bool:
    """Whether a process with so many bytes can hold what `memory` counted."""
    return sum(needed.values()) <= _HEADROOM * room


def placed(
    shape: Shape, training: Training, row: int, room: float, *, processes: int = 1, logits: float = 512e6
) -> Training:
    """How a run lays out its base where nothing is said of it: in shards if one process could not hold it whole.

    `midcourse train` asks here, and so does `midcourse plan`. All weights are not trained in shards, and a base in 4
    bits is whole on each GPU before it could be sharded.
    """
    can = processes > 1 and training.adapter and not training.four_bits
    whole = replace(training, sharded=False)
    return replace(training, sharded=can and not fits(memory(shape, whole, row, logits=logits), room))


def host_memory(shape: Shape, training: Training, processes: int = 1) -> float:
    """Bytes of main memory that the base takes on a machine while its processes load it, until it is on their GPUs.

    A file in the type it is trained in is mapped and never copied, so that all processes have the same pages; of any
    other type each makes itself a copy. In 4 bits a tensor goes to the GPU as it is read.
    """
    if copied(shape, training):
        return processes * shape.parameters * training.bytes_a_weight
    return shape.parameters * _WIDTHS.get(shape.stored, 4.0)


def copied(shape: Shape, training: Training) -> bool:
    """Whether each process makes a copy of the base in main memory."""
    return not training.four_bits and shape.stored != ("bfloat16" if training.half else "float32")


@dataclass(frozen=True, slots=True)
class Reckoned:
    """A run as it would be."""

    shape: Shape
    tree: Forked
    trees: int
    epochs: float
    processes: int
    training: Training
    memory: dict[str, float]
    fits: bool
    host_memory: float
    """Bytes of a machine that has all the processes."""
    flops_a_tree: float
    """Of one forward pass."""
    hours_reference: float
    hours_training: float

    @property
    def copied(self) -> bool:
        """Whether each process copies the base while it loads it."""
        return copied(self.shape, self.training)

    @property
    def hours(self) -> float:
        """All of it."""
        return self.hours_reference + self.hours_training

    def to_dict(self) -> dict[str, Any]:
        """As JSON wants it."""
        more = {"tokens": self.tree.tokens, "branch_tokens": self.tree.branch_tokens, "hours": self.hours}
        return {**asdict(self), **more, "memory_a_process": sum(self.memory.values())}


def reckon(
    shape: Shape,
    tree: Forked,
    trees: int,
    hardware: Hardware,
    *,
    epochs: float = 6,
    processes: int = 1,
    training: Training | None = None,
    max_tokens: int = 2048,
) -> Reckoned:
    """Put it together; left open, weights are sharded where one process could not hold them alone."""

    row = tree.row(max_tokens)
    if training is None:
        training = placed(shape, Training(), row, hardware.memory, processes=processes)
    each = flops(shape, tree)
    speed = hardware.flops * hardware.used * processes
    needed = memory(shape, training, row, processes)
    return Reckoned(
        shape=shape,
        tree=tree,
        trees=trees,
        epochs=epochs,
        processes=processes,
        training=training,
        memory=needed,
        fits=fits(needed, hardware.memory),
        host_memory=host_memory(shape, training, processes),
        flops_a_tree=each,
        hours_reference=trees * each / speed / 3600,
        hours_training=epochs * trees * step_flops(shape, tree, training) / speed / 3600,
    )
