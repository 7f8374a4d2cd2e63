"""What `pip install midcourse` alone can do: with no torch anywhere, steers are imported, looked at, kept and exported.

Every command is a process of its own in which torch and what comes with it cannot be imported.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from midcourse.tokens import TextTokenizer

pytestmark = pytest.mark.slow  # a dozen processes
ABSENT = ("torch", "transformers", "peft", "accelerate", "datasets", "fastapi", "uvicorn", "psycopg", "pyarrow")
RUN = f"""
import sys
for name in {ABSENT!r}:
    sys.modules[name] = None  # import raises ImportError
from midcourse.cli import main
main()
"""
ROWS = [
    {"prompt": "How do I boil an egg?", "prefix": "Put it", "rejected": " in the sun", "chosen": " in a pan"},
    {"prompt": "How do I make tea?", "prefix": "First,", "rejected": " open a book", "chosen": " boil water"},
]


@pytest.fixture
def desk(tiny_tokenizer: TextTokenizer, tmp_path: Path) -> Path:
    """A folder with rows, and a model's folder as far as a tokenizer needs one."""
    model = tmp_path / "model"
    model.mkdir()
    tiny_tokenizer._text.save(str(model / "tokenizer.json"))
    (model / "tokenizer_config.json").write_text(json.dumps({"chat_template": tiny_tokenizer.template}))
    (model / "config.json").write_text("{}")
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    (model / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    (tmp_path / "my.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    return tmp_path


def run(desk: Path, *words: str, code: int = 0) -> str:
    done = subprocess.run([sys.executable, "-c", RUN, *words], cwd=desk, capture_output=True, text=True, check=False)
    assert done.returncode == code, f"{words}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def test_steers_are_brought_in_looked_at_and_taken_elsewhere(desk: Path) -> None:
    assert "Usage" in run(desk, "--help")
    assert run(desk, "--version").startswith("midcourse ")
    run(desk, "import", "steers", "my.jsonl", "--model", "model", "--chat")
    listed = json.loads(run(desk, "steers", "list", "--json"))
    assert [row["kind"] for row in listed] == ["typed", "typed"]
    run(desk, "store", "verify")
    run(desk, "store", "backup", "copy.db")
    run(desk, "store", "verify", "--store", "copy.db")
    run(desk, "export", "--to", "jsonl", "--output", "rows.jsonl")
    written = [json.loads(line)["chosen"] for line in (desk / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
    assert written == [" a pan", " boil water"]  # " in" was common to both sides


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        (("train", "my.jsonl", "--output_dir", "out"), "train"),
        (("chat",), "train"),
        (("studio",), "studio"),
        (("proxy", "--upstream", "http://localhost:1"), "studio"),
        (("store", "verify", "--store", "postgresql://localhost/none"), "postgres"),
    ],
)
def test_what_needs_more_says_what_to_install(desk: Path, words: tuple[str, ...], extra: str) -> None:
    said = " ".join(run(desk, *words, code=2).split())
    assert "pip install 'midcourse[" in said
    assert extra in said.split("midcourse[")[1].split("]")[0]
