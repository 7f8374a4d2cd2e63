"""One text while it is being written: the model streams, a person stops it, corrects it and lets it go on.

Every operation is an ordinary edit of a string for the person and a new branch of token ids underneath; nothing that
was written is ever changed or lost. Cuts are offsets in characters of `Draft.text`; where the text stands, and that a
step is kept before it counts, is the `Text`'s own. The draft knows no page, no rule and no training; what a steer means
for the loss is decided later, from the trajectory.
"""

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Literal

from midcourse.backends.protocol import Backend, Sampling, Token
from midcourse.drafts import steering
from midcourse.drafts.beginning import begin, check_tokenizer
from midcourse.drafts.cuts import character_ends, cut_out, tokens_within
from midcourse.drafts.history import History
from midcourse.drafts.record import Record
from midcourse.drafts.text import Text
from midcourse.errors import InputError
from midcourse.tokens import TextTokenizer
from midcourse.types import Kind, Message, ModelRef, Place, Status, Steer, Trajectory

__all__ = ["Draft", "Record"]


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
        """Prepare to write; `start` gives the prompt, `reopen` a text from a store."""
        self.backend, self.tokenizer, self.store = backend, tokenizer, store
        self.sampling = sampling or Sampling()
        self._facts = {"model": model, "annotator": annotator, "source": source}
        self._new_id, self._clock = new_id, clock
        self._text = Text(store)
        self._pending: list[Token] = []
        self._stream: Iterator[Token] | None = None
        self._streams = 0
        self._stopped: float | None = None

    # -- what there is ---------------------------------------------------------------------------------------------

    @property
    def trajectory(self) -> Trajectory:
        """Everything so far, exactly; a running stream is stopped."""
        self._settle()
        return self._text.trajectory

    @property
    def history(self) -> History:
        """Steps that can be undone and done again."""
        return self._text.history

    @property
    def token_ids(self) -> list[int]:
        """Prompt and text as the model sees them, with what nobody has seen yet."""
        return [*self._text.trajectory.path(self.received), *(t.id for t in self._pending)]

    @property
    def answer_ids(self) -> list[int]:
        """Ids of the text, with the end token if it has one."""
        return self.token_ids[self.prompt_length :]

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
    def seen(self) -> int:
        """How many tokens of the text the person has seen; the others count for nothing until they are."""
        return self._text.head.depth - self.prompt_length

    @property
    def received(self) -> Place:
        """Where the text ends, with what nobody has seen yet; a running stream is not counted."""
        return self._text.received

    @property
    def peek(self) -> Trajectory:
        """The trajectory as it stands; unlike `trajectory`, looking stops nothing."""
        return self._text.trajectory

    @property
    def status(self) -> Status:
        """Open, accepted or discarded."""
        return self._text.trajectory.status

    @property
    def prompt_length(self) -> int:
        """Tokens of the prompt."""
        return self._text.prompt_length

    @property
    def steers(self) -> tuple[Steer, ...]:
        """Steers that were not undone."""
        return tuple(s for s in self._text.trajectory.steers if s.state != "withdrawn")

    # -- beginning and end -----------------------------------------------------------------------------------------

    def start(
        self,
        prompt: str | Sequence[Message],
        *,
        id: str | None = None,
        group: str | None = None,
        split: str | None = None,
        token_ids: Sequence[int] | None = None,
    ) -> "Draft":
        """Begin below a prompt: messages by the chat template, raw text, or the ids that are known of either."""
        if self._text.begun:
            raise InputError("this draft has its prompt already; make a new one")
        begun = begin(
            self.tokenizer,
            prompt,
            self.sampling,
            token_ids,
            id=id or self._new_id(),
            group=group,
            split=split,
            created=self._clock(),
            **self._facts,
        )
        self._text.begin(begun)
        return self

    def reopen(self, trajectory: Trajectory, ahead: Place | None = None) -> "Draft":
        """Go on with a text from a store, closed or not; what was steered in it can be undone.

        `ahead` is the end of what the model wrote beyond its head and nobody has seen.
        """
        if self._text.begun and self._text.trajectory.id != trajectory.id:
            raise InputError("this draft has its prompt already; make a new one")
        check_tokenizer(trajectory, self.tokenizer)
        self._text.reopen(trajectory, ahead)
        return self

    def accept(self) -> Trajectory:
        """The text is good as far as it was seen."""
        return self._close("accepted")

    def discard(self) -> Trajectory:
        """The text is not wanted; its record stays."""
        return self._close("discarded")

    def another(self) -> "Draft":
        """A new draft without a prompt: same model, store and person."""
        following = Draft(self.backend, self.tokenizer, self.store, sampling=self.sampling, clock=self._clock)
        following._facts, following._new_id = self._facts, self._new_id
        return following

    # -- writing ---------------------------------------------------------------------------------------------------

    def stream(self, max_new_tokens: int | None = None) -> Iterator[Token]:
        """Let the model write on; stop by leaving the loop or by any other operation.

        After a `rewind` this asks for another continuation than the one turned down: a `resampled` steer.
        """
        asked = self.ask(max_new_tokens)
        if asked is None:
            return
        source = self._stream = self.backend.stream(*asked)
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

    def ask(self, max_new_tokens: int | None = None) -> tuple[list[int], Sampling] | None:
        """What `stream` asks of its backend, for whoever runs the stream elsewhere; None where the text has ended."""
        self._settle()
        if self.ended:
            return None
        self._resample_if_rewound()
        sampling = replace(
            self.sampling,
            max_new_tokens=self.sampling.max_new_tokens if max_new_tokens is None else max_new_tokens,
            seed=self.sampling.seed + self._streams,
            banned_first=steering.first_turned_down(self._text.trajectory, self.received),
            end_ids=self.tokenizer.eos,
        )
        self._streams += 1
        self.history.undone.clear()
        return self.token_ids, sampling

    def take(self, tokens: Sequence[Token], seen: int | None = None) -> None:
        """The answer to `ask`: tokens that the model wrote, as if streamed; see `stop`."""
        pending, self._pending = self._pending, [*self._pending, *tokens]
        try:
            self.stop(seen)
        except BaseException:
            self._pending = pending
            raise
        self._stopped = self._clock()

    def stop(self, seen: int | None = None) -> None:
        """Stop the model; what it wrote stays.

        What lies beyond the first `seen` tokens of the text (None: nothing) is kept apart: it is there when the model
        goes on, counts as unseen when it is turned down, and is left out when the text is accepted.
        """
        source, self._stream = self._stream, None
        if source is not None:
            close = getattr(source, "close", None)
            if close is not None and not getattr(source, "gi_running", False):
                close()
            self._stopped = self._clock()
        self._text.append(self._pending, seen)
        self._pending = []

    # -- correcting ------------------------------------------------------------------------------------------------

    def rewind(self, cut: int) -> int:
        """Go back to the first `cut` characters, at most to the token that ends there; returns where it really is."""
        self._settle()
        kept = tokens_within(self.tokenizer, self._words(), self._byte(cut))
        if kept < len(self.answer_ids):
            self._text.cut_to(kept)
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
        closes: bool = False,
    ) -> Steer | None:
        """Put `text` after the first `cut` characters.

        Args:
            cut: Characters of the text that are kept.
            text: What stands there instead.
            kind: `typed` and `picked` drop the rest; `local` keeps the model's own tail from `end` on.
            end: For `local`, where the replaced words end (default: `cut`, so that words are only inserted).
            reason: Why, in the person's words.
            shown: How many characters the person had seen; None: as `stop` was told, else all.
            closes: The answer ends with `text`.

        Returns:
            The steer; None where the text did not change, or only lost its end (which is a rewind).
        """
        self._settle()
        if kind == "local" and not closes:
            return self._replace_within(cut, cut if end is None else end, text, reason, shown)
        spliced = self.tokenizer.splice(self._words(), self._byte(cut), text)
        put = [*self.answer_ids[: spliced.kept], *spliced.token_ids, *([self._end_id()] if closes else [])]
        went_on = self.ended and cut == len(self.text) and self._text.ahead is None
        return self._correct(put, "continued" if went_on and not closes else kind, reason, shown)

    def pick(self, depth: int, token_id: int, *, reason: str | None = None, shown: int | None = None) -> Steer | None:
        """Take another token at `depth` (counted from the first token of the prompt), by id."""
        self._settle()
        self.tokenizer.check_ids([token_id])
        if not 0 <= depth - self.prompt_length <= len(self._words()):
            raise InputError(f"there is no token of the text at depth {depth}, and none can stand behind its end")
        kind: Kind = "ended" if token_id in self.tokenizer.eos else "picked"
        return self._correct([*self.answer_ids[: depth - self.prompt_length], token_id], kind, reason, shown)

    def resample(self, cut: int | None = None, *, reason: str | None = None, shown: int | None = None) -> Steer | None:
        """Turn down what stands after `cut`; the next stream begins with another token. None if nothing stood there."""
        self._settle()
        depth, mark = self._depth_shown(shown), len(self.history)
        if cut is not None or (self.ended and self._text.turned_down is None):
            self.rewind(len(self.text) if cut is None else cut)
        steer = self._resample_if_rewound(reason, depth)
        if steer is not None:  # going back and turning down is one step for the person who undoes it
            self.history.merge(mark, steer.id)
        return steer

    def end(self, cut: int | None = None, *, reason: str | None = None, shown: int | None = None) -> Steer | None:
        """The answer should have stopped after `cut`: close it there with the end token."""
        self._settle()
        at = len(self.text) if cut is None else cut
        spliced = self.tokenizer.splice(self._words(), self._byte(at), "")
        put = [*self.answer_ids[: spliced.kept], *spliced.token_ids, self._end_id()]
        return self._correct(put, "ended", reason, shown)

    # -- back and forth --------------------------------------------------------------------------------------------

    def undo(self) -> bool:
        """Take the last step back: the text is what it was before. False if there is none."""
        self._settle()
        return self._text.undo()

    def redo(self) -> bool:
        """Do what was undone last once more. False if there is nothing."""
        self._settle()
        return self._text.redo()

    def jump(self, place: Place) -> None:
        """Make another branch of the tree the text: what stands at `place`, any place behind the prompt."""
        self._settle()
        self._text.jump(place)

    def withdraw(self, steer: str) -> None:
        """Take a steer back by its id; the text stays as it is."""
        self._text.withdraw(steer)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Stop the model; what was unseen stays so."""
        self.stop(self.seen if self._text.ahead is not None and not self._pending else None)

    def _close(self, status: Status) -> Trajectory:
        self._settle()
        return self._text.close(status)

    def _words(self) -> list[int]:
        ids = self.answer_ids
        return ids[:-1] if self.ended else ids

    def _end_id(self) -> int:
        if not self.tokenizer.eos:
            raise InputError("this tokenizer names no end token, so an answer cannot be ended")
        return self.tokenizer.eos[0]

    def _byte(self, cut: int) -> int:
        ends = character_ends(self.tokenizer.to_bytes(self._words()))
        if not 0 <= cut < len(ends):
            raise InputError(f"the text has {len(ends) - 1} characters, so it cannot be cut at {cut}")
        return ends[cut]

    def _depth_shown(self, shown: int | None) -> int | None:
        """Depth that was seen; None: all there is."""
        if shown is None:
            return self._text.depth_seen
        ends = self.tokenizer.byte_ends(self.answer_ids)
        limit = self._byte(min(shown, len(self.text)))
        return self.prompt_length + sum(end <= limit for end in ends)

    def _correct(self, put: list[int], kind: Kind, reason: str | None, shown: int | None) -> Steer | None:
        """Go from the old path to `put` (ids of the whole new text)."""
        depth, old = self._depth_shown(shown), self._text.before_rewind
        change = steering.replace_rest(self._text.trajectory, self.prompt_length, old, put, kind, depth)
        if change is None:
            if put != self.answer_ids:
                self._text.cut_to(len(put))
            return None
        return self._commit(change, reason, depth)

    def _replace_within(self, cut: int, end: int, text: str, reason: str | None, shown: int | None) -> Steer | None:
        if end < cut:
            raise InputError(f"the replaced words end at {end}, before they begin at {cut}")
        words, depth = self._words(), self._depth_shown(shown)
        local = cut_out(self.tokenizer, words, self._byte(cut), self._byte(end), text)
        now = self._text.trajectory
        change = steering.replace_within(now, self.prompt_length, self.received, local, len(words), depth)
        if change is None:
            new = [*words[: local.kept], *local.token_ids, *self.answer_ids[local.tail :]]
            return self._correct(new, "typed", reason, shown)
        return self._commit(change, reason, depth)

    def _resample_if_rewound(self, reason: str | None = None, shown: int | None = None) -> Steer | None:
        """A text that was turned down by a rewind, and not replaced, is rejected as it is."""
        old = self._text.turned_down
        if old is None:
            return None
        depth = self._depth_shown(None) if shown is None else shown
        change = steering.turn_down(self._text.trajectory, self._text.head, old, self.tokenizer.eos, depth)
        if change is None:
            self._text.let_go()
            return None
        return self._commit(change, reason, depth)

    def _commit(self, change: steering.Change, reason: str | None, shown: int | None) -> Steer:
        steer = Steer(
            id=self._new_id(),
            trajectory=change.trajectory.id,
            kind=change.kind,
            fork=change.fork,
            rejected=change.rejected,
            chosen=change.chosen,
            reason=reason,
            annotator=change.trajectory.annotator,
            shown=shown,
            received=self._text.before_rewind.depth,
            started=self._stopped,
            created=self._clock(),
        )
        self._text.commit(change, steer)
        self._stopped = None
        return steer
