"""recipes/crawl.py on WARC and WET files made here: each page goes where it belongs, and the counts say so."""

import gzip
import http.server
import importlib.util
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from midcourse.capture.importers.text import import_text
from midcourse.cli.mixing import mixed_files
from midcourse.tokens import TextTokenizer
from midcourse.types import Trajectory

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "recipes" / "crawl.py"
HERE = importlib.util.find_spec("datatrove") is not None
needs = pytest.mark.skipif(not HERE, reason="datatrove is not installed: pip install 'midcourse[crawl]'")

BREAD = """Bread is made of flour, water and salt, and of time that nobody can hurry. The baker mixes the dough in
the evening and lets it rest through the night, so that it has risen by the morning. Before the oven is hot enough
the loaves are shaped by hand and dusted with flour. A good crust breaks with a sound that you can hear across the
kitchen. People who bake at home often take too much yeast, because they want to see the dough grow at once. With
less of it and with more patience the bread keeps for days and tastes of the grain. When the loaf has cooled down, it
is cut into slices and eaten with butter."""
BRIDGE = """The old bridge over the river was built by masons who carried each stone from a quarry in the hills. For
two hundred years it bore carts, then lorries, and at last a tram that shook the windows of the houses beside it. In
the great flood one of its arches fell, and the town was cut in half for a whole winter. Engineers wanted to put a
bridge of steel in its place. The people of the town collected money instead and had the arch set up again with the
stones that lay in the water. Today only walkers and cyclists may use it. On summer evenings the wall along the
footway is full of people who have come to watch the boats."""
GARDEN = """A garden on a roof needs less earth than most people think. What it needs is a layer that holds water
after rain and gives it back slowly in the weeks when none falls. Herbs such as thyme grow well in it, since they
come from dry and stony places. Before anything is planted, somebody has to find out how much weight the roof can
bear. The wind is stronger up there than in the street, and young trees have to be tied to a frame. In the second
year bees will have found the flowers, even on the tenth floor. Whoever sits between them in the evening forgets the
traffic below."""
TRAIN = """The night train leaves the capital at nine and reaches the coast when it is getting light. Its carriages
are older than most of the travellers, and that is part of the reason why they like it. In the dining car the waiter
knows who takes tea and who takes coffee. At the border everybody is woken, although the guards only look at the
first page of each passport. Children press their faces to the window and count the lamps of the villages. Those who
cannot sleep stand in the corridor and talk to strangers, which they would never do by day. When the sea comes into
view the whole train grows quiet."""
GERMAN = """Das Brot wird aus Mehl, Wasser und Salz gemacht, und aus Zeit, die niemand beschleunigen kann. Der Bäcker
mischt den Teig am Abend und lässt ihn über Nacht ruhen, damit er bis zum Morgen aufgeht. Bevor der Ofen heiß genug
ist, werden die Laibe von Hand geformt und mit Mehl bestäubt. Eine gute Kruste bricht mit einem Geräusch, das man in
der ganzen Küche hören kann. Wer zu Hause backt, nimmt oft zu viel Hefe, weil er den Teig gleich wachsen sehen will.
Mit weniger davon und mit mehr Geduld hält sich das Brot tagelang."""
FRENCH = """Le train de nuit quitte la capitale à neuf heures et arrive sur la côte quand le jour se lève. Ses
voitures sont plus vieilles que la plupart des voyageurs, et c'est une des raisons pour lesquelles ils l'aiment. Dans
le wagon-restaurant, le serveur sait qui prend du thé et qui prend du café. À la frontière, tout le monde est
réveillé, bien que les gardes ne regardent que la première page de chaque passeport. Les enfants collent leur visage
à la fenêtre et comptent les lampes des villages."""
LOREM = GARDEN.replace("A garden on a roof", "Under the heading lorem ipsum the page said that a garden on a roof", 1)
CURLY = TRAIN.replace("at nine", "at {departure}", 1).replace("tea", "cocoa")
FEW = """The harbour was closed by the storm for a week, and in that time the boats that had been at sea, the crews
of which had heard the warning too late to turn back, lay in the lee of the island, where the people of the two farms
brought them bread and milk, and where they heard each evening from the wireless that the wind would go on for
another day. On the eighth morning it was still, and they all sailed home together."""
SHORT = """The shop is closed on Mondays and in August. In summer it opens at eight. We close when the last customer
has gone. Bring a bag, since ours are made of paper. Dogs wait outside with a bowl of water."""
AGAIN = "\n\n".join([BREAD.replace("\n", " ").split(". ")[1] + "."] * 8)
COOKIES = "This site uses cookies to remember what you have read on it and to show you more of the same."

PAGES = {
    "good/bread": BREAD,
    "good/bridge": BRIDGE,
    "good/garden": f"{GARDEN}\n\n{COOKIES}",
    "good/train": TRAIN,
    "twin/exact": BRIDGE,
    "twin/near": BREAD.replace("A good crust", "A fine crust"),
    "language/german": GERMAN,
    "language/french": FRENCH,
    "repetition/again": AGAIN,
    "quality/short": SHORT,
    "c4/lorem": LOREM,
    "c4/curly": CURLY,
    "c4/few": FEW,
}
MENU = "".join(f'<li><a href="/{word}">{word}</a></li>' for word in ("Home", "News", "Shop", "Help", "Contact"))


