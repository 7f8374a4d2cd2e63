"""Each case in which a next request shows a person's hand, and each in which a client only looks like one."""

import unicodedata

import pytest

from midcourse.capture.proxy.exchange import Asked, Exchange
from midcourse.capture.proxy.recognise import Edit, recognise

from .talk import applied, chat, raw, wrote

ASK = "u:Tell me about the bridge."
TEXT = "The bridge was built in 1932 and carries two lanes of cars across the river. It is painted red every year."
FIRST = wrote(chat(ASK), TEXT)


def again(prefill: str) -> Asked:
    return chat(ASK, prefill=prefill)


@pytest.mark.parametrize(
    ("prefill", "kind", "start", "was", "put"),
    [
        ("The bridge was built in", "cut", 23, TEXT[23:], ""),
        ("The bridge was built in 1937", "changed", 23, TEXT[23:], " 1937"),
        ("The bridge was built in 1937 ", "changed", 23, TEXT[23:], " 1937 "),
        (TEXT.replace("1932", "1937"), "changed", 23, " 1932", " 1937"),
        (TEXT.replace(" and carries", ""), "changed", 28, " and carries", ""),
        (TEXT.replace("cars", "slow cars"), "changed", 53, "", " slow"),
        (TEXT + " Tourists", "extended", len(TEXT), "", " Tourists"),
        (TEXT[:-1] + ", by hand", "extended", len(TEXT) - 1, ".", ", by hand"),
    ],
)
def test_the_text_to_be_continued_was_corrected(prefill: str, kind: str, start: int, was: str, put: str) -> None:
    found = recognise(again(prefill), [FIRST], at=200.0)
    assert (found.kind, found.exchange, found.certain) == (kind, "e1", True), found.why
    assert found.edits == (Edit("e1", 1, start, was, put),)
    assert applied(FIRST, found) == prefill


def test_several_repairs_and_what_was_written_on() -> None:
    now = TEXT.replace("1932", "1937").replace("red", "green") + " By hand."
    found = recognise(again(now), [FIRST])
    assert [(e.was, e.put) for e in found.edits] == [(" 1932", " 1937"), (" red", " green"), ("", " By hand.")]
    assert applied(FIRST, found) == now


@pytest.mark.parametrize("sent", [chat(ASK, "a:" + TEXT[:23]), chat("s:It is 10:05.", ASK, prefill=TEXT[:23])])
def test_it_does_not_matter_how_the_client_says_it(sent: Asked) -> None:
    assert recognise(sent, [FIRST]).kind == "cut"


def test_a_nudge_in_words_continues_the_last_answer() -> None:
    nudge = "s:[Continue your last message without repeating its original content.]"
    found = recognise(chat(ASK, "a:" + TEXT.replace("1932", "1937"), nudge), [FIRST])
    assert (found.kind, [(e.turn, e.was) for e in found.edits]) == ("changed", [(1, " 1932")])
    assert recognise(chat(ASK, "a:" + TEXT, nudge), [FIRST]).kind == "same"
    assert recognise(chat(ASK, "a:" + TEXT, "u:Continue"), [FIRST]).kind == "new"


@pytest.mark.parametrize(
    "prefill",
    [
        TEXT,
        TEXT + "\n",
        TEXT[:-3],
        TEXT.rsplit(" ", 1)[0],
        TEXT.replace(". ", ".\n"),
    ],
)
def test_what_a_client_trims_is_no_steer(prefill: str) -> None:
    found = recognise(again(prefill), [FIRST])
    assert (found.kind, found.edits) == ("same", ()), found.why


def test_letters_and_line_ends_may_be_written_in_another_way() -> None:
    text = "Das Café öffnet.\nEs ist schön dort, und der Kaffee ist gut."
    first = wrote(chat(ASK), text)
    sent = unicodedata.normalize("NFD", text.replace("\n", "\r\n"))
    assert recognise(chat(ASK, prefill=sent), [first]).kind == "same"
    found = recognise(chat(ASK, prefill=sent.replace("gut", "billig")), [first])
    assert [(e.was, e.put) for e in found.edits] == [(" gut.", " billig.")]
    assert text[found.edits[0].start :] == " gut."


