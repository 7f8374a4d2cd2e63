"""Write docs/cli.md, docs/configuration.md and parts of docs/losses.md, docs/results.md and README.md.

With --check they are only compared. The pages are committed, so that they can be read without running
anything; scripts/check runs the check.
"""

import argparse
import ast
import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TREE_MARKS = ("<!-- tree: made by scripts/generate_docs.py from the first line of each module -->", "<!-- /tree -->")
FLOW = [
    "types",
    "tokens",
    "errors",
    "builtin",
    "model",
    "rows/row",
    "rows/marks",
    "rows/join",
    "rows/again",
    "rows/weave",
    "backends/protocol",
    "backends/local",
    "backends/remote",
    "store/schema",
    "store/db",
    "store/writing",
    "store/reading",
    "store/checks",
    "store/migrations",
    "store/purge",
    "store/dialects",
    "drafts/draft",
    "drafts/cuts",
    "drafts/simulate",
    "drafts/fill",
    "capture/importers",
    "tree/options",
    "tree/sides",
    "tree/matching",
    "tree/answers",
    "tree/marks",
    "tree/token_tree",
    "tree/pack",
    "tree/attention",
    "tree/forward",
    "tree/detached",
    "objective/pairs",
    "objective/settings",
    "objective/registry",
    "objective/losses",
    "objective/margin",
    "objective/retain",
    "objective/step_loss",
    "train/config",
    "train/examples",
    "train/mix",
    "train/sources",
    "train/reference",
    "train/batch",
    "train/adapter",
    "train/trainer",
    "train/metrics",
    "train/drift",
    "train/guards",
    "train/ranks",
    "train/sharded",
    "train/checkpoint",
    "evaluate/forks",
    "evaluate/recurrence",
    "evaluate/drift",
    "evaluate/collapse",
    "evaluate/intervals",
    "evaluate/report",
    "publish/sides",
    "publish/datasets",
    "publish/pairs",
    "publish/formats",
    "publish/card",
    "publish/files",
    "publish/export",
    "publish/steered",
    "publish/sameness",
    "publish/merge",
    "publish/gguf",
    "publish/ollama",
    "publish/model_card",
    "publish/package",
    "publish/hub",
    "publish/serve",
    "workflows",
    "cli/importing",
    "cli/import_run",
    "cli/steers",
    "cli/store",
    "cli/models",
    "cli/training",
    "cli/evaluation",
    "cli/exporting",
    "cli/publishing",
    "cli/serving",
    "cli/doctor",
    "__main__",
]
"""The order in which data meets the modules; what is not named here follows at the end of its folder."""
STAGES = {"store": 1, "drafts": 2, "capture": 3, "tree": 4, "objective": 5, "train": 6, "evaluate": 7, "publish": 8}
FOLDED = {"objective/losses"}
"""Folders of many alike, told of in one line."""
LOSS_MARKS = ("<!-- losses: made by scripts/generate_docs.py from the registry -->", "<!-- /losses -->")
WIDTH = 90
STUDY_MARKS = ("<!-- study: made by scripts/generate_docs.py from benchmarks/results/study -->", "<!-- /study -->")
NOTICE = "<!-- Made by scripts/generate_docs.py from the code; change it there. -->"


def cli_page() -> str:
    """Every command with its arguments and options."""
    from typer.main import get_command

    from midcourse.cli import app

    parts = ["# The command line", NOTICE, "`midcourse COMMAND --help` shows the same in the terminal."]
    for name, command in _commands("midcourse", get_command(app)):
        parts += _command(name, command)
    return "\n\n".join(parts) + "\n"


