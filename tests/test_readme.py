"""What the README and the pages promise is so: the tree is the disk's, links lead somewhere, commands exist."""

import json
import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
STAGES = ["store", "drafts", "capture", "tree", "objective", "train", "evaluate", "publish"]


LOSSES = Path("objective/losses")


def tree_entries() -> list[str]:
    """Paths below src/midcourse in the order of the README's tree; folders end in /."""
    block = README.split("src/midcourse/\n", 1)[1].split("```", 1)[0]
    entries: list[str] = []
    above: list[str] = []
    for line in block.splitlines():
        depth = (len(line) - len(line.lstrip())) // 2 - 1
        name = line.split()[0]
        above[depth:] = [name]
        entries.append("".join(above))
    return entries


def test_the_tree_is_the_one_on_the_disk() -> None:
    package = ROOT / "src" / "midcourse"
    modules = {p.relative_to(package) for p in package.rglob("*.py")}
    modules = {m for m in modules if m.parent != LOSSES or m.name == "__init__.py"}  # many alike: told of in one line
    expected = {str(m) for m in modules if m.name != "__init__.py" or str(m) == "__init__.py"}
    expected |= {f"{m.parent}/" for m in modules if m.name == "__init__.py" and str(m) != "__init__.py"}
    entries = tree_entries()
    assert set(entries) == expected
    assert len(entries) == len(set(entries))


def test_the_tree_is_in_flow_order() -> None:
    assert [e.rstrip("/") for e in tree_entries() if e.rstrip("/") in STAGES] == STAGES


def test_every_line_of_the_tree_says_something() -> None:
    block = README.split("src/midcourse/\n", 1)[1].split("```", 1)[0]
    assert [line for line in block.splitlines() if len(line.partition("#")[2].split()) < 2] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


def commands() -> list[str]:
    """Every `midcourse …` line in a shell block of a page, and those in the scripts."""
    found = []
    for page in PAGES:
        for block in re.findall(r"```(?:bash|sh|console)\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            found += block.replace("\\\n", " ").splitlines()
    found += (ROOT / "scripts" / "demo").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    lines = (re.search(r"(?:^|[\s/])(midcourse\s+[a-z].*)", line.split("  #")[0]) for line in found)
    return sorted({m.group(1) for m in lines if m and "printf" not in m.string})


@pytest.mark.parametrize("line", commands())
def test_commands_and_their_options_exist(line: str) -> None:
    from midcourse.cli import app

    words = shlex.split(line)[1:]
    command = get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]  # type: ignore[attr-defined]
    alone = getattr(command, "invoke_without_command", False)
    assert alone or not getattr(command, "commands", None), f"{line}: no such command"
    known = {o for p in command.params for o in [*p.opts, *p.secondary_opts]} | {"--help"}
    if command.context_settings.get("ignore_unknown_options"):
        from midcourse.train import SteerConfig

        known |= {f"--{name}" for name in SteerConfig.__dataclass_fields__}
    assert [w for w in words if w.startswith("--") and w.split("=")[0] not in known] == []


def steers_of_the_readme() -> list[dict[str, object]]:
    return [
        json.loads(row) for block in re.findall(r"```json\n(.*?)```", README, re.DOTALL) for row in block.splitlines()
    ]


def test_the_rows_of_the_readme_are_read() -> None:
    from midcourse.rows import read_rows

    rows = [row for line, record in enumerate(steers_of_the_readme(), 1) for row in read_rows(record, line=line)]
    assert [row.chosen for row in rows] == [" It is good to rest one day a week", "It is good to"]
