"""Look over a built docs site: every link leads somewhere, and nothing is fetched from elsewhere.

    python scripts/check_site.py build/site

mkdocs checks the links that pages were written with; this checks what came out: pages, anchors, pictures, scripts,
style sheets. Links to other sites are counted and not followed, so that it works without a network.
"""

import re
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

FETCHED = {"script": "src", "img": "src", "source": "src", "iframe": "src", "link": "href"}
"""Elements that make a browser fetch something, and the attribute that says what."""
ALSO_FETCHED = re.compile(r"url\(\s*['\"]?(https?:)?//|@import\s+['\"]?(https?:)?//")


@dataclass
class Seen(HTMLParser):
    """What one page offers (anchors) and what it asks for."""

    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note one element."""
        given = {name: value for name, value in attrs if value}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag in FETCHED and FETCHED[tag] in given:
            self.fetched.append(given[FETCHED[tag]])


def faults(site: Path) -> tuple[list[str], set[str]]:
    """What is wrong, one line each, and the links to other sites."""
    pages = {path: _seen(path) for path in sorted(site.rglob("*.html"))}
    found, elsewhere = [], set()
    for path, seen in pages.items():
        name = path.relative_to(site)
        for link in seen.links + seen.fetched:
            if not _is_ours(link):
                elsewhere.add(link)
            elif not _leads_somewhere(link, path, site, pages):
                found.append(f"{name}: {link} leads nowhere")
        found += [f"{name}: {link} would be fetched from elsewhere" for link in seen.fetched if not _is_ours(link)]
    for path in sorted(site.rglob("*.css")):
        if ALSO_FETCHED.search(path.read_text(encoding="utf-8")):
            found.append(f"{path.relative_to(site)}: fetches from elsewhere")
    if not pages:
        found.append(f"{site}: no pages; build them first: mkdocs build --strict")
    return found, elsewhere


def _seen(path: Path) -> Seen:
    seen = Seen()
    seen.feed(path.read_text(encoding="utf-8"))
    return seen


def _is_ours(link: str) -> bool:
    parts = urlsplit(link)
    return not parts.netloc and parts.scheme in ("", "data")


def _leads_somewhere(link: str, page: Path, site: Path, pages: dict[Path, Seen]) -> bool:
    parts = urlsplit(link)
    if parts.scheme == "data":
        return True
    top = site if parts.path.startswith("/") else page.parent
    target = (top / unquote(parts.path).lstrip("/")).resolve() if parts.path else page
    target = target / "index.html" if target.is_dir() else target
    if target in pages and parts.fragment:
        return unquote(parts.fragment) in pages[target].anchors
    return target.is_file()


def main() -> int:
    """Print what is wrong; exit 1 if something is."""
    site = Path(sys.argv[1] if len(sys.argv) > 1 else "build/site").resolve()
    found, elsewhere = faults(site)
    print("\n".join(found), file=sys.stderr, end="\n" if found else "")
    pages = len(list(site.rglob("*.html")))
    print(f"{pages} pages, {len(found)} faults; {len(elsewhere)} links elsewhere, not followed")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
