"""A teacher takes over where the student's words are unlikely under it, and nowhere else."""

import math

from scripted import Scripted, tokenizer

from midcourse.backends.protocol import Read, Token
from midcourse.drafts.draft import Draft
from midcourse.drafts.simulate import Teacher, simulate

RIGHT = " You should go home."


class Knows:
    """A teacher that wants one text: what differs is unlikely; it goes on with that text from wherever it stands."""

    def __init__(self, text: str = RIGHT, *, quick: bool = True) -> None:
        self.ids = [*tokenizer().encode(text), tokenizer().eos[0]]
        self.prompt = len(tokenizer().encode_prompt("Say:"))
        self.reads = 0
        if quick:
            self.read = self._read

    def _read(self, token_ids, start):
        self.reads += 1
        return [
            Read(math.log(0.9) if t == self._wanted(i) else math.log(0.001), self._wanted(i), math.log(0.9))
            for i, t in enumerate(token_ids)
            if i >= start
        ]

    def _wanted(self, i):
        at = i - self.prompt
        return self.ids[at] if at < len(self.ids) else tokenizer().eos[0]

    def stream(self, token_ids, sampling):
        for i in range(len(token_ids), len(token_ids) + sampling.max_new_tokens):
            best = self._wanted(i)
            yield Token(best, math.log(0.9), ((best, math.log(0.9)), (0, math.log(0.01)))[: sampling.alternatives])
            if best in tokenizer().eos:
                return


def taught(*texts: str, **settings):
    knows = Knows(quick=settings.pop("quick", True))
    knows.context = settings.pop("context", None)
    teacher = Teacher(knows, tokenizer(), **{"stretch": 30, **settings})
    return simulate(Draft(Scripted(texts), tokenizer()).start("Say:"), teacher.about("Say:"))


def test_it_takes_over_where_the_student_goes_astray():
    run = taught(" You should stop the cat.", " home.<end>", words=1)
    assert run.text == RIGHT
    [steer] = run.trajectory.steers
    assert steer.kind == "typed"
    assert steer.reason.startswith("p = 0.001")
    assert tokenizer().decode(run.trajectory.path(steer.fork)) == "Say: You should"


def test_what_lies_beyond_its_context_is_let_stand():
    wrong = " You should stop the cat."
    room = len(tokenizer().encode_prompt("Say:")) + len(tokenizer().encode(" You should"))
    assert not taught(wrong + "<end>", context=room + 1).steers
    assert taught(wrong, " home.<end>", words=1, context=room + 2).steers


def test_a_text_it_agrees_with_is_let_stand():
    run = taught(RIGHT + "<end>")
    assert not run.steers
    assert not run.broken


def test_it_ends_what_runs_on():
    run = taught(RIGHT + " the cat the cat")
    assert run.text == RIGHT
    assert [s.kind for s in run.trajectory.steers] == ["ended"]


def test_a_backend_that_only_streams_says_the_same():
    quick, slow = (taught(" You should stop the cat.", " home.<end>", words=1, quick=q) for q in (True, False))
    assert quick.text == slow.text
    assert [s.kind for s in quick.trajectory.steers] == [s.kind for s in slow.trajectory.steers]


def test_more_words_leave_the_student_fewer():
    run = taught(" You stop", "<end>", words=5)
    assert run.text == RIGHT
