"""Make the pictures of docs/studio.md from a studio that runs with the built-in model.

midcourse studio --store pictures.db --prompts recipes/demo_prompts.jsonl --guidelines guide.md --port 8321
python scripts/studio_pictures.py http://localhost:8321/ docs/studio
"""

import base64
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

WEBP = """async (png) => {
  const image = new Image();
  image.src = `data:image/png;base64,${png}`;
  await image.decode();
  const canvas = Object.assign(document.createElement('canvas'), { width: image.width, height: image.height });
  canvas.getContext('2d').drawImage(image, 0, 0);
  return canvas.toDataURL('image/webp', 0.9);
}"""
PROMPT = "Give me three tips for a long walk in the mountains."
WIDE: dict[str, Any] = {"viewport": {"width": 1280, "height": 760}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 760},
    "has_touch": True,
    "is_mobile": True,
    "device_scale_factor": 1.5,
}


def wait(page: Any, what: str, seconds: float = 90) -> None:
    """Wait until an expression over the page's state `s` is true."""
    end = time.monotonic() + seconds
    while not page.evaluate(f"(() => {{ const s = midcourse.state; return Boolean({what}); }})()"):
        if time.monotonic() > end:
            raise SystemExit(f"not within {seconds} s: {what}")
        page.wait_for_timeout(50)


def stop_after(page: Any, groups: int) -> None:
    """Stop when so much was shown."""
    wait(page, f"s.view.shown > {groups} || s.draft?.mode === 'ended'")
    page.keyboard.press("Escape")
    wait(page, "s.view.phase === 'pause' && s.draft.mode !== 'streaming'")
    page.wait_for_timeout(400)


def take(page: Any, folder: Path, name: str) -> None:
    """One picture."""
    page.wait_for_timeout(250)
    blank = page.context.browser.new_page()
    picture = blank.evaluate(WEBP, base64.b64encode(page.screenshot()).decode())
    blank.close()
    (folder / f"{name}.webp").write_bytes(base64.b64decode(picture.partition(",")[2]))
    print(name)


def tour(page: Any, folder: Path, suffix: str) -> None:
    """Every state once."""
    page.wait_for_selector("body[data-link=live]")
    page.wait_for_timeout(500)
    take(page, folder, f"first-{suffix}")
    page.fill("[data-testid=own-prompt]", PROMPT)
    page.keyboard.press("Enter")
    wait(page, "s.view.phase === 'stream' && s.view.shown > 24")
    take(page, folder, f"stream-{suffix}")
    stop_after(page, 40)
    page.wait_for_selector("#alternatives button")
    take(page, folder, f"pause-{suffix}")
    page.keyboard.press("Alt+ArrowDown")
    page.wait_for_selector("#alternatives .ghost")
    take(page, folder, f"ghost-{suffix}")
    page.keyboard.press("Escape")
    page.keyboard.type("Take a warm jacket")
    take(page, folder, f"type-{suffix}")
    page.keyboard.press("Enter")
    wait(page, "s.draft.steers.length === 1 && s.view.phase === 'stream'")
    stop_after(page, 75)
    page.keyboard.press("Backspace")
    take(page, folder, f"strike-{suffix}")
    page.keyboard.press("Enter")
    wait(page, "s.draft.steers.length === 2")
    stop_after(page, 95)
    page.keyboard.press("1")
    wait(page, "s.draft.steers.length === 3")
    stop_after(page, 110)
    take(page, folder, f"steers-{suffix}")
    page.keyboard.press("Control+k")
    page.wait_for_selector(".tree li")
    take(page, folder, f"tree-{suffix}")
    page.keyboard.press("Control+j")
    for key, name in (("F1", "keys"), ("Control+,", "settings")):
        page.keyboard.press(key)
        take(page, folder, f"{name}-{suffix}")
        page.keyboard.press("Escape")
    page.keyboard.press("Control+s")
    wait(page, "s.view.phase === 'closed'")
    take(page, folder, f"accepted-{suffix}")
    for name in ("review", "progress", "train"):
        page.evaluate(f"location.hash = '#/{name}'")
        page.wait_for_selector(f"[data-page={name}]:not([hidden])")
        if name == "review":
            page.get_by_role("tab", name="From the studio").click()
            page.wait_for_selector(".case")
        take(page, folder, f"{name}-{suffix}")


def main(address: str, folder: Path, only: str = "") -> None:
    """Wide and phone, light and dark."""
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for shape, size in (("wide", WIDE), ("phone", PHONE)):
            for scheme in ("light", "dark"):
                if only and only != f"{shape}-{scheme}":
                    continue
                page = browser.new_context(color_scheme=scheme, **size).new_page()
                page.goto(address)
                tour(page, folder, f"{shape}-{scheme}")
                page.context.close()
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
