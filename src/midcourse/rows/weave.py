"""One kept text to one trajectory: a joint tokenization, forks found in tokens, who wrote what.

Prompt and kept text are tokenized as one string (a chat prompt by its template, then the answer), and so is each
rejected text behind the same prefix: the fork is where the two paths of ids part, wherever the rows cut the text. A
correction that begins inside a token takes that token over. It knows no file, no tree options, and not which rows
belong together.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from midcourse.errors import InputError
from midcourse.rows.row import Prompt, SteerRow, digest
from midcourse.tokens import TextTokenizer, common_prefix
from midcourse.types import Author, Node, Place, Rejected, Steer, Teaches, Trajectory

__all__ = ["Passage", "Skipped", "plain", "weave"]

OLD_TAIL = 256
"""Characters behind replaced words that are tokenized with them; more would not change where they end."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row that trains nothing, and why."""

    line: int | None
    reason: str
    file: str | None = None

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.file else f"row {self.line}"
        return f"{where}: {self.reason}" if self.line is not None else self.reason


@dataclass(frozen=True, slots=True)
class Passage:
    """One kept text as it finally stands, and what happened in it."""

    prompt: Prompt
    text: str
    rows: tuple[SteerRow, ...] = ()
    """Corrections in it; their prefixes run along the text."""
    ended: bool = False
    """The end token stands behind the text."""
    written: tuple[tuple[int, int, Author], ...] = ()
    """Characters of the text (start, end) that someone else than the model wrote, beside what the rows put."""
    teaches: Teaches = "steers"
    name: str | None = None
    """Which text it is, where one prompt has several."""
    group: str | None = None
    """What a split must not tear apart; None: the prompt."""
    split: str | None = None
    author: str | None = None
    line: int | None = None
    """Where it was read, for messages."""


def weave(passage: Passage, tokenizer: TextTokenizer, source: str) -> tuple[Trajectory | None, list[Skipped]]:
    """Make a trajectory of a text.

    Args:
        passage: The text; without rows it is kept as it is.
        tokenizer: Of the model that will be trained.
        source: Where it came from; with the text it makes the ids, so that the same text gets the same ids.

    Returns:
        The trajectory, None when the passage has rows and none of them can be learnt from; and what was skipped.
    """
    try:
        return _Weaver(passage, tokenizer, source).trajectory()
    except InputError as error:
        lines = [r.line for r in passage.rows] or [passage.line]
        return None, [Skipped(line, str(error)) for line in lines]


def plain(prompt: Prompt) -> Any:
    """A prompt as JSON holds it."""
    return prompt if isinstance(prompt, str) else [m.to_dict() for m in prompt]


@dataclass(frozen=True, slots=True)
class _Path:
    """Token ids of a prompt and the beginning of an answer."""

    ids: list[int]
    ends: list[int]
    """For each token the byte of the answer at which it ends; at most 0 for the prompt."""

    def before(self, byte: int) -> int:
        """How many tokens end at or before a byte of the answer."""
        return bisect_right(self.ends, byte)

    def through(self, byte: int) -> int:
        """How many tokens it takes to cover the answer up to a byte."""
        depth = self.before(byte)
        covered = self.ends[depth - 1] >= byte if depth else byte <= 0
        return depth if covered else min(depth + 1, len(self.ids))


