"""What a request is when no person wrote it: titles, tags, follow-ups, completions that clients ask for by themselves.

Also the words with which clients ask for more of the same answer, and the marks that begin a next turn in raw text. The
wordings are those of Open WebUI, LibreChat, SillyTavern and other clients; a pattern names what they have in common. It
knows no earlier requests.
"""

import re

from midcourse.capture.proxy.exchange import Asked

__all__ = ["NUDGE", "next_turn", "side_task", "tool_result", "trimmed"]

_ASK = r"\b(?:generate|provide|create|write|suggest|give|make|come up with|output|return|summari[sz]e)\b"
_TALK = r"\b(?:conversation|chat|dialog(?:ue)?|discussion|thread|session|messages?)\b"
_TASKS: dict[str, re.Pattern[str]] = {
    "a title": re.compile(
        rf"{_ASK}.{{0,120}}\b(?:title|subject line)\b.{{0,160}}{_TALK}|{_TALK}.{{0,120}}{_ASK}.{{0,80}}\btitle\b"
        r"|\bword(?:s|-or-less| or less)?\W{0,2}\s*title\b|\btitle generator\b"
        r"|\bsummari[sz]ing (?:our|the|this) conversation\b|\btitle in the detected language\b",
        re.IGNORECASE | re.DOTALL,
    ),
    "tags": re.compile(rf"{_ASK}.{{0,40}}\btags\b.{{0,120}}(?:categori[sz]|{_TALK})", re.IGNORECASE | re.DOTALL),
    "follow-up questions": re.compile(
        rf"{_ASK}.{{0,60}}\b(?:follow[- ]?up|related|next)\b.{{0,20}}\b(?:questions?|prompts?|queries)\b"
        rf".{{0,120}}{_TALK}",
        re.IGNORECASE | re.DOTALL,
    ),
    "autocompletion": re.compile(r"\bautocomplet(?:e|ion) (?:system|engine|assistant)\b", re.IGNORECASE),
    "search queries": re.compile(
        r"\bgenerating search queries\b|\bgenerate.{0,40}search quer(?:y|ies)\b.{0,160}"
        + _TALK
        + r"|\brephrase the follow[- ]?up question\b",
        re.IGNORECASE | re.DOTALL,
    ),
    "a summary": re.compile(
        rf"\[pause your roleplay\b|\bsummari[sz]e (?:the|this|our) {_TALK}.{{0,80}}"
        r"\b(?:words or less|future context|briefly)\b",
        re.IGNORECASE | re.DOTALL,
    ),
    "an emoji": re.compile(r"\bemoji that (?:represents|reflects|best)\b", re.IGNORECASE),
}
_HEAD = 1500
"""Characters of a message in which a task is looked for: the text that it is about stands behind."""
_HISTORY = re.compile(r"<chat_history>|<conversation>|^#{2,3} (?:Chat|Conversation) History:", re.MULTILINE)
_FILL = re.compile(r"<\|?fim[_▁-]|<｜fim▁|\[SUFFIX\]|<PRE>.*<SUF>|<fill_me>|<\|fim_", re.IGNORECASE | re.DOTALL)
NUDGE = re.compile(
    r"\s*[\[(]?\s*(?:continue (?:your last message|the following message|the (?:last )?response|your (?:last )?response"
    r"|your (?:last )?reply)\b|continue [^\n]{1,60} reply'?\)?\s*\Z)",
    re.IGNORECASE,
)
"""How clients ask for more of the last answer in words, where no prefill is sent."""
_CONTROL = re.compile(
    r"<\|[^|<>\n]{1,30}\|?>|<｜[^｜\n]{1,30}｜>|</?s>|\[/?INST\]|<(?:start|end)_of_turn>|<<SYS>>"
    r"|^#{2,}\s*(?:instruction|response|human|assistant|user|input)\b|^\s*(?:observation|tool result)\s*\d*:",
    re.IGNORECASE | re.MULTILINE,
)
_TOOL = re.compile(r"\s*(?:observation|tool (?:result|output)|<tool_response>)\W", re.IGNORECASE)
_SPEAKER = re.compile(r"^([^\W\d_][\w .'’-]{0,30}):", re.MULTILINE)


def side_task(asked: Asked) -> str | None:
    """What a client asked for by itself, None where a person may have asked."""
    if asked.route == "completions":
        return "a completion inside a text" if any(_FILL.search(t.content) for t in asked.turns) else None
    last = next((t.content for t in reversed(asked.turns) if t.role == "user"), "")
    said = [last[:_HEAD], *(t.content[:_HEAD] for t in asked.turns if t.role in ("system", "developer"))]
    if _FILL.search(last):
        return "a completion inside a text"
    if _HISTORY.search(last) and not any(t.role == "assistant" for t in asked.turns):
        return next((name for name, task in _TASKS.items() if task.search(last[:_HEAD])), "a task about a chat")
    alone = len([t for t in asked.turns if t.role not in ("system", "developer")]) == 1
    for text in said if alone else said[:1]:
        found = next((name for name, task in _TASKS.items() if task.search(text)), None)
        if found and (alone or len(last) < _HEAD):
            return found
    return None


def next_turn(text: str, prompt: str) -> int | None:
    """Where in a raw text the next turn begins: at a control mark, or where one of the prompt's speakers speaks.

    Args:
        text: What stands behind the prompt, what the model wrote first.
        prompt: What stood before it. Speakers count where it ends with one, as in `Bot:`.
    """
    mark = _CONTROL.search(text)
    places = [mark.start()] if mark else []
    if _SPEAKER.fullmatch(prompt.rstrip().rpartition("\n")[2].strip()):
        speakers = {m[1] for m in _SPEAKER.finditer(prompt)}
        places += [m.start() for m in _SPEAKER.finditer(text) if m[1] in speakers and m.start()]
    return min(places, default=None)


def trimmed(kept: str, gone: str, *, stopped: bool) -> bool:
    """Whether a client takes such an ending away by itself.

    Args:
        kept: What stands.
        gone: What went from its end.
        stopped: Whether the model was stopped or ran out of room, so that its last sentence is not finished.
    """
    mark = gone.lstrip()
    if not any(c.isalnum() for c in mark) or _CONTROL.match(mark) or (gone[:1] == "\n" and _SPEAKER.match(mark)):
        return True
    whole = kept.rstrip()[-1:] in set(".!?…\"'”’*)。！？") and not re.search(r"[.!?。！？]\s*\S", mark)
    return stopped and whole and mark.rstrip()[-1:] not in set(".!?…。！？")


def tool_result(put: str) -> bool:
    """Whether a program, not a person, wrote on: frameworks put what a tool said behind the model's words."""
    return bool(_TOOL.match(put))
