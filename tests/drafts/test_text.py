"""Where a text stands changes only once it is on record; going back and forth leads to the very same place."""

import pytest
from scripted import tokenizer

from midcourse.backends.protocol import Sampling, Token
from midcourse.drafts.beginning import begin
from midcourse.drafts.steering import replace_rest
from midcourse.drafts.text import Text
from midcourse.errors import InputError, StoreError
from midcourse.types import Place, Steer

WORDS = tokenizer().encode(" You should go home.")


class Refusing:
    """A record that takes everything until it is told to refuse."""

    def __init__(self) -> None:
        self.refuses, self.kept = False, []

    def __getattr__(self, name):
        def call(*given, **more):
            if self.refuses:
                raise StoreError("the disk is full")
            self.kept.append(name)
            return True

        return call


def begun(record=None) -> Text:
    text = Text(record)
    text.begin(begin(tokenizer(), "Say:", Sampling(), None, id="t"))
    text.append([Token(i, -1.0) for i in WORDS], None)
    return text


def correction(text: Text) -> tuple:
    put = [*WORDS[:2], *tokenizer().encode(" cat")]
    change = replace_rest(text.trajectory, text.prompt_length, text.received, put, "typed", None)
    return change, Steer("s", "t", "typed", change.fork, change.rejected, change.chosen)


MOVES = {
    "append": lambda t: t.append([Token(WORDS[0], -1.0)], None),
    "cut_to": lambda t: t.cut_to(2),
    "commit": lambda t: t.commit(*correction(t)),
    "jump": lambda t: t.jump(Place(t.head.node, t.head.depth - 1)),
    "undo": lambda t: t.undo(),
    "close": lambda t: t.close("accepted"),
}


@pytest.mark.parametrize("name", MOVES)
def test_a_move_that_is_refused_has_changed_nothing(name):
    record = Refusing()
    text = begun(record)
    text.jump(Place(text.head.node, text.head.depth - 1))  # something to undo
    before, trajectory, steps = text.standing, text.trajectory, len(text.history)
    record.refuses = True
    with pytest.raises(StoreError):
        MOVES[name](text)
    assert (text.standing, text.trajectory, len(text.history)) == (before, trajectory, steps)
    record.refuses, kept = False, len(record.kept)
    MOVES[name](text)
    assert len(record.kept) == kept + 1  # each is one record
    assert (text.standing, text.trajectory) != (before, trajectory)


def test_undo_and_redo_lead_to_the_same_place():
    text = begun()
    before = text.standing
    text.commit(*correction(text))
    after = text.standing
    assert text.undo()
    assert text.standing == before
    assert [s.state for s in text.trajectory.steers] == ["withdrawn"]
    assert text.redo()
    assert text.standing == after
    assert not text.redo()
    assert [s.state for s in text.trajectory.steers] == ["active"]


def test_what_was_not_seen_lies_ahead_and_what_was_cut_is_turned_down():
    text = begun()
    end = text.head
    text.append([Token(i, -1.0) for i in WORDS], len(WORDS) + 1)
    assert (text.head.depth, text.received.depth) == (end.depth + 1, end.depth + len(WORDS))
    assert text.depth_seen == text.head.depth
    old = text.received
    text.cut_to(1)
    assert (text.turned_down, text.before_rewind, text.ahead) == (old, old, None)
    assert text.depth_seen == end.depth + 1  # of what was turned down
    text.let_go()
    assert text.before_rewind == text.head


def test_without_a_prompt_there_is_nothing():
    assert not Text(None).begun
    with pytest.raises(InputError, match=r"call start\(prompt\)"):
        Text(None).head  # noqa: B018
    with pytest.raises(InputError, match="within the prompt"):
        begun().jump(Place(begun().head.node, 0))