def test_thoughts_that_the_client_left_out_are_no_cut() -> None:
    first = wrote(chat(ASK), "<think>\nA bridge. Which one?\n</think>\n\n" + TEXT)
    assert recognise(again(TEXT), [first]).kind == "same"
    found = recognise(again(TEXT.replace("1932", "1937")), [first])
    assert applied(first, found) == first.text.replace("1932", "1937")
    inside = first.text.replace("Which", "What")
    assert applied(first, recognise(again(inside), [first])) == inside


def test_hardly_anything_kept_is_not_certain() -> None:
    found = recognise(again("It spans the water near the old mill and is made of wood."), [FIRST])
    assert (found.kind, found.certain) == ("changed", False)
    assert found.edits[0].was == TEXT


def test_what_comes_at_once_is_not_certain() -> None:
    assert recognise(again(TEXT[:23]), [FIRST], at=100.4).certain is False
    assert "sooner than a person reads" in recognise(again(TEXT[:23]), [FIRST], at=100.4).why


def test_a_finished_sentence_is_where_clients_cut_too() -> None:
    stopped = wrote(chat(ASK), TEXT + " The paint is made of")
    assert recognise(again(TEXT), [stopped]).certain is False
    assert recognise(chat(ASK, "a:" + TEXT, "u:Thanks. And now?"), [stopped]).kind == "new"


def test_the_same_again() -> None:
    assert recognise(chat(ASK), [FIRST]).kind == "regenerated"
    began = wrote(chat(ASK, prefill="Sure:"), " it is red.")
    assert recognise(chat(ASK, prefill="Sure:"), [began]).kind == "regenerated"
    assert recognise(chat("u:Another question."), [FIRST]).kind == "new"
    assert recognise(chat(ASK), []).kind == "new"


def test_a_fixed_beginning_is_no_steer() -> None:
    fixed = "Sure! Here is the rewritten code:\n```python\n"
    other = wrote(chat("u:Rewrite a."), "print(1)", "stop")
    before = [wrote(chat("u:Rewrite b.", prefill=fixed), "print(2)", id="e0"), other]
    assert recognise(chat("u:Rewrite a.", prefill=fixed), before).edits == ()
    assert recognise(chat("u:Rewrite c.", prefill=fixed), before).kind == "new"


def test_a_correction_behind_a_correction() -> None:
    second = wrote(again(TEXT[:23] + " 1937"), ", by hand. It is blue.", id="e2", at=300.0)
    found = recognise(again(TEXT[:23] + " 1937, by machine"), [FIRST, second])
    assert found.edits == (Edit("e2", 1, 32, " hand. It is blue.", " machine"),)
    early = recognise(again("A bridge was built in 1937, by hand. It is blue."), [FIRST, second])
    assert (early.kind, early.edits) == ("changed", (Edit("e2", 1, 0, "The", "A"),)), "the model's words, from e1 on"
    own = recognise(again(TEXT[:23] + " 1938, by hand. It is blue."), [FIRST, second])
    assert (own.kind, own.edits) == ("same", (Edit("e2", 1, 23, " 1937", " 1938"),)), "the person's own words"
    anew = recognise(again(TEXT[:23] + " 1940"), [FIRST, second])
    assert anew.edits == (Edit("e1", 1, 23, TEXT[23:], " 1940"),)


def test_earlier_answers_that_were_corrected_show_in_the_history() -> None:
    more = "u:And who paid for it?"
    found = recognise(chat(ASK, "a:" + TEXT.replace("1932", "1937"), more), [FIRST], at=200.0)
    assert (found.kind, found.certain) == ("history_edit", True), found.why
    assert found.edits == (Edit("e1", 1, 23, " 1932", " 1937"),)
    corrected = chat(ASK, "a:" + TEXT.replace("1932", "1937"), more)
    second = wrote(corrected, "The town did.", "stop", id="e2")
    later = chat(*["s:Clock 11:00", ASK, "a:" + TEXT.replace("1932", "1937"), more, "a:The city did.", "u:Sure?"])
    found = recognise(later, [FIRST, second])
    assert found.edits == (Edit("e2", 4, 3, " town did.", " city did."),), "what was corrected earlier is known"
    assert recognise(chat(ASK, "a:" + TEXT, more), [FIRST]).edits == ()


def test_a_correction_above_an_answer_that_goes_on() -> None:
    asked = [ASK, "a:" + TEXT, "u:And who paid?"]
    second = wrote(chat(*asked), "The town paid for all of it.", id="e2")
    said = [ASK, "a:" + TEXT.replace("1932", "1937"), "u:And who paid?"]
    found = recognise(chat(*said, prefill=second.text), [FIRST, second])
    assert (found.kind, found.exchange) == ("history_edit", "e2"), "what it goes on from"
    assert [(e.exchange, e.was) for e in found.edits] == [("e1", " 1932")]


