"""A simulated person: reads along, stops the model at the first mistake, puts it right, and what that would cost."""

from midcourse.drafts.simulate.cost import Keystrokes, Paid
from midcourse.drafts.simulate.habits import CAREFUL, MEASURED, Habits
from midcourse.drafts.simulate.judge import Found, Judge
from midcourse.drafts.simulate.many import simulate_many
from midcourse.drafts.simulate.rules import Rule, RuleSet
from midcourse.drafts.simulate.session import Run, simulate
from midcourse.drafts.simulate.teacher import Teacher
from midcourse.drafts.simulate.wording import WORDINGS, Picked, Rephrased, Wording, wording_named

__all__ = [
    "CAREFUL",
    "MEASURED",
    "WORDINGS",
    "Found",
    "Habits",
    "Judge",
    "Keystrokes",
    "Paid",
    "Picked",
    "Rephrased",
    "Rule",
    "RuleSet",
    "Run",
    "Teacher",
    "Wording",
    "simulate",
    "simulate_many",
    "wording_named",
]
