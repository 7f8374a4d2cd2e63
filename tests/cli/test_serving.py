"""What `midcourse serve` refuses before it loads anything long."""

import pytest
from typer.testing import CliRunner

import model_served
from midcourse.cli import app


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return model_served.folders(tmp_path_factory.mktemp("models"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--host", "0.0.0.0"), "MIDCOURSE_SERVE_KEY"),
        (("--adapter", "=x"), "NAME=DIR"),
        (("--adapter", "a=x", "--adapter", "a=y"), "given twice"),
        (("--adapter", "tiny=x"), "is the base's name"),
        (("--adapter", "a=nowhere"), "does not exist"),
    ],
)
def test_one_sentence(made, words, said):
    done = CliRunner().invoke(app, ["serve", str(made[0]), *words])
    assert done.exit_code == 2, done.output
    assert said in done.stderr
    assert "Traceback" not in done.output