def test_an_answer_of_another_model_is_no_correction() -> None:
    sibling = wrote(chat(ASK), "Which bridge do you mean? There are many of them in the world.", id="e2")
    other = "It crosses the bay, and I like how it looks in the evening when the lamps are lit."
    assert recognise(chat(ASK, "a:" + other, "u:Thanks."), [FIRST, sibling]).edits == ()
    chosen = recognise(chat(ASK, "a:" + TEXT, "u:Thanks."), [FIRST, sibling])
    assert (chosen.kind, chosen.exchange) == ("new", "e1")


def test_names_before_answers_are_the_clients() -> None:
    system = "s:You are Ada."
    first = wrote(chat(system, ASK), TEXT)
    assert recognise(chat(system, ASK, "a:Ada: " + TEXT, "u:Go on."), [first]).edits == ()
    found = recognise(chat(system, ASK, "a:Ada: " + TEXT.replace("red", "green"), "u:Go on."), [first])
    assert [(e.was, e.put) for e in found.edits] == [(" red", " green")]
    assert first.text[found.edits[0].start :].startswith(" red")


def test_only_an_exact_history_counts_where_the_person_is_not_known() -> None:
    long = ["u:Hello.", "a:Hi.", ASK]
    first = wrote(chat(*long), TEXT)
    short = chat("a:Hi.", ASK, prefill=TEXT[:23])
    assert recognise(short, [first]).certain
    assert recognise(short, [first], exact=True).kind == "new"
    assert recognise(chat(*long, prefill=TEXT[:23]), [first], exact=True).kind == "cut"
    assert not recognise(chat("a:Other.", ASK, prefill=TEXT[:23]), [first]).certain
    found = recognise(chat("u:Tell me (now).", prefill=TEXT[:40]), [first])
    assert (found.kind, found.certain) == ("cut", False), "found by its text alone"


SIDE = [
    "### Task:\nGenerate a concise, 3-5 word title with an emoji summarizing the chat history.\n### Chat History:\n"
    "<chat_history>\nUSER: x\n</chat_history>",
    "### Task:\nGenerate 1-3 broad tags categorizing the main themes of the chat history.\n<chat_history>\nx",
    "### Task:\nSuggest 3-5 relevant follow-up questions or prompts.\n### Chat History:\n<chat_history>\nx",
    "### Task:\nYou are an autocompletion system. Continue the text in `<text>`.",
    "Provide a concise, 5-word-or-less title for the conversation, using title case conventions.\n\nConversation:\nx",
    "Analyze this conversation and provide:\n1. The detected language\n2. A concise title in the detected language",
    "Please generate a four to five word title summarizing our conversation without any lead-in or punctuation.",
    "<|fim_prefix|>def add(a, b):\n<|fim_suffix|>\n<|fim_middle|>",
]


@pytest.mark.parametrize("content", SIDE)
def test_what_clients_ask_by_themselves(content: str) -> None:
    found = recognise(chat("u:" + content), [FIRST])
    assert (found.kind, found.edits) == ("side_task", ()), found.why
    task = wrote(chat("u:" + content), "A Bridge", "stop")
    assert recognise(chat("u:" + content, prefill="A Br"), [task]).kind == "side_task"


@pytest.mark.parametrize(
    "content",
    [
        "Give me ten titles for my novel about a bridge.",
        "Write a story in which a chat leads to friendship.",
        "Which tags does HTML have?",
        "Summarize the plot of Hamlet.",
    ],
)
def test_what_a_person_may_ask(content: str) -> None:
    assert recognise(chat("u:" + content), [FIRST]).kind == "new"


STORY = "Once upon a time there was a bridge. It had stood there for longer than anyone could tell. One day, Helena "
TOLD = "meets a man who seems perfect for her, but she cannot stop thinking about the river."
STORYTELLER = wrote(raw(STORY), TOLD)


