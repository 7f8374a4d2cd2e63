"""Forks are found in tokens, and every path decodes to exactly the text that the row says."""

import json
from typing import Any

import pytest
import tokenizers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from midcourse.rows import SteerRow, join, marked_rows, read_row
from midcourse.tokens import TextTokenizer, common_prefix
from midcourse.tree.sides import read_sides
from midcourse.types import Message, Steer, Trajectory

FIXTURE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
PIECES = [*"aabet  \n.", "é", "e\u0301", "😀", "😁", "👩‍🚀", "東", "京", "\u200d", "ß", "the", " the", " water"]
TEXT = st.lists(st.one_of(st.sampled_from(PIECES), st.characters(exclude_categories=("Cs",))), max_size=8).map("".join)
USER = (Message("user", "Say something."),)


def one(rows: list[SteerRow], tokenizer: TextTokenizer, **options: bool) -> Trajectory:
    trajectories, skipped = join(rows, tokenizer, source="test", **options)
    assert skipped == []
    (trajectory,) = trajectories
    return trajectory


def paths(t: Trajectory, steer: Steer, tokenizer: TextTokenizer) -> tuple[str, list[str]]:
    return tokenizer.decode(t.path(t.head)), [tokenizer.decode(t.path(r.end)) for r in steer.rejected]


@FIXTURE
@given(TEXT, TEXT, TEXT, TEXT, st.booleans(), st.booleans())
def test_paths_are_the_texts(
    tiny_tokenizer: TextTokenizer, prompt: str, prefix: str, rejected: str, chosen: str, chat: bool, ended: bool
) -> None:
    if not chosen and not ended:
        return
    row = read_row({"prompt": prompt, "prefix": prefix, "rejected": rejected, "chosen": chosen, "ended": ended})
    trajectories, skipped = join([row], tiny_tokenizer, source="test", chat=chat)
    assert len(trajectories) + len(skipped) == 1
    head = tiny_tokenizer.render([Message("user", prompt)]) if chat else prompt
    for t in trajectories:
        (steer,) = t.steers
        end = "<|im_end|>" if ended else ""
        assert tiny_tokenizer.decode(t.path(t.head)) == head + prefix + chosen + end
        assert t.path(steer.fork) == t.path(t.head)[: steer.fork.depth]
        assert 1 <= steer.fork.depth < t.head.depth
        assert steer.chosen is not None
        assert t.path(steer.chosen) == t.path(t.head)[: steer.chosen.depth]
        for r in steer.rejected:
            assert tiny_tokenizer.decode(t.path(r.end)) == head + prefix + rejected
            assert common_prefix(t.path(r.end), t.path(t.head)) == steer.fork.depth
            assert t.authors(r.end)[steer.fork.depth :] == ["model"] * (r.end.depth - steer.fork.depth)
        assert "person" in t.authors(t.head)[steer.fork.depth :] or steer.chosen == steer.fork
        if chat and rejected:
            sides, why = read_sides(t, steer, 64)
            assert why == []
            assert len(sides) == 1
    for s in skipped:
        beginning = (prefix + chosen).startswith(prefix + rejected) or rejected.startswith(chosen)
        assert beginning or not (prompt + prefix).strip() or "first token" in s.reason or not chat


@FIXTURE
@given(st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=1, max_size=4), TEXT)
def test_marked_text_becomes_one_trajectory(
    tiny_tokenizer: TextTokenizer, parts: list[tuple[str, str, str]], last: str
) -> None:
    original, final, spans = "", "", []
    for kept, was, put in parts:
        original, final = original + kept + "|", final + kept + "|"
        if was != put:
            spans.append({"start": len(original), "end": len(original) + len(was), "put": put})
        original, final = original + was, final + (put if was != put else was)
    original, final = original + last, final + last
    if not spans:
        return
    rows = marked_rows(original, spans=spans, prompt=USER)
    trajectories, _ = join(rows, tiny_tokenizer, source="test")
    assert len(trajectories) <= 1
    for t in trajectories:
        assert tiny_tokenizer.decode(t.path(t.head)).endswith("assistant\n" + final)
        assert {s.kind for s in t.steers} == {"local"}
        for steer in t.steers:
            for r in steer.rejected:
                assert r.end.depth >= steer.fork.depth
                node_end = t.end_of(r.end.node)
                assert common_prefix(t.path(node_end), t.path(t.head)) == steer.fork.depth


