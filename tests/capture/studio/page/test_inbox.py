"""The inbox on the page: gone through by keys, with better words where they are needed."""

from collections.abc import Callable
from typing import Any

import pytest

from capture.studio.page.opened import until
from midcourse.capture.proxy.proposal import Proposal
from midcourse.rows.row import SteerRow
from midcourse.store import reviews
from midcourse.types import Message

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")

ASKED = (Message("user", "What now?"),)


def put(store: Any, name: str, rejected: str, chosen: str) -> None:
    row = SteerRow(prompt=ASKED, prefix="You should", rejected=(rejected,), chosen=chosen, trajectory=name)
    made = Proposal(name, ASKED, f"You should{chosen}, and stop the day.", (row,))
    seen = reviews.Review(made.id, "ada", "tiny", 1.0, "changed", False, f"why {name}", made.to_dict())
    with store.transaction() as connection:
        reviews.put(connection, seen)


def test_accept_edit_and_reject_by_keys(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    run = studio("You", prompts=())
    for name, rejected, chosen in (
        ("a", " go home.", " rest"),
        ("b", " cry.", " laugh"),
        ("c", " sit.", " <b>run</b>"),
    ):
        put(run.store, name, rejected, chosen)
    page = tab(run.address)
    page.get_by_role("link", name="Inbox").click()
    page.wait_for_selector(".case.picked")
    assert page.locator(".case").count() == 3
    assert page.locator(".case.picked del").inner_text() == " go home."
    assert page.locator(".case.picked ins").inner_text() == " rest"
    assert page.locator(".case.picked [data-testid=why]").inner_text() == "Uncertain: why a"
    assert page.locator(".case ins").nth(2).inner_text() == " <b>run</b>"  # text, never markup
    page.keyboard.press("a")
    until(page, "document.querySelectorAll('.case').length === 2")
    page.keyboard.press("ArrowDown")
    assert page.locator(".case.picked ins").inner_text() == " <b>run</b>"
    page.keyboard.press("ArrowUp")
    page.keyboard.press("e")
    box = page.locator(".case.picked textarea")
    assert box.input_value() == " laugh"
    page.keyboard.press("Escape")
    assert page.locator(".case.picked ins").inner_text() == " laugh"
    page.keyboard.press("e")
    box.fill(" rest")
    page.keyboard.press("r")  # a letter, not the key
    assert box.input_value() == " restr"
    page.keyboard.press("Backspace")
    page.keyboard.press("Enter")
    until(page, "document.querySelectorAll('.case').length === 1")
    page.keyboard.press("r")
    page.wait_for_selector("text=Nothing is waiting here.")
    texts = sorted(run.text(t.id) for t in run.store.trajectories())
    assert texts == ["You should rest, and stop the day."] * 2
    assert [s.state for s in run.steers()] == ["approved", "approved"]
    assert reviews.Inbox(run.store).count() == 0


@pytest.mark.long
def test_by_mouse_and_what_came_meanwhile(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    run = studio("You", prompts=())
    put(run.store, "a", " go home.", " rest")
    page = tab(f"{run.address}#/inbox")
    page.get_by_role("button", name="Reject").click()
    page.wait_for_selector("text=Nothing is waiting here.")
    put(run.store, "b", " cry.", " laugh")  # as a proxy does, from elsewhere
    page.wait_for_selector(".case")
    assert page.locator(".case.picked ins").inner_text() == " laugh"
    page.reload()  # keys work where the page is opened on it, too
    page.wait_for_selector("#page:not([hidden]) .case.picked")
    assert "null" not in page.inner_text("#page")
    page.keyboard.press("a")
    page.wait_for_selector("text=Nothing is waiting here.")
    assert [s.state for s in run.steers()] == ["approved"]
