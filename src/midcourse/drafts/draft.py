"""One text while it is being written: the model streams, a person stops it, corrects it and lets it go on.

Every operation is an ordinary edit of a string for the person and a new branch of token ids underneath; nothing that
was written is ever changed or lost. Cuts are offsets in characters of `Draft.text`. With a store each step is kept as
it happens, without one it lives in memory. The draft knows no page, no rule and no training; what a steer means for
the loss is decided later, from the trajectory.
"""

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal, Protocol

from midcourse.backends.protocol import Backend, Sampling, Token
from midcourse.drafts.cuts import character_ends, cut_out, tokens_within
from midcourse.drafts.growth import before_token, grow, place_at
from midcourse.errors import InputError
from midcourse.tokens import TextTokenizer, common_prefix
from midcourse.types import Author, Kind, Message, ModelRef, Node, Place, Rejected, State, Status, Steer, Trajectory

__all__ = ["Draft", "Record"]


class Record(Protocol):
    """What a draft needs of a store."""

    def add(self, trajectory: Trajectory) -> bool: ...  # noqa: D102
    def append_nodes(self, trajectory: str, nodes: Sequence[Node]) -> None: ...  # noqa: D102
    def append_steer(self, steer: Steer, nodes: Sequence[Node] = ()) -> None: ...  # noqa: D102
    def set_head(self, trajectory: str, head: Place, status: Status) -> None: ...  # noqa: D102
    def set_state(self, steer: str, state: State, by: str | None = None) -> None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class _Before:
    """What undo goes back to."""

    head: Place
    turned_down: Place | None
    steer: str | None


