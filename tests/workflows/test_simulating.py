"""Prompts in, steered texts out: each once, whoever is killed, with its provenance and price."""

import pytest

from midcourse.backends.local import LocalBackend
from midcourse.drafts.simulate import Rule, RuleSet, Teacher
from midcourse.model import load_model
from midcourse.types import Message
from midcourse.workflows.prompts import Asked
from midcourse.workflows.simulating import Tally, Writer
from model_folder import save_model

RULES = RuleSet((Rule("again", r"[^a-f]"),), stretch=3, max_tokens=12, max_steers=2)


@pytest.fixture(scope="module")
def writer(tmp_path_factory):
    loaded = load_model(save_model(tmp_path_factory.mktemp("model")))
    return Writer(loaded.model, loaded.tokenizer, RULES, loaded.ref, "rules test", rows=3)


def prompts(n=5):
    return [Asked((Message("user", f"Say {i}"),), "train", f"g{i}") for i in range(n)]


def test_texts_say_what_made_them(writer):
    asked, found, tally = prompts(), {}, Tally()

    def done(finished):
        found[finished.trajectory.id] = finished.trajectory
        tally.add(finished)

    writer.write(asked, done)
    assert set(found) == {writer.id_of(a) for a in asked}
    one = found[writer.id_of(asked[1])]
    assert (one.source, one.annotator, one.split, one.group) == ("simulated", "rules test", "train", "g1")
    assert one.sampler["simulated"]["by"] == "rules test"
    assert one.sampler["simulated"]["paid"]["seconds"] > 0
    assert one.status == "accepted"
    assert tally.texts == 5
    assert tally.steers == sum(len(t.steers) for t in found.values()) > 0
    assert "stops" in " ".join(tally.lines())


def test_another_person_writes_another_text(writer):
    from dataclasses import replace

    one = prompts()[0]
    changed = [replace(writer, seed=1), replace(writer, by="x"), replace(writer, mark="round 1")]
    assert len({w.id_of(one) for w in [writer, *changed]}) == 4


def test_what_the_checker_refuses_is_kept_and_trains_nothing(writer):
    from dataclasses import replace

    found = []
    replace(writer, checker=lambda text, start: True).write(prompts(), found.append)
    assert all(f.trajectory.status == "discarded" for f in found)
    assert not any(s.counts for f in found for s in f.trajectory.steers)


def test_an_estimate_comes_before(writer):
    said = writer.estimate(prompts())
    assert said.texts == 5
    assert said.tokens == int(5 * 12 * 1.4)
    assert said.seconds > 0
    assert "5 texts" in str(said)


def test_a_teacher_is_tried_on_a_few_beginnings_first(tmp_path, writer, monkeypatch):
    from dataclasses import replace

    begun = []
    first = Teacher.first
    monkeypatch.setattr(Teacher, "first", lambda self, text, **how: begun.append(text) or first(self, text, **how))
    other = load_model(save_model(tmp_path / "teacher", seed=1))
    teacher = Teacher(LocalBackend(other.model, other.tokenizer.eos), other.tokenizer, stretch=4, max_tokens=40)
    asked = prompts(30)
    said = replace(writer, judge=teacher).estimate(asked)
    assert (said.texts, said.tokens) == (30, int(30 * 40 * 1.4))
    assert said.read == 30 * 10 * 20, "at each of ten looks all there is, half of a text on average"
    assert said.seconds > 0
    assert 8 <= len(begun) < 30 * 10, "it looked at a few beginnings, not at whole texts of all"
