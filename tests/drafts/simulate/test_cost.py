"""What was paid, by explicit arithmetic."""

import pytest
from scripted import Scripted, tokenizer

from midcourse.drafts.draft import Draft
from midcourse.drafts.simulate import Keystrokes, Paid, Rule, RuleSet, simulate

KEYS = Keystrokes()


def test_a_typed_correction():
    paid = Paid()
    paid.read("", " You should go", 4)
    paid.steer("typed", back=2, typed="could")
    paid.accept()
    # stop, two words back, five letters, commit; accept
    assert (paid.keys, paid.decisions, paid.words_typed, paid.words_read) == (1 + 2 + 5 + 1 + 1, 2, 1, 3)
    assert KEYS.seconds(paid) == pytest.approx(10 * 0.28 + 2 * 1.35 + 3 * 60 / 238)


@pytest.mark.parametrize(
    ("kind", "given", "keys"),
    [
        ("resampled", {"back": 1}, 3),
        ("ended", {"back": 1}, 5),
        ("picked", {"back": 1, "typed": "could", "pick": True}, 3),
        ("local", {"back": 40, "typed": "could"}, 1 + 12 + 5 + 2),
    ],
)
def test_keys_of_each_kind(kind, given, keys):
    paid = Paid()
    paid.steer(kind, **given)
    assert (paid.keys, paid.stops, paid.by_kind) == (keys, 1, {kind: 1})
    assert paid.words_typed == (kind == "local")


def test_payments_add_up():
    one, two = Paid(stops=1, keys=3, by_kind={"typed": 1}), Paid(stops=2, keys=1, by_kind={"typed": 1, "local": 1})
    assert one + two == Paid(stops=3, keys=4, by_kind={"typed": 2, "local": 1})
    assert Paid.total([one, two, Paid()]) == one + two
    assert (one + two).to_dict()["seconds"] == pytest.approx(4 * 0.28)


def test_writing_the_whole_answer_anew_is_charged_in_full():
    assert KEYS.rewrite("a b c", "x" * 100) == pytest.approx(3 * 60 / 238 + 1.35 + 102 * 0.28)


def test_a_simulated_text_pays_for_what_was_shown_and_typed():
    rules = RuleSet((Rule("mild", r"\bshould\b", "could"),), stretch=40)
    run = simulate(Draft(Scripted([" You should go.", " home.<end>"]), tokenizer()).start("Say:"), rules)
    assert run.text == " You could home."
    assert run.paid.words_read == 4  # three as shown, one after the correction
    assert run.paid.keys == 1 + 2 + len("could") + 1 + 1
    assert run.paid.by_kind == {"typed": 1}
    assert run.ended
