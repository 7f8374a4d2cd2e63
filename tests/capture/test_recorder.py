"""An application says what was written and what people made of it, in three lines, and the steers are in the store."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

import midcourse
from alone import run_alone
from midcourse.capture.recorder import Recorder
from midcourse.errors import InputError
from midcourse.store import Store
from midcourse.tokens import TextTokenizer
from midcourse.tree.token_tree import build_tree
from midcourse.types import Message, Steer, Trajectory

ASK = [{"role": "user", "content": "When was it built?"}]
TEXT = "The bridge was built in the year of the flood and carries two lanes of traffic."


def kept(path: Path) -> list[Trajectory]:
    with Store(path) as store:
        assert store.verify() == []
        return list(store.trajectories())


def sides(t: Trajectory, steer: Steer, tokenizer: TextTokenizer) -> tuple[str, str, str]:
    rejected = "|".join(tokenizer.decode(t.path(r.end)[steer.fork.depth :]) for r in steer.rejected)
    chosen = tokenizer.decode(t.path(steer.chosen)[steer.fork.depth :]) if steer.chosen else ""
    return steer.kind, rejected, chosen


def answer(t: Trajectory, tokenizer: TextTokenizer) -> str:
    return tokenizer.decode([i for i in t.path(t.head)[len(t.nodes[0].token_ids) :] if i not in tokenizer.eos])


def test_three_lines(tiny_tokenizer: TextTokenizer, tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with midcourse.Recorder(path, model=tiny_tokenizer, person="ann") as rec:
        written = rec.wrote(ASK, TEXT)
        rec.corrected(written, TEXT.replace(" built", " opened").replace(" two", " three"), reason="facts")
    (t,) = kept(path)
    assert [sides(t, s, tiny_tokenizer) for s in t.steers] == [
        ("local", " built", " opened"),
        ("local", " two", " three"),
    ]
    assert {(s.reason, s.annotator, s.state) for s in t.steers} == {("facts", "ann", "active")}
    assert (t.status, t.source) == ("accepted", "recorder")
    assert answer(t, tiny_tokenizer) == TEXT.replace(" built", " opened").replace(" two", " three")
    assert len(build_tree(t).tree.pairs) == 2


@pytest.mark.parametrize(
    ("now", "kind", "rejected", "chosen"),
    [
        ("The bridge was built", "ended", TEXT[20:] + "<|im_end|>", "<|im_end|>"),
        ("The bridge was old", "typed", TEXT[14:] + "<|im_end|>", " old<|im_end|>"),
        (TEXT + " Twice.", "typed", "<|im_end|>", " Twice.<|im_end|>"),
    ],
)
def test_what_becomes_of_the_end(
    now: str, kind: str, rejected: str, chosen: str, tiny_tokenizer: TextTokenizer, tmp_path: Path
) -> None:
    with Recorder(tmp_path / "s.db", model=tiny_tokenizer) as rec:
        (steer,) = rec.corrected(rec.wrote(ASK, TEXT), now)
    (t,) = kept(tmp_path / "s.db")
    assert sides(t, steer, tiny_tokenizer) == (kind, rejected, chosen)
    assert answer(t, tiny_tokenizer) == now


def test_what_stands_is_no_steer(tiny_tokenizer: TextTokenizer, tmp_path: Path) -> None:
    with Recorder(tmp_path / "s.db", model=tiny_tokenizer) as rec:
        rec.stands(rec.wrote(ASK, TEXT))
        assert rec.corrected(rec.wrote("Once ", "upon a time"), "upon a time\r\n") == ()
        with pytest.raises(InputError, match="nothing"):
            rec.stands("nothing")
    assert [(t.status, t.steers) for t in kept(tmp_path / "s.db")] == [("accepted", ())] * 2


def test_a_correction_shows_in_what_is_asked_next(tiny_tokenizer: TextTokenizer, tmp_path: Path) -> None:
    now = iter(range(0, 1000, 10))
    with Recorder(tmp_path / "s.db", model=tiny_tokenizer, clock=lambda: float(next(now))) as rec:
        first = rec.wrote(ASK, TEXT, chat="c")
        said = TEXT.replace(" built", " opened")
        more = [*ASK, {"role": "assistant", "content": said}, {"role": "user", "content": "And the flood?"}]
        second = rec.wrote(more, "The flood came in the spring and", ended=False, chat="c")
        third = rec.wrote([*more, Message("assistant", "The flood came in")], " 1932.", chat="c")
    assert (first != second, third) == (True, second), "an answer that is continued keeps its id"
    trajectories = {t.id: t for t in kept(tmp_path / "s.db")}
    assert [sides(trajectories[first], s, tiny_tokenizer) for s in trajectories[first].steers] == [
        ("local", " built", " opened")
    ]
    went_on = trajectories[second]
    assert [(s.kind, s.state) for s in went_on.steers] == [("resampled", "active")]
    assert answer(went_on, tiny_tokenizer) == "The flood came in 1932."


def test_raw_text_that_was_changed_and_goes_on(tiny_tokenizer: TextTokenizer, tmp_path: Path) -> None:
    now = iter(range(0, 1000, 10))
    prompt = "A long story of the old town and its river begins. "
    with Recorder(tmp_path / "s.db", model=tiny_tokenizer, person="p", clock=lambda: float(next(now))) as rec:
        rec.wrote(prompt, "Then the water was high and", ended=False)
        rec.wrote(prompt + "Then the water was low", " in the summer.")
        rec.wrote(prompt, "Another one.")
    first, again = kept(tmp_path / "s.db")
    assert [s.kind for s in first.steers] == ["typed"]
    assert answer(first, tiny_tokenizer) == "Then the water was low in the summer."
    assert again.steers == ()


def test_the_next_turn_of_raw_text_is_a_text_of_its_own(tiny_tokenizer: TextTokenizer, tmp_path: Path) -> None:
    asked = "A talk about the bridge over the river.\nUser: When was it built?\nBot:"
    with Recorder(tmp_path / "s.db", model=tiny_tokenizer, person="p") as rec:
        rec.wrote(asked, " " + TEXT)
        rec.wrote(asked + " " + TEXT.replace(" two", " three") + "\nUser: And then?\nBot:", " It was red.")
    assert [t.steers for t in kept(tmp_path / "s.db")] == [(), ()]


def test_what_may_be_a_program_waits_for_review(tiny_tokenizer: TextTokenizer, tmp_path: Path) -> None:
    with Recorder(tmp_path / "s.db", model=tiny_tokenizer, person="p", clock=lambda: 5.0) as rec:
        rec.wrote(ASK, TEXT, ended=False)
        rec.wrote([*ASK, {"role": "assistant", "content": TEXT.replace(" built", " opened")}], " It is red.")
    (t,) = kept(tmp_path / "s.db")
    assert [s.state for s in t.steers] == ["pending"], "it came at once"
    assert not t.steers[0].counts


def test_strangers_are_not_mixed(tiny_tokenizer: TextTokenizer, tmp_path: Path) -> None:
    with Recorder(tmp_path / "s.db", model=tiny_tokenizer) as rec:
        rec.wrote(ASK, TEXT, person="a")
        rec.wrote([*ASK, {"role": "assistant", "content": TEXT[:23]}], " 1932.", person="b")
    assert [t.steers for t in kept(tmp_path / "s.db")] == [(), ()]


def test_ids_are_kept_as_they_are(tiny_tokenizer: TextTokenizer, tmp_path: Path) -> None:
    ids = [i for letter in "to be" for i in tiny_tokenizer.encode(letter)]
    with Recorder(tmp_path / "s.db", model=tiny_tokenizer) as rec:
        rec.wrote("Once ", "to be", token_ids=ids, logprobs=[-1.0] * len(ids), ended=False)
        with pytest.raises(InputError, match="do not give the text"):
            rec.wrote("Once ", "not to be", token_ids=ids)
    t = kept(tmp_path / "s.db")[0]
    assert list(t.nodes[1].token_ids) == ids
    assert t.nodes[1].logprobs == (-1.0,) * len(ids)


def test_an_open_store_stays_open_and_an_old_answer_is_found(tiny_tokenizer: TextTokenizer, tmp_path: Path) -> None:
    with Store(tmp_path / "s.db") as store:
        with Recorder(store, model=tiny_tokenizer) as rec:
            written = rec.wrote(ASK, TEXT)
        with Recorder(store, model=tiny_tokenizer) as rec:
            assert len(rec.corrected(written, TEXT.replace(" built", " opened"))) == 1
        assert store.stats()["steers"] == 1


def test_with_asyncio(tiny_tokenizer: TextTokenizer, tmp_path: Path) -> None:
    async def run() -> Any:
        async with Recorder(tmp_path / "s.db", model=tiny_tokenizer) as rec:
            ids = await asyncio.gather(*(rec.awrote(f"Question {n}: ", TEXT) for n in range(8)))
            await asyncio.gather(*(rec.acorrected(i, TEXT.replace(" built", " opened")) for i in ids[:4]))
            await rec.astands(ids[7])

    run_alone(run())
    found = kept(tmp_path / "s.db")
    assert (len(found), sum(len(t.steers) for t in found)) == (8, 4)
    assert sum(t.status == "accepted" for t in found) == 5
