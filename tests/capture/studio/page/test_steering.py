"""The loop of a person who steers, by keyboard alone, against the real server; steers are read back from the store."""

from collections.abc import Callable
from typing import Any

import pytest

from capture.studio.page.opened import begin, keep, stop, until, view, whole
from capture.studio.page.told import tokenizer

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")

STORY = "You should go home. It's a very very good day, isn't it? The cat should stop the day. Go home, cat."


def sides(studio: Any, steer: Any) -> tuple[str, str]:
    """Rejected and chosen text of a steer."""
    t = studio.store.trajectory(steer.trajectory)
    cut = steer.fork.depth
    rejected = tokenizer().decode(t.path(steer.rejected[0].end)[cut:]) if steer.rejected else ""
    chosen = tokenizer().decode(t.path(steer.chosen)[cut:]) if steer.chosen else ""
    return rejected, chosen


def stopped_at(page: Any, word: str) -> None:
    """Stops, and goes to a word with the arrows."""
    until(page, f"document.getElementById('text').textContent.includes({word!r})")
    page.keyboard.press("Space")
    until(page, "s.view.phase === 'pause' && s.draft.mode !== 'streaming'")
    page.keyboard.press("Home")
    for _ in range(60):
        here = page.evaluate(
            "(() => { const s = midcourse.state; return s.draft.doc.groups.items[s.view.cursor]?.text.trim(); })()"
        )
        if here == word:
            return
        page.keyboard.press("ArrowRight")
    raise AssertionError(f"no {word!r}: {page.inner_text('#text')!r}")