def lines(text: str) -> list[str]:
    return [" ".join(part.split()) for part in text.split("\n\n")]


def html(text: str) -> str:
    body = "".join(f"<p>{line}</p>" for line in lines(text))
    article = f"<main><article><h1>Title</h1>{body}</article></main>" if text else ""
    return (
        f'<!DOCTYPE html><html><head><meta charset="utf-8"><title>Title</title></head><body><nav><ul>{MENU}</ul></nav>'
        f"{article}<footer><p>Imprint | Terms</p></footer></body></html>"
    )


def write(writer: Any, record: Any) -> None:
    writer.write_record(record)
    record.raw_stream.close()  # a copy that warcio made to take its digest


def warc(file: Path, pages: dict[str, str]) -> Path:
    """Pages as a crawler writes them: a request and a response each, and a picture that is no page."""
    from warcio.statusandheaders import StatusAndHeaders
    from warcio.warcwriter import WARCWriter

    with file.open("wb") as out:
        writer = WARCWriter(out, gzip=True)
        for name, text in pages.items():
            url = f"https://{name.replace('/', '.example/')}"
            asked = StatusAndHeaders(f"GET /{name} HTTP/1.1", [("Host", "example")], is_http_request=True)
            write(writer, writer.create_warc_record(url, "request", http_headers=asked))
            said = StatusAndHeaders("200 OK", [("Content-Type", "text/html; charset=utf-8")], protocol="HTTP/1.1")
            body = BytesIO(html(text).encode())
            write(writer, writer.create_warc_record(url, "response", payload=body, http_headers=said))
        picture = BytesIO(b"\x89PNG\r\n\x1a\n" + bytes(64))
        said = StatusAndHeaders("200 OK", [("Content-Type", "image/png")], protocol="HTTP/1.1")
        write(
            writer,
            writer.create_warc_record("https://good.example/a.png", "response", payload=picture, http_headers=said),
        )
    return file


def wet(file: Path, texts: dict[str, str]) -> Path:
    """Texts as Common Crawl's WET files hold them."""
    from warcio.warcwriter import WARCWriter

    with file.open("wb") as out:
        writer = WARCWriter(out, gzip=True)
        for name, text in texts.items():
            record = writer.create_warc_record(
                f"https://{name.replace('/', '.example/')}",
                "conversion",
                payload=BytesIO("\n\n".join(lines(text)).encode()),
                warc_content_type="text/plain",
            )
            write(writer, record)
    return file


def run(*given: object) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "120", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, str(RECIPE), *map(str, given)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def counted(out: Path) -> dict[str, Any]:
    return json.loads((out / "counts.json").read_text(encoding="utf-8"))


def rows(folder: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line) for file in sorted(folder.glob("*.jsonl")) for line in file.read_text("utf-8").splitlines()
    ]


def steps(counts: dict[str, Any]) -> dict[str, tuple[int, int]]:
    return {step["step"]: (step["in"], step["dropped"]) for step in counts["steps"]}


def why(counts: dict[str, Any]) -> dict[str, dict[str, int]]:
    return {step["step"]: step["why"] for step in counts["steps"] if step["why"]}


@needs
@pytest.mark.slow
def test_each_page_goes_where_it_belongs(tmp_path: Path, tiny_tokenizer: TextTokenizer) -> None:
    names = list(PAGES)
    warc(tmp_path / "a.warc.gz", {name: PAGES[name] for name in names[:4] + names[6::2]})
    warc(tmp_path / "b.warc.gz", {name: PAGES[name] for name in names[4:6] + names[7::2]} | {"extract/menu": ""})
    out = tmp_path / "out"
    done = run(tmp_path / "*.warc.gz", "--output", out, "--keep-dropped", "--workers", 1)
    assert done.returncode == 0, done.stderr
    counts = counted(out)
    assert steps(counts) == {
        "extract": (14, 1),
        "language": (13, 2),
        "repetition": (11, 1),
        "quality": (10, 1),
        "c4": (9, 3),
        "near-duplicate": (6, 2),
    }
    assert why(counts) == {
        "extract": {"nothing found": 1},
        "language": {"de": 1, "fr": 1},
        "repetition": {"top_4_gram": 1},
        "quality": {"gopher_short_doc": 1},
        "c4": {"curly_bracket": 1, "lorem_ipsum": 1, "too_few_sentences": 1},
        "near-duplicate": {"near-duplicate": 2},
    }
    assert counts["out"] == 4
    assert {row["url"].split("//")[1].replace(".example", "") for row in rows(out / "text")} == {
        "good/bread", "good/bridge", "good/garden", "good/train",
    }  # fmt: skip
    for step in ("language", "repetition", "quality", "c4"):
        gone = {row["metadata"]["url"] for row in rows(out / "dropped" / step)}
        assert gone == {f"https://{name.replace('/', '.example/')}" for name in names if name.startswith(step)}
    garden = next(row for row in rows(out / "text") if "roof" in row["text"])
    assert COOKIES not in garden["text"]
    assert "cookies" not in garden["text"]
    for line in done.stdout.splitlines()[2:8]:
        assert line.split()[0] in {*steps(counts), "out"}
    found = list(import_text([out / "text"], tiny_tokenizer))
    assert {t.group for t in found if isinstance(t, Trajectory)} == {"good.example"}
    mixed = mixed_files([f"text:{out / 'text'}"], tiny_tokenizer)
    assert len(list(*mixed.values())) == len(found) >= 4


