"""A site is whole where every link leads somewhere and nothing comes from elsewhere."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "check_site.py"
spec = importlib.util.spec_from_file_location("check_site", SCRIPT)
assert spec is not None
assert spec.loader is not None
check_site = importlib.util.module_from_spec(spec)
spec.loader.exec_module(check_site)

WHOLE = """<link rel="stylesheet" href="../site.css"><script src="../a%20b.js"></script>
<a href="#here">in the page</a><h2 id="here"></h2><a href="../index.html#top">up</a><a href="..">up</a>
<a href="https://example.org/page">elsewhere</a><a href="mailto:nobody@example.org">a letter</a><img src="data:,">"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "below").mkdir()
    (tmp_path / "index.html").write_text('<a id="top"></a><a href="below/page.html">down</a>')
    (tmp_path / "below" / "page.html").write_text(WHOLE)
    (tmp_path / "site.css").write_text("b { background: url(data:,) }")
    (tmp_path / "a b.js").write_text("")
    return tmp_path


def test_a_whole_site_has_no_faults(site: Path) -> None:
    found, elsewhere = check_site.faults(site)
    assert found == []
    assert elsewhere == {"https://example.org/page", "mailto:nobody@example.org"}


@pytest.mark.parametrize(
    ("html", "says"),
    [
        ('<a href="gone.html">x</a>', "gone.html leads nowhere"),
        ('<a href="page.html#gone">x</a>', "page.html#gone leads nowhere"),
        ('<a href="#gone">x</a>', "#gone leads nowhere"),
        ('<img src="gone.png">', "gone.png leads nowhere"),
        ('<a href="/below/gone.html">x</a>', "gone.html leads nowhere"),
        ('<script src="https://cdn.example.org/x.js"></script>', "x.js would be fetched from elsewhere"),
        ('<link rel="stylesheet" href="//fonts.example.org/css">', "css would be fetched from elsewhere"),
    ],
)
def test_a_fault_is_named(site: Path, html: str, says: str) -> None:
    (site / "below" / "page.html").write_text(WHOLE + html)
    [fault] = check_site.faults(site)[0]
    assert fault.startswith("below/page.html: ")
    assert fault.endswith(says)


@pytest.mark.parametrize("css", ["@import 'https://example.org/x.css';", "b { background: url( //example.org/x.png) }"])
def test_a_style_sheet_that_fetches_is_named(site: Path, css: str) -> None:
    (site / "site.css").write_text(css)
    assert check_site.faults(site)[0] == ["site.css: fetches from elsewhere"]


def test_nothing_built_is_a_fault(tmp_path: Path) -> None:
    [fault] = check_site.faults(tmp_path)[0]
    assert "no pages" in fault