def _commands(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    yield name, command
    for child, below in _children(command).items():
        yield from _commands(f"{name} {child}", below)


def _children(command: Any) -> dict[str, Any]:
    """Shown commands below a group, in the order of its help."""
    below = getattr(command, "commands", {})
    names = command.list_commands(None) if below else []
    return {name: below[name] for name in names if not below[name].hidden}


def _command(name: str, command: Any) -> Iterator[str]:
    shown = [p for p in command.params if not getattr(p, "hidden", False) and "completion" not in (p.name or "")]
    arguments = [p for p in shown if p.param_type_name == "argument"]
    options = [p for p in shown if p.param_type_name == "option"]
    usage = [name, "[OPTIONS]" if options else "", *(_metavar(p) for p in arguments)]
    if getattr(command, "commands", None):
        usage.append("COMMAND")
    yield f"## `{name}`"
    yield f"```\n{' '.join(u for u in usage if u)}\n```"
    if command.help:
        yield inspect.cleandoc(command.help.partition("\f")[0])
    children = _children(command)
    if children:
        rows = [(_link(f"{name} {c}"), _first(b.help)) for c, b in children.items()]
        yield _table(("command", "what it does"), rows)
    if arguments:
        yield _table(("argument", "meaning"), [(f"`{_metavar(p)}`", _meaning(p)) for p in arguments])
    if options:
        yield _table(("option", "default", "meaning"), [(_flags(p), _default(p), _meaning(p)) for p in options])


def _metavar(argument: Any) -> str:
    named = (argument.metavar or argument.name.upper()) + ("..." if argument.nargs == -1 else "")
    return named if argument.required else f"[{named}]"


def _flags(param: Any) -> str:
    return ", ".join(f"`{o}`" for o in [*param.opts, *param.secondary_opts])


def _default(param: Any) -> str:
    if param.required:
        return "required"
    if isinstance(param.show_default, str):
        return param.show_default
    if param.default is None or callable(param.default) or param.default in ((), [], False):
        return ""
    if param.is_flag:
        return "on"
    return _code(getattr(param.default, "value", param.default))


def _meaning(param: Any) -> str:
    said = " ".join((param.help or "").split())
    return f"{said} (environment: `{param.envvar}`)" if param.envvar else said


def configuration_page() -> str:
    """The settings that SteerConfig adds or changes."""
    from transformers import TrainingArguments

    from midcourse.train.config import SteerConfig
    from midcourse.train.metrics import LOGGED

    inherited = {f.name for f in fields(TrainingArguments)}
    own = [f for f in fields(SteerConfig) if f.name in SteerConfig.__annotations__]
    parts = [
        "# Settings of a training run",
        NOTICE,
        "`SteerConfig(output_dir=…)` in Python, `--name value` after `midcourse train`, or `name: value` in the YAML "
        "file given as `--config`. Every run writes the settings it ended up with beside the adapter.",
        "## What steers add",
        _table(("setting", "default", "meaning"), [_setting(f) for f in own if f.name not in inherited]),
        "## What has another default than in transformers",
        "Every other field of `transformers.TrainingArguments` works as it does there.",
        _table(("setting", "default", "meaning"), [_setting(f) for f in own if f.name in inherited]),
        "## What is logged",
        "In the training log, and by whatever `report_to` names, beside transformers' own figures. The same names with "
        "`eval_` before them are on the dev part. The drifts that a result is judged by are measured by "
        "`midcourse eval`.",
        _table(("metric", "meaning"), [(f"`{name}`", meaning) for name, meaning in LOGGED.items()]),
    ]
    return "\n\n".join(parts) + "\n"


def losses_page() -> str:
    """The page on losses with every one of them from the registry: formula, settings, source, when to use it."""
    from midcourse.objective import all_losses
    from midcourse.objective.settings import LossSettings

    known = all_losses().values()
    rows = [(f"[`{x.name}`](#{x.name})", f"`{x.also}`" if x.also else "", x.when) for x in known]
    parts = [_table(("`loss_type`", "also known as", "when"), rows)]
    for x in known:
        values = {name: x.defaults.get(name, getattr(LossSettings(), name)) for name in (*x.settings, *x.defaults)}
        settings = ", ".join(f"`{name}` {value:g}" for name, value in values.items())
        parts += [f"### `{x.name}`", f"```\n{x.formula}\n```", f"Source: {x.source}"]
        parts += [f"Settings and their defaults here: {settings}."] if settings else []
    return _between("docs/losses.md", LOSS_MARKS, "\n\n".join(parts))


def _between(name: str, marks: tuple[str, str], made: str) -> str:
    """A page written by hand with what is made between two marks replaced."""
    text = (ROOT / name).read_text(encoding="utf-8")
    before, _, rest = text.partition(marks[0])
    _, _, after = rest.partition(marks[1])
    return before + marks[0] + "\n" + made + "\n" + marks[1] + after


def readme() -> str:
    """The README with its tree of the package as it is on the disk."""
    lines = ["src/midcourse/", *_tree(ROOT / "src" / "midcourse", ROOT / "src" / "midcourse")]
    return _between("README.md", TREE_MARKS, "```\n" + "\n".join(lines) + "\n```")


def _tree(folder: Path, top: Path) -> Iterator[str]:
    """One line for each module, in flow order; a folder's line is the first line of its __init__."""
    indent = "  " * (len(folder.relative_to(top).parts) + 1)
    found = [p for p in folder.iterdir() if p.suffix == ".py" or (p / "__init__.py").is_file()]
    for path in sorted(found, key=lambda p: (_rank(p.relative_to(top).with_suffix("").as_posix()), p.name)):
        if path.name == "__init__.py" and folder != top:
            continue
        name = path.name + ("/" if path.is_dir() else "")
        stage = f" {STAGES[path.name]}" if folder == top and path.name in STAGES else ""
        source = path / "__init__.py" if path.is_dir() else path
        yield f"{indent + name + stage:26} {_idea(source)}".rstrip()
        if path.is_dir() and path.relative_to(top).as_posix() not in FOLDED:
            yield from _tree(path, top)


def _rank(name: str) -> int:
    if name == "__init__":
        return -1
    return next((i for i, known in enumerate(FLOW) if known == name or known.startswith(name + "/")), len(FLOW))


def _idea(path: Path) -> str:
    said = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]
    said = said.partition(". ")[0].rstrip(".")
    if len(said) > WIDTH:  # up to a natural stop that leaves a sentence
        stops = [m.start() for m in re.finditer(r"[,:;] ", said) if 30 <= m.start() <= WIDTH]
        said = said[: stops[-1]] if stops else said
    keep = said[:1] == "`" or said[1:2].isupper()  # a name, such as PRM800K
    return f"# {said}" if keep else f"# {said[:1].lower()}{said[1:]}"


