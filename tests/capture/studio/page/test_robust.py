"""What must not lose a word: a broken line, a killed server, two tabs, a page closed while something is typed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from capture.studio.page.launched import launched
from capture.studio.page.opened import begin, keep, stop, until, view

pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]

LONG = "You should go home. It's a very very good day, isn't it? The cat should stop the day. " * 12


def paused(page: Any, tokens: int = 12) -> None:
    until(page, f"s.view.shown > {tokens}")
    stop(page)


def test_a_broken_line_comes_back_by_itself(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    run = studio(LONG, pause=0.02)
    page = tab(run.address)
    begin(page)
    until(page, "s.view.shown > 10")
    before = page.inner_text("#text")
    page.evaluate("midcourse.socket.socket.close()")
    until(page, "s.link.status === 'live' && s.view.shown > 30")
    assert page.inner_text("#text").startswith(before)
    assert LONG.startswith(page.inner_text("#text").strip())


def test_typing_survives_a_reload(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    run = studio(LONG, pause=0.01)
    page = tab(run.address)
    begin(page)
    paused(page)
    page.keyboard.type("unfinished tho")
    page.reload()
    page.wait_for_selector("body[data-link=live]")
    until(page, "s.view.phase === 'type'")
    assert page.locator("[data-testid=box]").inner_text() == "unfinished tho"
    page.keyboard.type("ught")
    page.keyboard.press("Enter")
    until(page, "s.draft.rev > 0")
    assert "unfinished thought" in run.soon()


def test_a_prompt_being_written_stays_when_the_first_page_is_drawn_anew(
    studio: Callable[..., Any], tab: Callable[..., Any]
) -> None:
    run = studio(LONG, pause=0.01)
    page = tab(run.address)
    page.wait_for_selector("[data-testid=queue]")
    page.get_by_test_id("own-prompt").focus()
    page.keyboard.type("My own")
    page.evaluate("location.hash = '#/'")  # a click on Write
    page.wait_for_timeout(500)
    page.keyboard.type(" words")
    page.keyboard.press("Enter")
    until(page, "s.view.phase === 'stream'")
    assert page.inner_text("#prompt").strip() == "My own words"


def test_a_correction_made_offline_is_sent_when_the_line_is_back(
    studio: Callable[..., Any], tab: Callable[..., Any]
) -> None:
    run = studio(LONG, pause=0.01)
    page = tab(run.address)
    begin(page)
    paused(page)
    page.evaluate(
        "() => { midcourse.socket.held = midcourse.socket.open; midcourse.socket.open = () => {}; midcourse.socket.socket.close(); }"
    )
    until(page, "s.link.status === 'lost'")
    page.keyboard.type("kept")
    page.keyboard.press("Enter")
    assert page.locator("[data-testid=box]").inner_text() == "kept"
    assert "Not connected" in page.inner_text("#toast")
    assert run.steers() == []
    page.evaluate("() => { midcourse.socket.open = midcourse.socket.held; midcourse.socket.open(); }")
    until(page, "s.draft.steers.length === 1 && !s.view.pending")
    assert len(run.steers()) == 1
    assert "kept" in run.soon()


def test_two_tabs_on_one_draft(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    run = studio(LONG, LONG, pause=0.01)
    one = tab(run.address)
    begin(one)
    paused(one)
    two = tab(one.url)
    until(two, "s.view.phase === 'pause' && s.draft.doc.tokens.length > 12")
    assert len(one.inner_text("#text")) > 20
    assert two.inner_text("#text").startswith(one.inner_text("#text"))
    until(one, "s.draft.tabs === 2")
    two.keyboard.press("End")
    two.keyboard.type("mine")
    one.keyboard.press("Home")
    one.keyboard.press("ArrowRight")
    one.keyboard.type("first")
    one.keyboard.press("Enter")
    until(one, "s.draft.rev === 1 && s.view.phase === 'stream'")
    until(two, "s.draft.rev === 1")
    assert two.locator("[data-testid=box]").inner_text() == "mine"  # what was typed there stays
    one.keyboard.press("Space")
    until(one, "s.draft.mode === 'paused'")
    two.keyboard.press("Enter")
    until(two, "s.draft.rev === 2")
    until(one, "s.draft.rev === 2")
    assert [s.kind for s in run.steers()] == ["typed", "typed"]


def test_jump_into_another_branch(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    run = studio(LONG, " cat<end>", pause=0.01)
    page = tab(run.address)
    begin(page)
    paused(page)
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.type("first")
    page.keyboard.press("Enter")
    until(page, "s.draft.mode === 'ended' && s.view.phase === 'pause'")
    page.keyboard.press("Control+k")
    page.wait_for_selector(".tree .by-person")
    page.locator(".tree li > button").first.click()  # to the end of what was written there
    until(page, "s.draft.rev === 2 && !s.view.pending")
    assert page.inner_text("#text").startswith("You should go home")
    page.keyboard.press("Control+z")
    until(page, "s.draft.rev === 3 && !s.view.pending")
    assert page.inner_text("#text").startswith("You first cat")


@pytest.mark.model
@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(600)
def test_the_server_is_killed_and_the_text_is_there_to_the_last_word_shown(
    tab: Callable[..., Any], tmp_path: Path
) -> None:
    with launched(tmp_path) as studio:
        page = tab(studio.address)
        page.fill("[data-testid=own-prompt]", "Write a few sentences about rivers.")
        page.keyboard.press("Enter")
        until(page, "s.view.shown > 15", 120)
        studio.end()
        shown = page.inner_text("#text").strip()
        until(page, "s.link.status === 'lost' && s.link.tries > 1", 30)
        assert page.locator("#banner").is_visible()
        studio.start()
        until(page, "s.link.status === 'live' && s.view.phase === 'pause'", 60)
        assert page.inner_text("#text").strip().startswith(shown)
        page.keyboard.type("anew")
        page.keyboard.press("Enter")
        until(page, "s.draft.steers.length === 1", 60)
        assert view(page, "draft.steers.0.kind") == "typed"
        until(page, "s.view.phase === 'stream' && s.view.shown > 24 || s.draft.mode === 'ended'", 60)
        if view(page, "view.phase") == "stream":
            page.keyboard.press("Space")
        until(page, "s.view.phase === 'pause' && s.draft.mode !== 'streaming'", 60)
        keep(page, "quiet")
        until(page, "s.draft.steers.length === 2 && !s.view.pending", 60)
        page.keyboard.press("Escape")
        until(page, "s.view.phase === 'pause' && s.draft.mode !== 'streaming'", 60)
        told = "s.draft.doc.tokens.items.every((t) => t.by === 'person' || t.logprob !== null)"
        until(page, told, 60)  # the model itself says how likely the kept tail is now
        page.keyboard.press("Control+s")
        until(page, "s.view.phase === 'closed'", 30)
        [kept] = studio.texts()
        assert (kept.status, [s.kind for s in kept.steers]) == ("accepted", ["typed", "local"])
