"""What `midcourse train` says at its end can be done: the commands that it names are run as they stand."""

import json
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

import model_folder
from midcourse.cli import app
from midcourse.cli.training import _options
from midcourse.errors import InputError


@pytest.mark.long
@pytest.mark.parametrize("peft", ["true", "false"])
def test_the_next_commands_work(tmp_path: Path, peft: str) -> None:
    model_folder.save_model(tmp_path / "tiny", positions=1024)
    lines = [
        {"prompt": f"Q{i}: ", "prefix": "It is", "rejected": " bad", "chosen": " good", "split": s}
        for i, s in enumerate(["train", "train", "test"])
    ]
    (tmp_path / "my.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    out, model = tmp_path / "out", tmp_path / "tiny"
    words = ["train", str(tmp_path / "my.jsonl"), "--model", str(model), "--output_dir", str(out), "--use_peft", peft]
    runner = CliRunner(env={"COLUMNS": "400"})
    done = runner.invoke(app, [*words, "--num_train_epochs", "1", "--disable_tqdm", "true"])
    assert done.exit_code == 0, done.output
    evaluate, talk = (shlex.split(line)[1:] for line in done.stderr.splitlines() if line.startswith("  midcourse "))
    result = runner.invoke(app, [*evaluate, "--samples", "0", "--json"])
    assert result.exit_code == 0, result.output
    assert list(json.loads(result.stdout)["adapters"]) == ["out"]
    assert talk[0] == "chat"
    assert ("--adapter" in talk) == (peft == "true")
    said = runner.invoke(app, [*talk, "--prompt", "Tea?", "--max_new_tokens", "4"])
    assert said.exit_code == 0, said.output


@pytest.mark.parametrize("words", [["--store", "midcourse.db"], ["--beta", "0.2", "midcourse.db"]])
def test_an_option_in_place_of_the_data_is_told(words: list[str]) -> None:
    said = CliRunner().invoke(app, ["train", *words, "--output_dir", "out"])
    assert said.exit_code == 2
    assert f"the data comes first and settings after it, got '{words[0]}'" in said.stderr


def test_lists_are_given_as_json_and_nothing_as_nothing() -> None:
    given = _options(["--writers", '["a", "b"]', "--mix=", "--beta", "0.2", "--use_peft"])
    assert given == {"writers": ["a", "b"], "mix": "", "beta": 0.2, "use_peft": True}


def test_what_begins_like_json_and_is_none_is_told() -> None:
    with pytest.raises(InputError, match=r"--mix begins like JSON and is none \(.*\): \{text"):
        _options(["--mix", "{text: 0.1}"])
