"""From a request that shows a correction to the rows and ids of a steer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midcourse.capture.proxy.answer import Choice
from midcourse.capture.proxy.asking import Request
from midcourse.capture.proxy.exchange import Asked, Exchange, Turn
from midcourse.capture.proxy.noticing import notice
from midcourse.capture.proxy.proposal import Proposal, trajectory_of
from midcourse.capture.proxy.recognition import Edit, Recognition
from midcourse.capture.proxy.written import Written
from midcourse.errors import InputError

ASK = (Turn("user", "Say something."),)
WAS = "The cat sat on the hat and slept."


def one(id, text, prefill="", *, end="aborted", turns=ASK, ids=(), before=None, found=None, **more):
    asked = Asked("chat", turns, prefill)
    choice = Choice(ids=list(ids), whole=bool(ids), end=end)
    exchange = Exchange(id, asked, text, end, 1.0)
    return notice(exchange, Request(asked, "tiny", **more), choice, found or Recognition("new"), before or {})


def prompt(id, text, words, **more):
    asked = Asked("completions", (Turn("prompt", words),))
    found, before = more.pop("found", Recognition("new")), more.pop("before", {})
    return notice(Exchange(id, asked, text, "length", 1.0), Request(asked, "t"), Choice(whole=False), found, before)


def edited(start, was, put, exchange="a", turn=1, kind="changed"):
    return Recognition(kind, exchange, (Edit(exchange, turn, start, was, put),), True, "")


def rows(noticed):
    return [(r.kind, r.prefix, r.rejected, r.chosen) for p in noticed.proposals for r in p.rows]


def steered(text, prefill, found, **more):
    first = one("a", WAS, **more).remembered
    return one("b", text, prefill, before={"a": first}, found=found)


def test_typed():
    at = WAS.index(" hat")
    seen = steered(" and purred.", "The cat sat on the mat", edited(at, WAS[at:], " mat"))
    assert rows(seen) == [("typed", "The cat sat on the", (" hat and slept.",), " mat")]
    [proposal] = seen.proposals
    assert proposal.text == "The cat sat on the mat and purred."
    assert Proposal.from_dict(proposal.to_dict()) == proposal


def test_cut_is_resampled():
    seen = steered(" on the mat.", "The cat sat", edited(11, WAS[11:], "", kind="cut"))
    assert rows(seen) == [("resampled", "The cat sat", (" on the hat and slept.",), "")]


def test_words_within_keep_the_tail():
    given = WAS.replace("hat", "mat")
    seen = steered(" Then it woke.", given, edited(19, "hat", "mat"), end="stop")
    assert rows(seen) == [("local", "The cat sat on the ", ("hat",), "mat")]
    assert seen.proposals[0].rows[0].old_tail == " and slept."


def test_going_on_behind_the_end():
    found = edited(len(WAS), "", " It dreamt", kind="extended")
    assert rows(steered(" of fish.", WAS + " It dreamt", found, end="stop")) == [
        ("continued", WAS, ("",), " It dreamt")
    ]
    assert rows(steered(" of fish.", WAS + " It dreamt", found)) == [("typed", WAS, (), " It dreamt")]


def test_edits_that_do_not_lead_there_make_no_steer():
    assert rows(steered("x", "Something else", edited(4, "cat", "dog"))) == []
    assert rows(steered("x", "The dog", edited(4, "cow", "dog"))) == []


def test_own_words_corrected_are_no_steer():
    first = steered(" and purred.", "The cat sat on the mat", edited(18, WAS[18:], " mat")).remembered
    found = edited(19, "mat and purred.", "sofa", exchange="b")
    both = {"b": first, "a": one("a", WAS).remembered}
    again = one("c", " for hours.", "The cat sat on the sofa", before=both, found=found)
    assert rows(again) == [("typed", "The cat sat on the ", ("mat and purred.",), "sofa")]  # most of it is the model's
    only = edited(19, "mat", "rug", exchange="b")
    own = one("c", " ok", "The cat sat on the rug and purred.", before=both, found=only)
    assert rows(own) == []
    assert own.remembered.written.person[0][0] <= 19


def test_a_finished_answer_corrected_in_the_history():
    first = one("a", WAS, end="stop").remembered
    turns = (*ASK, Turn("assistant", WAS.replace("hat", "mat")), Turn("user", "Go on."))
    found = Recognition("history_edit", None, (Edit("a", 1, 19, "hat", "mat"),), True)
    seen = one("b", "It woke.", turns=turns, before={"a": first}, found=found)
    assert rows(seen) == [("local", "The cat sat on the ", ("hat",), "mat")]
    short = (*ASK, Turn("assistant", "The cat sat."), Turn("user", "Go on."))
    found = Recognition("history_edit", None, (Edit("a", 1, 11, WAS[11:-1], ""),), True)
    cut = one("c", "It woke.", turns=short, before={"a": first}, found=found)
    assert rows(cut) == [("local", "The cat sat", (WAS[11:-1],), "")]


def test_a_text_prompt_goes_on_behind_itself():
    first = prompt("a", " on the hat", "The cat sat").remembered
    found = edited(4, "the hat", "a mat", turn=0)
    second = prompt("b", " all day", "The cat sat on a mat", before={"a": first}, found=found)
    assert rows(second) == [("typed", " on ", ("the hat",), "a mat")]
    [proposal] = second.proposals
    assert (proposal.prompt, proposal.text) == ("The cat sat", " on a mat all day")
    both = {"a": first, "b": second.remembered}
    found = edited(1, "all day", "for hours", exchange="b", turn=0)
    third = prompt("c", " long", "The cat sat on a mat for hours", before=both, found=found)
    assert rows(third) == [("typed", " on a mat ", ("all day",), "for hours")]
    assert third.proposals[0].prompt == "The cat sat"


def test_what_the_text_does_not_show_makes_no_steer():
    first = one("a", WAS, opaque="image_url").remembered
    seen = one("b", "x", "The cat", before={"a": first}, found=edited(7, WAS[7:], "", kind="cut"))
    assert (seen.proposals, seen.unmade) == ((), "image_url")


@given(st.text(max_size=12), st.text(max_size=8), st.text(max_size=8), st.text(max_size=12), st.text(max_size=6))
def test_any_edit_comes_back_as_the_row_that_makes_it(before, was, put, tail, more):
    whole, given_ = before + was + tail, before + put + tail
    first = one("a", whole).remembered
    found = edited(len(before), was, put)
    seen = one("b", more, given_, before={"a": first}, found=found)
    for _, prefix, rejected, chosen in rows(seen):
        assert (prefix, chosen) == (before, put)
        assert rejected in ((was,), (), ("",))
    text = seen.remembered.written
    assert text.given == given_
    for a, b in text.person:
        assert 0 <= a <= b <= len(given_)
    assert Written.from_dict(text.to_dict()) == text


# -- what becomes of them ----------------------------------------------------------------------------------------------


def spelled(tokenizer, trajectory, place):
    return tokenizer.decode(trajectory.path(place)[len(trajectory.nodes[0].token_ids) :])


def test_steers_of_one_text_become_one_trajectory(tiny_tokenizer):
    first = one("a", WAS).remembered
    at = WAS.index(" hat")
    second = one("b", " and purred.", "The cat sat on the mat", before={"a": first}, found=edited(at, WAS[at:], " mat"))
    both = {"a": first, "b": second.remembered}
    found = edited(26, " purred.", " slept", exchange="b")
    third = one("c", " well.", "The cat sat on the mat and slept", before=both, found=found)
    made = trajectory_of([*second.proposals, *third.proposals], tiny_tokenizer, client="c1", at=5.0)
    assert [s.kind for s in made.steers] == ["typed", "typed"]
    assert spelled(tiny_tokenizer, made, made.head) == "The cat sat on the mat and slept well."
    assert {s.annotator for s in made.steers} == {"c1"}
    alone = trajectory_of(second.proposals, tiny_tokenizer, client="c1", at=5.0)
    assert alone.id == made.id
    assert alone.steers[0].id == made.steers[0].id


def walk(tokenizer, *steps, **last):
    """Remembered exchanges with the ids that the tokenizer gives."""
    before, noticed = {}, None
    for n, (text, prefill, found) in enumerate(steps):
        id = "abcdef"[n]
        noticed = one(id, text, prefill, ids=tokenizer.encode(text), before=before, found=found, **last)
        before[id] = noticed.remembered
    return noticed


@pytest.mark.parametrize(
    ("text", "prefill", "found", "kind"),
    [
        (" and purred.", "The cat sat on the mat", edited(18, WAS[18:], " mat"), "typed"),
        (" on the mat.", "The cat sat", edited(11, WAS[11:], "", kind="cut"), "resampled"),
        (" It woke.", WAS.replace("hat", "mat"), edited(19, "hat", "mat"), "local"),
    ],
)
def test_ids_are_the_servers_own(tiny_tokenizer, text, prefill, found, kind):
    seen = walk(tiny_tokenizer, (WAS, "", None), (text, prefill, found))
    [proposal] = seen.proposals
    assert len(proposal.steps) == 2
    again = Proposal.from_dict(proposal.to_dict())
    made = trajectory_of([again], tiny_tokenizer, client="c1", at=5.0)
    assert [s.kind for s in made.steers] == [kind]
    assert spelled(tiny_tokenizer, made, made.head) == prefill + text
    [rejected] = made.steers[0].rejected
    ids = tiny_tokenizer.encode(WAS)
    written = made.path(rejected.end)[len(made.nodes[0].token_ids) :]
    assert written == ids[: len(written)], "what was turned down are the ids that the server told"
    assert made.path(made.head)[-len(tiny_tokenizer.encode(text)) :] == tiny_tokenizer.encode(text)
    assert made.source_text is None


def test_each_step_of_ids_is_a_steer_of_the_same_tree(tiny_tokenizer):
    two = (" and purred.", "The cat sat on the mat", edited(18, WAS[18:], " mat"))
    three = (" well.", "The cat sat on the mat and slept", edited(26, " purred.", " slept", exchange="b"))
    first = walk(tiny_tokenizer, (WAS, "", None), two).proposals[0]
    second = walk(tiny_tokenizer, (WAS, "", None), two, three).proposals[0]
    made = [trajectory_of([p], tiny_tokenizer, client="c", at=5.0) for p in (first, second)]
    assert made[0].id == made[1].id
    assert len({s.id for m in made for s in m.steers}) == 2
    assert {n.id for n in made[0].nodes} <= {n.id for n in made[1].nodes}


def test_ids_that_do_not_give_the_text_are_left_for_the_text(tiny_tokenizer):
    seen = walk(tiny_tokenizer, (WAS, "", None), (" it.", "The cat sat on the mat", edited(18, WAS[18:], " mat")))
    [proposal] = seen.proposals
    wrong = Proposal.from_dict({**proposal.to_dict(), "steps": [{**s.to_dict(), "ids": [40]} for s in proposal.steps]})
    made = trajectory_of([wrong], tiny_tokenizer, client="c", at=5.0)
    assert made.source_text is not None
    assert spelled(tiny_tokenizer, made, made.head) == "The cat sat on the mat it."


def test_nothing_to_learn_is_said(tiny_tokenizer):
    seen = steered("", "The cat sat", edited(11, WAS[11:], "", kind="cut"))
    with pytest.raises(InputError, match="nothing can be learnt"):
        trajectory_of(seen.proposals, tiny_tokenizer)
