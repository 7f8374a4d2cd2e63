"""Make the pictures of docs/studio.md and docs/studio-states.md: real studios, the built-in model, every state once.

    python scripts/studio_pictures.py docs/studio              # all scenes, about ten minutes
    python scripts/studio_pictures.py docs/studio people inbox # some of them

The studios, a training and a model server are started here, on stores in a folder that is thrown away. A full disk
needs root, for a small disk of its own.
"""

import base64
import contextlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from midcourse.capture.proxy.proposal import Proposal
from midcourse.rows.row import SteerRow
from midcourse.store import Store, reviews
from midcourse.types import Message

MOST = 40_000
"""Bytes of a picture: its quality goes down until it is no larger."""
WEBP = """async ([png, most]) => {
  const image = new Image();
  image.src = `data:image/png;base64,${png}`;
  await image.decode();
  const canvas = Object.assign(document.createElement('canvas'), { width: image.width, height: image.height });
  canvas.getContext('2d').drawImage(image, 0, 0);
  let url;
  for (let quality = 0.85; quality > 0.3; quality -= 0.1) {
    url = canvas.toDataURL('image/webp', quality);
    if (url.length * 0.75 < most) break;
  }
  return url;
}"""
WIDE: dict[str, Any] = {"viewport": {"width": 1280, "height": 760}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 760},
    "has_touch": True,
    "is_mobile": True,
    "device_scale_factor": 1.5,
}
KEPT = {
    *("first-wide-light", "first-phone-dark", "stream-wide-light", "stream-phone-light", "pause-wide-light"),
    *("pause-phone-dark", "ghost-wide-dark", "type-wide-light", "type-phone-light", "strike-wide-dark"),
    *("kept-wide-dark", "tree-wide-light", "tree-phone-light", "thinking-wide-light", "more-phone-light"),
    *("guide-phone-dark", "keys-wide-light", "settings-wide-dark", "settings-phone-light", "reasons-wide-dark"),
    *("ended-wide-light", "accepted-wide-dark", "turn-phone-dark", "review-wide-dark", "training-phone-dark"),
    *(
        "train-wide-light",
        "rounds-wide-light",
        "report-wide-light",
        "progress-wide-light",
        "people-wide-light",
        "foreign-wide-dark",
    ),
    *("signed-out-phone-light", "inbox-wide-light", "lost-wide-light", "lost-phone-dark", "full-wide-dark"),
    "gone-wide-light",
}
"""What the pages of the docs show; the rest of what the scenes pass is not kept."""
TAGS = """() => fetch('api/tags', {
  method: 'PUT', headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify({ tags: ['wrong fact', 'too vague', 'tone'] }) })"""
PROMPT = "Give me three tips for a long walk in the mountains."
GUIDE = """# What we are after

Short answers to everyday questions.

- **One idea** in a sentence.
- Say *what to do*, then why.
- No lists of more than three.
- Nothing that you would not tell a friend.

## When to steer

Where you would have written something else. Leave what is only a matter of taste.
"""
Take = Callable[[Any, str], None]


# -- processes -------------------------------------------------------------------------------------------------------


def midcourse(*words: str) -> list[str]:
    """A command line."""
    return [sys.executable, "-m", "midcourse", *words]


