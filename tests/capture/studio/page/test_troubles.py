"""What may come in between: a stop while a correction is on its way, a full disk, a model that has gone; practice."""

import time
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from capture.studio.page.opened import begin, stop, until

pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]

LONG = "You should go home. It's a very very good day, isn't it? The cat should stop the day. " * 12


def paused(page: Any, tokens: int = 12) -> None:
    until(page, f"s.view.shown > {tokens}")
    stop(page)


def test_stop_while_a_correction_is_on_its_way(
    studio: Callable[..., Any], tab: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = studio(LONG, LONG, pause=0.02)
    page = tab(run.address)
    begin(page)
    paused(page)
    append = run.store.append_steer

    def slowly(*given: Any, **more: Any) -> Any:
        time.sleep(0.6)  # a slow disk
        return append(*given, **more)

    monkeypatch.setattr(run.store, "append_steer", slowly)
    page.keyboard.type("mended")
    page.keyboard.press("Enter")
    until(page, "s.view.pending && s.view.phase === 'type'")
    page.keyboard.press("Space")
    assert run.steers() == []  # it was not kept yet when the key was pressed
    until(page, "s.draft.rev === 1 && s.view.phase === 'pause' && s.draft.mode === 'paused'")
    assert [s.kind for s in run.steers()] == ["typed"]
    page.wait_for_timeout(400)
    seen = page.inner_text("#text")
    assert "mended" in seen
    assert len(seen.split("mended")[1]) < 60  # it stood still at once, not at the end of the text
    assert run.soon().rstrip().endswith(seen.split("mended")[1].strip() or "mended")


def test_practice_comes_first_and_leaves_nothing(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    run = studio(LONG, pause=0.005, prompts=("For the record.",))
    page = tab(run.address)
    page.get_by_text("Add prompts").click()
    page.get_by_label("Prompts", exact=True).fill("Only to try.")
    page.get_by_label("practice", exact=True).check()
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_role("button", name="Practise").wait_for()
    page.reload()
    page.wait_for_selector("body[data-link=live]")
    page.get_by_role("button", name="Practise").wait_for()
    begin(page)
    assert "practice" in page.inner_text("#facts")
    paused(page)
    page.keyboard.type("tried")
    page.keyboard.press("Enter")
    until(page, "s.draft.steers.length === 1 && s.view.phase === 'stream'")
    assert list(run.store.trajectories()) == []
    paused(page)
    page.evaluate("midcourse.perform('accept')")
    until(page, "s.view.phase === 'closed'")
    assert list(run.store.trajectories()) == []
    page.evaluate("location.hash = '#/'")
    page.get_by_role("button", name="Start").wait_for()
    begin(page)
    assert "practice" not in page.inner_text("#facts")
    paused(page)
    assert len(list(run.store.trajectories())) == 1


def test_a_full_disk_is_said_and_passes(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    run = studio(LONG, LONG, pause=0.005)
    page = tab(run.address)
    begin(page)
    paused(page)

    def full(connection: sa.Connection) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")  # SQLite takes the present size: not a page more

    def room(connection: sa.Connection) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")

    sa.event.listen(run.store._engine, "begin", full)
    before = page.inner_text("#text")
    words = "kept " * 2_000  # more than what is left of the last page
    page.keyboard.insert_text(words)
    page.keyboard.press("Enter")
    until(page, "s.trouble?.code === 'store_full' && !s.view.pending")
    assert "disk is full" in page.inner_text("#banner")
    assert "steers.db" not in page.inner_text("#banner") + page.inner_text("#toast")  # no file of the server's
    assert page.locator("[data-testid=box]").inner_text().split() == words.split()
    assert page.inner_text("#text").startswith(before[:20])
    assert run.steers() == []
    sa.event.remove(run.store._engine, "begin", full)
    sa.event.listen(run.store._engine, "begin", room)
    page.keyboard.press("Enter")  # the same once more
    until(page, "s.draft.rev === 1 && !s.trouble")
    assert page.locator("#banner").is_hidden()
    assert [s.kind for s in run.steers()] == ["typed"]


def test_a_model_that_has_gone_is_said_and_comes_back(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    gone = False

    def said(_: int) -> str:
        if gone:
            raise OSError("connection refused")
        return LONG

    run = studio(LONG)
    run.told.texts, run.told.pause = said, 0.005
    page = tab(run.address)
    begin(page)
    paused(page)
    gone = True
    page.keyboard.type("kept")
    page.keyboard.press("Enter")
    until(page, "s.trouble?.code === 'backend_gone'")
    until(page, "s.view.phase === 'pause'")
    assert "text is safe" in page.inner_text("#banner")
    assert "bad" in (page.get_attribute("#banner", "class") or "")
    assert len(run.steers()) == 1  # the correction stands, only what would follow is missing
    shown = page.inner_text("#text").strip()
    assert shown.endswith("kept")
    gone = False
    page.keyboard.press("Enter")
    until(page, "!s.trouble && s.view.phase === 'stream'")
    assert page.locator("#banner").is_hidden()
    until(page, f"document.getElementById('text').textContent.length > {len(shown) + 5}")


def test_a_model_slower_than_one_reads_is_said_quietly(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    run = studio(LONG, pause=0.2)
    page = tab(run.address)
    begin(page)
    paused(page, 18)
    until(page, "s.draft.rate > 0")
    assert "slower than one reads" in page.inner_text("#banner")
    assert page.get_attribute("#banner", "class") == "banner hint"
    run.told.pause = 0.002
    page.keyboard.press("Enter")  # Space so soon after a stop is a stop pressed twice
    until(page, "s.draft.rate > 50")
    assert page.locator("#banner").is_hidden()
