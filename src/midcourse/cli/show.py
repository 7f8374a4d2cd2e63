"""A steer as a person wants to see it: prefix, what was turned down struck out in red, what was put in green.

Where colour is lost (a pipe, a file) the same is said in CriticMarkup. It knows texts, no tokens and no store.
"""

from rich.text import Text

__all__ = ["draw_steer", "shorten"]


def shorten(text: str, length: int, *, end: bool = False) -> str:
    """At most `length` characters: the last ones, or with `end` the first ones, with … for the rest."""
    if len(text) <= length:
        return text
    return text[:length] + "…" if end else "…" + text[-length:]


def draw_steer(
    prefix: str,
    rejected: tuple[str, ...],
    chosen: str,
    *,
    tail: str = "",
    ended: bool = False,
    colour: bool = True,
    length: int = 300,
) -> Text:
    """Draw one steer.

    Args:
        prefix: What both sides share; its last `length` characters are shown.
        rejected: What was turned down; several are shown one after another.
        chosen: What was put there.
        tail: Kept text behind it, of which a third of `length` is shown.
        ended: Whether the answer stops here.
        colour: False writes CriticMarkup instead.
        length: In characters.
    """
    put = chosen + ("⏹" if ended else "")
    drawn = Text(shorten(prefix, length))
    was = [shorten(text, length, end=True) for text in rejected if text]
    if not colour:
        joined = "|".join(was)
        mark = f"{{~~{joined}~>{put}~~}}" if was and put else f"{{--{joined}--}}" if was else f"{{++{put}++}}"
        return drawn.append(mark).append(shorten(tail, length // 3, end=True))
    for number, text in enumerate(was):
        if number:
            drawn.append(" | ", "dim")
        drawn.append(text, "red strike")
    if was and put and not was[-1].endswith((" ", "\n")) and not put.startswith((" ", "\n")):
        drawn.append(" ")
    drawn.append(put, "bold green")
    return drawn.append(shorten(tail, length // 3, end=True), "dim")
