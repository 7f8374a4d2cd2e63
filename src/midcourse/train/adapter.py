"""The model a run trains: loaded, identified by its base weights, with an adapter that starts at zero."""

import hashlib
from pathlib import Path
from typing import Any

import torch

from midcourse.errors import InputError
from midcourse.model import LoadedModel, load_model
from midcourse.tokens import TextTokenizer
from midcourse.train.config import SteerConfig
from midcourse.types import ModelRef

__all__ = ["open_model", "was_trained", "with_lora"]


def open_model(model: Any, processing_class: Any) -> tuple[Any, TextTokenizer, ModelRef]:
    """The model, its tokenizer and which base it is; a name is loaded, a loaded model is taken as it is."""
    if isinstance(model, (str, Path)):
        model = load_model(model, device="cpu")
    if isinstance(model, LoadedModel):
        return model.model, model.tokenizer, model.ref
    if processing_class is None:
        raise InputError("a loaded model needs `processing_class`: its tokenizer")
    if not isinstance(processing_class, TextTokenizer):
        eos = processing_class.eos_token
        processing_class = TextTokenizer(
            processing_class.backend_tokenizer,
            template=processing_class.chat_template,
            bos=processing_class.bos_token,
            eos=[eos] if eos else [],
        )
    name = getattr(model.config, "_name_or_path", "") or type(model).__name__
    return model, processing_class, ModelRef(name, _weights_in_memory(model))


def _weights_in_memory(model: Any) -> str:
    """Hash of the base weights of a loaded model; adapter weights do not count."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        if "lora_" not in name:
            digest.update(name.encode())
            digest.update(value.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:32]


def was_trained(model: Any) -> bool:
    """Whether an adapter does not start at zero, as one that is trained further does not."""
    return any(bool(p.any()) for n, p in model.named_parameters() if "lora_B" in n)


def with_lora(model: Any, args: SteerConfig, peft_config: Any) -> Any:
    """The model with a LoRA adapter, whose start belongs to the run's seed."""
    from peft import LoraConfig, get_peft_model

    targets: Any = args.lora_target_modules
    if targets != "all-linear":
        targets = [t.strip() for t in targets.split(",")]
    config = peft_config or LoraConfig(
        r=args.lora_r,
        lora_alpha=args.lora_alpha,
        lora_dropout=args.lora_dropout,
        target_modules=targets,
        task_type="CAUSAL_LM",
    )
    if getattr(config, "init_lora_weights", True) not in (True, "gaussian"):
        raise InputError(
            f"init_lora_weights is {config.init_lora_weights!r}, which changes the base weights, and then the base is "
            "no reference. Use True or 'gaussian'"
        )
    if getattr(model, "is_loaded_in_4bit", False):
        from peft import prepare_model_for_kbit_training

        # Norms in float32; checkpointing is the trainer's to switch on.
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    torch.manual_seed(args.seed)  # the adapter's start belongs to the run's seed
    return get_peft_model(model, config)
