"""Prompts in, steered texts out: each once, whoever is killed, with its provenance and price."""

import json

import pytest

from midcourse.drafts.simulate import Rule, RuleSet
from midcourse.errors import InputError
from midcourse.model import load_model
from midcourse.types import Message
from midcourse.workflows.simulating import Tally, Writer, read_prompts, shard
from model_folder import save_model

RULES = RuleSet((Rule("again", r"[^a-f]"),), stretch=3, max_tokens=12, max_steers=2)


@pytest.fixture(scope="module")
def writer(tmp_path_factory):
    loaded = load_model(save_model(tmp_path_factory.mktemp("model")))
    return Writer(loaded.model, loaded.tokenizer, RULES, loaded.ref, "rules test", rows=3)


def prompts(tmp_path, n=5):
    path = tmp_path / "p.jsonl"
    rows = [{"prompt": f"Say {i}", "split": "train", "group": f"g{i}"} for i in range(n)]
    path.write_text("\n".join(map(json.dumps, [*rows, rows[0]])))
    return read_prompts(path)


def test_prompts_are_read_once_each(tmp_path):
    asked = prompts(tmp_path)
    assert len(asked) == 5
    assert asked[0].prompt == (Message("user", "Say 0"),)
    lines = tmp_path / "p.txt"
    lines.write_text("One\n\nTwo\nOne\n")
    assert [a.prompt for a in read_prompts(lines, chat=False)] == ["One", "Two"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "line 1: no JSON"),
        ('{"prompt": 3}', "must be a text"),
        ('{"prompt": "a", "split": "x"}', "split is"),
        ("", "no"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(tmp_path, text, message):
    (tmp_path / "p.jsonl").write_text(text)
    with pytest.raises(InputError, match=message):
        read_prompts(tmp_path / "p.jsonl")


def test_shards_share_nothing_and_leave_nothing_out(tmp_path):
    asked = prompts(tmp_path, 40)
    parts = [shard(asked, i, 3) for i in (1, 2, 3)]
    assert sorted(a.key for p in parts for a in p) == sorted(a.key for a in asked)
    assert all(parts)


def test_texts_say_what_made_them(tmp_path, writer):
    asked, found, tally = prompts(tmp_path), {}, Tally()

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


def test_another_person_writes_another_text(tmp_path, writer):
    from dataclasses import replace

    one = prompts(tmp_path)[0]
    changed = [replace(writer, seed=1), replace(writer, by="x"), replace(writer, mark="round 1")]
    assert len({w.id_of(one) for w in [writer, *changed]}) == 4


def test_what_the_checker_refuses_is_kept_and_trains_nothing(tmp_path, writer):
    from dataclasses import replace

    found = []
    replace(writer, checker=lambda text, start: True).write(prompts(tmp_path), found.append)
    assert all(f.trajectory.status == "discarded" for f in found)
    assert not any(s.counts for f in found for s in f.trajectory.steers)


def test_an_estimate_comes_before(tmp_path, writer):
    said = writer.estimate(prompts(tmp_path))
    assert said.texts == 5
    assert said.tokens == int(5 * 12 * 1.4)
    assert said.seconds > 0
    assert "5 texts" in str(said)
