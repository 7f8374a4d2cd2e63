"""Texts of all scripts, input methods, long texts: nothing is drawn in part, nothing is markup."""

from collections.abc import Callable
from typing import Any

import pytest

from capture.studio.page.opened import begin, stop, until, view

pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]

ALL = "A 👩‍👩‍👧 and 🇩🇪 and e\u0301.\nالسلام عليكم، كيف الحال؟\nनमस्ते दुनिया\n한국어 日本語\n<b>not bold</b> &amp; <script>alert(1)</script>\n```\n\tif x:\n\t\ty()\n```\nEnd.<end>"


def ended(page: Any, seconds: float = 20) -> None:
    page.keyboard.press("Enter")
    until(page, "s.draft?.mode === 'ended' && s.view.phase === 'pause'", seconds)


def test_every_script_whole_and_in_its_direction(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    run = studio(ALL, pause=0.001)
    page = tab(run.address)
    ended(page)
    assert page.evaluate("document.getElementById('text').textContent") == ALL.removesuffix("<end>")
    parts = page.evaluate("[...document.querySelectorAll('#text .g')].map((s) => s.textContent)")
    whole = page.evaluate(
        """(text) => { const ends = new Set(); for (const s of new Intl.Segmenter().segment(text)) ends.add(s.index + s.segment.length); return [...ends]; }""",
        ALL.removesuffix("<end>"),
    )
    at = 0
    for part in parts:
        at += len(part.encode("utf-16-le")) // 2
        assert at in whole or not part, f"{part!r} ends inside a cluster"
    assert at == len(ALL.removesuffix("<end>").encode("utf-16-le")) // 2
    directions = page.evaluate(
        "[...document.querySelectorAll('#text .line')].map((l) => getComputedStyle(l).direction)"
    )
    assert directions[:2] == ["ltr", "rtl"]
    assert page.locator("#text b, #text script").count() == 0
    code = page.evaluate("[...document.querySelectorAll('#text .line.code')].map((l) => l.textContent)")
    assert code == ["```\n", "\tif x:\n", "\t\ty()\n", "```\n"]


def test_a_cut_falls_between_clusters(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    run = studio("A 👩‍👩‍👧 B<end>", pause=0.001)
    page = tab(run.address)
    ended(page)
    page.keyboard.type("C")
    assert page.evaluate("midcourse.state.view.typed.lead") == " "
    for _ in range(3):  # the blank of its own, then " B" cluster by cluster
        page.keyboard.press("Home")
        page.keyboard.press("Backspace")
    page.keyboard.press("Home")
    page.keyboard.press("Backspace")
    assert view(page, "view.typed.cut") == 2
    page.keyboard.press("Alt+Enter")
    until(page, "s.draft.rev === 1 && !s.view.pending")
    assert run.soon() == "A C"


def test_an_input_method(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    run = studio("You should go home. " * 8, pause=0.01)
    page = tab(run.address)
    begin(page)
    stop(page)
    keys = page.context.new_cdp_session(page)
    for text in ("n", "に", "にほ", "にほん"):
        keys.send("Input.imeSetComposition", {"text": text, "selectionStart": len(text), "selectionEnd": len(text)})
    # keys of a composition never command: this Enter chooses a word
    page.evaluate(
        """() => document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', code: 'Enter', isComposing: true, bubbles: true, cancelable: true }))"""
    )
    assert view(page, "view.phase") == "type"
    keys.send("Input.insertText", {"text": "日本"})
    assert page.locator("[data-testid=box]").inner_text() == "日本"
    page.keyboard.press("Enter")
    until(page, "s.draft.rev === 1")
    assert "日本" in run.soon()
    assert len(run.steers()) == 1


def test_a_correction_of_several_lines(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    run = studio("You should go home.<end>", " day<end>", pause=0.001)
    page = tab(run.address)
    ended(page)
    page.keyboard.type("One")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("two")
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+Shift+z")
    page.keyboard.press("Control+Enter")
    until(page, "s.draft.rev === 1 && !s.view.pending")
    assert run.soon() == "You should go home. One\ntwo"


def test_thinking_folds_when_it_is_over(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    run = studio("<think>\nThe cat should go.\n</think>\nGo home, cat.<end>", pause=0.001)
    page = tab(run.address)
    ended(page)
    assert page.evaluate("midcourse.state.draft.doc.parts.length") == 1
    assert page.locator("#text .line.thinking").first.is_hidden()
    page.get_by_role("button", name="Thinking").click()
    assert page.locator("#text .line.thinking").first.is_visible()


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize("tokens", [4_000, 20_000])
def test_long_texts_stay_smooth(tokens: int, studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    sentence = "You should go home. It's a very very good day, isn't it? The cat should stop the day.\n"
    run = studio(sentence * (tokens // 24), pause=0)
    page = tab(run.address)
    page.evaluate("""() => { globalThis.frames = []; let last = performance.now();
        const tick = (now) => { frames.push(now - last); last = now; requestAnimationFrame(tick); }; requestAnimationFrame(tick); }""")
    page.evaluate("localStorage.setItem('midcourse.settings', JSON.stringify({ pace: 2000 }))")
    page.reload()
    page.wait_for_selector("body[data-link=live]")
    page.keyboard.press("Enter")
    until(page, f"s.draft?.doc.tokens.length > {tokens * 0.95} && s.view.phase === 'pause'", 120)
    assert page.evaluate("document.querySelectorAll('#text .g').length") > tokens * 0.9
    page.keyboard.press("End")
    cost = page.evaluate(
        """async () => { const cost = [];
        for (let i = 0; i < 30; i += 1) { const at = performance.now();
          document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowLeft', code: 'ArrowLeft', bubbles: true, cancelable: true }));
          document.body.offsetHeight; cost.push(performance.now() - at); await new Promise(requestAnimationFrame); }
        return cost.sort((a, b) => a - b); }"""
    )
    assert cost[len(cost) // 2] < 50, cost
    page.keyboard.type("x")
    assert view(page, "view.phase") == "type"