@needs
@pytest.mark.slow
def test_texts_need_no_extraction_and_the_last_task_is_gone_on_with(tmp_path: Path) -> None:
    folder = tmp_path / "wet"
    folder.mkdir()
    names = list(PAGES)
    for n in range(3):
        wet(folder / f"{n}.warc.wet.gz", {name: PAGES[name] for name in names[n::3]})
    out = tmp_path / "out"
    assert run(folder, "--output", out, "--workers", 2).returncode == 0
    first = counted(out)
    assert "extract" not in steps(first)
    assert (first["in"], first["out"]) == (13, 4)
    kept = rows(out / "text")
    # Stopped before the third file and before the texts were written: the same command does what is left.
    for gone in (
        "filter/completions/00002",
        "filter/stats/00002.json",
        "text/completions/00000",
        "text/stats/00000.json",
    ):
        (out / "work" / gone).unlink()
    (out / "text" / "00000.jsonl").unlink()
    again = run(folder, "--output", out, "--workers", 1)
    assert again.returncode == 0, again.stderr
    assert counted(out) == first
    assert rows(out / "text") == kept


@needs
@pytest.mark.slow
def test_a_list_of_paths_is_read_from_a_server_and_damage_is_told(tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    wet(shelf / "whole.warc.wet.gz", {"good/bread": BREAD, "good/train": TRAIN})
    whole = wet(shelf / "cut.warc.wet.gz", {"good/bridge": BRIDGE, "good/garden": GARDEN}).read_bytes()
    (shelf / "cut.warc.wet.gz").write_bytes(whole[:-200])
    (shelf / "junk.warc.wet.gz").write_bytes(b"This is no archive. " * 50)
    with gzip.open(tmp_path / "wet.paths.gz", "wt", encoding="utf-8") as paths:
        paths.write("whole.warc.wet.gz\ncut.warc.wet.gz\njunk.warc.wet.gz\nnever.warc.wet.gz\n")
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(shelf))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        root = f"http://127.0.0.1:{server.server_port}/"
        asked = ("--paths", tmp_path / "wet.paths.gz", "--root", root, "--workers", 1)
        done = run(*asked, "--limit", 3, "--output", tmp_path / "out")
        gone = run(*asked, "--output", tmp_path / "other")
        server.shutdown()
    assert done.returncode == 0, done.stderr
    assert counted(tmp_path / "out")["out"] == 3  # of the text that was cut off too little is left
    assert "junk.warc.wet.gz is damaged" in done.stderr
    assert gone.returncode == 2
    assert gone.stderr.splitlines()[-1].startswith("crawl: filter failed:")


def refusals(tmp_path: Path) -> Iterator[tuple[tuple[object, ...], str]]:
    there = tmp_path / "a.warc.gz"
    text = tmp_path / "a.warc.wet.gz"
    there.touch()
    text.touch()
    out = ("--output", tmp_path / "out")
    yield (tmp_path / "gone.warc.gz", *out), "gone.warc.gz is not there"
    yield (*out,), "no file to read"
    yield (there, text, *out), "some of the files are WET and others WARC"
    yield ("--paths", there, *out), "--paths names all files and needs --root"
    yield ("--paths", tmp_path / "gone", "--root", "/", *out), "gone is not there"


@pytest.mark.long
@needs
def test_what_cannot_be_read_is_said_in_one_sentence(tmp_path: Path) -> None:
    for given, expected in refusals(tmp_path):
        done = run(*given)
        assert done.returncode == 2
        assert expected in done.stderr
        assert done.stderr.count("\n") == 1
        assert not (tmp_path / "out").exists()


@needs
@pytest.mark.slow
def test_a_folder_holds_one_run_and_nothing_left_is_said(tmp_path: Path) -> None:
    file = wet(tmp_path / "a.warc.wet.gz", {"quality/short": SHORT})
    out = tmp_path / "out"
    done = run(file, "--output", out)
    assert done.returncode == 2
    assert "Nothing was left" in done.stderr
    assert counted(out)["out"] == 0
    other = run(file, "--output", out, "--open-lines")
    assert other.returncode == 2
    assert "holds a run over other files or with other settings" in other.stderr


def test_without_its_packages_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "datatrove").mkdir()  # stands before the real one and holds nothing
    (tmp_path / "datatrove" / "__init__.py").touch()
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, str(RECIPE), "--help"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "pip install 'midcourse[crawl]'" in done.stderr
    assert done.stderr.count("\n") == 1
