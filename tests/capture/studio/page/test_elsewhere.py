"""The page on a model server: what it cannot do is one line, a server that goes and comes back costs no word."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from capture.studio.page.opened import begin, stop, until
from midcourse.capture.studio.elsewhere import Server, server_loader
from midcourse.tokens import TextTokenizer
from model_folder import save_model
from model_server import serving

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")

SAID = "You should go home. It is a very good day. " * 3


@pytest.mark.long
def test_writing_steering_and_a_server_that_goes(
    studio: Callable[..., Any], tab: Callable[..., Any], tmp_path: Path
) -> None:
    tokenizer = TextTokenizer.load(save_model(tmp_path / "model"))
    with ExitStack() as first:
        server = first.enter_context(serving("ollama", tokenizer, "patient", text=" " + SAID))
        run = studio(opening={"load": server_loader(Server(server.url), tokenizer)})
        page = tab(run.address)
        page.get_by_test_id("lacks").wait_for()
        assert page.get_by_test_id("lacks").inner_text().startswith("tiny on ollama reads its text anew each time, ")
        begin(page)
        assert "tiny on ollama" in page.inner_text("#facts")
        until(page, "s.view.shown > 12")
        stop(page)
        assert "cannot be forbidden a word" in page.inner_text("#banner")
        assert page.get_attribute("#banner", "class") == "banner hint"
        page.keyboard.press("Home")
        page.locator("#alternatives button").first.wait_for()
        assert (
            page.locator("#alternatives .word").first.inner_text() == "_"
        )  # the scripted server's second-likeliest, where no small letter stands
        page.keyboard.press("1")
        until(page, "s.draft.steers.length === 1 && s.view.phase === 'stream' && s.view.shown > 3")
        assert page.locator("#banner").is_hidden()  # said once, until the first steer
        stop(page)
        page.keyboard.press("End")
        shown = page.inner_text("#text").strip()
        first.close()
        page.keyboard.type("kept")
        page.keyboard.press("Enter")
        until(page, "s.trouble?.code === 'backend_gone' && s.view.phase === 'pause'")
        assert "cannot be reached" in page.inner_text("#banner")
        assert "right? The text is safe; Enter asks again" in page.inner_text("#banner")
        assert page.inner_text("#text").strip().startswith(shown)
        assert page.inner_text("#text").strip().endswith("kept")
        assert [s.kind for s in run.steers()] == ["picked", "typed"]
        port = int(server.url.rpartition(":")[2])
        with serving("ollama", tokenizer, text=" " + SAID, port=port):
            page.keyboard.press("Enter")
            until(page, "!s.trouble && s.draft.mode === 'ended' && s.view.phase === 'pause'")
        assert page.inner_text("#text").strip().endswith("kept " + SAID.strip())
    assert run.store.verify() == []
