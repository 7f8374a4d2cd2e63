"""Write, steer, train, write on one screen: a real run of `midcourse train` on a tiny model, started from the page."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from capture.studio.page.opened import running, until, view
from capture.studio.page.told import Told
from midcourse.model import weights_hash
from midcourse.store import Store

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


def steered(page: Any, word: str) -> None:
    """The text that is being written, with a word put in place of its second one, accepted as it then stands."""
    until(page, "s.view.shown > 12", 30)
    page.keyboard.press("Space")
    until(page, "s.view.phase === 'pause' && s.draft.mode !== 'streaming'")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.type(word)
    page.keyboard.press("Control+Enter")
    until(page, "s.draft.steers.length === 1 && !s.view.pending")
    page.keyboard.press("Control+s")
    until(page, "s.view.phase === 'closed'")


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(180)
def test_train_from_the_page_and_write_with_what_came_of_it(tab: Callable[..., Any], tmp_path: Path) -> None:
    from midcourse.cli.studio import _loader
    from model_folder import save_model

    (tmp_path / "tiny").mkdir()
    model = save_model(tmp_path / "tiny", positions=256)
    load = _loader(str(model), "float32", 0.1)
    with running(Told([""]), tmp_path / "steers.db", ("One.", "Two."), load, model=str(model)) as run:
        page = tab(run.address)
        page.keyboard.press("Enter")
        steered(page, "yes")
        assert [s.kind for s in run.steers()] == ["typed"]

        page.evaluate("location.hash = '#/train'")
        page.get_by_label("and measure it on held-out prompts").uncheck()
        page.get_by_text("Settings of the run").click()
        page.get_by_label("Epochs").fill("3")
        page.get_by_role("button", name="Train on these steers").click()
        page.locator("[data-testid=run][data-state=done]").wait_for(timeout=90_000)
        assert page.locator("[data-testid=run] figure").count() >= 1  # curves
        assert (tmp_path / "runs" / "round-1" / "adapter_model.safetensors").is_file()

        page.locator("[data-testid=adapters]").get_by_role("button", name="round-1").click()
        page.locator("[data-testid=adapters] [aria-pressed=true]", has_text="round-1").wait_for()
        assert "round-1" in page.inner_text("#facts")
        page.evaluate("location.hash = '#/'")
        page.get_by_role("button", name="Start").click()
        until(page, "s.draft && s.view.shown > 3", 30)
        assert view(page, "draft.model.adapter") == "round-1"

        # What this adapter wrote is held to it when all is trained again.
        steered(page, "no")
        page.evaluate("location.hash = '#/train'")
        page.get_by_role("button", name="Train on these steers").click()
        page.locator("[data-testid=run][data-state=done]", has_text="round-2").wait_for(timeout=90_000)
        adapter = tmp_path / "runs" / "round-1"
        with Store(tmp_path / "steers.db", create=False) as store:
            assert [t.model for t in store.trajectories() if t.model and t.model.weights == weights_hash(adapter)]
        record = json.loads((tmp_path / "runs" / "round-2" / "midcourse.json").read_text())
        assert record["settings"]["writers"] == [str(adapter)]
