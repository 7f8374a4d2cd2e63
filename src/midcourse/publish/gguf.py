"""GGUF files by llama.cpp's own converters, where they are installed.

Midcourse brings none: they belong to the llama.cpp that will read the file. They are looked for in LLAMA_CPP_DIR and on
PATH, and run as programs of their own. Merging is not known here.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from midcourse.errors import MissingExtra, ModelError

__all__ = ["LORA", "MERGED", "convert_lora", "convert_merged", "find_converter", "split_digits"]

MERGED, LORA = "convert_hf_to_gguf.py", "convert_lora_to_gguf.py"
_TYPES = {"bfloat16": "bf16", "float16": "f16", "float32": "f32"}
_MAGIC = b"GGUF"


def find_converter(name: str) -> Path:
    """Where a converter is.

    Raises:
        MissingExtra: It is neither in LLAMA_CPP_DIR nor on PATH.
    """
    given = os.environ.get("LLAMA_CPP_DIR")
    if given and (path := Path(given).expanduser() / name).is_file():
        return path
    if found := shutil.which(name):
        return Path(found)
    where = f"{given} (LLAMA_CPP_DIR) holds no {name}, nor does PATH" if given else f"there is no {name} on PATH"
    raise MissingExtra(
        f"{where}. GGUF files are written by llama.cpp's own converters: get its source, set LLAMA_CPP_DIR to its "
        "folder, and install what they need (pip install gguf sentencepiece). --as merged and --as adapter need none"
    )


def convert_merged(model: Path, output: Path, dtype: str) -> None:
    """Write a model folder as one GGUF file.

    Raises:
        MissingExtra: There is no converter.
        ModelError: It failed; with its last words.
    """
    _run(find_converter(MERGED), [str(model), "--outtype", _TYPES[dtype]], output)


def convert_lora(adapter: Path, base: Path, output: Path, dtype: str) -> None:
    """Write an adapter as a GGUF file that `llama-server --lora` puts on its base; raises as `convert_merged`."""
    _run(find_converter(LORA), [str(adapter), "--base", str(base), "--outtype", _TYPES[dtype]], output)


def split_digits(model: Path) -> None:
    """Give the built-in model's tokenizer its splitting of digits back, by which the converter knows whose it is.

    transformers reads the tokenizer of a GGUF file without it. Token ids mean the same; llama.cpp reads numbers in text
    digit by digit, as it does from the original file.
    """
    path = model / "tokenizer.json"
    spec = json.loads(path.read_text(encoding="utf-8"))
    split = {"type": "Digits", "individual_digits": True}
    spec["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [split, spec["pre_tokenizer"]]}
    path.write_text(json.dumps(spec, ensure_ascii=False), encoding="utf-8")


def _run(converter: Path, words: list[str], output: Path) -> None:
    # A converter is a script that need not be executable; it runs with the packages that are here.
    command = [sys.executable, str(converter), *words, "--outfile", str(output)]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode or not _is_gguf(output):
        last = [line for line in done.stderr.splitlines() if line.strip()][-1:] or ["it said nothing"]
        raise ModelError(f"{converter.name} could not convert {words[0]}: {last[0].strip()[:300]}")


def _is_gguf(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC
