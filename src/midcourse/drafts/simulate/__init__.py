"""A simulated person: reads along, stops the model at the first mistake, puts it right, and what that would cost."""

from midcourse.drafts.simulate.cost import Keystrokes, Paid
from midcourse.drafts.simulate.habits import CAREFUL, MEASURED, Habits
from midcourse.drafts.simulate.judge import Found, Judge
from midcourse.drafts.simulate.many import simulate_many
from midcourse.drafts.simulate.rules import Rule, RuleSet
from midcourse.drafts.simulate.session import Run, simulate
from midcourse.drafts.simulate.teacher import Teacher

__all__ = [
    "CAREFUL",
    "MEASURED",
    "Found",
    "Habits",
    "Judge",
    "Keystrokes",
    "Paid",
    "Rule",
    "RuleSet",
    "Run",
    "Teacher",
    "simulate",
    "simulate_many",
]
