"""Several people: a link that signs in, one queue, no peeking, review and settling by an admin, on the page itself."""

from collections.abc import Callable
from typing import Any

import pytest

from capture.studio.page.opened import begin, keep, stop, until
from midcourse.capture.studio.access import new_link

pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]
TEXT = "You should go home. It's a very very good day, isn't it? The cat should stop the day. " * 3


def join(run: Any, tab: Callable[..., Any], name: str, role: str = "annotator") -> Any:
    """A person signs in with a one-time link, in a browser of their own."""
    office = run.server.config.app.state.studio.office
    token, link = new_link(name)
    if name not in office.desk.members:
        office.journal.add("person", {"name": name, "role": role})
    office.journal.add("link", link)
    office.desk.__init__(office.journal.since())
    page = tab(run.address, ready=False)
    page.goto(f"{run.address}enter/{token}")
    page.get_by_role("button").click()
    page.wait_for_selector("body[data-link=live]")
    return page


def steer(page: Any, words: str) -> None:
    begin(page)
    until(page, "s.view.shown > 12")
    stop(page)
    keep(page, words)
    until(page, "s.draft.steers.length === 1 && !s.view.pending")
    page.keyboard.press("Control+s")
    until(page, "s.view.phase === 'closed'")


def test_two_people_on_one_queue(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    run = studio(TEXT, pause=0.01, opening={"people": 2})
    ada, grace = join(run, tab, "ada"), join(run, tab, "grace")
    assert ada.locator("#pages a").all_inner_texts() == ["Write", "Progress"]
    steer(ada, "could")
    assert "waiting" in grace.inner_text("[data-testid=queue]")
    assert "could" not in grace.inner_text("#page")
    steer(grace, "might")
    grace.goto(f"{run.address}#/")
    grace.wait_for_selector("a[data-draft]")
    assert grace.locator("a[data-draft]").count() == 1  # their own, and no other
    assert sorted(s.annotator for s in run.steers()) == ["ada", "grace"]
    eve = join(run, tab, "eve", "admin")
    eve.evaluate("location.hash = '#/progress'")
    eve.wait_for_selector("text=Differences to settle")
    assert eve.locator(".case .passage ins").all_inner_texts() == [" could", " might"]
    eve.get_by_role("button", name="Let this stand").first.click()
    until(eve, "document.querySelector('.case button:disabled') !== null")
    assert sorted(s.state for s in run.steers()) == ["approved", "refused"]


def test_review_by_keys(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    run = studio(TEXT, pause=0.01)
    page = tab(run.address)
    steer(page, "could")
    page.evaluate("location.hash = '#/review'")
    page.get_by_role("tab", name="From the studio").click()
    page.wait_for_selector(".case.picked")
    assert page.locator(".case ins").inner_text() == " could"
    page.keyboard.press("a")
    page.wait_for_selector("text=Nothing is waiting here.")
    assert run.steers()[0].state == "approved"


def test_who_is_not_signed_in_is_told_how(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    run = studio(TEXT, pause=0.01)
    join(run, tab, "ada")
    page = tab(run.address, ready=False)
    page.wait_for_selector("#banner:not([hidden])")
    assert "users add" in page.inner_text("#banner")


def test_a_text_of_somebody_else_is_read_only(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    run = studio(TEXT, pause=0.01)
    ada, eve = join(run, tab, "ada"), join(run, tab, "eve", "admin")
    steer(ada, "could")
    draft = ada.evaluate("midcourse.state.draft.id")
    eve.evaluate(f"location.hash = '#/draft/{draft}'")
    until(eve, "s.draft !== null")
    assert "ada's text" in eve.inner_text("#banner")
    assert not eve.locator("#bar").is_visible()
    assert eve.locator("#after button, #after textarea").count() == 0  # nothing is offered that would be refused
    assert eve.locator("#side").get_by_role("button", name="take back").count() == 0
    assert eve.locator("#side").get_by_role("button", name="say why").count() == 1
    eve.keyboard.press("Control+z")
    eve.wait_for_timeout(300)
    assert run.store.trajectory(draft).status == "accepted"
    assert not ada.locator("#banner").is_visible()


def test_everything_of_ones_own_deleted_from_the_page(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    run = studio(TEXT, pause=0.01)
    ada = join(run, tab, "ada")
    steer(ada, "could")
    ada.evaluate("location.hash = '#/progress'")
    ada.get_by_role("button", name="Delete all my texts").click()
    ada.get_by_placeholder("Type ada to confirm").fill("ada")
    ada.keyboard.press("Enter")
    ada.wait_for_selector("text=1 text deleted for good.")
    assert list(run.store.trajectories()) == []
