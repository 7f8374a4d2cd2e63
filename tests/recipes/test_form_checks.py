"""The judges of the study's tasks find what they say they find."""

import sys
from pathlib import Path

import pytest

from midcourse.workflows.tasks import Task

STUDY = Path(__file__).parents[2] / "recipes" / "study"


@pytest.fixture
def checks(monkeypatch):
    monkeypatch.syspath_prepend(str(STUDY))
    monkeypatch.delitem(sys.modules, "form_checks", raising=False)
    import form_checks

    return form_checks


@pytest.mark.parametrize(
    ("task", "text", "found"),
    [
        ("plain_form", "Rain, snow. It costs 1,000 crowns,", {"comma": 1}),
        ("plain_form", " ".join(["word"] * 15) + ".", {"long sentence": 1}),
        ("plain_form", " ".join(["word"] * 14) + ". One.", {}),
        ("plain_form", "1. **Rest**\n2) walk\n- sleep\n3 apples", {"bullet": 2}),
        ("lower_case", "the Rain fell on Mc-Donald and THE", {"capital": 3}),
        ("lower_case", "the rain fell", {}),
        ("short_words", "You can make sure of it. Use a cannon, such as this.", {"worn word": 4}),
        ("impersonal", "You're late, and your young yourself; yours, youth’s.", {"address": 4}),
        ("impersonal", "One is late.", {}),
        ("sums", "12 + 30 = 42, 1 + 1 = 3 and 2+2=5.", {"sum": 2}),
    ],
)
def test_it_counts_what_is_broken(checks, task, text, found):
    assert dict(getattr(checks, task)(text)) == found


@pytest.mark.parametrize("name", ["plain_form", "lower_case", "short_words", "impersonal"])
def test_a_judge_and_the_rules_that_steer_agree_on_what_a_person_would_leave(checks, name):
    task = Task.load(STUDY / "tasks" / f"{name}.yaml")
    text = "First, you should rest. You can also use a hat; your friends help."
    left = text
    while (found := task.rules.first(left)) is not None and found.correction is not None:
        left = left[: found.start] + found.correction + left[found.end :]
    assert getattr(checks, name)(text)
    assert not getattr(checks, name)(left), left
    fires = getattr(checks, f"{name}_fires")
    assert fires(text, 0)
    assert not fires(text, len(text))  # what stood before is not made anew
    assert not fires(left, 0)