@contextlib.contextmanager
def process(port: int, *words: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Runs until it is left; begun when its port answers."""
    started = subprocess.Popen(midcourse(*words, "--port", str(port)), stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 2):
                break
            if started.poll() is not None:
                raise SystemExit(f"midcourse {' '.join(words)}: ended with {started.returncode}")
            time.sleep(0.3)
        yield started
    finally:
        started.terminate()  # a training ends with it
        with contextlib.suppress(subprocess.TimeoutExpired):
            started.wait(30)
        started.kill()
        started.wait()


@contextlib.contextmanager
def studio(folder: Path, port: int, *words: str) -> Iterator[str]:
    """A studio on a store in the folder; its address."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "guide.md").write_text(GUIDE)
    given = ("--store", str(folder / "s.db"), "--runs", str(folder / "runs"), "--guidelines", str(folder / "guide.md"))
    with process(port, "studio", *given, *words):
        yield f"http://127.0.0.1:{port}/"


# -- the page --------------------------------------------------------------------------------------------------------


def wait(page: Any, what: str, seconds: float = 180) -> None:
    """Wait until an expression over the page's state `s` is true."""
    end = time.monotonic() + seconds
    while not page.evaluate(f"(() => {{ const s = midcourse.state; return Boolean({what}); }})()"):
        if time.monotonic() > end:
            raise SystemExit(f"not within {seconds} s: {what}")
        page.wait_for_timeout(50)


def stop_after(page: Any, groups: int) -> None:
    """Stop when so much was shown."""
    wait(page, f"s.view.phase === 'stream' && s.view.shown > {groups} || s.draft?.mode === 'ended'")
    page.keyboard.press("Escape")
    wait(page, "s.view.phase === 'pause' && s.draft.mode !== 'streaming' && !s.view.pending")
    page.wait_for_timeout(400)


def begin(page: Any, prompt: str) -> None:
    """A prompt of one's own."""
    page.evaluate("location.hash = '#/'")
    page.wait_for_selector("[data-testid=own-prompt]")
    page.fill("[data-testid=own-prompt]", prompt)
    page.keyboard.press("Enter")
    wait(page, "s.view.phase === 'stream' && s.view.shown > 3")


def to_word(page: Any, number: int) -> None:
    """The cursor on a word of the answer."""
    page.keyboard.press("Home")
    for _ in range(number):
        page.keyboard.press("Control+ArrowRight")


def see(page: Any, name: str) -> None:
    """One of the pages around the writing."""
    page.evaluate(f"location.hash = '#/{name}'")
    page.wait_for_selector(f"[data-page={name}]:not([hidden]) h1")
    page.wait_for_timeout(400)


# -- scenes ----------------------------------------------------------------------------------------------------------


def writing(browser: Browser, work: Path, shot: Callable[[str], Take]) -> None:
    """What one meets at a text, alone."""
    prompts = str(Path(__file__).parents[1] / "recipes" / "demo_prompts.jsonl")
    with studio(work / "alone", 8341, "--prompts", prompts, "--max_new_tokens", "160") as address:
        for shape, size in (("wide", WIDE), ("phone", PHONE)):
            for scheme in ("light", "dark"):
                page = browser.new_context(color_scheme=scheme, **size).new_page()
                page.goto(address)
                page.wait_for_selector("body[data-link=live]")
                page.evaluate(TAGS)
                take = shot(f"{shape}-{scheme}")
                at_a_text(page, take, phone=shape == "phone")
                if shape == "wide":
                    thinking(page, take)
                    see(page, "review")
                    page.get_by_role("tab", name="From the studio").click()
                    page.wait_for_selector(".case")
                    take(page, "review")
                page.context.close()


def at_a_text(page: Any, take: Take, *, phone: bool) -> None:
    """The states of a text, in order."""
    page.wait_for_selector("[data-testid=queue]")
    take(page, "first")
    begin(page, PROMPT)
    wait(page, "s.view.shown > 24")
    take(page, "stream")
    stop_after(page, 40)
    page.wait_for_selector("#alternatives button")
    take(page, "pause")
    page.keyboard.press("Alt+ArrowDown")
    page.wait_for_selector("#alternatives .ghost")
    take(page, "ghost")
    page.keyboard.press("Escape")
    page.keyboard.type("Take a warm jacket")
    take(page, "type")
    page.keyboard.press("Enter")
    wait(page, "s.draft.steers.length === 1 && s.view.phase === 'stream'")
    stop_after(page, 60)
    page.keyboard.press("Backspace")
    take(page, "strike")
    page.keyboard.press("Enter")
    wait(page, "s.draft.steers.length === 2")
    stop_after(page, 70)
    page.wait_for_selector("#alternatives button")
    page.keyboard.press("1")
    wait(page, "s.draft.steers.length === 3")
    stop_after(page, 80)
    to_word(page, 7)
    page.keyboard.type("a good")
    page.keyboard.press("Alt+Enter")
    wait(page, "s.draft.steers.length === 4 && !s.view.pending")
    stop_after(page, 84)
    wait(page, "s.draft.doc.tokens.items.every((t) => t.by === 'person' || t.logprob !== null)")
    take(page, "kept")
    around_it(page, take, phone=phone)
    page.keyboard.press("End")
    if page.evaluate("midcourse.state.draft.mode") == "paused":  # else the model has ended by itself
        page.keyboard.press("Control+Enter")
    wait(page, "s.draft.mode === 'ended' && s.view.phase === 'pause'")
    take(page, "ended")
    page.keyboard.press("Enter")
    wait(page, "s.view.phase === 'closed'")
    page.get_by_label("Your next message").fill("And if it rains?")
    take(page, "accepted")
    page.keyboard.press("Enter")
    wait(page, "s.view.phase === 'stream' && s.view.shown > 10")
    stop_after(page, 16)
    take(page, "turn")
    page.keyboard.press("Control+s")
    wait(page, "s.view.phase === 'closed'")


def around_it(page: Any, take: Take, *, phone: bool) -> None:
    """Tree, keys, settings, reasons; on a phone the sheets."""
    page.keyboard.press("Control+k")
    page.wait_for_selector(".tree li")
    take(page, "tree")
    page.keyboard.press("Control+k" if phone else "Control+j")
    for key, name in (("F1", "keys"), ("Control+,", "settings"), ("Control+e", "reasons")):
        page.keyboard.press(key)
        page.wait_for_selector("dialog[open]")
        take(page, name)
        page.keyboard.press("Escape")
    if phone:
        page.locator("[data-wish=more]").tap()
        take(page, "more")
        page.keyboard.press("Escape")
        page.keyboard.press("Control+g")
        take(page, "guide")
        page.keyboard.press("Control+g")


def thinking(page: Any, take: Take) -> None:
    """Thinking that is over folds; here the person has put it, and the model goes on from it."""
    begin(page, "What should I take along for a night in a tent?")
    stop_after(page, 8)
    page.keyboard.press("Home")
    page.keyboard.type("<think>They have never camped. Warmth first, then light, then food.</think>")
    page.keyboard.press("Enter")
    wait(page, "s.draft.steers.length === 1")
    stop_after(page, 60)
    take(page, "thinking")
    page.keyboard.press("Control+s")
    wait(page, "s.view.phase === 'closed'")


def training(browser: Browser, work: Path, shot: Callable[[str], Take]) -> None:
    """Some steers, a run on them from the page, its report, the switch, and the rounds."""
    with studio(work / "trained", 8348, "--max_new_tokens", "160") as address:
        wide = browser.new_context(color_scheme="light", **WIDE).new_page()
        phone = browser.new_context(color_scheme="dark", **PHONE).new_page()
        for page in (wide, phone):
            page.goto(address)
            page.wait_for_selector("body[data-link=live]")
        for prompt in (PROMPT, "How do I learn to cook?", "What makes a good photograph?"):
            written(wide, prompt, 30, 45, 60)
        see(wide, "train")
        see(phone, "train")
        trained(wide, phone, shot)


def written(page: Any, prompt: str, *stops: int) -> None:
    """A text in which the likeliest alternative was taken at each stop, accepted."""
    begin(page, prompt)
    for made, groups in enumerate(stops):
        stop_after(page, groups)
        page.wait_for_selector("#alternatives button")
        page.keyboard.press("1")
        wait(page, f"s.draft.steers.length === {made + 1}")
    stop_after(page, stops[-1] + 40)
    page.keyboard.press("Control+s")
    wait(page, "s.view.phase === 'closed'")


def trained(wide: Any, phone: Any, shot: Callable[[str], Take]) -> None:
    """From the button to the rounds."""
    wide.get_by_text("Settings of the run").click()
    wide.get_by_label("Epochs").fill("4")
    wide.get_by_role("button", name="Train on these steers").click()
    wait(phone, "s.training?.step > 7", 1200)
    phone.wait_for_timeout(500)
    shot("phone-dark")(phone, "training")
    wide.locator("[data-testid=run][data-state=done]").wait_for(timeout=3_000_000)
    wide.locator("[data-testid=adapters]").get_by_role("button", name="round-1").click()
    wide.locator("[data-testid=adapters] [aria-pressed=true]", has_text="round-1").wait_for(timeout=60_000)
    written(wide, "How do I keep my feet warm in winter?", 30, 45, 60)  # as often as before: it shows no effect
    see(wide, "train")
    take = shot("wide-light")
    take(wide, "train")
    wide.get_by_role("heading", name="Write with").evaluate("(node) => node.scrollIntoView()")
    take(wide, "rounds")
    see(wide, "progress")
    take(wide, "progress")
    see(wide, "train")
    wide.locator("iframe.report").scroll_into_view_if_needed()
    wide.wait_for_timeout(1500)
    take(wide, "report")


def people(browser: Browser, work: Path, shot: Callable[[str], Take]) -> None:
    """Two people on one prompt, and who looks over it."""
    folder, port = work / "team", 8342
    folder.mkdir()
    (folder / "prompts.txt").write_text("How do I sleep better?\n")

    def link(name: str, role: str) -> str:
        words = ("studio", "users", "add", name, "--role", role, "--url", f"http://127.0.0.1:{port}/")
        given = midcourse(*words, "--store", str(folder / "s.db"))
        return subprocess.run(given, check=True, capture_output=True, text=True).stdout.strip()

    links = {"ada": link("ada", "annotator"), "grace": link("grace", "annotator"), "eve": link("eve", "admin")}
    with studio(folder, port, "--prompts", str(folder / "prompts.txt"), "--people", "2") as address:
        drafts = {}
        for name, words in (("ada", "simple"), ("grace", "habit")):
            page = entered(browser, links[name], "light", WIDE)
            page.get_by_test_id("next").click()
            stop_after(page, 45)
            to_word(page, 6 if name == "ada" else 1)
            page.keyboard.type(words)
            page.keyboard.press("Alt+Enter")
            wait(page, "s.draft.steers.length === 1 && !s.view.pending")
            stop_after(page, 55)
            page.keyboard.press("Control+s")
            wait(page, "s.view.phase === 'closed'")
            drafts[name] = page.evaluate("midcourse.state.draft.id")
        eve = entered(browser, links["eve"], "light", WIDE)
        see(eve, "progress")
        eve.wait_for_selector("text=Differences to settle")
        eve.get_by_role("heading", name="Agreement").evaluate("(node) => node.scrollIntoView()")
        eve.wait_for_timeout(300)
        shot("wide-light")(eve, "people")
        eve.emulate_media(color_scheme="dark")
        eve.evaluate(f"location.hash = '#/draft/{drafts['ada']}'")
        wait(eve, "s.draft !== null")
        eve.wait_for_timeout(600)
        shot("wide-dark")(eve, "foreign")
        nobody = browser.new_context(color_scheme="light", **PHONE).new_page()
        nobody.goto(address)
        nobody.wait_for_selector("#banner:not([hidden])")
        shot("phone-light")(nobody, "signed-out")


def entered(browser: Browser, link: str, scheme: Any, size: dict[str, Any]) -> Any:
    """Signed in with a link, in a browser of their own."""
    page = browser.new_context(color_scheme=scheme, **size).new_page()
    page.goto(link)
    page.get_by_role("button").click()
    page.wait_for_selector("body[data-link=live]")
    return page


def inbox(browser: Browser, work: Path, shot: Callable[[str], Take]) -> None:
    """What a proxy recognised in other programs' traffic."""
    folder = work / "inbox"
    folder.mkdir()
    asked = (Message("user", "Write two sentences about the library's opening hours."),)
    seen = [
        ("The library is open", " all day.", " from nine to six.", " Come and see us."),
        ("On Sundays", " it may be open.", " it stays closed.", " The café opens at ten."),
    ]
    with Store(str(folder / "s.db")) as store, store.transaction() as connection:
        for prefix, rejected, chosen, rest in seen:
            row = SteerRow(prompt=asked, prefix=prefix, rejected=(rejected,), chosen=chosen, trajectory=prefix)
            made = Proposal(prefix, asked, prefix + chosen + rest, (row,))
            why = "the answer was sent back with other words in this place"
            reviews.put(
                connection,
                reviews.Review(made.id, "editor", "small", time.time(), "changed", True, why, made.to_dict()),
            )
    with studio(folder, 8343) as address:
        page = browser.new_context(color_scheme="light", **WIDE).new_page()
        page.goto(f"{address}#/inbox")
        page.wait_for_selector(".case.picked")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("e")
        shot("wide-light")(page, "inbox")


def troubles(browser: Browser, work: Path, shot: Callable[[str], Take]) -> None:
    """The studio has gone, the model's server has gone, the disk is full."""
    with studio(work / "lost", 8344) as address:
        pages = []
        for name, size in (("wide-light", WIDE), ("phone-dark", PHONE)):
            page = browser.new_context(color_scheme=name.rpartition("-")[2], **size).new_page()
            page.goto(address)
            page.wait_for_selector("body[data-link=live]")
            pages.append((name, page))
            begin(page, PROMPT)
            stop_after(page, 30)
            page.keyboard.type("Walk slowly")
    for name, page in pages:
        wait(page, "s.link.status === 'lost' && s.link.tries > 1")
        page.keyboard.press("Enter")
        page.wait_for_selector("#toast:not([hidden])")
        shot(name)(page, "lost")
    server = ("--backend", "http://127.0.0.1:8346", "--patience", "5")
    with contextlib.ExitStack() as gone:
        gone.enter_context(process(8346, "serve"))
        with studio(work / "gone", 8345, *server) as address:
            page = browser.new_context(color_scheme="light", **WIDE).new_page()
            page.goto(address)
            page.wait_for_selector("body[data-link=live]")
            begin(page, PROMPT)
            stop_after(page, 30)
            gone.close()
            page.keyboard.type("Walk slowly")
            page.keyboard.press("Enter")
            wait(page, "s.trouble?.code === 'backend_gone' && s.view.phase === 'pause'")
            shot("wide-light")(page, "gone")
    with small_disk(work / "full") as disk, studio(disk, 8347) as address:
        page = browser.new_context(color_scheme="dark", **WIDE).new_page()
        page.goto(address)
        page.wait_for_selector("body[data-link=live]")
        begin(page, PROMPT)
        stop_after(page, 30)
        with contextlib.suppress(OSError), (disk / "rest").open("wb", buffering=0) as rest:
            while True:
                rest.write(bytes(4096))
        page.keyboard.type("Walk slowly, and drink before you are thirsty")
        page.keyboard.press("Enter")
        wait(page, "s.trouble?.code === 'store_full' && !s.view.pending")
        page.wait_for_timeout(300)
        shot("wide-dark")(page, "full")


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A disk of four megabytes."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


SCENES = {"writing": writing, "training": training, "people": people, "inbox": inbox, "troubles": troubles}


def main(folder: Path, *wanted: str) -> None:
    """The scenes one after the other."""
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as work:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        blank = browser.new_page()

        def shot(look: str) -> Take:
            def take(page: Any, state: str) -> None:
                name = f"{state}-{look}"
                if name not in KEPT:
                    return
                page.wait_for_timeout(250)
                picture = blank.evaluate(WEBP, [base64.b64encode(page.screenshot()).decode(), MOST])
                (folder / f"{name}.webp").write_bytes(base64.b64decode(picture.partition(",")[2]))
                print(name, flush=True)

            return take

        for name in wanted or SCENES:
            SCENES[name](browser, Path(work), shot)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