def _setting(field: Field[Any]) -> tuple[str, str, str]:
    default = field.default_factory() if field.default_factory is not MISSING else field.default
    return (
        f"`{field.name}`",
        field.metadata.get("shown") or _code(default),
        " ".join(str(field.metadata.get("help", "")).split()),
    )


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _code(value: object) -> str:
    return f"`{value}`"


def _first(text: str | None) -> str:
    return " ".join(inspect.cleandoc(text or "").split("\n\n")[0].split())


def _link(name: str) -> str:
    return f"[`{name}`](#{name.replace(' ', '-')})"


def results_page() -> str:
    """What was measured, with the study's tables in short as the committed results have them."""
    from midcourse.workflows.study import Study
    from midcourse.workflows.study.in_short import in_short

    study = Study.load(ROOT / "recipes" / "study" / "study.yaml", ROOT / "benchmarks" / "results" / "study")
    tables = [in_short(study, task, study.steers[0]) for task in study.headline]
    return _between("docs/results.md", STUDY_MARKS, "\n\n".join(tables))


PAGES = {
    "docs/cli.md": cli_page,
    "docs/configuration.md": configuration_page,
    "docs/losses.md": losses_page,
    "docs/results.md": results_page,
    "README.md": readme,
}


def main() -> int:
    """Write the pages, or with --check compare them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 where a page is out of date")
    check = parser.parse_args().check
    stale = []
    for name, page in PAGES.items():
        path, text = ROOT / name, page()
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if not check:
                path.write_text(text, encoding="utf-8")
    if check and stale:
        print(f"{' and '.join(stale)} out of date; run: python scripts/generate_docs.py", file=sys.stderr)
        return 1
    print(f"{'in step with the code' if not stale else 'written'}: {', '.join(stale or PAGES)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
