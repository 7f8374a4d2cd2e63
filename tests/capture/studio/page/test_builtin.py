"""The loop of a person who steers, by keyboard alone, with the built-in model in a studio as users start it.

What the page showed and what the store holds afterwards are compared id by id.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from capture.studio.page.launched import Launched, launched
from capture.studio.page.opened import until, view
from midcourse.model import resolve
from midcourse.store.db import Store
from midcourse.tokens import TextTokenizer
from midcourse.types import Steer, Trajectory

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
    pytest.mark.model,
    pytest.mark.slow,
    pytest.mark.alone,
    pytest.mark.timeout(900),
]
PROMPTS = ("Write a long story about a boat on a river.", "Explain at length how bread is made.")
WAIT = 120.0
DONE = "s.view.phase === 'pause' && s.draft.mode !== 'streaming' && !s.view.pending"


def queue(folder: Path, *prompts: str) -> str:
    path = folder / "prompts.jsonl"
    path.write_text("".join(json.dumps({"prompt": p}) + "\n" for p in prompts))
    return str(path)


def ids(page: Any) -> list[int]:
    return page.evaluate(
        "midcourse.state.draft.doc.tokens.items.slice(0, midcourse.state.draft.doc.tokens.length).map((t) => t.id)"
    )


def tokens_before(page: Any, more: int = 0) -> int:
    """Tokens of the answer in front of the cursor, or of a group some way behind it."""
    return page.evaluate(
        """(more) => { const { draft, view } = midcourse.state; const at = view.cursor + more;
        return at ? draft.doc.groups.items[at - 1].last : 0; }""",
        more,
    )


def seen(page: Any) -> int:
    """Tokens that the person has read."""
    return page.evaluate(
        "(() => { const { draft, view } = midcourse.state; return view.shown ? draft.doc.groups.items[view.shown - 1].last : 0; })()"
    )


def watched(page: Any, groups: int) -> None:
    """Until so much more was read; then stopped with the stop key."""
    until(page, f"s.view.phase === 'stream' && s.view.shown > {groups}", WAIT)
    page.keyboard.press("Space")
    until(page, DONE, WAIT)


def to_word(page: Any, number: int) -> int:
    """The cursor on a word of the answer, by keys; the tokens before it."""
    page.keyboard.press("Home")
    for _ in range(number):
        page.keyboard.press("Control+ArrowRight")
    return tokens_before(page)


def sides(text: Trajectory, steer: Steer) -> tuple[int, list[int], list[int]]:
    """Of a steer: where in the answer it forks, the ids that were turned down, the ids that were put."""
    cut = steer.fork.depth
    rejected = text.path(steer.rejected[0].end)[cut:] if steer.rejected else ()
    chosen = text.path(steer.chosen)[cut:] if steer.chosen else ()
    return cut - len(text.nodes[0].token_ids), list(rejected), list(chosen)


def answer(text: Trajectory) -> list[int]:
    return list(text.path(text.head)[len(text.nodes[0].token_ids) :])


def test_the_loop_by_keyboard_alone(tab: Callable[..., Any], tmp_path: Path) -> None:
    tokenizer = TextTokenizer.load(resolve("builtin", weights=False))
    with launched(tmp_path, "--prompts", queue(tmp_path, PROMPTS[0])) as studio:
        page = tab(studio.address)
        keys = page.keyboard
        page.wait_for_selector("[data-testid=next]")
        keys.press("Enter")  # the first prompt of the queue

        watched(page, 16)  # write, stop, move; a digit takes an alternative
        at = to_word(page, 3)
        page.wait_for_selector("#alternatives button")
        before = ids(page)
        others = page.evaluate("(at) => midcourse.state.draft.doc.tokens.items[at].alternatives.map((a) => a.id)", at)
        wanted = [i for i in others if i != before[at]][1]
        keys.press("2")
        until(page, "s.draft.steers.length === 1 && s.view.phase === 'stream'", WAIT)
        watched(page, 14)
        picked = ids(page)
        assert picked[: at + 1] == [*before[:at], wanted]

        second = to_word(page, 5)  # a correction is typed, and taken back while the model writes on from it
        keys.type("slowly")
        keys.press("Enter")
        until(page, "s.draft.steers.length === 2 && s.view.phase === 'stream' && s.draft.mode === 'streaming'", WAIT)
        until(page, f"s.draft.doc.tokens.length > {second + 4}", WAIT)
        assert ids(page)[:second] == picked[:second]
        keys.press("Control+z")
        until(page, f"{DONE} && s.draft.undo === 1", WAIT)
        read = seen(page)
        assert ids(page)[:read] == picked[:read]

        third = to_word(page, 4)  # another stands
        keys.type("golden")
        keys.press("Enter")
        until(page, "s.draft.steers.length === 3 && s.view.phase === 'stream'", WAIT)
        watched(page, 16)
        typed = ids(page)
        assert typed[:third] == picked[:third]

        fourth = to_word(page, 6)  # a word is put, and the rest is kept
        keys.type("quiet")
        gone = page.locator("#text .replaced").count()
        behind = tokens_before(page, gone)
        read = seen(page)
        assert fourth < behind < read
        keys.press("Alt+Enter")
        until(page, "s.draft.steers.length === 4 && !s.view.pending", WAIT)
        keys.press("Space")
        until(page, DONE, WAIT)
        put = tokenizer.encode(" quiet")
        assert ids(page)[: fourth + len(put) + read - behind] == [*typed[:fourth], *put, *typed[behind:read]]
        keys.press("Control+s")
        until(page, "s.view.phase === 'closed'", WAIT)
        accepted = ids(page)[: seen(page)]

        while page.evaluate("document.activeElement.tagName") != "TEXTAREA":  # the next turn
            keys.press("Tab")
        keys.type("Now say it in one sentence.")
        first = view(page, "draft.id")
        keys.press("Enter")
        until(page, f"s.draft && s.draft.id !== '{first}' && s.view.phase === 'stream' && s.view.shown > 8", WAIT)
        keys.press("Space")
        until(page, DONE, WAIT)
        at_end = to_word(page, 4)
        short = ids(page)
        keys.press("Control+Enter")  # it should have ended here
        until(page, "s.draft.mode === 'ended' && s.draft.steers.length === 1", WAIT)
        keys.press("Enter")
        until(page, "s.view.phase === 'closed'", WAIT)

        one, two = studio.texts()
    assert answer(one) == accepted
    assert [(s.kind, s.state) for s in one.steers] == [
        ("picked", "active"),
        ("typed", "withdrawn"),
        ("typed", "active"),
        ("local", "active"),
    ]
    [pick, undone, stood, kept] = [sides(one, s) for s in one.steers]
    assert (pick[0], pick[2]) == (at, [wanted])
    assert pick[1] == before[at : at + len(pick[1])]
    assert pick[1]
    assert (undone[0], undone[2]) == (second, tokenizer.encode(" slowly"))
    assert undone[1][:1] == picked[second : second + 1]
    assert (stood[0], stood[2]) == (third, tokenizer.encode(" golden"))
    assert stood[1][:1] == picked[third : third + 1]
    assert (kept[0], kept[2]) == (fourth, put)
    assert kept[1][: behind - fourth] == typed[fourth:behind]
    assert (one.status, two.status) == ("accepted", "accepted")
    assert [m.role for m in two.messages] == ["user", "assistant", "user"]
    assert two.messages[1].content == tokenizer.decode([i for i in accepted if i not in tokenizer.eos])
    assert list(two.nodes[0].token_ids[: len(one.path(one.head))]) == list(
        one.path(one.head)
    )  # corrections and all, as ids
    [ended] = two.steers
    assert (ended.kind, sides(two, ended)[0]) == ("ended", at_end)
    assert answer(two) == [*short[:at_end], *sides(two, ended)[2]]
    assert set(sides(two, ended)[2]) <= set(tokenizer.eos)
    with Store(str(tmp_path / "s.db"), create=False) as store:
        assert store.verify() == []


def test_two_people_at_once(tab: Callable[..., Any], tmp_path: Path) -> None:
    tokenizer = TextTokenizer.load(resolve("builtin", weights=False))
    studio = Launched(tmp_path, "--prompts", queue(tmp_path, PROMPTS[1]), "--people", "2")
    links = {name: studio.users("add", name, "--url", studio.address) for name in ("ada", "grace")}
    try:
        studio.start()
        words = {"ada": "gently", "grace": "boldly"}
        pages = {}
        for name, link in links.items():
            pages[name] = tab(link, ready=False)
            pages[name].wait_for_selector("button:focus")  # of the page that a link leads to
            pages[name].keyboard.press("Enter")
            pages[name].wait_for_selector("body[data-link=live] [data-testid=next]")
        for page in pages.values():
            page.keyboard.press("Enter")
        for page in pages.values():  # both write at once, from one model
            until(page, "s.view.phase === 'stream' && s.view.shown > 8", WAIT)
        places = {}
        for name, page in pages.items():
            watched(page, 8)
            places[name] = (to_word(page, 4), ids(page))
            page.keyboard.type(words[name])
            page.keyboard.press("Enter")
        for page in pages.values():
            until(page, "s.draft.steers.length === 1 && s.draft.doc.tokens.length > 12", WAIT)
        kept = {}
        for name, page in pages.items():
            page.keyboard.press("Space")
            until(page, DONE, WAIT)
            page.keyboard.press("Control+s")
            until(page, "s.view.phase === 'closed'", WAIT)
            kept[name] = ids(page)[: seen(page)]
            assert words[name] in page.inner_text("#text")
        texts = {t.annotator: t for t in studio.texts()}
    finally:
        studio.end()
    assert sorted(texts) == ["ada", "grace"]
    assert len({t.group for t in texts.values()}) == 1  # the same prompt
    for name, text in texts.items():
        at, before = places[name]
        [steer] = text.steers
        fork, rejected, chosen = sides(text, steer)
        assert (steer.annotator, fork, chosen) == (name, at, tokenizer.encode(f" {words[name]}"))
        assert rejected[:1] == before[at : at + 1]
        assert answer(text) == kept[name]
