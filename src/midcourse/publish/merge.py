"""Merged weights: an adapter folded into its base, stored in 16 bits, and checked from what was stored.

The sum is formed in float32 and rounded once. What was written is read back and held against the adapter before
anybody is told that it is done. Cards and other formats are not known here.
"""

from collections.abc import Callable
from pathlib import Path

import torch
import transformers

from midcourse.backends.local import LocalBackend
from midcourse.errors import ModelError
from midcourse.model import copy_companions, load_model, quiet
from midcourse.publish.sameness import Sameness, compare, prompt_ids, read
from midcourse.publish.steered import Steered

__all__ = ["DTYPES", "sixteen_bits", "write_merged"]

DTYPES = ("bfloat16", "float16", "float32")


def sixteen_bits(steered: Steered) -> str:
    """The base's own 16-bit type; float16 where it has none: it rounds eight times less than bfloat16."""
    config = steered.config()
    own = str(config.get("dtype") or config.get("torch_dtype"))
    return own if own in ("bfloat16", "float16") else "float16"


def write_merged(
    steered: Steered, folder: Path, *, dtype: str, say: Callable[[str], None] = lambda _: None
) -> Sameness:
    """Write the steered model as a model folder of its own.

    Args:
        steered: The adapter.
        folder: New.
        dtype: One of `DTYPES`.
        say: Told what happens now.

    Raises:
        ModelError: The base is quantized, or the result does not write as the adapter does.
    """
    if "quantization_config" in steered.config():
        raise ModelError(
            f"{steered.base_name} is quantized: what was learnt would be lost in its steps. Train on the same model in "
            "16 bits, or publish --as adapter"
        )
    say("Reading what the adapter answers")
    loaded = load_model(steered.base.name, adapter=steered.folder, device="cpu")
    prompts = prompt_ids(loaded.tokenizer)
    ends = loaded.tokenizer.eos
    first = read(LocalBackend(loaded.model, ends), prompts)
    base = read(LocalBackend(loaded.model, ends, adapter=False), prompts, [r.answer for r in first])
    say(f"Merging, and writing {dtype}")
    merged = loaded.model.merge_and_unload(safe_merge=True).to(getattr(torch, dtype))
    merged.config._name_or_path = ""
    with quiet(transformers):
        merged.save_pretrained(folder)
    copy_companions(steered.base_path, folder)
    del loaded, merged
    say("Comparing what was written with the adapter")
    again = load_model(folder, device="cpu")
    found = compare(first, base, LocalBackend(again.model, ends), dtype)
    (folder / ".midcourse-weights.json").unlink(missing_ok=True)  # a note for this machine
    if not found.same:
        raise ModelError(f"the merged weights do not write as the adapter does. {' '.join(found.lines())}")
    return found