@pytest.mark.parametrize(
    ("behind", "kind", "start", "was", "put"),
    [
        (TOLD[:21], "cut", 21, TOLD[21:], ""),
        (TOLD[:21] + " lovely. The end", "changed", 21, TOLD[21:], " lovely. The end"),
        ("meets a dog. It barks.", "changed", 7, TOLD[7:], " dog. It barks."),
        (TOLD.replace("perfect", "awful"), "changed", 21, " perfect", " awful"),
        (TOLD + " She sighs.", "extended", len(TOLD), "", " She sighs."),
    ],
)
def test_a_prompt_that_runs_along(behind: str, kind: str, start: int, was: str, put: str) -> None:
    found = recognise(raw(STORY + behind), [STORYTELLER])
    assert (found.kind, found.edits) == (kind, (Edit("e1", 0, start, was, put),)), found.why
    assert applied(STORYTELLER, found) == behind


def test_raw_text_that_shows_no_steer() -> None:
    assert recognise(raw(STORY), [STORYTELLER]).kind == "regenerated"
    assert recognise(raw(STORY.rstrip()), [STORYTELLER]).kind == "regenerated"
    assert recognise(raw(STORY + TOLD), [STORYTELLER]).kind == "same"
    assert recognise(raw("Once upon a time there was a tower. It fell."), [STORYTELLER]).kind == "new"
    assert recognise(raw("<PRE> a <SUF> b <MID>"), [STORYTELLER]).kind == "side_task"
    agent = wrote(raw("Q: how old?\nThought: look.\nAction: search[bridge]"), "\nAction Input: bridge")
    told = agent.asked.turns[0].content + agent.text + "\nObservation: 90 years\nThought:"
    assert recognise(raw(told), [agent]).edits == ()


def test_the_beginning_was_dropped_for_want_of_room() -> None:
    long = "In the beginning there was nothing at all, and it went on for years. " * 4 + STORY
    first = wrote(raw(long), TOLD)
    found = recognise(raw(long[150:] + TOLD.replace("perfect", "awful")), [first])
    assert found.edits == (Edit("e1", 0, 21, " perfect", " awful"),)
    assert recognise(raw(long[150:] + TOLD + " She"), [first]).kind == "extended"
    assert recognise(raw(long[150:] + TOLD + " She"), [first], exact=True).kind == "new"


def chatml(*said: tuple[str, str]) -> str:
    return "".join(f"<|im_start|>{r}\n{t}<|im_end|>\n" for r, t in said) + "<|im_start|>assistant\n"


def test_a_chat_that_the_client_renders_itself() -> None:
    asked = chatml(("user", "Tell me about the bridge."))
    first = wrote(raw(asked), TEXT, "stop")

    def next_one(answer: str) -> Asked:
        return raw(chatml(("user", "Tell me about the bridge."), ("assistant", answer), ("user", "And who paid?")))

    assert recognise(next_one(TEXT), [first]).kind == "new"
    found = recognise(next_one(TEXT.replace("1932", "1937")), [first])
    assert (found.kind, found.edits) == ("history_edit", (Edit("e1", 0, 23, " 1932", " 1937"),))
    second = wrote(next_one(TEXT), "The town.", "stop", id="e2")
    prompt = next_one(TEXT).turns[0].content + "The town.<|im_end|>\n<|im_start|>user\nSure?<|im_end|>\n"
    assert recognise(raw(prompt + "<|im_start|>assistant\n"), [first, second]).edits == ()
    late = recognise(raw(prompt.replace("red", "green") + "<|im_start|>assistant\n"), [first, second])
    assert late.edits == (Edit("e1", 0, TEXT.index(" red"), " red", " green"),)


def test_speakers_in_raw_text() -> None:
    asked = "A talk.\nUser: How old is the bridge?\nBot:"
    first = wrote(raw(asked), " It is ninety years old.\nUser: Thanks", "stop")
    assert recognise(raw(asked + " It is ninety years old.\nUser: And who paid?\nBot:"), [first]).edits == ()
    found = recognise(raw(asked + " It is eighty years old.\nUser: And who paid?\nBot:"), [first])
    assert [(e.was, e.put) for e in found.edits] == [(" ninety", " eighty")]
    assert found.kind == "history_edit"


def test_routes_do_not_mix() -> None:
    assert recognise(raw(STORY + TOLD[:21]), [wrote(chat("u:" + STORY), TOLD)]).kind == "new"


def test_an_answer_that_repeats_its_prefill() -> None:
    first = Exchange("e1", again("The bridge was built in"), TEXT, "stop", 0.0)
    found = recognise(again(TEXT.replace("red", "green")), [first])
    assert found.edits == (Edit("e1", 1, TEXT.index(" red"), " red", " green"),)
