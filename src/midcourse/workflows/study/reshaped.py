"""The same steers in other texts: without what was rejected, one text for each steer, all in one long text.

Pure functions on trajectories, for ablations that hold the words a person put fixed. They know no model and no files.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from midcourse.drafts.fill import Filled
from midcourse.tokens import TextTokenizer
from midcourse.types import Message, Node, Place, Steer, Trajectory

__all__ = ["as_instruction", "filled", "joined", "one_each", "without_rejected"]


def without_rejected(text: Trajectory) -> Trajectory:
    """The text as if nobody had kept what was turned down."""
    return text.with_(steers=tuple(replace(s, rejected=()) for s in text.steers))


def filled(texts: Sequence[Trajectory], found: Iterable[Filled]) -> list[Trajectory]:
    """The texts with the rejected sides that `drafts.fill` found for their steers."""
    by_id = {t.id: t for t in texts}
    for one in found:
        text = by_id[one.trajectory]
        new = [n for n in one.nodes if n.id not in text.by_id]
        steers = tuple(replace(s, rejected=one.rejected) if s.id == one.steer else s for s in text.steers)
        by_id[one.trajectory] = text.with_(nodes=(*text.nodes, *new), steers=steers)
    return list(by_id.values())


def one_each(texts: Sequence[Trajectory]) -> list[Trajectory]:
    """A text for each steer that counts: its prefix and what was put there, and no more."""
    found: list[Trajectory] = []
    for text in texts:
        for n, steer in enumerate(s for s in text.steers if s.counts):
            name = f"{text.id}/{n}"
            alone = replace(steer, trajectory=name)
            found.append(text.with_(id=name, head=steer.chosen or steer.fork, steers=(alone,)))
    return found


def joined(texts: Sequence[Trajectory], tokenizer: TextTokenizer) -> Trajectory:
    """All texts as one, as turns of a conversation where they are chats, else one behind the other; at least one."""
    long = _Long(texts[0], tokenizer)
    for text in texts:
        long.add(text)
    return long.value


class _Long:
    """A text while others are put behind it."""

    def __init__(self, first: Trajectory, tokenizer: TextTokenizer) -> None:
        self.first, self.tokenizer = first, tokenizer
        self.name = f"{first.id}/long"
        self.nodes: list[Node] = []
        self.steers: list[Steer] = []
        self.head: Place | None = None
        self.messages: tuple[Message, ...] = ()
        self.known: set[str] = set()

    @property
    def value(self) -> Trajectory:
        """What there is so far."""
        assert self.head is not None
        return self.first.with_(
            id=self.name, nodes=tuple(self.nodes), head=self.head, steers=tuple(self.steers), sampler={}
        )

    def add(self, text: Trajectory) -> None:
        """Put a text behind what there is; its nodes keep their ids of tokens and who wrote them."""
        prompt = text.nodes[0]
        asked = self._asked(text)
        before = self.head.depth if self.head else 0
        moved = before + len(asked) - len(prompt.token_ids)
        above, offset = self._end()
        new = {prompt.id: Node.below(above, asked, "prompt", text.tokenizer, offset=offset if above else None)}
        grown = len(asked) - len(prompt.token_ids)
        for node in text.nodes[1:]:
            assert node.parent is not None
            parent = new[node.parent]
            at = node.offset + (grown if node.parent == prompt.id else 0)
            new[node.id] = Node.below(
                parent, node.token_ids, node.author, text.tokenizer, offset=at, logprobs=node.logprobs
            )
        for node in new.values():
            if node.id not in self.known:
                self.known.add(node.id)
                self.nodes.append(node)

        def place(old: Place) -> Place:
            return Place(new[old.node].id, old.depth + moved)

        def deeper(depth: int | None) -> int | None:
            return None if depth is None else depth + moved

        for s in text.steers:
            self.steers.append(
                replace(
                    s,
                    trajectory=self.name,
                    fork=place(s.fork),
                    rejected=tuple(replace(r, end=place(r.end), shown=deeper(r.shown)) for r in s.rejected),
                    chosen=None if s.chosen is None else place(s.chosen),
                    shown=deeper(s.shown),
                    received=deeper(s.received),
                )
            )
        self.head = place(text.head)
        answer = text.path(text.head)[len(prompt.token_ids) :]
        said = self.tokenizer.decode([i for i in answer if i not in self.tokenizer.eos])
        self.messages = (*self.messages, *text.messages, Message("assistant", said))

    def _asked(self, text: Trajectory) -> list[int]:
        """The ids of a text's prompt where it stands: what closes the turn before it comes with it."""
        alone = list(text.nodes[0].token_ids)
        if self.head is None:
            return alone
        so_far = self.value.path(self.head)
        if text.messages:
            whole = self.tokenizer.extend_prompt(so_far, (*self.messages, *text.messages))
            if whole[: len(so_far)] == so_far:
                return whole[len(so_far) :]
        ended = so_far[-1] in self.tokenizer.eos
        return [*(() if ended else self.tokenizer.eos[:1]), *alone]

    def _end(self) -> tuple[Node | None, int]:
        """The node that the text ends in, and after how many of its tokens."""
        if self.head is None:
            return None, 0
        node = self.value.by_id[self.head.node]
        return node, self.head.depth - self.value.start[node.id]


def as_instruction(text: Trajectory) -> Trajectory:
    """A text that a model wrote, as an instruction whose answer is learnt or held."""
    prompt = text.nodes[0]
    answer = text.path(text.head)[len(prompt.token_ids) :]
    rest = Node.below(prompt, answer, "person", text.tokenizer)
    return text.with_(
        id=f"{text.id}/instruction",
        nodes=(prompt, rest),
        head=Place(rest.id, len(prompt.token_ids) + len(answer)),
        steers=(),
        teaches="instructions",
    )
