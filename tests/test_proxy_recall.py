"""The level of recognition that the benchmark reached is held: on made-up corrections, and on those of CoAuthor."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
DATA = Path(os.environ.get("MIDCOURSE_DATA", HERE.parents[1] / "shared" / "data")) / "coauthor-creative"
_spec = importlib.util.spec_from_file_location("proxy_recall", HERE.parent / "benchmarks" / "proxy_recall.py")
assert _spec is not None
assert _spec.loader is not None
proxy_recall = importlib.util.module_from_spec(_spec)
sys.modules["proxy_recall"] = proxy_recall  # its dataclasses look themselves up
_spec.loader.exec_module(proxy_recall)


def test_made_up_corrections() -> None:
    found = proxy_recall.on_generated(seed=3, count=600)
    assert found["precision"] >= 0.98, found["false"]
    assert found["recall"] >= 0.98, found["missed"]
    assert found["certain"] >= 0.9, "what is plain is not put into the inbox"


@pytest.mark.skipif(not DATA.is_dir(), reason="coauthor-creative is not here: set MIDCOURSE_DATA to its parent folder")
@pytest.mark.parametrize("route", ["completions", "chat"])
def test_cuts_of_coauthor(route: str) -> None:
    found = proxy_recall.on_coauthor(DATA, route)
    assert found["corrections"] > 500
    assert found["precision"] >= 0.97, found["wrong"]
    assert found["recall"] >= 0.97, found["wrong"]
    assert sum(found["left_out"].values()) == 167
