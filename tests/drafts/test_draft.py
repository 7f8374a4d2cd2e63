"""A draft must be, to the person, a string that is edited; and underneath, a tree that loses nothing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted import Scripted, tokenizer

from midcourse.drafts.draft import Draft
from midcourse.errors import InputError
from midcourse.store.db import Store
from midcourse.types import Message, Trajectory

END = tokenizer().eos[0]


def draft(*texts: str, prompt="Say:") -> Draft:
    return Draft(Scripted(texts), tokenizer()).start(prompt)


def write(d: Draft, limit: int | None = None) -> str:
    for _ in d.stream(limit):
        pass
    return d.text


def read(t: Trajectory, place) -> str:
    return tokenizer().decode(t.path(place))


# -- what each operation records -------------------------------------------------------------------------------------


def test_typed():
    d = draft(" You should go home.", " rest.")
    write(d)
    steer = d.replace(4, " could", reason="milder")
    assert write(d) == " You could rest."
    t = d.trajectory
    assert (steer.kind, steer.reason, t.steers) == ("typed", "milder", (steer,))
    assert read(t, steer.chosen) == "Say: You could"
    assert read(t, steer.rejected[0].end) == "Say: You should go home."
    assert t.authors(t.head)[-1] == "model"
    assert t.authors(steer.chosen)[-1] == "person"
    assert d.backend.calls[-1][0] == t.path(steer.chosen)


def test_a_correction_that_begins_inside_a_token_forks_before_it():
    d = draft(" You should go home.")
    write(d)
    steer = d.replace(len(" You should g"), "rin")
    t = d.trajectory
    assert d.text == " You should grin"
    assert read(t, steer.fork) == "Say: You should"
    assert t.path(t.head) == tokenizer().encode_prompt("Say:") + tokenizer().encode(" You should grin")


def test_picked():
    d = draft(" You should go home.")
    write(d)
    other = tokenizer().encode(" day")[0]
    steer = d.pick(len(tokenizer().encode_prompt("Say:")) + 1, other)
    assert (d.text, steer.kind) == (" You day", "picked")
    assert d.pick(len(d.token_ids) - 1, other) is None


def test_local_keeps_the_tail_by_its_ids():
    d = draft(" You should go home.")
    write(d)
    old = d.answer_ids
    steer = d.replace(5, "could", "local", end=11)
    t = d.trajectory
    assert d.text == " You could go home."
    assert read(t, steer.fork) == "Say: You"
    assert read(t, steer.chosen) == "Say: You could"
    assert read(t, steer.rejected[0].end) == "Say: You should"
    assert t.path(t.head)[-3:] == old[-3:]
    assert t.authors(t.head)[-3:] == ["model"] * 3


def test_local_insertion_and_deletion():
    d = draft(" You go home.")
    write(d)
    steer = d.replace(4, " should", "local")
    assert d.text == " You should go home."
    assert steer.rejected[0].end.depth == steer.fork.depth
    assert read(d.trajectory, d.trajectory.end_of(steer.rejected[0].end.node)) == "Say: You go home."
    d = draft(" You should go home.")
    write(d)
    steer = d.replace(4, "", "local", end=11)
    assert d.text == " You go home."
    assert steer.chosen == steer.fork
    assert read(d.trajectory, steer.rejected[0].end) == "Say: You should"


def test_deleting_a_repeated_word_forks_where_the_tokens_part():
    d = draft(" a very very good day")
    write(d)
    steer = d.replace(2, "", "local", end=7)
    t = d.trajectory
    assert d.text == " a very good day"
    assert read(t, steer.fork) == "Say: a very"
    old_next = t.path(t.end_of(steer.rejected[0].end.node))[steer.fork.depth]
    assert tokenizer().decode([old_next]).startswith(" v")


def test_deleting_one_of_many_equal_words_rejects_the_token_at_the_fork():
    d = draft(" a very very very good day")
    write(d)
    steer = d.replace(2, "", "local", end=7)
    t = d.trajectory
    assert read(t, steer.fork) == "Say: a very very"
    assert steer.rejected[0].end.depth == steer.fork.depth
    assert t.path(t.end_of(steer.rejected[0].end.node))[steer.fork.depth] == tokenizer().encode(" very")[0]


def test_local_keeps_who_wrote_what_in_the_tail():
    d = draft(" You should go home.", " the cat.")
    write(d)
    d.replace(11, " stop")
    write(d)
    d.replace(1, "The", "local", end=4)
    t = d.trajectory
    assert d.text == " The should stop the cat."
    by = dict(zip(t.path(t.head), t.authors(t.head), strict=True))
    assert by[tokenizer().encode(" stop")[0]] == "person"
    assert by[tokenizer().encode(" cat")[0]] == "model"


def test_resampled_bans_what_was_turned_down_here():
    d = draft(" You should go home.", " day", " good", " stop")
    write(d)
    first = d.resample(4)
    assert (first.kind, first.chosen) == ("resampled", None)
    write(d)
    d.resample(4)
    write(d)
    banned = d.backend.calls[-1][1].banned_first
    assert set(banned) == {tokenizer().encode(" should")[0], tokenizer().encode(" day")[0]}
    assert d.text == " You good"
    assert d.undo()
    assert d.text == " You day"


def test_streaming_after_a_rewind_is_a_resample():
    d = draft(" You should go home.", " day")
    write(d)
    d.rewind(4)
    assert d.steers == ()
    write(d)
    assert [s.kind for s in d.steers] == ["resampled"]


def test_typing_what_was_turned_down_restores_it():
    d = draft(" You should go home.")
    write(d)
    before = d.trajectory.head
    d.rewind(4)
    assert d.replace(4, " should go home.") is None
    assert (d.text, d.steers, d.trajectory.head) == (" You should go home.", (), before)


def test_ended_and_continued():
    d = draft(" go home. You should stop<end>")
    write(d)
    assert d.ended
    assert d.text == " go home. You should stop"
    steer = d.end(9)
    t = d.trajectory
    assert (d.text, d.ended, steer.kind) == (" go home.", True, "ended")
    assert t.path(steer.chosen)[steer.fork.depth :] == [END]
    assert write(d) == " go home."  # nothing is written after an end
    go_on = d.replace(9, " Now")
    assert (d.text, go_on.kind) == (" go home. Now", "continued")
    assert d.trajectory.path(go_on.rejected[0].end)[-1] == END


def test_an_end_the_model_wrote_can_be_turned_down():
    d = draft(" go home.<end>", " You")
    write(d)
    steer = d.resample()
    assert steer.kind == "continued"
    assert write(d) == " go home. You"
    assert d.backend.calls[-1][1].banned_first == (END,)


def test_undo_withdraws_and_keeps():
    d = draft(" You should go home.")
    write(d)
    d.replace(4, " could")
    d.undo()
    assert d.text == " You should go home."
    assert d.steers == ()
    assert [s.state for s in d.trajectory.steers] == ["withdrawn"]
    assert not d.undo()


def test_the_same_words_by_another_hand_stay_apart():
    d = draft(" You", " good")
    write(d)
    d.resample(0)
    write(d)
    steer = d.replace(0, " You")
    t = d.trajectory
    assert d.text == " You"
    assert t.authors(steer.chosen)[-1] == "person"
    assert t.authors(t.steers[0].rejected[0].end)[-1] == "model"


def test_stopping_in_the_middle_keeps_what_was_written():
    d = draft(" You should go home.")
    for n, _ in enumerate(d.stream()):
        if n == 1:
            break
    assert d.text == " You should"
    running = d.stream()
    d.backend.texts = [" go home."]
    next(running)
    d.replace(len(d.text), " now")
    assert list(running) == []
    assert d.text.endswith(" now")


def test_shown_and_times_are_recorded():
    d = draft(" You should go home.")
    write(d)
    steer = d.replace(4, " could", shown=11)
    t = d.trajectory
    assert read(t, t.steers[0].fork) == "Say: You"
    assert tokenizer().decode(t.path(steer.rejected[0].end)[: steer.shown]) == "Say: You should"
    assert steer.received == steer.rejected[0].end.depth
    assert steer.started <= steer.created


def test_chat_prompt_is_rendered_once():
    d = draft(" go", prompt=[Message("user", "Hi")])
    write(d)
    t = d.trajectory
    assert read(t, t.head) == "[user] Hi<end>[assistant]  go"
    assert t.messages == (Message("user", "Hi"),)
    assert t.template == tokenizer().template_hash


def test_mistakes_are_named():
    with pytest.raises(InputError, match="start"):
        Draft(Scripted([]), tokenizer()).text  # noqa: B018
    with pytest.raises(InputError, match="empty"):
        Draft(Scripted([]), tokenizer()).start("")
    d = draft(" You")
    with pytest.raises(InputError, match="prompt already"):
        d.start("x")
    write(d)
    with pytest.raises(InputError, match="4 characters"):
        d.replace(5, "x")
    with pytest.raises(InputError, match="before they begin"):
        d.replace(3, "x", "local", end=1)
    with pytest.raises(InputError, match="no token"):
        d.pick(0, 1)
    d.end()
    with pytest.raises(InputError, match="behind its end"):
        d.pick(len(d.token_ids), tokenizer().encode(" day")[0])
    assert d.ended


# -- any sequence of operations --------------------------------------------------------------------------------------

WORDS = st.one_of(
    st.sampled_from([" You", " should", " very", " very good", "'s", " don't", "🙂", "日", "e\u0301", ""]),
    st.text(max_size=5),
)


class Kept:
    """A store that only remembers."""

    def __init__(self):
        self.nodes, self.steers, self.head, self.status = {}, {}, None, None

    def add(self, t):
        self.nodes.update({n.id: n for n in t.nodes})
        return True

    def append_nodes(self, trajectory, nodes, head=None):
        for n in nodes:
            assert n.parent in self.nodes
            assert n.id not in self.nodes
            self.nodes[n.id] = n
        if head is not None:
            self.set_head(trajectory, head, "open")

    def append_steer(self, steer, nodes=(), head=None):
        self.append_nodes(steer.trajectory, nodes, head)
        for place in (steer.fork, *(r.end for r in steer.rejected), *([steer.chosen] if steer.chosen else [])):
            assert place.node in self.nodes
        self.steers[steer.id] = steer.state

    def set_head(self, trajectory, head, status):
        assert head.node in self.nodes
        self.head, self.status = head, status

    def set_state(self, steer, state, by=None, head=None):
        self.steers[steer] = state
        if head is not None:
            self.set_head(None, head, "open")


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_draft_is_a_string_that_is_edited(data):
    store = Kept()
    d = Draft(Scripted([]), tokenizer(), store).start("Say:")
    raw = b""  # the plain model: the bytes of the text, an end, and what undo goes back to
    closed, history = False, []

    def chars(raw: bytes) -> str:
        return raw.decode("utf-8", errors="replace")

    for _ in range(data.draw(st.integers(1, 9))):
        whole = d.text
        assert whole == chars(raw)
        op = data.draw(st.sampled_from(["stream", "typed", "local", "rewind", "resample", "end", "undo"]))
        cut = data.draw(st.integers(0, len(whole)))
        steps = len(d.history)
        if op == "stream":
            said = data.draw(WORDS) + ("<end>" if data.draw(st.integers(0, 4)) == 0 else "")
            d.backend.texts = [said]
            was = (raw, closed)
            tokens = list(d.stream(data.draw(st.integers(1, 6))))
            assert not (tokens and closed)
            for token in tokens:
                closed = token.id == END
                raw += b"" if closed else tokenizer().token_bytes(token.id)
        elif op == "undo":
            if d.undo():
                raw, closed = history.pop()
            assert (d.text, d.ended) == (chars(raw), closed)
            continue
        else:
            was, new = (raw, closed), data.draw(WORDS)
            try:
                before = whole[:cut].encode()
                raw.decode()
            except UnicodeDecodeError:
                continue  # a text that stops within a character is cut by `character_ends`, tested on its own
            if op == "typed":
                d.replace(cut, new)
                raw, closed = before + new.encode(), False if (new or cut < len(whole) or not closed) else d.ended
            elif op == "local":
                end = data.draw(st.integers(cut, len(whole)))
                d.replace(cut, new, "local", end=end)
                raw = before + new.encode() + whole[end:].encode()
            elif op == "rewind":
                at = d.rewind(cut)
                assert at <= cut
                raw, closed = d.text.encode(), False
            elif op == "resample":
                d.resample(cut)
                raw, closed = d.text.encode(), False
                assert whole[:cut].startswith(d.text)
            else:
                d.end(cut)
                raw, closed = before, True
        assert d.text == chars(raw)
        assert d.ended == closed
        if len(d.history) > steps:
            assert len(d.history) == steps + 1
            history.append(was)
    t = d.accept()
    assert tokenizer().decode(t.path(t.head)) == "Say:" + chars(raw) + ("<end>" if closed else "")
    assert set(store.nodes) == set(t.by_id)
    assert (store.head, store.status) == (t.head, "accepted")
    assert store.steers == {s.id: s.state for s in t.steers}
    assert list(t.start)  # parents stand before their children
    for steer in t.steers:
        prefix = t.path(steer.fork)
        for r in steer.rejected:
            old = t.path(r.end)
            assert old[: steer.fork.depth] == prefix
            assert r.end.depth >= steer.fork.depth
        if steer.chosen is not None and steer.rejected and steer.kind != "local":
            chosen, old = t.path(steer.chosen), t.path(steer.rejected[0].end)
            assert chosen[: steer.fork.depth] == prefix
            assert chosen[steer.fork.depth] != old[steer.fork.depth]


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_a_real_store_gives_back_what_was_written(data):
    with Store("sqlite://") as store:
        d = Draft(Scripted([]), tokenizer(), store, source="test").start(
            [Message("user", "Hi")], group="g", split="dev"
        )
        for _ in range(data.draw(st.integers(1, 7))):
            op = data.draw(st.sampled_from(["stream", "typed", "local", "rewind", "resample", "end", "undo"]))
            cut = data.draw(st.integers(0, len(d.text)))
            if op == "stream":
                d.backend.texts = [data.draw(WORDS)]
                write(d, 5)
            elif op in ("typed", "local"):
                end = data.draw(st.integers(cut, len(d.text))) if op == "local" else None
                d.replace(cut, data.draw(WORDS), op, end=end)
            elif op == "undo":
                d.undo()
            else:
                {"rewind": d.rewind, "resample": d.resample, "end": d.end}[op](cut)
        t = d.accept()
        assert store.verify() == []
        kept = store.trajectory(t.id)
        assert kept.path(kept.head) == t.path(t.head)
        assert kept.authors(kept.head) == t.authors(t.head)
        assert kept.steers == t.steers
        assert (kept.status, kept.split, kept.messages) == ("accepted", "dev", t.messages)
