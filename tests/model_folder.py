"""A whole model folder on disk, made in code: tiny Llama, byte-level tokenizer with a chat template, an adapter."""

import json
from pathlib import Path

import tokenizers
import torch
from peft import LoraConfig, get_peft_model
from tokenizers import decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM

from midcourse.model import weights_hash

TEMPLATE = "{% for m in messages %}[{{ m.role }}] {{ m.content }}<end>{% endfor %}[assistant] "


def tiny(seed: int = 0, positions: int = 128) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=257,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=positions,
        initializer_range=0.4,
        bos_token_id=None,
        eos_token_id=256,
    )
    return LlamaForCausalLM(config).eval()


def save_model(folder: Path, seed: int = 0, positions: int = 128, scale: float = 1.0) -> Path:
    """`scale` multiplies its logits, which random weights make larger than a trained model's."""
    model = tiny(seed, positions)
    model.lm_head.weight.data *= scale
    model.save_pretrained(folder)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = tokenizers.Tokenizer(models.BPE({c: i for i, c in enumerate(alphabet)}, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(["<end>"])
    backend.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<end>", "chat_template": TEMPLATE}))
    return folder


def save_adapter(folder: Path, base: Path, *, weights: str | None = None) -> Path:
    """An adapter with random weights that records `base` (or other `weights`) as what it was trained on."""
    torch.manual_seed(1)
    tuned = get_peft_model(tiny(), LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False))
    tuned.save_pretrained(folder)
    known = {"base": {"name": base.name, "weights": weights or weights_hash(base)}}
    (folder / "midcourse.json").write_text(json.dumps(known))
    return folder
