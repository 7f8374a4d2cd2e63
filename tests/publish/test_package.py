"""A published folder is whole or not there, and holds what its form needs."""

import json

import pytest

import model_folder
from midcourse.errors import ModelError
from midcourse.model import check_adapter, load_model, weights_hash
from midcourse.publish.gguf import LORA, MERGED
from midcourse.publish.package import Package
from midcourse.publish.steered import open_steered
from midcourse.types import ModelRef
from publish_converter import SCRIPT


@pytest.fixture(scope="module")
def steered(tmp_path_factory):
    home = tmp_path_factory.mktemp("models")
    base = model_folder.save_model(home / "tiny", positions=256, scale=0.2)
    return open_steered(model_folder.save_adapter(home / "adapter", base), str(base))


@pytest.fixture
def llama_cpp(tmp_path, monkeypatch):
    folder = tmp_path / "llama.cpp"
    folder.mkdir()
    for name in (MERGED, LORA):
        (folder / name).write_text(SCRIPT)
    monkeypatch.setenv("LLAMA_CPP_DIR", str(folder))


def names(folder):
    return {path.name for path in folder.rglob("*")}


def test_an_adapter_loads_again_and_names_no_path(steered, tmp_path):
    out = tmp_path / "out"
    Package(steered, "adapter", licence="apache-2.0", consent="Yes.").write(out)
    assert names(out) == {"adapter_config.json", "adapter_model.safetensors", "midcourse.json", "README.md"}
    assert json.loads((out / "adapter_config.json").read_text())["base_model_name_or_path"] == "tiny"
    check_adapter(out, ModelRef("tiny", steered.base.weights))
    assert load_model(steered.base_path, adapter=out).adapter == out
    told = "".join(p.read_text() for p in out.iterdir() if p.suffix in (".md", ".json"))
    assert str(tmp_path.parent) not in told


def test_merged_weights_with_card_and_no_leftovers(steered, tmp_path):
    out = tmp_path / "out"
    checked = Package(steered, "merged").write(out)
    assert weights_hash(out) != steered.base.weights
    (out / ".midcourse-weights.json").unlink()
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md", "midcourse.json"} <= names(out)
    assert not [name for name in names(out) if name.startswith(".")]
    assert checked[0] in (out / "README.md").read_text()
    assert json.loads((out / "midcourse.json").read_text())["form"] == "merged"


def test_gguf_and_its_adapter(steered, tmp_path, llama_cpp):
    Package(steered, "gguf", dtype="float16").write(tmp_path / "whole")
    assert names(tmp_path / "whole") == {"tiny-steered.gguf", "README.md", "midcourse.json"}
    assert (tmp_path / "whole" / "tiny-steered.gguf").read_bytes() == b"GGUFf16"
    Package(steered, "lora-gguf").write(tmp_path / "lora")
    assert (tmp_path / "lora" / "tiny-steered-lora.gguf").read_bytes() == b"GGUFf16"


def test_ollama_takes_safetensors_where_there_is_no_converter(steered, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("LLAMA_CPP_DIR", raising=False)
    Package(steered, "ollama").write(tmp_path / "out")
    assert (tmp_path / "out" / "Modelfile").read_text().startswith("FROM .\n")
    assert "model.safetensors" in names(tmp_path / "out")


def test_ollama_takes_a_gguf_where_there_is(steered, tmp_path, llama_cpp):
    Package(steered, "ollama").write(tmp_path / "out")
    assert (tmp_path / "out" / "Modelfile").read_text().startswith("FROM ./tiny-steered.gguf\n")
    assert "model.safetensors" not in names(tmp_path / "out")


def test_what_fails_leaves_nothing(steered, tmp_path, llama_cpp):
    (tmp_path / "llama.cpp" / MERGED).write_text("import sys; sys.exit('no')")
    with pytest.raises(ModelError, match="no"):
        Package(steered, "gguf").write(tmp_path / "out")
    assert names(tmp_path) == {"llama.cpp", MERGED, LORA}
