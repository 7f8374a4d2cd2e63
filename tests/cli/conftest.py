"""A desk as the tests of training commands find it: a tiny model, and a file of twelve steers."""

import json
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import model_folder  # here, since tests of the base install read this file where there is no torch

    home = tmp_path_factory.mktemp("desk")
    model_folder.save_model(home / "tiny")
    lines = [{"prompt": f"Q{i}: ", "prefix": "It is quite", "rejected": " bad", "chosen": " good"} for i in range(12)]
    (home / "my.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return home
