"""A text is never markup: what a model or a person writes runs nothing, and the page's policy would not let it."""

from collections.abc import Callable
from typing import Any

import pytest

from capture.studio.page.opened import begin, until

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")

EVIL = "<img src=x onerror='globalThis.owned=1'><script>globalThis.owned=1</script> <b>bold</b>"


@pytest.mark.long
def test_markup_in_a_text_is_shown_as_text(studio: Callable[..., Any], tab: Callable[..., Any]) -> None:
    run = studio(EVIL, prompts=(EVIL,))
    page = tab(run.address)
    begin(page)
    until(page, "s.draft?.mode === 'ended' || s.view.shown > 30")
    until(page, "document.querySelector('#text').innerText.includes('onerror')")
    assert page.evaluate("document.querySelectorAll('#text img, #text script, #text b').length") == 0
    assert page.evaluate("globalThis.owned") is None


def test_the_policy_stops_inline_scripts_foreign_images_and_other_servers(
    studio: Callable[..., Any], browser: Any
) -> None:
    context = browser.new_context()  # not `tab`, which fails where the policy has to stop anything
    page = context.new_page()
    page.goto(studio("Hello.").address)
    page.wait_for_selector("body[data-link=live]")
    broken = page.evaluate(
        """async () => {
          const seen = [];
          document.addEventListener('securitypolicyviolation', (e) => seen.push(e.effectiveDirective));
          const script = document.createElement('script');
          script.textContent = 'globalThis.owned = 1';
          document.body.append(script);
          const image = document.createElement('img');
          image.src = 'http://192.0.2.1/x.png';
          document.body.append(image);
          await fetch('http://192.0.2.1/').catch(() => null);
          await new Promise((done) => setTimeout(done, 200));
          script.remove(); image.remove();
          return [seen, globalThis.owned ?? null];
        }"""
    )
    context.close()
    assert set(broken[0]) == {"script-src-elem", "img-src", "connect-src"}
    assert broken[1] is None