def test_many_rows_of_one_text_are_one_trajectory_in_any_order(tiny_tokenizer: TextTokenizer) -> None:
    rows, text = [], ""
    for n in range(100):
        text += f" and step {n} is"
        rows.append(SteerRow(USER, text, f" good{n}", (" bad",)))
        text += f" good{n}"
    forwards = one(rows, tiny_tokenizer)
    assert len(forwards.steers) == 100
    assert tiny_tokenizer.decode(forwards.path(forwards.head)).endswith(text)
    backwards = one(rows[::-1], tiny_tokenizer)
    assert backwards.path(backwards.head) == forwards.path(forwards.head)
    assert {s.id for s in backwards.steers} == {s.id for s in forwards.steers}
    assert forwards.authors(forwards.head).count("prompt") == len(tiny_tokenizer.prompt_ids(USER))


def test_equal_forks_merge_and_others_stay_apart(tiny_tokenizer: TextTokenizer) -> None:
    a = SteerRow(USER, "It is", " good", (" bad",))
    b = SteerRow(USER, "It is", " good", (" awful", " bad"))
    (steer,) = one([a, b], tiny_tokenizer).steers
    assert len(steer.rejected) == 2
    other = SteerRow(USER, "It is", " fine", (" bad",))
    trajectories, skipped = join([a, other], tiny_tokenizer, source="test")
    assert (len(trajectories), skipped) == (2, [])
    assert trajectories[0].group == trajectories[1].group
    assert trajectories[0].id != trajectories[1].id


def test_a_correction_inside_a_token_takes_it_over(tiny_tokenizer: TextTokenizer) -> None:
    whole = tiny_tokenizer.encode(" the water")
    assert len(whole) == 2, "the fixture knows both words"
    t = one([SteerRow(USER, "pour the wat", "ch", ("er",))], tiny_tokenizer)
    (steer,) = t.steers
    assert tiny_tokenizer.decode(t.path(t.head)).endswith("pour the watch")
    assert paths(t, steer, tiny_tokenizer)[1][0].endswith("pour the water")
    assert t.path(steer.rejected[0].end)[steer.fork.depth :] == whole[1:]


def test_the_first_token_of_an_answer_and_of_everything(tiny_tokenizer: TextTokenizer) -> None:
    t = one([SteerRow("Q: ", "", "yes", ("no",))], tiny_tokenizer)
    assert t.messages == ()
    (_, (skip,)) = join([SteerRow("", "", "yes", ("no",), line=4)], tiny_tokenizer, source="test")
    assert skip.line == 4
    assert "very first token" in skip.reason


def test_an_answer_that_should_have_stopped(tiny_tokenizer: TextTokenizer) -> None:
    t = one(
        [read_row({"prompt": "p", "prefix": "Done.", "rejected": " And", "ended": True})], tiny_tokenizer, chat=True
    )
    (steer,) = t.steers
    assert steer.kind == "ended"
    assert t.path(t.head)[steer.fork.depth :] == [tiny_tokenizer.eos[0]]
    assert t.authors(t.head)[-1] == "person"


