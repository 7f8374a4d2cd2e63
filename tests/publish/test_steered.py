"""What is published is looked up and checked before anything long begins."""

import json

import pytest

import model_folder
from midcourse.errors import ModelError
from midcourse.publish.steered import open_steered


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    home = tmp_path_factory.mktemp("models")
    base = model_folder.save_model(home / "tiny")
    adapter = model_folder.save_adapter(home / "adapter", base)
    record = json.loads((adapter / "midcourse.json").read_text())
    record["base"]["name"] = str(base)
    (adapter / "midcourse.json").write_text(json.dumps(record))
    return base, adapter


def test_the_base_is_found_by_the_name_on_record(made):
    base, adapter = made
    steered = open_steered(adapter)
    assert steered.base_path == base
    assert steered.base_name == "tiny"  # no path of this machine
    assert steered.hub_id is None


def test_another_base_is_refused_by_its_weights(made, tmp_path):
    other = model_folder.save_model(tmp_path / "other", seed=5)
    with pytest.raises(ModelError, match="was trained on"):
        open_steered(made[1], str(other))


def test_a_folder_that_is_no_adapter(tmp_path):
    with pytest.raises(ModelError, match=r"adapter_config\.json"):
        open_steered(tmp_path)
    with pytest.raises(ModelError, match="does not exist"):
        open_steered(tmp_path / "none")


def test_an_adapter_of_another_program_needs_its_base_named(made, tmp_path):
    base, adapter = made
    for file in adapter.glob("adapter_*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    (tmp_path / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": None}))
    with pytest.raises(ModelError, match="--model"):
        open_steered(tmp_path)
    assert open_steered(tmp_path, str(base)).record == {}
