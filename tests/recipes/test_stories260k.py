"""The converted stories model tells the story that its makers documented."""

import importlib.util
import os
from pathlib import Path

import pytest

from midcourse.backends.local import LocalBackend
from midcourse.backends.protocol import Sampling
from midcourse.model import load_model

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("MIDCOURSE_DATA", ROOT.parent / "shared" / "data")) / "stories260k"


@pytest.mark.skipif(not DATA.is_dir(), reason="the stories model is not in ../shared/data nor in MIDCOURSE_DATA")
def test_it_tells_the_documented_story(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("stories260k", ROOT / "recipes" / "stories260k.py")
    recipe = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(recipe)
    monkeypatch.setattr("sys.argv", ["stories260k.py", str(DATA), str(tmp_path)])
    recipe.main()
    loaded = load_model(tmp_path)
    ids = loaded.tokenizer.encode_prompt("Once upon a time")
    told = [t.id for t in LocalBackend(loaded.model, loaded.tokenizer.eos).stream(ids, Sampling(40))]
    assert loaded.tokenizer.decode(told).startswith(
        ", there was a little girl named Lily. She loved to play outside in the park. One day, she saw a big, red ball."
    )
