"""For every hand and eye: each key, mouse and touch alone, a phone, screen readers, axe, settings."""

from collections.abc import Callable
from typing import Any

import pytest

from capture.studio.page.opened import begin, stop, until, view

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed: scripts/setup")
pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]

TEXT = "You should go home. It's a very very good day, isn't it? The cat should stop the day.\n\nGo home, cat. "
PHONE = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True}


def paused(page: Any, tokens: int = 12) -> None:
    begin(page)
    until(page, f"s.view.shown > {tokens}")
    stop(page)


def violations(page: Any) -> list[str]:
    found = axe.Axe().run(page).response["violations"]
    return [f"{v['id']}: {v['help']} — {[n['html'][:160] for n in v['nodes'][:3]]}" for v in found]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_any_state(scheme: str, studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    run = studio(TEXT * 6, TEXT + "<end>", pause=0.01, doubts="verygood")
    # axe is put into the page by the test: only for that does this context not mind the page's CSP
    page = tab(run.address, color_scheme=scheme, bypass_csp=True)
    page.wait_for_selector("[data-testid=queue]")
    wrong = {"home": violations(page)}
    paused(page)
    page.wait_for_selector("#alternatives button")
    wrong["pause"] = violations(page)
    page.keyboard.type("word")
    wrong["type"] = violations(page)
    page.keyboard.press("Enter")
    until(page, "s.draft.mode === 'ended' && s.view.phase === 'pause'")
    page.keyboard.press("Control+k")
    page.wait_for_selector(".tree li")
    wrong["tree"] = violations(page)
    for key, name in (("F1", "help"), ("Control+,", "settings"), ("Control+e", "reasons")):
        page.keyboard.press(key)
        page.wait_for_selector("dialog[open]")
        wrong[name] = violations(page)
        page.keyboard.press("Escape")
    page.keyboard.press("Control+j")
    page.keyboard.press("Control+s")
    until(page, "s.view.phase === 'closed'")
    wrong["closed"] = violations(page)
    for name in ("review", "progress", "train"):
        page.evaluate(f"location.hash = '#/{name}'")
        page.wait_for_selector(f"[data-page={name}] h1")
        wrong[name] = violations(page)
    assert not any(wrong.values()), "\n".join(f"{k}: {x}" for k, v in wrong.items() for x in v)


def test_every_key_of_a_still_text(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    page = tab(studio(TEXT * 6, pause=0.01, doubts="very").address)
    paused(page, 30)
    at = lambda: view(page, "view.cursor")  # noqa: E731
    text = lambda: page.evaluate("midcourse.state.draft.doc.groups.items[midcourse.state.view.cursor]?.text")  # noqa: E731
    page.keyboard.press("Home")
    assert at() == 0
    page.keyboard.press("ArrowRight")
    assert at() == 1
    page.keyboard.press("ArrowLeft")
    assert at() == 0
    page.keyboard.press("Control+ArrowRight")
    assert text() == " should"
    page.keyboard.press("Control+ArrowLeft")
    assert at() == 0
    page.keyboard.press("ArrowDown")
    assert text() == " It"
    page.keyboard.press("ArrowUp")
    assert at() == 0
    page.keyboard.press("Control+ArrowDown")
    assert text().strip() in "very"
    page.keyboard.press("Home")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    assert page.locator("#text .selected").count() == 2
    page.keyboard.press("Escape")
    assert page.locator("#text .selected").count() == 0
    page.keyboard.press("End")
    assert at() == view(page, "view.shown")
    page.keyboard.press("Backspace")
    page.keyboard.press("Control+Backspace")
    assert view(page, "view.cutting") is True
    page.keyboard.press("Escape")
    assert view(page, "view.cutting") is False
    page.keyboard.press("Home")
    page.wait_for_selector("#alternatives button")
    page.keyboard.press("Alt+ArrowDown")
    page.wait_for_selector("#alternatives [aria-selected=true] .ghost")
    page.keyboard.press("Alt+ArrowUp")
    page.keyboard.press("Escape")
    assert view(page, "view.choice") == -1
    for key, name in (("Control+u", "tint"),):
        before = page.evaluate("document.documentElement.dataset.tint")
        page.keyboard.press(key)
        assert page.evaluate("document.documentElement.dataset.tint") != before, name
    page.keyboard.press("Control+[")
    assert "words a minute" in page.inner_text("#toast")
    page.keyboard.press("Control+Shift+e")
    assert "Sentence by sentence" in page.inner_text("#toast")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "BUTTON"  # Tab leaves


def test_sentence_by_sentence(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    page = tab(studio(TEXT * 4, pause=0.002).address)
    page.evaluate("localStorage.setItem('midcourse.settings', JSON.stringify({ sentences: true }))")
    page.reload()
    page.wait_for_selector("body[data-link=live]")
    page.keyboard.press("Enter")
    until(page, "s.view.phase === 'pause' && s.view.shown > 0")
    assert page.inner_text("#text").strip() == "You should go home."
    page.keyboard.press("Enter")
    until(page, "s.view.phase === 'pause' && s.view.shown > 6")
    assert page.inner_text("#text").strip().endswith("isn't it?")


def test_reasons_flag_and_take_back(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    run = studio(TEXT * 4, " day<end>", pause=0.01)
    page = tab(run.address)
    paused(page)
    page.keyboard.type("word")
    page.keyboard.press("Enter")
    until(page, "s.draft.mode === 'ended' && s.view.phase === 'pause'")
    page.keyboard.press("Control+e")
    page.get_by_placeholder("In your own words").fill("too vague")
    page.keyboard.press("Enter")
    until(page, "s.draft.steers[0].reason === 'too vague'")
    page.keyboard.press("Control+Shift+f")
    page.get_by_placeholder("What should they look at").fill("look")
    page.keyboard.press("Enter")
    until(page, "s.draft.flagged === 'look'")
    page.get_by_role("button", name="take back").click()
    until(page, "s.draft.steers[0].state === 'withdrawn'")
    assert run.steers()[0].state == "withdrawn"


def test_skip_with_a_reason(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    page = tab(studio(TEXT, pause=0.01, prompts=("One?", "Two?")).address)
    begin(page)
    page.keyboard.press("Control+Shift+s")
    page.get_by_placeholder("Why").fill("unclear")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-testid=queue]")
    assert "unclear" in page.inner_text("[data-testid=queue]")
    assert "skipped" in page.inner_text("[data-testid=queue]")


def test_a_phone_needs_no_keyboard(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    run = studio(TEXT * 6, TEXT * 6, " day<end>", pause=0.02)
    page = tab(run.address, **PHONE)
    page.get_by_test_id("next").tap()
    until(page, "s.view.phase === 'stream' && s.view.shown > 12")
    page.locator("[data-wish=stop]").tap()
    until(page, "s.view.phase === 'pause' && s.draft.mode === 'paused'")
    before = view(page, "view.cursor")
    page.locator("[data-wish='word-']").tap()
    assert view(page, "view.cursor") < before
    page.locator("[data-wish='word+']").tap()
    page.locator("[data-wish='word-']").tap()
    page.locator("#alternatives button").first.tap()
    until(page, "s.draft.steers.length === 1 && s.view.phase === 'stream' && s.draft.doc.tokens.length > 14")
    page.locator("#text").tap(position={"x": 30, "y": 8})  # touching the text stops it too
    until(page, "s.view.phase === 'pause' && s.draft.mode === 'paused'")
    page.locator("#text .g").nth(2).tap()
    assert view(page, "view.cursor") == 2
    page.locator("[data-wish=write]").tap()
    assert page.evaluate("document.activeElement.inputMode") == "text"
    page.keyboard.insert_text("stay")
    page.locator("[data-wish=commitKeep]").tap()
    until(page, "s.draft.steers.length === 2 && !s.view.pending")
    assert [s.kind for s in run.steers()] == ["picked", "local"]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_mouse_alone(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    run = studio(TEXT + "<end>", " day<end>", pause=0.001)
    page = tab(run.address)
    page.get_by_test_id("next").click()
    until(page, "s.draft?.mode === 'ended' && s.view.phase === 'pause'")
    box = page.locator("#text .g").nth(2).bounding_box()
    far = page.locator("#text .g").nth(3).bounding_box()
    page.mouse.move(box["x"] + 1, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(far["x"] + far["width"] - 1, far["y"] + far["height"] / 2, steps=4)
    page.mouse.up()
    assert page.locator("#text .selected").all_inner_texts() == [" go", " home"]
    page.locator("[data-wish=remove]").click() if page.locator("[data-wish=remove]").count() else page.keyboard.press(
        "Delete"
    )
    until(page, "s.draft.steers.length === 1 && !s.view.pending")
    assert run.soon().startswith("You should. It's")


def test_screen_readers_hear_sentences_and_places(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    page = tab(studio(TEXT * 6, pause=0.02).address)
    page.evaluate(
        """() => { globalThis.said = []; new MutationObserver(() => said.push(document.getElementById('said').textContent)).observe(document.getElementById('said'), { childList: true }); }"""
    )
    paused(page, 40)
    said = page.evaluate("said")
    assert said[0].startswith("You should go home.")
    assert "".join(said).replace(" ", "") in page.inner_text("#text").replace(" ", "").replace("\n", "")
    page.keyboard.press("Home")
    assert page.inner_text("#place").startswith("You, 60 %")
    assert page.get_attribute("#said", "aria-live") == "polite"


def test_a_key_of_ones_own(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    page = tab(studio(TEXT * 6, pause=0.01).address)
    paused(page)
    page.keyboard.press("F1")
    page.get_by_role("button", name="Change Home").click()
    page.keyboard.press("Control+Home")
    page.keyboard.press("Escape")
    page.keyboard.press("End")
    page.keyboard.press("Home")
    assert view(page, "view.cursor") != 0
    page.keyboard.press("Control+Home")
    assert view(page, "view.cursor") == 0
    page.reload()
    page.wait_for_selector("body[data-link=live]")
    until(page, "s.view.phase === 'pause'")
    page.keyboard.press("Control+Home")
    assert view(page, "view.cursor") == 0


def test_settings_show_at_once_and_stay(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    page = tab(studio(TEXT, pause=0.01).address)
    page.keyboard.press("Control+,")
    page.get_by_label("Light or dark").select_option("dark")
    page.get_by_label("Typeface").select_option("mono")
    page.get_by_label("Contrast").select_option("high")
    page.get_by_label("Size").fill("24")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(0, 0, 0)"
    page.reload()
    page.wait_for_selector("body[data-link=live]")
    assert page.evaluate("getComputedStyle(document.getElementById('column')).fontSize") == "24px"


def above_the_bar(page: Any, sheet: str) -> None:
    below, bar = page.locator(sheet).bounding_box(), page.locator("#bar").bounding_box()
    assert below["height"] > 60
    assert below["y"] + below["height"] <= bar["y"] + 1


def test_a_phone_has_guidelines_and_a_button_for_what_is_left(
    studio: Callable[..., Any], tab: Callable[..., Any]
) -> None:
    run = studio(TEXT * 6, pause=0.02)
    page = tab(run.address, **PHONE)
    page.evaluate(
        "fetch('api/guidelines', { method: 'PUT', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ text: '# Be plain' }) })"
    )
    ends = [a.bounding_box()["x"] + a.bounding_box()["width"] for a in page.locator("#pages a").all()]
    assert len(ends) == 5
    assert max(ends) <= 390  # every page is in sight
    page.get_by_test_id("next").tap()
    until(page, "s.view.phase === 'stream' && s.view.shown > 6")
    page.locator("[data-wish=more]").tap()
    until(page, "s.view.phase === 'pause'")
    sizes = [b.bounding_box()["height"] for b in page.get_by_test_id("more").get_by_role("button").all()]
    assert len(sizes) > 8
    assert min(sizes) >= 44
    page.get_by_test_id("more").locator("[data-wish='text-']").tap()
    assert (view(page, "view.cursor"), page.locator("dialog[open]").count()) == (0, 0)
    page.get_by_role("button", name="Guidelines").tap()
    assert page.locator("#guide h1, #guide h2, #guide h3").inner_text() == "Be plain"
    above_the_bar(page, "#guide")
    page.locator("[data-wish='word+']").tap()  # what the text is measured against stays in sight while it is steered
    assert view(page, "view.cursor") > 0
    page.locator("#guide").get_by_role("button", name="Close").tap()
    page.get_by_role("button", name="Steers").tap()
    above_the_bar(page, "#side")
    page.locator("#side").get_by_role("button", name="Close").tap()
    assert not page.locator("#guide").is_visible()
    assert page.evaluate("document.getElementById('tools').getBoundingClientRect().right <= innerWidth")
    page.get_by_role("button", name="Keys").tap()
    page.keyboard.press("Escape")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_screen_readers_hear_what_others_see_in_a_colour(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    page = tab(studio(TEXT * 6, pause=0.02).address)
    paused(page, 20)
    page.keyboard.press("Home")
    page.keyboard.press("Alt+ArrowDown")
    assert page.inner_text("#place") == "1: the, 30 %. Enter takes it."
    page.keyboard.press("Escape")
    page.keyboard.press("Shift+Control+ArrowRight")
    assert page.inner_text("#place").startswith("Selected: You")
    page.keyboard.press("Escape")
    page.keyboard.press("Home")
    page.keyboard.press("Control+ArrowRight")
    page.keyboard.press("Backspace")
    assert page.inner_text("#place").startswith("Struck through from here on: ")


def test_alternatives_stay_at_the_cursor_when_the_lines_break_anew(
    studio: Callable[..., Any], tab: Callable[..., Any]
) -> None:
    page = tab(studio(TEXT * 6, pause=0.01).address)
    paused(page, 30)
    page.keyboard.press("End")
    page.wait_for_selector("#alternatives button")
    for text in ("# Be plain", ""):  # beside the text there is less room for it, then more again
        page.evaluate(
            "(text) => fetch('api/guidelines', { method: 'PUT', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ text }) })",
            text,
        )
        page.wait_for_selector("#guide", state="visible" if text else "hidden")
        page.wait_for_timeout(200)
        panel, cursor = page.locator("#alternatives").bounding_box(), page.get_by_test_id("box").bounding_box()
        assert abs(panel["x"] - cursor["x"]) < 30
        assert abs(panel["y"] - (cursor["y"] + cursor["height"])) < 20


def test_another_page_begins_at_its_top(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    page = tab(
        studio(TEXT, prompts=[f"Prompt {n}." for n in range(40)]).address, viewport={"width": 1280, "height": 300}
    )
    page.wait_for_selector("[data-testid=queue]")
    page.evaluate("document.getElementById('page').scrollTop = 900")
    page.evaluate("location.hash = '#/progress'")
    page.wait_for_selector("[data-page=progress] h1 >> text=Progress")
    page.wait_for_timeout(100)
    assert page.evaluate("document.getElementById('page').scrollTop") == 0
