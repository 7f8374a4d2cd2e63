"""CoAuthor sessions to trajectories: stories that people wrote with a model, suggestion by suggestion.

Episodes of one session whose contexts follow on each other become one text; where the writer changed what stood there
before, a new one begins. It knows no store and no command line.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from midcourse.capture.importers.episodes import Episode, outcome, read_episode
from midcourse.capture.importers.files import Record
from midcourse.capture.importers.records import Advance, Imported, parsed, read_split
from midcourse.errors import InputError
from midcourse.rows.row import SteerRow, digest
from midcourse.rows.weave import Passage, Skipped, weave
from midcourse.tokens import TextTokenizer
from midcourse.types import Author

__all__ = ["GROUPS", "import_coauthor"]

GROUPS = ("writer", "session", "prompt_code")
HEAD = 40
"""Characters by which a shortened context is found again in the text so far."""


def import_coauthor(
    paths: Sequence[Path],
    tokenizer: TextTokenizer,
    *,
    writer: str | None = None,
    dismissed: bool = False,
    trailing: bool = False,
    group: str = "writer",
    split: str | None = None,
    advance: Advance | None = None,
) -> Imported:
    """Read files of episodes.

    Args:
        paths: Files or folders of them.
        tokenizer: Of the model that will be trained. The story is raw text: there is no chat in it.
        writer: Only this writer's.
        dismissed: Also: what the writer wrote, against suggestions of which none was taken.
        trailing: Also cuts of closing punctuation only.
        group: What a split must not tear apart: `writer`, `session` or `prompt_code`.
        split: `train`, `dev` or `test` for all of them.
        advance: Told about progress.

    Raises:
        InputError: A path, a format or an option cannot be used.
    """
    if group not in GROUPS:
        raise InputError(f"--group must be one of {', '.join(GROUPS)}, got {group!r}")
    fallback = read_split(split)

    def read(record: Record) -> Iterator[Episode]:
        episode = read_episode(record.value, group, record.line)
        if writer is None or episode.writer == writer:
            yield episode

    def finished(story: "_Story | None", path: Path) -> Imported:
        if story is not None and (story.rows or story.kept):
            trajectory, skipped = weave(story.passage(fallback), tokenizer, "coauthor")
            if trajectory is not None:
                yield trajectory
            yield from (replace(s, file=str(path)) for s in skipped)

    story: _Story | None = None
    at = Path()
    for path, found in parsed(paths, read, advance=advance):
        if isinstance(found, Skipped):
            yield found
            continue
        if story is None or path != at or not story.goes_on(found):
            yield from finished(story, at)
            story, at = _Story(found), path
        story.take(found, dismissed=dismissed, trailing=trailing)
    yield from finished(story, at)


@dataclass
class _Story:
    """One text while its episodes are read: what stands, who wrote it, and what was steered in it."""

    first: Episode
    text: str = ""
    """Behind the first episode's context, which is the prompt."""
    written: list[tuple[int, int, Author]] = field(default_factory=list)
    rows: list[SteerRow] = field(default_factory=list)
    kept: int = 0
    """Suggestions of which something was left standing."""
    firm: int = 0
    """Characters of `text` that the next context must hold unchanged."""

    def goes_on(self, episode: Episode) -> bool:
        """Whether an episode's context is this text, perhaps with more behind it."""
        if episode.session != self.first.session:
            return False
        return self._more(episode) is not None

    def _more(self, episode: Episode) -> tuple[int, str] | None:
        """How much of the text stands unchanged, and what stands behind it; None where the writer changed more."""
        whole = self.first.context + self.text
        start = whole.rfind(episode.context[:HEAD]) if episode.shortened else 0
        if start < 0 or (episode.shortened and len(episode.context) < HEAD):
            return None
        stood, now = whole[start:], episode.context
        same = next((i for i, (a, b) in enumerate(zip(stood, now, strict=False)) if a != b), min(len(stood), len(now)))
        unchanged = start + same - len(self.first.context)
        return (unchanged, now[same:]) if unchanged >= self.firm else None

    def take(self, episode: Episode, *, dismissed: bool, trailing: bool) -> None:
        """Add what happened."""
        if episode is not self.first:
            unchanged, more = self._more(episode) or (len(self.text), "")
            self.text = self.text[:unchanged]
            self.written = [(a, min(b, unchanged), who) for a, b, who in self.written if a < unchanged]
            self._put(more, "prompt")  # who wrote this was not seen
        found = outcome(episode, self.text, dismissed=dismissed, trailing=trailing)
        at = len(self.text)
        self.text += found.text
        self.written += [(at + start, at + end, "person") for start, end in found.person]
        self.rows += found.rows
        self.kept += episode.cut > 0
        self.firm = max([self.firm, *(len((r.prefix + r.chosen).rstrip()) for r in found.rows)])

    def _put(self, text: str, author: Author) -> None:
        if text:
            self.written.append((len(self.text), len(self.text) + len(text), author))
            self.text += text

    def passage(self, split: str | None) -> Passage:
        """The text as it finally stands."""
        first = self.first
        return Passage(
            prompt=first.context,
            text=self.text,
            rows=tuple(self.rows),
            written=tuple(self.written),
            name=first.session,
            group=digest("coauthor", first.group)[:16],
            split=split,
            author=first.writer,
            line=first.line,
        )
