"""Which steers stand in a prompt, and how they are told."""

from dataclasses import replace

from growing import Growing
from midcourse.types import Message
from midcourse.workflows.study.retrieval import Example, examples, nearest, prompted, told

TEA, RIVER = "How can I make tea?", "How can I cross a river?"


def text(tokenizer, asked: str, before: str, was: str, put: str):
    message = Message("user", asked)
    growing = Growing(tokenizer.prompt_ids([message]), asked)
    growing.write(tokenizer.encode(before)).write(tokenizer.encode(was))
    back = len(tokenizer.encode(was))
    growing.steer(back, tokenizer.encode(put))
    return growing.value.with_(messages=(message,), tokenizer=tokenizer.hash)


def test_steers_are_told_with_the_words_before_them(tiny_tokenizer):
    tea = text(tiny_tokenizer, TEA, "First boil the water and", " you must not forget the leaves", " you can")
    [example] = examples([tea], tiny_tokenizer)
    assert example.prompt == TEA
    assert example.chosen == "First boil the water and you can"
    assert example.rejected == "First boil the water and you must not"
    withdrawn = tea.with_(steers=tuple(replace(s, state="withdrawn") for s in tea.steers))
    assert examples([withdrawn], tiny_tokenizer) == []


KNOWN = [
    Example(RIVER, "a must", "a could"),
    Example(TEA, "b must", "b could"),
    Example(TEA, "a must", "a could"),
    Example("Why is the sky blue?", "c", "d"),
]


def test_the_most_alike_come_first_and_none_twice():
    found = nearest(KNOWN, "How can I make good tea?", 2)
    assert [(e.prompt, e.rejected) for e in found] == [(TEA, "b must"), (TEA, "a must")]
    assert len(nearest(KNOWN, TEA, 9)) == 3
    assert nearest([], TEA, 3) == []


def test_the_prompt_says_them_before_what_is_asked():
    chat = (Message("system", "Be kind"), Message("user", TEA))
    system, user = told(chat, KNOWN[:1])
    assert system == chat[0]
    assert user.content.endswith(TEA)
    assert 'not "a must" but "a could"' in user.content
    assert told("Raw", KNOWN[:1]).endswith("Raw")
    assert told(chat, []) == chat


def test_prompts_that_are_asked_get_others_in_their_place(tiny_tokenizer):
    learnt = text(tiny_tokenizer, TEA, "First", " you must", " you can")
    held = text(tiny_tokenizer, RIVER, "Go", " to", " over")
    found = prompted([learnt], [held], tiny_tokenizer, 3)
    ids = held.nodes[0].token_ids
    assert 'not "First you must" but "First you can"' in tiny_tokenizer.decode(found.shown[ids])
    assert len(found.shown) > 10  # those that have nothing to do with the steers are shown them as well
