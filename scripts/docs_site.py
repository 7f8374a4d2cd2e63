"""What the docs site shows that does not lie in docs/: hooks for mkdocs.

README.md becomes the start page, its map of the code a page of its own; the pages beside it and the notebook become
pages; and a file of the repository that some page links to, such as a recipe or a committed run, becomes a page that
shows it. Links are written for the repository and turned here, so that one text serves both. mkdocs checks them.
"""

import json
import posixpath
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
BESIDE = {"README.md": "index.md", "CHANGELOG.md": "changelog.md"}
BESIDE |= {"CONTRIBUTING.md": "contributing.md", "RELEASING.md": "releasing.md", "SECURITY.md": "security.md"}
"""Pages that lie at the root of the repository, and their names on the site; those that exist are shown."""
CODE = "## The code, in the order in which data flows through it"
"""The heading in the README from which on, up to the next, it is the page code.md."""
SHOWN = {".py": "python", ".sh": "bash", ".yaml": "yaml", ".json": "json", ".log": "text", ".jsonl": "json"}
"""Kinds of file that a page can show; the others are offered as they are."""
LONGEST = 64_000
"""Bytes of a file that a page shows."""
LINK = re.compile(r"(?P<open>!?\[[^\]]*\]\()(?P<target>[^)\s#]+)(?P<rest>#[^)\s]*)?\)")
FENCE = re.compile(r"^(```.*?^```$)", re.DOTALL | re.MULTILINE)

_came_from: dict[str, str] = {}
"""Where in the repository each page's text was written, by its name on the site."""


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages that lie elsewhere and, once their links are known, the files that they lead to."""
    _came_from.clear()
    for file in files.documentation_pages():
        _came_from[file.src_uri] = "docs/" + file.src_uri
    for source, name in BESIDE.items():
        if (ROOT / source).is_file():
            _add(files, config, name, _beside(source), source)
    _add(files, config, "code.md", _code(), "README.md")
    for notebook in sorted(ROOT.glob("docs/*.ipynb")):
        _add(files, config, notebook.stem + ".md", _notebook(notebook), f"docs/{notebook.name}")
    for source in sorted({link for file in files.documentation_pages() for link in _outside(file)}):
        _show(files, config, source)
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn the links of a page, written for the repository, into links of the site."""
    here = page.file.src_uri
    source = _came_from.get(here)
    if source is None:
        return markdown

    def turned(link: re.Match[str]) -> str:
        target = _on_site(posixpath.normpath(posixpath.join(posixpath.dirname(source), link["target"])))
        if "://" in link["target"] or (here == "ten-steers.md" and link["target"].endswith(".ipynb")):
            return link[0]
        return f"{link['open']}{posixpath.relpath(target, posixpath.dirname(here) or '.')}{link['rest'] or ''})"

    return _outside_fences(markdown, lambda text: LINK.sub(turned, text))


def _on_site(source: str) -> str:
    """The name on the site of a path in the repository."""
    if source in BESIDE:
        return BESIDE[source]
    if source.startswith("docs/"):
        return source.removeprefix("docs/").removesuffix(".ipynb") + (".md" if source.endswith(".ipynb") else "")
    path = ROOT / source
    return f"{source}/index.md" if path.is_dir() else f"{source}.md" if _is_shown(path) else source


def _outside(file: File) -> Iterator[str]:
    """Paths in the repository, outside docs/, that a page links to."""
    source = _came_from[file.src_uri]
    for text in FENCE.split(file.content_string)[::2]:
        for link in LINK.finditer(text):
            path = posixpath.normpath(posixpath.join(posixpath.dirname(source), link["target"]))
            known = "://" in link["target"] or path.startswith("docs/") or path in BESIDE
            if not known and (ROOT / path).exists():
                yield path


def _show(files: Files, config: MkDocsConfig, source: str) -> None:
    """Add a file of the repository; of a folder a list, with everything in it."""
    path = ROOT / source
    if path.is_dir():
        inside = sorted(p for p in path.iterdir() if not p.name.startswith((".", "__")))
        for each in inside:
            _show(files, config, f"{source}/{each.name}")
        lines = [f"- [{p.name}]({p.name})" for p in inside]
        _add(files, config, f"{source}/index.md", f"# {source}/\n\n" + "\n".join(lines) + "\n", f"{source}/index.md")
    elif path.suffix == ".md":
        _add(files, config, source, path.read_text(encoding="utf-8"), source)
    elif _is_shown(path):
        text = path.read_text(encoding="utf-8").rstrip("\n")
        _make(files, config, f"{source}.md", f"# {source}\n\n````{SHOWN[path.suffix]}\n{text}\n````\n")
    else:
        _make(files, config, source, path.read_bytes())


def _is_shown(path: Path) -> bool:
    return path.suffix in SHOWN and path.is_file() and path.stat().st_size <= LONGEST


def _add(files: Files, config: MkDocsConfig, name: str, text: str, source: str) -> None:
    _came_from[name] = source
    _make(files, config, name, text)


def _make(files: Files, config: MkDocsConfig, name: str, content: str | bytes) -> None:
    if name not in files.src_uris:
        aside = InclusionLevel.UNDEFINED if "/" not in name else InclusionLevel.NOT_IN_NAV
        files.append(File.generated(config, name, content=content, inclusion=aside))


def _beside(source: str) -> str:
    text = (ROOT / source).read_text(encoding="utf-8")
    return text.replace(_code_part(text), "") if source == "README.md" else text


def _code() -> str:
    part = _code_part((ROOT / "README.md").read_text(encoding="utf-8"))
    return part.replace("## ", "# ", 1)


def _code_part(readme: str) -> str:
    _, found, after = readme.partition(CODE)
    return found + after.partition("\n## ")[0] + "\n"


def _notebook(path: Path) -> str:
    """A notebook that is kept without outputs, as a page: text as it is, code in fences."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    parts = ["".join(c["source"]) if c["cell_type"] == "markdown" else _fenced("".join(c["source"])) for c in cells]
    parts.insert(1, f"[Download the notebook]({path.name}).")
    return "\n\n".join(parts) + "\n"


def _fenced(source: str) -> str:
    return f"```python\n{source}\n```"


def _outside_fences(markdown: str, change: Callable[[str], str]) -> str:
    parts = FENCE.split(markdown)
    parts[::2] = [change(part) for part in parts[::2]]
    return "".join(parts)