class Draft:
    """One prompt and the text that grows below it."""

    def __init__(
        self,
        backend: Backend,
        tokenizer: TextTokenizer,
        store: Record | None = None,
        *,
        sampling: Sampling | None = None,
        model: ModelRef | None = None,
        annotator: str | None = None,
        source: str = "studio",
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Prepare to write; `start` gives the prompt."""
        self.backend, self.tokenizer, self.store = backend, tokenizer, store
        self.sampling = sampling or Sampling()
        self._facts = {"model": model, "annotator": annotator, "source": source}
        self._new_id, self._clock = new_id, clock
        self._now: Trajectory | None = None
        self._pending: list[Token] = []
        self._stream: Iterator[Token] | None = None
        self._streams = 0
        self._turned_down: Place | None = None
        self._undo: list[_Before] = []
        self._stopped: float | None = None

    # -- what there is ---------------------------------------------------------------------------------------------

    @property
    def trajectory(self) -> Trajectory:
        """Everything so far, exactly; a running stream is stopped."""
        self.stop()
        return self._trajectory

    @property
    def token_ids(self) -> list[int]:
        """Prompt and text as the model sees them."""
        return [*self._trajectory.path(self._trajectory.head), *(t.id for t in self._pending)]

    @property
    def answer_ids(self) -> list[int]:
        """Ids of the text, with the end token if it has one."""
        return self.token_ids[self._prompt :]

    @property
    def text(self) -> str:
        """What the person reads; the end token does not show."""
        ids = self.answer_ids
        return self.tokenizer.decode(ids[:-1] if self.ended else ids)

    @property
    def ended(self) -> bool:
        """Whether the text is closed by an end token."""
        ids = self.answer_ids
        return bool(ids) and ids[-1] in self.tokenizer.eos

    @property
    def steers(self) -> tuple[Steer, ...]:
        """Steers that were not undone."""
        return tuple(s for s in self._trajectory.steers if s.state != "withdrawn")

    # -- writing ---------------------------------------------------------------------------------------------------

    def start(
        self,
        prompt: str | Sequence[Message],
        *,
        id: str | None = None,
        group: str | None = None,
        split: str | None = None,
    ) -> "Draft":
        """Begin below a prompt: messages by the chat template, or raw text."""
        if self._now is not None:
            raise InputError("this draft has its prompt already; make a new one")
        root = Node.below(None, self.tokenizer.prompt_ids(prompt), "prompt", self.tokenizer.hash)
        if not root.token_ids:
            raise InputError("the prompt is empty: give the model something to answer")
        self._prompt = len(root.token_ids)
        chat = not isinstance(prompt, str)
        self._now = Trajectory(
            id=id or self._new_id(),
            nodes=(root,),
            head=Place(root.id, self._prompt),
            tokenizer=self.tokenizer.hash,
            messages=tuple(prompt) if not isinstance(prompt, str) else (),
            template=self.tokenizer.template_hash if chat else None,
            sampler={
                "temperature": self.sampling.temperature,
                "top_p": self.sampling.top_p,
                "seed": self.sampling.seed,
            },
            group=group,
            split=split,
            created=self._clock(),
            **self._facts,  # type: ignore[arg-type]
        )
        if self.store is not None:
            self.store.add(self._now)
        return self

    def stream(self, max_new_tokens: int | None = None) -> Iterator[Token]:
        """Let the model write on; stop by leaving the loop or by any other operation.

        After a `rewind` this asks for another continuation than the one turned down: a `resampled` steer.
        """
        self.stop()
        if self.ended:
            return
        self._resample_if_rewound()
        head = self._trajectory.head
        sampling = replace(
            self.sampling,
            max_new_tokens=self.sampling.max_new_tokens if max_new_tokens is None else max_new_tokens,
            seed=self.sampling.seed + self._streams,
            banned_first=self._turned_down_here(head),
            end_ids=self.tokenizer.eos,
        )
        self._streams += 1
        source = self._stream = self.backend.stream(self.token_ids, sampling)
        try:
            for token in source:
                if self._stream is not source:  # another operation has taken over meanwhile
                    return
                self._pending.append(token)
                yield token
                if self._stream is not source:
                    return
        finally:
            if self._stream is source:
                self.stop()

    def stop(self) -> None:
        """Stop the model; what it wrote stays."""
        source, self._stream = self._stream, None
        if source is not None:
            close = getattr(source, "close", None)
            if close is not None and not getattr(source, "gi_running", False):
                close()
            self._stopped = self._clock()
        if self._pending:
            pending, self._pending = self._pending, []
            ids, logprobs = [t.id for t in pending], [t.logprob for t in pending]
            head, nodes = self._grow(self._trajectory.head, ids, "model", logprobs)
            if self.store is not None and nodes:
                self.store.append_nodes(self._trajectory.id, nodes)
            self._move(head)

    # -- correcting ------------------------------------------------------------------------------------------------

    def rewind(self, cut: int) -> int:
        """Go back to the first `cut` characters, at most to the token that ends there; returns where it really is."""
        self.stop()
        kept = tokens_within(self.tokenizer, self._shown_ids(), self._byte(cut))
        if kept < len(self.answer_ids):
            self._go_to(kept)
        return len(self.text)

    def replace(
        self,
        cut: int,
        text: str,
        kind: Literal["typed", "picked", "local"] = "typed",
        *,
        end: int | None = None,
        reason: str | None = None,
        shown: int | None = None,
    ) -> Steer | None:
        """Put `text` after the first `cut` characters.

        Args:
            cut: Characters of the text that are kept.
            text: What the person puts.
            kind: `typed` and `picked` drop the rest; `local` keeps the model's own tail from `end` on.
            end: For `local`, where the replaced words end (default: `cut`, so that words are only inserted).
            reason: Why, in the person's words.
            shown: How many characters the person had seen; None: all.

        Returns:
            The steer; None where the text did not change, or only lost its end (which is a rewind).
        """
        self.stop()
        if kind == "local":
            return self._replace_within(cut, cut if end is None else end, text, reason, shown)
        spliced = self.tokenizer.splice(self._shown_ids(), self._byte(cut), text)
        put = [*self.answer_ids[: spliced.kept], *spliced.token_ids]
        went_on = self.ended and cut == len(self.text)
        return self._correct(put, "continued" if went_on else kind, reason, shown)

    def pick(self, depth: int, token_id: int, *, reason: str | None = None) -> Steer | None:
        """Take another token at `depth` (counted from the first token of the prompt), by id."""
        self.stop()
        self.tokenizer.check_ids([token_id])
        if not self._prompt <= depth <= len(self.token_ids):
            raise InputError(f"there is no token of the text at depth {depth}")
        return self._correct([*self.answer_ids[: depth - self._prompt], token_id], "picked", reason, None)

    def resample(self, cut: int | None = None, *, reason: str | None = None, shown: int | None = None) -> Steer | None:
        """Turn down what stands after `cut`; the next stream begins with another token. None if nothing stood there."""
        self.stop()
        depth, mark = self._depth_shown(shown), len(self._undo)
        if cut is not None or (self.ended and self._turned_down is None):
            self.rewind(len(self.text) if cut is None else cut)
        steer = self._resample_if_rewound(reason, depth)
        if steer is not None:  # going back and turning down is one step for the person who undoes it
            self._undo[mark:] = [replace(self._undo[mark], steer=steer.id)]
        return steer

    def end(self, cut: int | None = None, *, reason: str | None = None, shown: int | None = None) -> Steer | None:
        """The answer should have stopped after `cut`: close it there with the end token."""
        self.stop()
        if not self.tokenizer.eos:
            raise InputError("this tokenizer names no end token, so an answer cannot be ended")
        at = len(self.text) if cut is None else cut
        spliced = self.tokenizer.splice(self._shown_ids(), self._byte(at), "")
        put = [*self.answer_ids[: spliced.kept], *spliced.token_ids, self.tokenizer.eos[0]]
        return self._correct(put, "ended", reason, shown)

    def undo(self) -> bool:
        """Take the last correction or rewind back: the text is what it was before. False if there is none."""
        self.stop()
        if not self._undo:
            return False
        before = self._undo.pop()
        if before.steer is not None:
            steers = tuple(
                replace(s, state="withdrawn") if s.id == before.steer else s for s in self._trajectory.steers
            )
            self._now = self._trajectory.with_(steers=steers)
            if self.store is not None:
                self.store.set_state(before.steer, "withdrawn", self._trajectory.annotator)
        self._turned_down = before.turned_down
        self._move(before.head)
        return True

    def accept(self) -> Trajectory:
        """The text is good as it stands."""
        return self._close("accepted")

    def discard(self) -> Trajectory:
        """The text is not wanted; its record stays."""
        return self._close("discarded")

    # -- inside: the tree ------------------------------------------------------------------------------------------

    @property
    def _trajectory(self) -> Trajectory:
        if self._now is None:
            raise InputError("the draft has no prompt yet: call start(prompt) first")
        return self._now

    def _close(self, status: Status) -> Trajectory:
        self.stop()
        self._move(self._trajectory.head, status)
        return self._trajectory

    def _move(self, head: Place, status: Status = "open") -> None:
        self._now = self._trajectory.with_(head=head, status=status)
        if self.store is not None:
            self.store.set_head(self._trajectory.id, head, status)

    def _grow(
        self, place: Place, token_ids: Sequence[int], author: Author, logprobs: Sequence[float] | None = None
    ) -> tuple[Place, list[Node]]:
        self._now, end, new = grow(self._trajectory, place, token_ids, author, logprobs)
        return end, new

    def _go_to(self, length: int) -> None:
        """Move to the first `length` tokens of the old text; the rest of it is turned down until a steer says more."""
        head, old = self._trajectory.head, self._old_head()
        self._undo.append(_Before(head, self._turned_down, None))
        place = place_at(self._trajectory, old, self._prompt + length)
        self._turned_down = old if place.depth < old.depth else None
        self._move(place)

    # -- inside: steers --------------------------------------------------------------------------------------------

    def _shown_ids(self) -> list[int]:
        ids = self.answer_ids
        return ids[:-1] if self.ended else ids

    def _byte(self, cut: int) -> int:
        ends = character_ends(self.tokenizer.to_bytes(self._shown_ids()))
        if not 0 <= cut < len(ends):
            raise InputError(f"the text has {len(ends) - 1} characters, so it cannot be cut at {cut}")
        return ends[cut]

    def _old_head(self) -> Place:
        return self._turned_down or self._trajectory.head

    def _old_ids(self) -> list[int]:
        return self._trajectory.path(self._old_head())[self._prompt :]

    def _depth_shown(self, shown: int | None) -> int | None:
        if shown is None:
            return None
        ends = self.tokenizer.byte_ends(self.answer_ids)
        limit = self._byte(min(shown, len(self.text)))
        return self._prompt + sum(end <= limit for end in ends)

    def _correct(self, put: list[int], kind: Kind, reason: str | None, shown: int | None) -> Steer | None:
        """Go from the old path to `put` (ids of the whole new text), from where the two part."""
        old_head, old = self._old_head(), self._old_ids()
        fork = common_prefix(put, old)
        if fork == len(put):  # nothing new was put
            if put != self.answer_ids:
                self._go_to(fork)
            return None
        place = place_at(self._trajectory, old_head, self._prompt + fork)
        chosen, nodes = self._grow(place, put[fork:], "person")
        depth = self._depth_shown(shown)
        rejected = (Rejected(old_head, "shown", depth),) if fork < len(old) else ()
        return self._commit(kind, place, rejected, chosen, chosen, nodes, reason, depth)

    def _replace_within(self, cut: int, end: int, text: str, reason: str | None, shown: int | None) -> Steer | None:
        if end < cut:
            raise InputError(f"the replaced words end at {end}, before they begin at {cut}")
        head, words = self._trajectory.head, self._shown_ids()
        old = self.answer_ids
        local = cut_out(self.tokenizer, words, self._byte(cut), self._byte(end), text)
        put = [*words[: local.kept], *local.token_ids]
        new = [*put, *old[local.tail :]]
        fork = common_prefix(new, old)
        if local.tail == len(old) or fork == len(new):  # nothing of the tail is left, or only the end of the text went
            return self._correct(new, "typed", reason, shown)
        place = place_at(self._trajectory, head, self._prompt + fork)
        chosen, nodes = self._grow(place, put[fork:], "person") if fork < len(put) else (place, [])
        depth, below = self._depth_shown(shown), chosen
        rejected: tuple[Rejected, ...] = ()
        authors = self._trajectory.authors(head)[self._prompt + len(old) - len(new) + max(fork, len(put)) :]
        for author, run in groupby(zip(authors, new[max(fork, len(put)) :], strict=True), key=lambda pair: pair[0]):
            below, more = self._grow(below, [i for _, i in run], author)
            nodes += more
        if fork < len(old):
            replaced = self._prompt + max(local.tail, fork)
            at = (
                before_token(self._trajectory, head, replaced)
                if replaced == place.depth
                else place_at(self._trajectory, head, replaced)
            )
            rejected = (Rejected(at, "shown", depth),)
        return self._commit("local", place, rejected, chosen, below, nodes, reason, depth)

    def _resample_if_rewound(self, reason: str | None = None, shown: int | None = None) -> Steer | None:
        """A text that was turned down by a rewind, and not replaced, is rejected as it is."""
        old, head = self._turned_down, self._trajectory.head
        if old is None:
            return None
        if self._trajectory.authors(old)[head.depth] == "person":  # going back on one's own words rejects nothing
            self._turned_down = None
            return None
        first = self._trajectory.path(old)[head.depth]
        kind: Kind = "continued" if first in self.tokenizer.eos else "resampled"
        return self._commit(kind, head, (Rejected(old, "shown", shown),), None, head, (), reason, shown)

    def _turned_down_here(self, head: Place) -> tuple[int, ...]:
        """First ids of all that was rejected at this very place."""
        path, first = self._trajectory.path(head), set()
        for steer in self.steers:
            if steer.fork.depth == head.depth and self._trajectory.path(steer.fork) == path:
                for r in steer.rejected:
                    first.update(self._trajectory.path(r.end)[head.depth : head.depth + 1])
        return tuple(sorted(first))

    def _commit(
        self,
        kind: Kind,
        fork: Place,
        rejected: tuple[Rejected, ...],
        chosen: Place | None,
        head: Place,
        nodes: Sequence[Node],
        reason: str | None,
        shown: int | None,
    ) -> Steer:
        trajectory = self._trajectory
        steer = Steer(
            id=self._new_id(),
            trajectory=trajectory.id,
            kind=kind,
            fork=fork,
            rejected=rejected,
            chosen=chosen,
            reason=reason,
            annotator=trajectory.annotator,
            shown=shown,
            received=self._old_head().depth,
            started=self._stopped,
            created=self._clock(),
        )
        before = _Before(trajectory.head, self._turned_down, steer.id)
        self._now = trajectory.with_(steers=(*trajectory.steers, steer))
        if self.store is not None:
            self.store.append_steer(steer, nodes)
        self._undo.append(before)
        self._turned_down, self._stopped = None, None
        self._move(head)
        return steer
