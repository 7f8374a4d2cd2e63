"""Merged weights write as the adapter does, and what does not is refused."""

import json

import pytest
import torch

import model_folder
from midcourse.backends.local import LocalBackend
from midcourse.errors import ModelError
from midcourse.model import load_model
from midcourse.publish import merge
from midcourse.publish.merge import sixteen_bits, write_merged
from midcourse.publish.sameness import Sameness, compare, prompt_ids, read
from midcourse.publish.steered import open_steered

ENDS = (256,)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    home = tmp_path_factory.mktemp("models")
    base = model_folder.save_model(home / "tiny", positions=256, scale=0.2)
    return base, model_folder.save_adapter(home / "adapter", base)


@pytest.fixture(scope="module")
def steered(made):
    base, adapter = made
    return open_steered(adapter, str(base))


def test_what_was_written_is_a_model_of_its_own_that_answers_as_the_adapter(made, steered, tmp_path):
    base, adapter = made
    found = write_merged(steered, tmp_path / "out", dtype="float32")
    assert found.same
    assert found.largest < 1e-3 < found.steering
    assert found.same_text == found.prompts
    merged, own = load_model(tmp_path / "out"), load_model(base, adapter=adapter)
    ids = torch.tensor([[5, 66, 7, 200]])
    with torch.inference_mode():
        assert torch.allclose(merged.model(ids).logits, own.model(ids).logits, atol=1e-4)
    assert merged.tokenizer.hash == own.tokenizer.hash
    assert merged.tokenizer.template == own.tokenizer.template


@pytest.mark.long
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_sixteen_bits_are_stored_and_the_difference_is_told(steered, tmp_path, dtype):
    found = write_merged(steered, tmp_path / "out", dtype=dtype)
    assert found.same
    assert found.largest > 0
    stored = json.loads((tmp_path / "out" / "config.json").read_text())
    assert stored["dtype"] == dtype
    said = " ".join(found.lines())
    assert f"weights in {dtype}: {found.tolerance:g}" in said
    assert f"{found.same_text} of {found.prompts} prompts" in said


@pytest.mark.long
def test_float16_rounds_less_than_bfloat16(steered, tmp_path):
    half = write_merged(steered, tmp_path / "half", dtype="float16")
    brain = write_merged(steered, tmp_path / "brain", dtype="bfloat16")
    assert half.largest < brain.largest


def test_a_merge_that_loses_the_adapter_is_refused_and_leaves_a_reason(steered, tmp_path, monkeypatch):
    class Forgets:
        """Loads the adapter and merges nothing."""

        def __init__(self, loaded):
            self._loaded = loaded

        def __getattr__(self, name):
            return getattr(self._loaded, name)

        @property
        def model(self):
            self._loaded.model.merge_and_unload = lambda safe_merge: self._loaded.model.unload()
            return self._loaded.model

    monkeypatch.setattr(
        merge,
        "load_model",
        lambda *given, **more: Forgets(load_model(*given, **more)) if more else load_model(*given),
    )
    with pytest.raises(ModelError, match="do not write as"):
        write_merged(steered, tmp_path / "out", dtype="float32")


@pytest.mark.long
def test_the_base_is_not_the_same_as_the_adapter(made):
    base, adapter = made
    loaded = load_model(base, adapter=adapter)
    prompts = prompt_ids(loaded.tokenizer)
    own = LocalBackend(loaded.model, ENDS)
    off = LocalBackend(loaded.model, ENDS, adapter=False)
    first = read(own, prompts)
    bare = read(off, prompts, [r.answer for r in first])
    assert not compare(first, bare, off, "bfloat16").same
    again = compare(first, bare, own, "float32")
    assert again.same
    assert again.kl == pytest.approx(0, abs=1e-6)
    assert again.steering == pytest.approx(compare(first, bare, off, "bfloat16").kl)


def test_rounding_that_costs_much_of_the_steering_is_said():
    found = Sameness("bfloat16", 4, 100, 0.2, kl=0.01, steering=0.02, same_text=3, widest_tie=0.1)
    said = " ".join(found.lines())
    assert "50%" in said
    assert "--dtype float16" in said
    assert "0.1 nats apart" in said
    assert not Sameness("bfloat16", 4, 100, 0.2, kl=0.01, steering=0.02, same_text=3, widest_tie=2.0).same


def test_a_quantized_base_is_refused(made, steered, tmp_path):
    base, _ = made
    config = json.loads((base / "config.json").read_text())
    try:
        (base / "config.json").write_text(json.dumps(config | {"quantization_config": {"quant_method": "x"}}))
        with pytest.raises(ModelError, match="quantized"):
            write_merged(steered, tmp_path / "out", dtype="bfloat16")
    finally:
        (base / "config.json").write_text(json.dumps(config))


def test_the_type_is_the_bases_own_or_float16(made, steered):
    base, _ = made
    assert sixteen_bits(steered) == "float16"  # the tiny base is in float32
    config = json.loads((base / "config.json").read_text())
    try:
        (base / "config.json").write_text(json.dumps(config | {"dtype": "bfloat16"}))
        assert sixteen_bits(steered) == "bfloat16"
    finally:
        (base / "config.json").write_text(json.dumps(config))