def test_a_local_steer_keeps_the_tail(tiny_tokenizer: TextTokenizer) -> None:
    t = one(
        marked_rows("boil the {~~tea~>water~~} first and{-- then--} pour{++ it++} over", prompt=USER), tiny_tokenizer
    )
    assert t.steers[0].chosen is not None
    tail = t.authors(t.head)[t.steers[0].chosen.depth :]
    assert tail[0] == "model"
    expected = [("ter", "a"), ("", " then"), (" it", "")]
    read = [read_sides(t, s, 64)[0][0] for s in t.steers]
    assert tiny_tokenizer.decode(read[0].rejected).endswith("tea")
    assert tiny_tokenizer.decode(read[1].rejected) == expected[1][1]
    assert tiny_tokenizer.decode(read[1].chosen).startswith(" p")
    assert tiny_tokenizer.decode(read[2].chosen).startswith(" it o")
    assert tiny_tokenizer.decode(read[2].rejected) == tiny_tokenizer.decode(read[2].rejected[:1])
    assert t.steers[1].chosen == t.steers[1].fork
    assert t.steers[2].rejected[0].end.depth == t.steers[2].fork.depth


def test_what_a_person_put_may_be_corrected_again(tiny_tokenizer: TextTokenizer) -> None:
    first = SteerRow(USER, "It is", " good and cheap", (" bad",), trajectory="x")
    again = SteerRow(USER, "It is good", " but dear", (" and cheap",), trajectory="x")
    t = one([first, again], tiny_tokenizer)
    assert tiny_tokenizer.decode(t.path(t.head)).endswith("It is good but dear")
    assert [len(s.rejected) for s in t.steers] == [1, 0]
    assert t.steers[0].chosen is not None
    assert tiny_tokenizer.decode(t.path(t.steers[0].chosen)).endswith("It is good")


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (SteerRow(USER, "", "same", ("same",)), "equal to rejected"),
        (SteerRow(USER, "", "the water", ("the",)), "nothing of it was turned down"),
        (SteerRow(USER, "", "the", ("the water",)), "the kept text ends"),
        (SteerRow(USER, "all", "", (" of it",), kind="local"), "the kept text ends"),
    ],
)
def test_rows_that_teach_nothing_are_named(tiny_tokenizer: TextTokenizer, row: SteerRow, says: str) -> None:
    trajectories, (skip,) = join([row], tiny_tokenizer, source="test")
    assert trajectories == []
    assert says in skip.reason


def test_ids_are_those_of_source_and_row(tiny_tokenizer: TextTokenizer) -> None:
    a, b = SteerRow(USER, "It is", " good", (" bad",)), SteerRow(USER, "It is good", " indeed", (" not",))
    alone, both = one([a], tiny_tokenizer), one([a, b], tiny_tokenizer)
    assert alone.id == both.id
    assert alone.steers[0].id == both.steers[0].id
    assert join([a], tiny_tokenizer, source="other")[0][0].steers[0].id != alone.steers[0].id


def test_a_tokenizer_that_changes_the_text_is_not_trusted(tiny_tokenizer: TextTokenizer) -> None:
    spec = json.loads(tiny_tokenizer._text.to_str())
    backend = tokenizers.Tokenizer.from_str(json.dumps({**spec, "normalizer": {"type": "NFC"}}))
    changing = TextTokenizer(backend, template=tiny_tokenizer.template, eos=["<|im_end|>"])
    trajectories, skipped = join([SteerRow(USER, "cafe\u0301", " au lait", (" noir",))], changing, source="test")
    assert trajectories == []
    assert "NFC" in skipped[0].reason


@pytest.mark.parametrize("prompt", [USER, "Say: "])
def test_half_a_character_is_no_text(tiny_tokenizer: TextTokenizer, prompt: Any) -> None:
    fine = SteerRow(prompt, "It is", " good", (" bad",))
    for row in (SteerRow(prompt, "", " \ud83d", (" bad",)), SteerRow(prompt, "", " good", (" \ud83d",))):
        trajectories, skipped = join([row, fine], tiny_tokenizer, source="test")
        assert [len(t.steers) for t in trajectories] == [1]
        assert "half a character" in skipped[0].reason
    trajectories, skipped = join([SteerRow("\ud83d", "", " good", (" bad",))], tiny_tokenizer, source="test")
    assert (trajectories, len(skipped)) == ([], 1)
    assert "half a character" in skipped[0].reason
