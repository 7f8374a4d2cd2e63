"""One published folder: the weights in the form asked for, their card, and the public part of the run's record.

Puts the forms together. A folder appears whole or not at all. What a form consists of is not known here.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from midcourse.errors import MissingExtra
from midcourse.model import BUILTIN
from midcourse.publish.files import beside
from midcourse.publish.gguf import LORA, MERGED, convert_lora, convert_merged, find_converter, split_digits
from midcourse.publish.merge import sixteen_bits, write_merged
from midcourse.publish.model_card import Evaluation, model_card, public_record
from midcourse.publish.ollama import modelfile
from midcourse.publish.steered import Steered
from midcourse.tokens import TextTokenizer

__all__ = ["Form", "Package", "check_tools"]

Form = Literal["adapter", "merged", "gguf", "lora-gguf", "ollama"]


def check_tools(form: Form) -> None:
    """Refuse a form whose converter is not here, before anything long begins.

    Raises:
        MissingExtra: Saying where it is looked for.
    """
    if form in ("gguf", "lora-gguf"):
        find_converter(LORA if form == "lora-gguf" else MERGED)


@dataclass
class Package:
    """What is asked for."""

    steered: Steered
    form: Form
    dtype: str | None = None
    """None: `sixteen_bits` of the base; GGUF files hold the same."""
    evaluation: Evaluation | None = None
    licence: str | None = None
    consent: str | None = None

    def write(self, folder: Path, say: Callable[[str], None] = lambda _: None) -> list[str]:
        """Write everything; sentences on how it was checked.

        Raises:
            ModelError: What was made does not write as the adapter does, or a converter failed.
        """
        with beside(folder) as part:
            if part.exists():
                shutil.rmtree(part)
            part.mkdir(parents=True)
            checked = self._weights(part, say)
            record = public_record(self.steered) | {"form": self.form}
            (part / "midcourse.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
            card = model_card(
                self.steered,
                self.form,
                evaluation=self.evaluation,
                checked=checked,
                licence=self.licence,
                consent=self.consent,
            )
            (part / "README.md").write_text(card, encoding="utf-8")
            for file in part.rglob("*.safetensors"):
                file.chmod(0o644)  # tensors are saved for their owner alone; what is published is meant to be read
        return checked

    def _weights(self, part: Path, say: Callable[[str], None]) -> list[str]:
        dtype = self.dtype or sixteen_bits(self.steered)
        match self.form:
            case "adapter":
                return self._adapter(part)
            case "merged":
                return write_merged(self.steered, part, dtype=dtype, say=say).lines()
            case "gguf":
                return self._gguf(part, dtype, say)
            case "lora-gguf":
                say("Converting")
                convert_lora(self.steered.folder, self.steered.base_path, part / self._name("-lora"), dtype)
                return [f"Made by llama.cpp's {LORA}; not run here."]
            case "ollama":
                return self._ollama(part, dtype, say)

    def _adapter(self, part: Path) -> list[str]:
        config = json.loads((self.steered.folder / "adapter_config.json").read_text(encoding="utf-8"))
        name = self.steered.base_name
        # No path of this machine; and `builtin` is never called by the name of weights that are others.
        config |= {"base_model_name_or_path": name, "revision": None}
        (part / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        shutil.copyfile(self.steered.folder / "adapter_model.safetensors", part / "adapter_model.safetensors")
        return []

    def _gguf(self, part: Path, dtype: str, say: Callable[[str], None]) -> list[str]:
        merged = part / "merged"
        checked = write_merged(self.steered, merged, dtype=dtype, say=say).lines()
        say("Converting")
        if self.steered.base.name == BUILTIN:
            split_digits(merged)
        convert_merged(merged, part / self._name(), dtype)
        shutil.rmtree(merged)
        return [*checked, f"Then made by llama.cpp's {MERGED}; not run here."]

    def _ollama(self, part: Path, dtype: str, say: Callable[[str], None]) -> list[str]:
        """As GGUF where a converter is here, else as safetensors, which Ollama converts itself."""
        try:
            find_converter(MERGED)
        except MissingExtra:
            source, checked = ".", write_merged(self.steered, part, dtype=dtype, say=say).lines()
        else:
            source, checked = f"./{self._name()}", self._gguf(part, dtype, say)
        text = modelfile(source, TextTokenizer.load(self.steered.base_path))
        (part / "Modelfile").write_text(text, encoding="utf-8")
        return [*checked, "The Modelfile was not run with Ollama."]

    def _name(self, what: str = "") -> str:
        base = "".join(c if c.isalnum() or c in "-_." else "-" for c in self.steered.base_name)
        return f"{base}-steered{what}.gguf"