class _Weaver:
    """Turns one passage into one trajectory."""

    def __init__(self, passage: Passage, tokenizer: TextTokenizer, source: str) -> None:
        self.passage, self.tokenizer, self.source = passage, tokenizer, source
        self.prompt: Prompt = passage.prompt
        self.prompt_ids = None if isinstance(self.prompt, str) else tokenizer.prompt_ids(self.prompt)
        self.trunk = self.path(passage.text)
        if passage.ended:
            self.trunk.ids.append(self._end_token())
        tokenizer.check_ids(self.trunk.ids)
        first = passage.rows[0] if passage.rows else None
        beginning = (first.prefix, first.chosen) if first else (passage.text, passage.teaches)
        name = first.trajectory if first else passage.name
        self.id = digest("trajectory", source, tokenizer.hash, name, plain(self.prompt), *beginning)

    def _end_token(self) -> int:
        if not self.tokenizer.eos:
            raise InputError("`ended` needs a tokenizer with an end token, and this one names none")
        return self.tokenizer.eos[0]

    def path(self, answer: str) -> _Path:
        """Tokenize prompt and answer as one; raises InputError where the ids would not give the text back."""
        raw = _bytes(answer)
        if self.prompt_ids is not None:
            below = self.tokenizer.encode(answer)
            pieces = self.tokenizer.pieces(below)
            if b"".join(pieces) != raw:
                raise InputError(_LOSSY)
            return _Path([*self.prompt_ids, *below], [0] * len(self.prompt_ids) + list(accumulate(map(len, pieces))))
        assert isinstance(self.prompt, str)
        whole = _bytes(self.prompt) + raw
        ids = self.tokenizer.encode_prompt(self.prompt + answer)
        pieces = self.tokenizer.pieces(ids)
        if not b"".join(pieces).endswith(whole):
            raise InputError(_LOSSY)
        ends = list(accumulate(map(len, pieces)))
        start = (ends[-1] if ends else 0) - len(raw)  # a BOS or a dummy space may stand before the prompt
        return _Path(ids, [end - start for end in ends])

    def trajectory(self) -> tuple[Trajectory | None, list[Skipped]]:
        """The trajectory, None when it has rows and none of them can be learnt from."""
        passage = self.passage
        skipped: list[Skipped] = []
        forks: list[_Fork] = []
        for row in passage.rows:
            fork = self._fork(row, skipped)
            if fork is not None:
                forks.append(fork)
        if (passage.rows and not forks) or not self.trunk.ids:
            return None, skipped
        nodes = self._trunk_nodes(forks)
        trunk = _Trunk(nodes)
        branches: dict[str, Node] = {}
        steers = tuple(self._steer(fork, trunk, branches) for fork in forks)
        authors = {r.author for r in passage.rows} or {passage.author}
        is_chat = self.prompt_ids is not None
        result = Trajectory(
            id=self.id,
            nodes=(*nodes, *branches.values()),
            head=trunk.place(len(self.trunk.ids)),
            tokenizer=self.tokenizer.hash,
            steers=steers,
            messages=() if isinstance(self.prompt, str) else self.prompt,
            template=self.tokenizer.template_hash if is_chat else None,
            annotator=authors.pop() if len(authors) == 1 else None,
            source=self.source,
            source_text=_source_text(passage, [self._steer_id(row) for row in passage.rows]),
            group=passage.group or digest("group", plain(self.prompt))[:16],
            split=passage.split,
            status="imported",
            teaches=passage.teaches,
        )
        return result, skipped

    def _fork(self, row: SteerRow, skipped: list[Skipped]) -> "_Fork | None":
        """Where the sides of a row part, in tokens of the trunk; None where there is nothing to learn."""
        start = len(row.prefix.encode())
        end = self.trunk.through(start + len(row.chosen.encode()))
        if row.ended:
            end = len(self.trunk.ids)
        if not (row.chosen or row.ended or self.passage.text[row.start :].strip()):
            skipped.append(Skipped(row.line, _NOTHING_PUT))
            return None
        sides: list[tuple[int, int, list[int]]] = []
        reasons: list[str] = []
        for text in row.rejected:
            try:
                sides.append(self._rejected(row, text))
            except InputError as error:
                reasons.append(str(error))
        if not sides and any(row.rejected):
            skipped.append(Skipped(row.line, reasons[0]))
            return None
        skipped += [Skipped(row.line, f"one rejected text left out: {reason}") for reason in reasons if sides]
        depth = min((common for common, _, _ in sides), default=self.trunk.before(start))
        if row.whole:  # what two whole answers happen to share stays part of both
            depth = min(depth, self.trunk.before(start))
        if depth == 0:
            skipped.append(Skipped(row.line, "the fork is the very first token; give a prompt or a prefix before it"))
            return None
        if depth >= len(self.trunk.ids):
            skipped.append(Skipped(row.line, _NOTHING_PUT))
            return None
        return _Fork(row, depth, max(end, depth), [(stop, ids) for _, stop, ids in sides])

    def _rejected(self, row: SteerRow, text: str) -> tuple[int, int, list[int]]:
        """Tokens shared with the trunk, depth at which the rejected text ends, all ids of its path."""
        if text == row.chosen and (row.whole or not row.ended):
            raise InputError("chosen is equal to rejected; nothing can be learnt from it")
        after = ""
        if row.kind == "local":
            after = (self.passage.text[row.end :] if row.old_tail is None else row.old_tail)[:OLD_TAIL]
        path = self.path(row.prefix + text + after)
        stop = path.through(len((row.prefix + text).encode()))
        if row.kind == "continued" or (row.whole and row.ended):  # what was turned down had come to its end
            path.ids.append(self._end_token())
            stop = len(path.ids)
        common = common_prefix(self.trunk.ids, path.ids)
        if common == len(self.trunk.ids):
            raise InputError(_NOTHING_PUT)
        if common == len(path.ids) or (common >= stop and row.kind != "local"):
            raise InputError(
                "the rejected text is how the kept text begins, so nothing of it was turned down; give what the model "
                "went on to say, or leave rejected empty"
            )
        # Words were only inserted: the token that stood here is kept with the branch, to tell what was not said.
        return common, max(stop, common), path.ids[: max(stop, common + 1)]

    def _trunk_nodes(self, forks: "Sequence[_Fork]") -> list[Node]:
        ends = self.trunk.ends
        authors: list[Author] = ["prompt" if end <= 0 else "model" for end in ends]
        authors += ["person"] * (len(self.trunk.ids) - len(ends))  # the end token
        for start, end, author in self.passage.written:
            first, last = (len(self.passage.text[:at].encode()) for at in (start, end))
            depth, stop = self.trunk.before(max(first, 0)), self.trunk.through(last)
            authors[depth:stop] = [author] * (stop - depth)
        for fork in forks:
            if fork.row.kind not in ("resampled", "stepwise"):
                authors[fork.depth : fork.end] = ["person"] * (fork.end - fork.depth)
        nodes: list[Node] = []
        at = 0
        while at < len(authors):
            stop = next((i for i in range(at, len(authors)) if authors[i] != authors[at]), len(authors))
            above = nodes[-1] if nodes else None
            nodes.append(Node.below(above, self.trunk.ids[at:stop], authors[at], self.tokenizer.hash))
            at = stop
        return nodes

    def _steer(self, fork: "_Fork", trunk: "_Trunk", branches: dict[str, Node]) -> Steer:
        row, place = fork.row, trunk.place(fork.depth)
        above, start = trunk.at(fork.depth)
        rejected: dict[Place, Rejected] = {}
        for stop, ids in fork.sides:
            node = Node.below(above, ids[fork.depth :], "model", self.tokenizer.hash, offset=fork.depth - start)
            branches.setdefault(node.id, node)
            end = Place(node.id, max(stop, fork.depth))
            rejected.setdefault(end, Rejected(end, row.origin))
        return Steer(
            id=self._steer_id(row),
            trajectory=self.id,
            kind=row.kind,
            fork=place,
            rejected=tuple(rejected.values()),
            chosen=None if row.kind == "resampled" else trunk.place(fork.end),
            reason=row.reason,
            annotator=row.author,
            weight=row.weight,
        )

    def _steer_id(self, row: SteerRow) -> str:
        """Of the source and the row alone: the same however the rows around it are joined."""
        place = (self.source, self.tokenizer.hash, row.trajectory, plain(self.prompt))
        return digest("steer", *place, row.prefix, row.chosen, row.tail, row.kind, row.ended, row.origin)


