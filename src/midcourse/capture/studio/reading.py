"""What the store holds, for lists and numbers around the writing. Reads only; each function may take a while."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from statistics import median

from midcourse.capture.studio import rest
from midcourse.capture.studio.agreement import First, Pair, compare, mean_of, median_of
from midcourse.capture.studio.desk import ALONE, Desk, Item, Prompt
from midcourse.capture.studio.views import shown_text, steer_views
from midcourse.store.db import Store
from midcourse.tokens import TextTokenizer
from midcourse.types import Steer, Trajectory

__all__ = ["Reader", "prompt_line"]

_SHORT, _CONTEXT = 160, 400


def prompt_line(prompt: Prompt) -> str:
    """The beginning of a prompt: of a conversation, its last message."""
    text = prompt if isinstance(prompt, str) else prompt[-1]["content"]
    return text if len(text) <= _SHORT else text[:_SHORT] + "…"


class Reader:
    """Reads drafts of one tokenizer."""

    def __init__(self, store: Store, tokenizer: Callable[[], TextTokenizer], source: str = "studio") -> None:
        self._store, self._tokenizer, self._source = store, tokenizer, source

    def drafts(self, desk: Desk, *, name: str | None, status: str | None = None) -> list[rest.DraftLine]:
        """Drafts of one person (None: all), open ones first, then the newest."""
        found = [
            self._draft_line(t, desk)
            for t in self._all()
            if name in (None, _whose(t, desk)) and (status is None or t.status == status)
        ]
        found.sort(key=lambda d: (d.status != "open", -d.changed))
        return found

    def _draft_line(self, t: Trajectory, desk: Desk) -> rest.DraftLine:
        text, prompt = self._text(t), len(t.nodes[0].token_ids)
        said = t.messages[-1].content if t.messages else self._tokenizer().decode(t.nodes[0].token_ids)
        return rest.DraftLine(
            id=t.id,
            prompt=prompt_line(said),
            text=text[-_SHORT:],
            status=t.status,
            steers=sum(s.counts for s in t.steers),
            tokens=t.head.depth - prompt,
            changed=max([t.created or 0.0, *(s.created or 0.0 for s in t.steers)]),
            item=desk.item_of.get(t.id),
            flagged=desk.flags.get(t.id),
        )

    # -- numbers ---------------------------------------------------------------------------------------------------

    def stats(self, desk: Desk, *, name: str | None, target: int | None = None) -> rest.Stats:
        """The dashboard, of one person or of all."""
        drafts = [t for t in self._all() if name in (None, _whose(t, desk))]
        steers = [s for t in drafts for s in t.steers if s.counts]
        tags = Counter(tag for s in steers for tag in desk.steer_tags.get(s.id, ((), None))[0])
        days = Counter(time.strftime("%Y-%m-%d", time.localtime(s.created)) for s in steers if s.created)
        people = sorted({_whose(t, desk) for t in drafts})
        seconds = sum(v for (who, _), v in desk.seconds.items() if name is None or who == name)
        return rest.Stats(
            steers=len(steers),
            target=target,
            drafts=len(drafts),
            accepted=sum(t.status == "accepted" for t in drafts),
            tokens=sum(map(_seen_tokens, drafts)),
            kinds=dict(Counter(s.kind for s in steers)),
            tags=dict(tags),
            seconds_per_steer=round(seconds / len(steers), 2) if steers and seconds else None,
            days=tuple(sorted(days.items()))[-30:],
            people=tuple(_person(who, [t for t in drafts if _whose(t, desk) == who], desk) for who in people),
            rounds=tuple(_rounds(desk, drafts)),
        )

    # -- review ----------------------------------------------------------------------------------------------------

    def review(self, desk: Desk, state: str, most: int = 500) -> list[rest.ReviewLine]:
        """Steers in a state, newest first; `flagged`: of drafts somebody flagged."""
        found = [
            self._review_line(t, s, desk)
            for t in self._store.trajectories()
            if t.tokenizer == self._tokenizer().hash
            for s in t.steers
            if (t.id in desk.flags if state == "flagged" else s.state == state)
        ]
        return sorted(found, key=lambda r: -(r.created or 0.0))[:most]

    def _review_line(self, t: Trajectory, s: Steer, desk: Desk) -> rest.ReviewLine:
        tokenizer, prompt = self._tokenizer(), len(t.nodes[0].token_ids)
        view = steer_views(tokenizer, t.with_(steers=(s,)), prompt, t.head)[s.id]
        before = shown_text(tokenizer, t.path(s.fork)[prompt:])
        after = shown_text(tokenizer, t.path(t.head)[(s.chosen or s.fork).depth :]) if view.on_text else ""
        tags, note = desk.steer_tags.get(s.id, ((), None))
        said = t.messages[-1].content if t.messages else tokenizer.decode(t.nodes[0].token_ids)
        return rest.ReviewLine(
            steer=s.id,
            draft=t.id,
            prompt=prompt_line(said),
            before=before[-_CONTEXT:],
            rejected=view.rejected,
            chosen=view.chosen,
            after=after[:_CONTEXT],
            kind=s.kind,
            reason=note or s.reason,
            tags=tags,
            annotator=s.annotator and desk.who(s.annotator),
            source=t.source,
            state=s.state,
            flagged=desk.flags.get(t.id),
            created=s.created,
        )

    # -- several people --------------------------------------------------------------------------------------------

    def agreement(self, desk: Desk) -> rest.Agreement:
        """Over all prompts that several people finished."""
        pairs = [p for item in desk.overlapping() for p in compare(self._firsts(item))]
        who = sorted({(p.a, p.b) for p in pairs})
        by_pair = tuple({"a": a, "b": b, **_summary([p for p in pairs if (p.a, p.b) == (a, b)])} for a, b in who)
        total = _summary(pairs)
        return rest.Agreement(
            prompts=len(desk.overlapping()),
            pairs=len(pairs),
            both_untouched=sum(p.untouched for p in pairs),
            by_pair=by_pair,
            fork_distance=total["fork_distance"],
            same_sentence=total["same_sentence"],
            similarity=total["similarity"],
        )

    def differences(self, desk: Desk) -> list[rest.Difference]:
        """Every such prompt, unsettled ones first."""
        found = []
        for item in desk.overlapping():
            firsts = self._firsts(item)
            pairs = compare(firsts)
            same = [p.same_sentence for p in pairs if p.same_sentence is not None]
            found.append(
                rest.Difference(
                    item=item.id,
                    prompt=prompt_line(item.prompt),
                    forks=tuple(
                        rest.Fork(
                            annotator=f.annotator,
                            draft=f.draft,
                            at=f.token,
                            text=f.before[-_CONTEXT:],
                            rejected=f.rejected,
                            chosen=f.chosen,
                            kind=f.kind,
                        )
                        for f in firsts
                    ),
                    distance=median_of([p.distance for p in pairs]),
                    same_sentence=all(same) if same else None,
                    similarity=mean_of([p.similarity for p in pairs]),
                    settled=item.settled,
                )
            )
        return sorted(found, key=lambda d: d.settled is not None)

    def _firsts(self, item: Item) -> list[First]:
        drafts = {s.draft: who for who, s in item.shares.items() if s.state == "done" and s.draft is not None}
        return [self._first(t, drafts[t.id]) for t in self._store.trajectories(ids=sorted(drafts), source=self._source)]

    def _first(self, t: Trajectory, who: str) -> First:
        steers = sorted((s for s in t.steers if s.counts), key=lambda s: s.created or 0.0)
        if not steers:
            return First(who, t.id)
        tokenizer, prompt, first = self._tokenizer(), len(t.nodes[0].token_ids), steers[0]
        view = steer_views(tokenizer, t.with_(steers=(first,)), prompt, t.head)[first.id]
        before = shown_text(tokenizer, t.path(first.fork)[prompt:])
        return First(who, t.id, view.token, before, view.rejected, view.chosen, first.kind)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _all(self) -> Iterator[Trajectory]:
        own = self._tokenizer().hash
        return (t for t in self._store.trajectories(source=self._source) if t.tokenizer == own)

    def _text(self, t: Trajectory) -> str:
        return shown_text(self._tokenizer(), t.path(t.head)[len(t.nodes[0].token_ids) :])


def _whose(t: Trajectory, desk: Desk) -> str:
    return desk.who(t.annotator or ALONE)


def _seen_tokens(t: Trajectory) -> int:
    """Tokens the model wrote and the person saw: on the kept path and on what was turned down."""
    kept = sum(author == "model" for author in t.authors(t.head))
    lost = 0
    for s in t.steers:
        for r in s.rejected if s.counts and s.kind != "local" else ():
            lost += max(0, min(r.end.depth, r.shown or r.end.depth) - s.fork.depth)
    return kept + lost


def _person(who: str, drafts: list[Trajectory], desk: Desk) -> rest.PersonStats:
    took = [s.created - s.started for t in drafts for s in t.steers if s.counts and s.created and s.started is not None]
    return rest.PersonStats(
        name=who,
        drafts=len(drafts),
        steers=sum(s.counts for t in drafts for s in t.steers),
        seconds=round(sum(v for (name, _), v in desk.seconds.items() if name == who), 1),
        median_seconds=round(median(took), 2) if took else None,
    )


def _rounds(desk: Desk, drafts: Iterable[Trajectory]) -> Iterator[rest.Round]:
    """One for each time another adapter was switched on."""
    drafts = list(drafts)
    ends = [at for at, _ in desk.rounds[1:]] + [float("inf")]
    for (began, adapter), end in zip(desk.rounds, ends, strict=True):
        mine = [t for t in drafts if began <= (t.created or 0.0) < end]
        tokens, steers = sum(map(_seen_tokens, mine)), sum(s.counts for t in mine for s in t.steers)
        if mine or end == float("inf"):
            yield rest.Round(
                adapter=adapter,
                started=began,
                drafts=len(mine),
                tokens=tokens,
                steers=steers,
                per_hundred=round(100 * steers / tokens, 3) if tokens else None,
            )


def _summary(pairs: list[Pair]) -> dict[str, float | None]:
    return {
        "prompts": float(len(pairs)),
        "fork_distance": median_of([p.distance for p in pairs]),
        "same_sentence": mean_of([p.same_sentence for p in pairs]),
        "similarity": mean_of([p.similarity for p in pairs]),
    }
