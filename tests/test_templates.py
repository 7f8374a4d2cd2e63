"""A chat template of a stranger's model: it reaches nothing, and neither runs nor grows without end."""

import contextlib
import json
import time

import pytest

from midcourse import templates
from midcourse.errors import InputError
from midcourse.tokens import TextTokenizer
from midcourse.types import Message
from model_folder import TEMPLATE

GROWS = "{% set ns = namespace(x='aa') %}{% for i in range(99) %}{% set ns.x = GROW %}{% endfor %}"


@pytest.fixture
def rendered(tiny_tokenizer, monkeypatch):
    monkeypatch.delenv("MIDCOURSE_DATE", raising=False)

    def render(template: str) -> str:
        made = TextTokenizer(tiny_tokenizer._text, template=template, eos=["<|im_end|>"])
        return made.render([Message("user", "hi")])

    return render


def test_what_chats_need_works(rendered):
    assert rendered(TEMPLATE) == "[user] hi<end>[assistant] "
    assert rendered("{{ 'a' ~ 1 ~ eos_token }}{{ messages | tojson }}") == (
        'a1<|im_end|>[{"role": "user", "content": "hi"}]'
    )
    assert rendered("{% for m in messages if m.role == 'user' %}{{ loop.index }}{{ m.content * 2 }}{% endfor %}") == (
        "1hihi"
    )
    assert rendered("{% macro f(x, n=2) %}{{ x.upper().ljust(n + 1) }}{% endmacro %}{{ f('a') }}|") == "A  |"


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ ['é<'] | tojson }}", '["é<"]'),
        ("{{ ['é'] | tojson(ensure_ascii=False) }}", '["é"]'),
        ("{{ ['é'] | tojson(true) }}", '["\\u00e9"]'),
        ("{{ {'b': 1, 'a': 2} | tojson(separators=(',', ':'), sort_keys=true) }}", '{"a":2,"b":1}'),
        ("{{ [1] | tojson(indent=1) }}", "[\n 1\n]"),
        ("{% if tools is not none or documents is not none %}some{% else %}none{% endif %}", "none"),
        ("{{ strftime_now('%Y') if strftime_now is defined else 'no clock' }}", "no clock"),
    ],
)
def test_it_finds_what_transformers_gives_it_but_no_clock(rendered, template, said):
    assert rendered(template) == said


def test_a_date_is_the_one_that_was_set(rendered, monkeypatch):
    asks = "{{ strftime_now('%d %b %Y') }}{% if strftime_now is defined %}!{% endif %}"
    with pytest.raises(InputError, match=r"puts the date into the prompt.* set MIDCOURSE_DATE"):
        rendered(asks)
    monkeypatch.setenv("MIDCOURSE_DATE", "2026-03-09")
    assert rendered(asks) == "09 Mar 2026!"
    monkeypatch.setenv("MIDCOURSE_DATE", "tomorrow")
    with pytest.raises(InputError, match="MIDCOURSE_DATE is 'tomorrow', which is no day such as 20"):
        rendered(asks)


def test_what_the_assistant_wrote_may_be_marked(rendered):
    template = (
        "{% set x = 1 %}{% generation %}{% set x = 2 %}{{ messages[0].content }}{{ x }}{% endgeneration %}{{ x }}"
    )
    assert rendered(template) == "hi21"


def test_bos_is_what_the_model_folder_says_even_if_only_the_template_puts_it(tiny_tokenizer, tmp_path):
    tiny_tokenizer._text.save(str(tmp_path / "tokenizer.json"))
    for bos, said in (("<|im_start|>", "<|im_start|>"), ({"content": "<|im_start|>"}, "<|im_start|>"), ("<s>", "")):
        settings = {"bos_token": bos, "chat_template": "{{ bos_token }}{{ messages[0].content }}"}
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
        made = TextTokenizer.load(tmp_path)
        assert made.render([Message("user", "hi")]) == f"{said}hi"
        assert made.encode_prompt("hi") == made.encode("hi")


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ messages.append(1) }}",
        "{{ raise_exception.__globals__ }}",
        "{{ self.__init__.__globals__ }}",
        "{% include '/etc/passwd' %}",
        "{{ (messages | map(attribute='__class__') | list)[0].mro() }}",
    ],
)
def test_it_reaches_nothing(rendered, template):
    said = ""
    with contextlib.suppress(InputError):  # some are refused, of others nothing comes
        said = rendered(template)
    assert said in ("", "{}")


@pytest.mark.parametrize(
    "template",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% for a in range(99999) %}{% for b in range(99999) if false %}{% endfor %}{% endfor %}",
        "{% macro f(n) %}{% if n %}{{ f(n-1) }}{{ f(n-1) }}{% endif %}{% endmacro %}{{ f(60) }}",
        "{{ range(99999) | batch(1) | map('list') | map('join') | join('b' * 100000) }}",
    ],
)
def test_it_does_not_run_without_end(rendered, monkeypatch, template):
    monkeypatch.setattr(templates, "SECONDS", 0.5)
    began = time.monotonic()
    with pytest.raises(InputError, match=r"runs for more than 0\.5 s|more than 50,000,000"):
        rendered(template)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "template",
    [
        "{{ 'a' * 10**11 }}",
        "{{ [1] * 10**11 }}",
        "{{ (10**99) ** (10**9) }}",
        "{{ 'a' | center(10**11) }}",
        "{{ 'a'.ljust(10**11) }}",
        "{{ '%99999999999d' % 3 }}",
        "{{ '{:>99999999999}'.format(3) }}",
        "{{ '%99999999999d' | format(3) }}",
        "{{ 'x'.join(['a' * 1000000] * 1000000) }}",
        "{% for i in range(99999) %}{{ 'a' * 40000000 }}{% endfor %}",
        *(GROWS.replace("GROW", g) for g in ("ns.x ~ ns.x", "ns.x + ns.x", "ns.x.replace('a', ns.x)")),
        GROWS.replace("GROW", "ns.x | replace('a', ns.x)"),
    ],
)
def test_it_does_not_grow_without_end(rendered, template):
    with pytest.raises(InputError, match="more than 50,000,000"):
        rendered(template)


def test_whatever_goes_wrong_in_it_is_one_sentence(rendered):
    for template in (
        "{{ 1 / 0 }}",
        "{{ " + "(" * 3000,
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{{ 1 + 'a' }}",
    ):
        with pytest.raises(InputError, match="the chat template refuses these messages"):
            rendered(template)
