"""GGUF files by llama.cpp's own converters, in its own server, held against the adapter in this process."""

import contextlib
import json
import os

import pytest
import torch
from peft import LoraConfig, get_peft_model

import llama_server
from midcourse.backends.local import LocalBackend
from midcourse.backends.protocol import Sampling
from midcourse.backends.remote import RemoteBackend
from midcourse.builtin import GGUF, builtin_gguf, cache_folder
from midcourse.model import builtin_path, load_model, weights_hash
from midcourse.publish.gguf import LORA
from midcourse.publish.package import Package
from midcourse.publish.steered import open_steered
from midcourse.types import Message

pytestmark = [pytest.mark.model, pytest.mark.llama_server, pytest.mark.slow]
NEAR = {"gguf": 0.2, "lora-gguf": 0.6}
"""Nats: 16-bit weights in llama.cpp against ours; and the 4-bit file with the adapter on it."""


@pytest.fixture(scope="module")
def server():
    found = llama_server.find()
    if found is None:
        pytest.skip(llama_server.WANTED)
    return found


@pytest.fixture(scope="module")
def converters(server):
    folder = os.environ.get("LLAMA_CPP_DIR") or str(cache_folder() / "llama.cpp")
    if not os.path.isfile(os.path.join(folder, LORA)):
        pytest.skip("llama.cpp's converters are not here: set LLAMA_CPP_DIR, or run scripts/llama_server")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLAMA_CPP_DIR", folder)
        yield folder


@pytest.fixture(scope="module")
def adapter(converters, tmp_path_factory):
    """Random, and strong enough to be seen."""
    if not builtin_path().is_dir():
        pytest.skip("the built-in model is not here: run `midcourse model pull`")
    torch.manual_seed(0)
    config = LoraConfig(r=8, target_modules=["q_proj", "v_proj", "down_proj"], init_lora_weights=False)
    tuned = get_peft_model(load_model("builtin").model, config)
    with torch.no_grad():
        for name, weight in tuned.named_parameters():
            if "lora_B" in name:
                weight *= 0.3
    folder = tmp_path_factory.mktemp("adapter")
    tuned.save_pretrained(folder)
    known = {"base": {"name": "builtin", "weights": weights_hash(builtin_path())}}
    (folder / "midcourse.json").write_text(json.dumps(known))
    return folder


@pytest.mark.parametrize("form", ["gguf", "lora-gguf"])
def test_llama_server_writes_as_the_adapter_does(server, adapter, tmp_path, form):
    if form == "lora-gguf" and not (cache_folder() / "models" / GGUF).is_file():
        pytest.skip("the built-in GGUF is not here: run `midcourse model path --gguf`")
    Package(open_steered(adapter), form).write(tmp_path / "out")
    [made] = (tmp_path / "out").glob("*.gguf")
    words = ["--lora", str(made)] if form == "lora-gguf" else []
    loaded = load_model("builtin", adapter=adapter)
    own = LocalBackend(loaded.model, loaded.tokenizer.eos)
    base = LocalBackend(loaded.model, loaded.tokenizer.eos, adapter=False)
    ids = loaded.tokenizer.prompt_ids([Message("user", "How do I sleep better?")])
    model = builtin_gguf() if form == "lora-gguf" else made
    with (
        llama_server.running(server, model, *words, log=tmp_path / "log") as url,
        contextlib.closing(RemoteBackend(url, loaded.tokenizer)) as remote,
    ):
        tokens = list(remote.stream(ids, Sampling(max_new_tokens=32)))
    whole = [*ids, *(t.id for t in tokens)]
    seen, bare = own.read(whole, len(ids)), base.read(whole, len(ids))
    off = [abs(t.logprob - r.logprob) for t, r in zip(tokens, seen, strict=True)]
    away = [abs(t.logprob - r.logprob) for t, r in zip(tokens, bare, strict=True)]
    assert max(off) < NEAR[form]
    assert sum(off) < sum(away) / 2  # it is the adapter that writes, not the base
    assert all(r.best_logprob - r.logprob < NEAR[form] for r in seen)
