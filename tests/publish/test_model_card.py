"""The card says what is known and says of the rest that it is not."""

import json
from pathlib import Path

import pytest
import yaml

from midcourse.errors import InputError
from midcourse.publish.model_card import model_card, public_record, read_evaluation
from midcourse.publish.steered import Steered
from midcourse.types import ModelRef

RECORD = {
    "midcourse": "0.1.0",
    "base": {"name": "builtin", "weights": "abc"},
    "settings": {"loss_type": "fork", "beta": 0.4, "max_drift": None},
    "arguments": {"output_dir": "/home/someone/secret"},
    "data": {"trajectories": 28, "steers": 95},
}
BUILTIN = Steered(Path("runs/first"), ModelRef("builtin", "abc"), Path("nowhere"), RECORD)


def evaluation(**more):
    def interval(mean):
        return {"mean": mean, "low": mean - 0.1, "high": mean + 0.1, "n": 40, "prompts": 34}

    metric = {
        "name": "recurrence",
        "title": "The model makes the same error again",
        "unit": "share",
        "values": {"base": interval(0.74), "first": interval(0.49)},
        "change": {"first": interval(-0.25)},
        "verdict": {"first": "better"},
    }
    drift = metric | {
        "name": "drift/kl_answers",
        "title": "Drift on answers to unrelated prompts",
        "unit": "nats/token",
        "values": {"base": interval(0), "first": interval(0.0133)},
        "verdict": {"first": ""},
    }
    return {
        "model": "builtin",
        "weights": "abc",
        "adapters": {"first": "runs/first"},
        "part": "test",
        "prompts": 34,
        "steers": 114,
        "enough": True,
        "signs": {"first": []},
        "metrics": [metric, drift],
    } | more


def written(tmp_path, value):
    path = tmp_path / "eval.json"
    path.write_text(json.dumps(value))
    return path


def test_base_data_method_gain_drift_licence_and_consent(tmp_path):
    found = read_evaluation(written(tmp_path, evaluation()), BUILTIN)
    text = model_card(
        BUILTIN, "adapter", evaluation=found, licence="apache-2.0", consent="Both agreed.", checked=["Seen to be so."]
    )
    head = yaml.safe_load(text.split("---")[1])
    assert head["license"] == "apache-2.0"
    assert head["library_name"] == "peft"
    assert head["base_model_relation"] == "adapter"
    assert "weights `abc`" in text
    assert "Q4_1" in text  # the Hub's weights of that name are others
    assert "- steers: 95" in text
    assert "- beta: 0.4" in text
    assert "| The model makes the same error again | 74% [64, 84] | 49% [39, 59] | -25% [-35, -15] | better |" in text
    assert "0.0133" in text
    assert "34 prompts with 114 steers" in text
    assert "Both agreed." in text
    assert "- Seen to be so." in text


def test_nothing_of_the_machine_is_told():
    record = public_record(BUILTIN)
    assert "arguments" not in record
    assert "secret" not in json.dumps(record) + model_card(BUILTIN, "merged")


def test_what_is_not_known_is_said_to_be_unknown():
    bare = Steered(Path("a"), ModelRef("builtin", "abc"), Path("nowhere"), {})
    text = model_card(bare, "merged")
    assert "Not evaluated" in text
    assert text.count("does not say") == 2
    assert "without one nobody may use this" in text
    assert "ask them before this is published" in text


def test_few_prompts_and_broken_signs_are_told(tmp_path):
    value = evaluation(enough=False, signs={"first": ["repeats itself"]})
    text = model_card(BUILTIN, "adapter", evaluation=read_evaluation(written(tmp_path, value), BUILTIN))
    assert "Too few prompts" in text
    assert "Looks broken: repeats itself." in text


def test_an_evaluation_of_something_else_is_refused(tmp_path):
    with pytest.raises(InputError, match="weights zzz"):
        read_evaluation(written(tmp_path, evaluation(weights="zzz")), BUILTIN)
    two = evaluation(adapters={"a": "runs/a", "b": "runs/b"})
    with pytest.raises(InputError, match="none of them is first"):
        read_evaluation(written(tmp_path, two), BUILTIN)
    for broken in ("[]", "{", '{"adapters": {}}'):
        (tmp_path / "eval.json").write_text(broken)
        with pytest.raises(InputError, match=r"no eval\.json"):
            read_evaluation(tmp_path, BUILTIN)