def test_watch_stop_type_and_go_on(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    run = studio(STORY, " dog, and that is all.<end>", pause=0.02)
    page = tab(run.address)
    begin(page)
    stopped_at(page, "home")
    page.keyboard.type("away")
    assert view(page, "view.phase") == "type"
    assert view(page, "view.typed.cut") == len("You should go ")
    page.keyboard.press("Enter")
    until(page, "s.draft.mode === 'ended' && s.view.phase === 'pause'")
    assert page.inner_text("#text").startswith("You should go away dog, and that is all.")
    (steer,) = run.steers()
    rejected, chosen = sides(run, steer)
    assert (steer.kind, chosen) == ("typed", " away")
    assert rejected.startswith(" home.")
    assert run.soon() == "You should go away dog, and that is all."
    page.wait_for_selector("#side li[data-kind=typed]")


def test_digits_take_alternatives(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    run = studio(STORY, " went on.<end>", pause=0.02, doubts="very")
    page = tab(run.address)
    begin(page)
    until(page, "s.view.shown > 14")
    stop(page)
    here = "midcourse.state.draft.doc.groups.items[midcourse.state.view.cursor].text"
    assert page.evaluate(here).strip() in "very"  # the least likely token of late
    others = page.locator("#alternatives button .word").all_inner_texts()
    assert others[0] == "·the"
    second = others[1].replace("·", " ")
    page.keyboard.press("2")
    until(page, "s.draft.mode === 'ended' && s.view.phase === 'pause'")
    (steer,) = run.steers()
    assert steer.kind == "picked"
    assert sides(run, steer)[1] == second
    assert run.soon().endswith(second + " went on.")


def test_alt_enter_keeps_the_tail(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    run = studio(STORY + "<end>", pause=0.002)
    page = tab(run.address)
    whole(page)
    page.keyboard.press("Home")
    for _ in range(3):
        page.keyboard.press("Control+ArrowRight")
    page.keyboard.type("far")
    assert page.locator("#text .replaced").all_inner_texts() == [" home"]
    page.keyboard.press("Alt+Enter")
    until(page, "s.draft.rev > 0 && s.view.phase === 'pause'")
    assert page.inner_text("#text").startswith("You should go far. It's a very")
    (steer,) = run.steers()
    assert steer.kind == "local"
    assert sides(run, steer)[1] == " far"
    assert run.soon() == STORY.replace("home", "far", 1)


@pytest.mark.long
def test_alt_down_replaces_more_words_and_delete_removes_one(
    studio: Callable[..., Any], tab: Callable[..., Any]
) -> None:
    run = studio(STORY + "<end>", pause=0.002)
    page = tab(run.address)
    whole(page)
    page.keyboard.press("Home")
    page.keyboard.type("They")
    page.keyboard.press("Alt+ArrowDown")
    page.keyboard.press("Alt+Enter")
    until(page, "s.draft.rev > 0 && !s.view.pending")
    assert run.soon().startswith("They go home.")
    page.keyboard.press("Home")
    page.keyboard.press("Control+ArrowRight")
    page.keyboard.press("Delete")
    until(page, "s.draft.steers.length === 2 && !s.view.pending")
    assert run.soon().startswith("They home.")
    assert [s.kind for s in run.steers()] == ["local", "local"]


def test_undo_also_while_it_streams(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    run = studio(STORY, " " + STORY, pause=0.03)
    page = tab(run.address)
    begin(page)
    stopped_at(page, "home")
    page.keyboard.type("away")
    page.keyboard.press("Enter")
    until(page, "s.view.phase === 'stream' && s.draft.doc.tokens.length > 8")
    page.keyboard.press("Control+z")
    until(page, "s.view.phase === 'pause' && s.draft.undo === 0 && !s.view.pending")
    assert page.inner_text("#text").startswith("You should go home")
    (steer,) = run.steers()
    assert steer.state == "withdrawn"
    page.wait_for_selector("#side li.withdrawn")
    page.keyboard.press("Control+Shift+z")
    until(page, "s.draft.undo > 0 && !s.view.pending")
    assert page.inner_text("#text").startswith("You should go away")
    assert run.steers()[-1].state == "active"


def test_backspace_and_enter_let_it_try_again(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    run = studio(STORY, " home cat day<end>", pause=0.02)
    page = tab(run.address)
    begin(page)
    stopped_at(page, "home")
    page.keyboard.press("Backspace")
    assert view(page, "view.cutting") is True
    assert page.evaluate("getComputedStyle(document.querySelector('#text .at')).textDecorationLine") == "line-through"
    page.keyboard.press("Enter")
    until(page, "s.draft.mode === 'ended' && s.view.phase === 'pause'")
    (steer,) = run.steers()
    assert (steer.kind, sides(run, steer)[1]) == ("resampled", "")
    assert run.soon() == "You should go cat day"


def test_control_enter_ends_the_answer(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    run = studio(STORY, pause=0.02)
    page = tab(run.address)
    begin(page)
    stopped_at(page, "It")
    page.keyboard.press("Control+Enter")
    until(page, "s.draft.mode === 'ended'")
    (steer,) = run.steers()
    assert steer.kind == "ended"
    assert run.soon() == "You should go home."
    page.keyboard.press("Enter")
    until(page, "s.view.phase === 'closed'")
    assert next(iter(run.store.trajectories())).status == "accepted"


@pytest.mark.long
def test_the_end_was_wrong(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    run = studio("You should go home.<end>", " day.<end>", pause=0.002)
    page = tab(run.address)
    page.keyboard.press("Enter")
    until(page, "s.draft?.mode === 'ended' && s.view.phase === 'pause'")
    page.keyboard.type("Or stay a")
    assert page.locator("[data-testid=box]").inner_text() == "Or stay a"
    page.keyboard.press("Enter")
    until(page, "s.draft.doc.groups.length > 8 && s.draft.mode === 'ended'")
    (steer,) = run.steers()
    assert steer.kind == "continued"
    assert run.soon() == "You should go home. Or stay a day."


def test_a_letter_stops_and_types(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    run = studio(STORY, pause=0.02)
    page = tab(run.address)
    begin(page)
    page.keyboard.type("xy")
    assert page.locator("[data-testid=box]").inner_text() == "xy"
    assert view(page, "view.phase") == "type"
    page.keyboard.press("Escape")
    assert view(page, "view.phase") == "pause"
    assert run.steers() == []


@pytest.mark.long
def test_a_second_space_within_a_moment_does_nothing(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    run = studio(STORY, pause=0.02)
    page = tab(run.address)
    begin(page)
    page.evaluate("""() => { for (const repeat of [false, true, false])
        document.body.dispatchEvent(new KeyboardEvent('keydown', { key: ' ', code: 'Space', repeat, bubbles: true, cancelable: true })); }""")
    page.wait_for_timeout(300)
    assert view(page, "view.phase") == "pause"
    page.keyboard.press("Space")
    assert view(page, "view.phase") == "stream"


@pytest.mark.long
def test_what_was_not_shown_is_neither_read_nor_turned_down(
    studio: Callable[..., Any], tab: Callable[..., Any]
) -> None:
    run = studio(STORY * 4, pause=0.001)
    page = tab(run.address)
    page.evaluate("localStorage.setItem('midcourse.settings', JSON.stringify({ pace: 200 }))")
    page.reload()
    page.wait_for_selector("body[data-link=live]")
    begin(page)
    page.keyboard.press("Space")
    until(page, "s.view.phase === 'pause' && s.draft.mode !== 'streaming'")
    shown = view(page, "view.shown")
    assert view(page, "draft.doc.tokens.length") > shown + 20  # the model had run ahead
    run.soon()
    seen = page.evaluate("midcourse.state.draft.doc.groups.items[midcourse.state.view.shown - 1].last")
    assert run.heads()[0][0] == seen
    page.keyboard.press("Enter")
    until(page, f"s.view.shown > {shown + 2}")
    page.keyboard.press("Space")
    until(page, "s.view.phase === 'pause' && s.draft.mode !== 'streaming'")
    assert run.steers() == []
    assert run.soon() == page.inner_text("#text").rstrip("\n")


def test_at_the_end_other_tokens_than_the_end_are_at_hand(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    run = studio("You should go home.<end>", " day.<end>", pause=0.002)
    page = tab(run.address)
    page.keyboard.press("Enter")
    until(page, "s.draft?.mode === 'ended' && s.view.phase === 'pause'")
    page.wait_for_selector("#alternatives button")
    assert "the" in page.locator("#alternatives .word").first.inner_text()
    page.keyboard.press("End")  # behind the end there is nothing to choose
    assert page.locator("#alternatives").is_hidden()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("1")
    until(page, "s.draft.steers.length === 1 && s.draft.mode === 'ended' && s.view.phase === 'pause'")
    assert run.soon() == "You should go home. the day."


@pytest.mark.long
def test_to_take_what_comes_next_anyway_is_no_steer(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    run = studio(STORY * 4, pause=0.001)
    page = tab(run.address)
    page.evaluate("localStorage.setItem('midcourse.settings', JSON.stringify({ pace: 200 }))")
    page.reload()
    page.wait_for_selector("body[data-link=live]")
    begin(page)
    page.keyboard.press("Space")
    until(page, "s.view.phase === 'pause' && s.draft.mode !== 'streaming'")
    page.keyboard.press("End")
    page.wait_for_selector("#alternatives button")
    shown = view(page, "view.shown")
    page.keyboard.press("1")  # the likeliest is what the model has written already
    until(page, f"s.view.shown > {shown + 2}")
    assert run.steers() == []


@pytest.mark.long
def test_an_alternative_looked_at_takes_one_place_and_the_rest_is_doubted_anew(
    studio: Callable[..., Any], tab: Callable[..., Any]
) -> None:
    run = studio(STORY + "<end>", pause=0.002)
    page = tab(run.address)
    whole(page)
    page.keyboard.press("Home")
    page.keyboard.press("Control+ArrowRight")
    assert page.locator("#text .d4").count() == 0
    page.keyboard.press("Alt+ArrowDown")
    page.keyboard.press("Alt+Enter")
    until(page, "s.draft.steers.length === 1 && !s.view.pending")
    (steer,) = run.steers()
    assert (steer.kind, sides(run, steer)[1]) == ("local", " the")
    assert run.soon() == STORY.replace("should", "the", 1)
    until(page, "document.querySelectorAll('#text .d4').length > 10")  # the model was asked about the kept tail
    assert page.inner_text("#text").startswith("You the go home.")


@pytest.mark.long
def test_a_kept_tail_behind_which_it_writes_on_is_doubted_anew_at_the_next_stop(
    studio: Callable[..., Any], tab: Callable[..., Any]
) -> None:
    page = tab(studio(STORY * 4, pause=0.01).address)
    begin(page)
    until(page, "s.view.shown > 12")
    stop(page)
    keep(page, "could")
    until(page, "s.draft.steers.length === 1 && s.view.phase === 'stream' && s.view.shown > 16")
    stop(page)
    until(page, "document.querySelectorAll('#text .d4').length > 5")
    assert page.evaluate("midcourse.state.draft.doc.tokens.items.every((t) => t.by === 'person' || t.logprob !== null)")


def test_enter_on_the_first_page_goes_on_where_one_stopped(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    page = tab(studio(STORY * 8, pause=0.02, prompts=("One.", "Two.")).address)
    begin(page)
    stop(page)
    first = view(page, "draft.id")
    page.keyboard.press("Control+o")
    page.wait_for_selector("[data-testid=open-drafts]")
    page.keyboard.press("Enter")
    until(page, f"s.draft?.id === '{first}'")
    page.keyboard.press("Control+o")
    page.wait_for_selector("[data-testid=open-drafts]")
    page.keyboard.press("Control+Enter")
    until(page, f"s.draft && s.draft.id !== '{first}'")


@pytest.mark.long
def test_space_at_the_end_accepts_nothing(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    page = tab(studio("You should go.<end>", pause=0.002).address)
    page.keyboard.press("Enter")
    until(page, "s.draft?.mode === 'ended' && s.view.phase === 'pause'")
    page.keyboard.press("Space")
    page.wait_for_timeout(150)
    assert (view(page, "view.phase"), view(page, "draft.status"), view(page, "view.typed")) == ("pause", "open", None)
