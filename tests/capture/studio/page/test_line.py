"""The line is cut for more than a minute, without a word to anybody: what happens at both ends, and after it."""

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from capture.studio.page.line import line_to
from capture.studio.page.opened import begin, stop, until, view

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")

TEXT = "You should go home. It's a very very good day, isn't it? The cat should stop the day. " * 60
CUT = 61.0


def text_of(page: Any) -> str:
    return page.inner_text("#text").strip()


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(240)
def test_a_line_cut_for_a_minute(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    run = studio(TEXT, pause=0.05, prompts=("One.", "Two.", "Three."))
    with line_to(urlsplit(run.address).port or 0) as line:
        reads, types, sends = tab(line.address), tab(line.address), tab(line.address)
        drafts = []
        for page in (reads, types, sends):
            page.keyboard.press("Control+Enter")
            until(page, "s.view.phase === 'stream' && s.view.shown > 8")
            drafts.append(view(page, "draft.id"))
        assert len(set(drafts)) == 3
        stop(types)
        types.keyboard.type("unfin")
        until(types, "s.view.phase === 'type'")
        before = text_of(reads)

        line.cut()
        cut = time.monotonic()
        sends.keyboard.press("Space")  # nobody hears it
        until(sends, "s.view.phase === 'pause'")
        sends.keyboard.press("Home")
        sends.keyboard.press("Control+ArrowRight")
        sends.keyboard.type("might")
        sends.keyboard.press("Enter")
        types.keyboard.type("ished")
        for page in (reads, types, sends):
            until(page, "s.link.status === 'lost' && s.link.tries > 1", 50)
            assert "line to the studio is broken" in page.inner_text("#banner")
        shown = text_of(reads)
        assert shown.startswith(before)
        assert sends.locator("[data-testid=box]").inner_text() == "might"
        assert run.steers() == []
        reads.wait_for_timeout(1000 * max(0.0, cut + CUT - time.monotonic()))
        assert time.monotonic() - cut >= CUT
        assert [view(page, "link.status") for page in (reads, types, sends)] == ["lost"] * 3
        assert run.steers() == []

        line.mend()
        for page in (reads, types, sends):
            until(page, "s.link.status === 'live'", 40)
            assert "line to the studio is broken" not in page.inner_text(
                "#banner"
            )  # it may say that three wait for one
        until(sends, "s.draft.steers.length === 1 && !s.view.pending")
        (steer,) = run.steers()  # once, though it was sent twice
        assert (steer.kind, steer.trajectory) == ("typed", drafts[2])
        assert text_of(sends).startswith("You might")
        assert run.text(drafts[2]).startswith("You might")
        assert text_of(reads).startswith(shown)
        if view(reads, "view.phase") == "pause":  # nobody was there for a minute: the model had stopped
            reads.keyboard.press("Enter")
        until(reads, f"document.getElementById('text').textContent.length > {len(shown) + 20}")
        assert TEXT.startswith(text_of(reads))
        assert types.locator("[data-testid=box]").inner_text() == "unfinished"
        types.keyboard.press("Enter")
        until(types, "s.draft.steers.length === 1 && !s.view.pending")
        assert "unfinished" in run.text(drafts[1])


@pytest.mark.slow
@pytest.mark.alone
def test_the_browser_says_that_it_is_offline(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    run = studio(TEXT, pause=0.05)
    with line_to(urlsplit(run.address).port or 0) as line:
        page = tab(line.address)
        begin(page)
        stop(page)
        shown = text_of(page)
        line.cut()
        page.context.set_offline(True)
        until(page, "s.link.status === 'lost'", 6)
        page.keyboard.type("kept")
        page.keyboard.press("Enter")
        page.wait_for_timeout(3000)
        assert run.steers() == []
        line.mend()
        page.context.set_offline(False)
        until(page, "s.link.status === 'live' && s.draft.steers.length === 1 && !s.view.pending", 8)
        assert text_of(page).startswith(shown[:10])
        assert len(run.steers()) == 1
