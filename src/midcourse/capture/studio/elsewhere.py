"""Who writes where the model runs on a server: tried out first, then asked for no more than it can do.

It knows addresses and abilities; no draft, no page, and no weights: those are the server's own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from midcourse.backends.remote import Fitted, Report, connect
from midcourse.capture.studio.writer import Loaded
from midcourse.errors import InputError
from midcourse.tokens import TextTokenizer
from midcourse.types import ModelRef

__all__ = ["Server", "lacks", "server_loader"]

_SAID = {
    "continue token ids": "reads its text anew each time",
    "tell token ids": "does not name its tokens",
    "tell log-probabilities": "does not tell how sure it is",
    "tell alternatives": "tells no alternatives",
    "rule tokens out": "cannot be forbidden a word (the likeliest other stands in place of a rejected one)",
    "repeat a draw by its seed": "repeats no draw",
}
"""What a probe finds missing, for people who know nothing of servers."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where a model runs."""

    url: str
    key: str | None = None
    dialect: str | None = None
    """None: recognised."""
    served: str | None = None
    """The server's name for the model; None: the first it lists."""
    patience: float = 60.0
    """Seconds of silence that are waited for."""


def server_loader(
    server: Server, tokenizer: TextTokenizer, told: Callable[[Report], None] = lambda _: None
) -> Callable[[Path | None], Loaded]:
    """What a `Writer` loads with; trying the server out takes a few short requests.

    Args:
        server: Where.
        tokenizer: Of the model that it runs.
        told: Called with what was found out.
    """

    def load(adapter: Path | None) -> Loaded:
        if adapter is not None:
            raise InputError(
                f"{server.url} writes with what it serves: have it serve {adapter}, then open the studio with "
                "--served and its name there (docs/backends.md)"
            )
        backend, report = connect(
            server.url,
            tokenizer,
            key=server.key,
            dialect=server.dialect,
            model=server.served,
            patience=server.patience,
        )
        told(report)
        fitted = Fitted(backend, report)
        return Loaded(
            fitted,
            tokenizer,
            ModelRef(f"{report.model} on {report.dialect}"),
            report.dialect,
            token_ids=report.can("tell token ids") is not False,
            alternatives=fitted.most,
            lacks=lacks(report),
        )

    return load


def lacks(report: Report) -> str:
    """What whoever steers should know of the server, in one line; empty where it can do everything."""
    said = [_SAID[name] for name in report.lacking() if name in _SAID]
    return f"{report.model} on {report.dialect} {', '.join(said)}." if said else ""
