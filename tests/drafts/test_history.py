"""Undo, redo, jumps and what nobody has seen: the text goes back and forth, the tree only grows."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted import Scripted, tokenizer

from midcourse.backends.protocol import Token
from midcourse.drafts.draft import Draft
from midcourse.drafts.history import ahead_of
from midcourse.drafts.looking import alternatives, ghost
from midcourse.drafts.turns import next_turn
from midcourse.errors import InputError
from midcourse.store.db import Store
from midcourse.types import Message, Place

END = tokenizer().eos[0]


def draft(*texts: str, store: Store | None = None) -> Draft:
    return Draft(Scripted(texts), tokenizer(), store).start("Say:")


def write(d: Draft) -> str:
    for _ in d.stream():
        pass
    return d.text


def arrive(d: Draft, text: str, seen: int | None) -> None:
    d.ask()
    ids = tokenizer().encode(text.removesuffix("<end>")) + ([END] if text.endswith("<end>") else [])
    d.take([Token(i, -1.0) for i in ids], seen)


def read(d: Draft, place: Place) -> str:
    return tokenizer().decode(d.trajectory.path(place))


def test_redo_brings_the_steer_and_what_followed_back():
    d = draft(" You should go home.", " rest.")
    write(d)
    d.replace(4, " could")
    write(d)
    assert d.undo()
    assert (d.text, [s.state for s in d.trajectory.steers]) == (" You should go home.", ["withdrawn"])
    assert d.redo()
    assert (d.text, [s.state for s in d.trajectory.steers]) == (" You could rest.", ["active"])
    assert not d.redo()
    d.undo()
    d.replace(4, " may")
    assert not d.redo()


def test_what_was_not_seen_is_kept_apart():
    d = draft()
    arrive(d, " You should go home.", 2)
    assert (d.text, d.seen) == (" You should go home.", 2)
    assert read(d, d.trajectory.head) == "Say: You should"
    assert read(d, d.accept().head) == "Say: You should"


def test_going_on_goes_on_behind_what_was_received():
    d = draft()
    arrive(d, " You should go", 1)
    asked, _ = d.ask()
    assert tokenizer().decode(asked) == "Say: You should go"
    d.take([Token(i, -1.0) for i in tokenizer().encode(" home.")], None)
    assert (d.text, d.seen) == (" You should go home.", len(d.answer_ids))


def test_a_steer_says_how_much_of_the_rejected_side_was_seen():
    d = draft()
    arrive(d, " You should go home.", 3)
    steer = d.replace(4, " could")
    [rejected] = steer.rejected
    assert read(d, rejected.end) == "Say: You should go home."
    assert tokenizer().decode(d.trajectory.path(rejected.end)[: rejected.shown]) == "Say: You should go"
    assert steer.received == rejected.end.depth
    d.undo()
    assert (d.text, d.seen) == (" You should go home.", 3)


def test_resampling_behind_unseen_text_keeps_count_of_it():
    d = draft()
    arrive(d, " You should go home.", 3)
    steer = d.resample(4)
    assert tokenizer().decode(d.trajectory.path(steer.rejected[0].end)[: steer.shown]) == "Say: You should go"


def test_a_local_steer_leaves_the_unseen_tail_unseen():
    d = draft()
    arrive(d, " You should go home.", 3)
    d.replace(5, "could", "local", end=11)
    assert d.text == " You could go home."
    assert read(d, d.trajectory.head) == "Say: You could go"


def test_an_unseen_end_is_not_turned_down_as_one():
    d = draft()
    arrive(d, " You should go<end>", 3)
    assert d.replace(len(d.text), " home").kind == "typed"


def test_words_that_also_end_the_answer():
    d = draft(" You should go home.")
    write(d)
    d.replace(4, " rest.", closes=True)
    assert (d.text, d.ended) == (" You rest.", True)


def test_picking_the_end_token_ends():
    d = draft(" You should go home.")
    write(d)
    assert d.pick(d.prompt_length + 2, END).kind == "ended"
    assert (d.text, d.ended) == (" You should", True)


def test_jump_and_back():
    d = draft(" You should go home.", " rest.")
    write(d)
    old = d.trajectory.head
    d.replace(4, " could")
    write(d)
    d.jump(old)
    assert d.text == " You should go home."
    d.undo()
    assert d.text == " You could rest."
    with pytest.raises(InputError, match="prompt"):
        d.jump(Place(old.node, 0))


def test_withdrawing_one_steer_leaves_the_text():
    d = draft(" You should go home.", " rest.")
    write(d)
    steer = d.replace(4, " could")
    d.withdraw(steer.id)
    assert (d.text, d.steers) == (" You could", ())
    d.undo()
    assert d.text == " You should go home."


def test_a_text_from_the_store_goes_on():
    with Store("sqlite://") as store:
        d = draft(" You should go home.", " rest.", store=store)
        write(d)
        d.replace(4, " could")
        write(d)
        d.accept()
        again = Draft(Scripted([" well."]), tokenizer(), store).reopen(store.trajectory(d.trajectory.id))
        assert again.text == " You could rest."
        again.undo()
        kept = store.trajectory(d.trajectory.id)
        assert (again.text, kept.status, kept.steers[0].state) == (" You should go home.", "open", "withdrawn")
        assert kept.path(kept.head) == again.token_ids


def test_what_the_store_refuses_has_not_happened():
    class Full(Store):
        full = False

        def write(self, work, **how):
            if self.full:
                raise OSError("disk full")
            return super().write(work, **how)

    with Full("sqlite://") as store:
        d = draft(" You should go home.", store=store)
        write(d)
        before = d.trajectory
        store.full = True
        for step in (lambda: d.replace(4, " could"), lambda: d.rewind(4), lambda: d.resample(4), d.undo, d.accept):
            if step != d.undo:
                with pytest.raises(OSError, match="full"):
                    step()
            assert d.trajectory == before
        with pytest.raises(OSError, match="full"):
            arrive(d, " Now", None)
        assert d.trajectory == before
        store.full = False
        assert d.replace(4, " could") is not None
        assert store.verify() == []


def test_the_next_turn_keeps_the_ids_of_this_one():
    d = Draft(Scripted([" go home.<end>"]), tokenizer()).start([Message("user", "Hi")])
    write(d)
    d.accept()
    following = next_turn(d, "And then?")
    t = following.trajectory
    assert t.path(t.head)[: len(d.token_ids)] == d.token_ids
    assert read(following, t.head) == "[user] Hi<end>[assistant]  go home.<end>[user] And then?<end>[assistant] "
    assert [m.role for m in t.messages] == ["user", "assistant", "user"]
    assert t.group == d.trajectory.id
    with pytest.raises(InputError, match="raw text"):
        next_turn(draft(), "x")


def test_looking_changes_nothing():
    d = draft(" You should go home.", " could", " rest now")
    write(d)
    before = d.trajectory
    assert alternatives(d, 1, 3) == ()  # the scripted model reports none
    day = tokenizer().encode(" day")[0]
    assert tokenizer().decode(ghost(d, 1, day, 32)) == " day rest now"
    assert ghost(d, 1, END, 8) == [END]
    assert d.trajectory == before
    with pytest.raises(InputError, match="no token"):
        alternatives(d, 99, 3)


@pytest.mark.long
@settings(max_examples=100, deadline=None)
@given(st.data())
def test_undo_and_redo_are_inverse(data):
    with Store("sqlite://") as store:
        d = draft(store=store)
        for _ in range(data.draw(st.integers(1, 6))):
            if data.draw(st.booleans()):
                said = data.draw(st.sampled_from([" You", " should go", " very", " home.<end>"]))
                if not d.ended:
                    arrive(d, said, data.draw(st.one_of(st.none(), st.integers(0, 6))))
            else:
                cut = data.draw(st.integers(0, len(d.text)))
                op = data.draw(st.sampled_from([d.replace, d.resample, d.end]))
                op(cut, " day") if op == d.replace else op(cut)
        texts, count = [(d.text, d.seen)], len(d.history)
        while d.undo():
            texts.append((d.text, d.seen))
        assert len(texts) == count + 1
        assert all(s.state == "withdrawn" for s in d.trajectory.steers)
        assert store.trajectory(d.trajectory.id).head == d.trajectory.head
        back = [(d.text, d.seen)]
        while d.redo():
            back.append((d.text, d.seen))
        assert back == texts[::-1]
        kept = store.trajectory(d.trajectory.id)
        assert (kept.head, kept.steers) == (d.trajectory.head, d.trajectory.steers)
        assert store.verify() == []


def test_what_was_received_and_not_turned_down_is_found_again():
    d = draft()
    arrive(d, " You should", 1)
    arrive(d, " go home.", 0)
    t = d.trajectory
    assert read(d, t.head) == "Say: You"
    assert read(d, ahead_of(t)) == "Say: You should go home."
    d.resample(4)
    assert ahead_of(d.trajectory) is None
    arrive(d, " very", 0)
    assert read(d, ahead_of(d.trajectory)) == "Say: You very"
    d.replace(4, " day")
    assert ahead_of(d.trajectory) is None
