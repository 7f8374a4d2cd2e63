"""What is drawn and what is likeliest comes out as if each had been asked for alone."""

from growing import Growing, tiny_model
from midcourse.evaluate.forks import held_out
from midcourse.evaluate.own import own_answers
from midcourse.evaluate.sampling import sample
from midcourse.evaluate.variants import Variants
from training_run import tokenizer

PROMPTS = [[5, 6, 7], [8], [9, 10]]


def held():
    texts = [Growing(p, f"t{p[0]}").write([10, 11]).steer(1, [30]).write([13]).value for p in PROMPTS]
    return held_out([t.with_(split="test") for t in texts], part="test", window=64)[0]


def answers(model, sampled: int, shown: int, said=lambda *_: None):
    ticks = []

    def stage(title: str, total: int):
        said(title, total)
        return ticks.append

    found = own_answers(
        Variants(model), tokenizer(), held(), sampled=sampled, shown=shown, tokens=6, seed=3, stage=stage
    )
    return found, sum(ticks)


def test_drawn_and_greedy_answers_do_not_disturb_each_other():
    model, totals = tiny_model().eval(), []
    both, ticks = answers(model, 3, 2, lambda _, total: totals.append(total))
    assert totals == [ticks]
    assert both.collapse == answers(model, 3, 0)[0].collapse
    assert both.written == answers(model, 0, 2)[0].written
    asked = [h.trajectory.path(h.trajectory.head)[:n] for h, n in zip(held(), map(len, PROMPTS), strict=True)]
    greedy = sample(model, asked[:2], [6] * 2, greedy=True)
    assert [w.texts["base"] for w in both.written] == [
        tokenizer().decode(one.token_ids) + ("" if one.ended else " …") for (one,) in greedy
    ]


def test_nothing_asked_for_is_nothing_written():
    found, ticks = answers(tiny_model().eval(), 0, 0)
    assert (found.collapse, found.written, ticks) == ({}, (), 0)