@dataclass(frozen=True, slots=True)
class _Fork:
    """A row in tokens of the trunk."""

    row: SteerRow
    depth: int
    end: int
    """Depth at which the chosen text ends."""
    sides: list[tuple[int, list[int]]]
    """For each rejected text the depth at which it ends and the ids of its path from the root."""


class _Trunk:
    """The nodes of the kept path by depth."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = nodes
        self.starts: list[int] = []
        at = 0
        for node in nodes:
            self.starts.append(at)
            at += len(node.token_ids)

    def at(self, depth: int) -> tuple[Node, int]:
        """The node that holds the token before `depth` (≥ 1), and the depth at which it starts."""
        i = bisect_right(self.starts, depth - 1) - 1
        return self.nodes[i], self.starts[i]

    def place(self, depth: int) -> Place:
        return Place(self.at(depth)[0].id, depth)


_LOSSY = (
    "this tokenizer changes the text (it normalises Unicode), so forks would not be where they are marked; "
    "save the file with NFC-normalised text"
)
_NOTHING_PUT = (
    "the kept text ends where the rejected one goes on, so nothing was put in its place; give the chosen text, what "
    "follows it, or `ended`: true where the answer should have stopped"
)


def _bytes(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"the text holds half a character at position {error.start} (wrong encoding?); save it as UTF-8"
        ) from None


def _source_text(passage: Passage, ids: Sequence[str]) -> dict[str, Any]:
    """What was read, in characters of the whole text: enough for `rows.again` to derive the same steers once more."""
    steers = []
    for row, steer_id in zip(passage.rows, ids, strict=True):
        steer: dict[str, Any] = {"id": steer_id, "start": row.start, "end": row.end, "kind": row.kind}
        if row.rejected:
            steer["rejected"] = list(row.rejected)
        if row.tail:  # nearly always the text that follows, which is there already
            follows = passage.text.startswith(row.tail, row.end)
            steer["tail"] = len(row.tail) if follows else row.tail
        if row.origin != "shown":
            steer["origin"] = row.origin
        if row.trajectory is not None:
            steer["trajectory"] = row.trajectory
        if row.old_tail is not None:
            steer["old_tail"] = row.old_tail[:OLD_TAIL]
        for flag in ("ended", "whole"):
            if getattr(row, flag):
                steer[flag] = True
        steers.append(steer)
    read: dict[str, Any] = {"prompt": plain(passage.prompt), "text": passage.text, "steers": steers}
    if passage.written:
        read["written"] = [list(span) for span in passage.written]
    if passage.ended:
        read["ended"] = True
    if passage.name is not None:
        read["name"] = passage.name
    return read
