"""The REST routes around the writing: what each takes and gives.

Shapes only. All need a session (cookie) where the studio has people; everything that changes something needs the same
origin. Bodies are JSON, at most 1 MB (prompts 20 MB). Errors are `{"error": {"code", "message"}}` with a status that
fits. Times are Unix seconds, durations seconds. *admin* marks routes that an annotator may not use.

| route | gives | |
|---|---|---|
| `GET api/me` | `Me` | |
| `GET api/schema` | JSON schema of the protocol | |
| `GET api/drafts` | `[DraftLine]`: mine, open ones first ("continue where you stopped"); `?status=accepted` | |
| `GET api/queue` | `Queue` | |
| `POST api/queue` | `AddPrompts` → `{"added": n}` | admin |
| `PATCH api/queue/{item}` | `PromptChange` | admin |
| `GET api/guidelines` | `Guidelines` | |
| `PUT api/guidelines` | `Guidelines` | admin |
| `GET api/tags`, `PUT api/tags` | `{"tags": [..]}` reason tags | PUT: admin |
| `GET api/stats` | `Stats`: the dashboard; `?mine=true` | |
| `GET api/review?state=` | `[ReviewLine]`: `pending` (default), `active`, `flagged`, `approved`, `refused` | admin |
| `POST api/review` | `Verdict` for one or several steers | admin |
| `GET api/inbox` | `InboxView`: steers that a proxy recognised and nobody has judged | admin |
| `POST api/inbox/{review}/accept` | `InboxWords`: it is a steer, as it was put or with other words | admin |
| `POST api/inbox/{review}/reject` | it was none; it does not come back | admin |
| `GET api/agreement` | `Agreement` | admin |
| `GET api/differences` | `[Difference]`: prompts that several people finished, unsettled first | admin |
| `POST api/differences/{item}` | `Settlement` | admin |
| `GET api/export?format=jsonl` | steers as a file (`trl`, `sft`, `jsonl`); an annotator gets their own | |
| `POST api/forget` | `Forget`: withdraws all my steers, or deletes all my texts for good | |
| `GET api/train` | `TrainingRun` or null | |
| `POST api/train` | `TrainRequest` → `TrainingRun`; 409 while one runs | admin |
| `POST api/train/stop` | stops it; what is trained so far stays | admin |
| `GET api/train/report/{run}` | its report: one self-contained page, shown in a sandboxed frame | |
| `GET api/adapters` | `Adapters` | |
| `POST api/adapters` | `{"name": … or null}`: write with it from the next stream on | admin |
| `GET api/people` | `[Person]` | admin |
| `GET enter/{token}`, `POST enter` | one-time link: a button, then the session cookie | no session |
| `POST api/leave` | ends this session | |
| `GET healthz`, `readyz`, `metrics` | for machines | no session |
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from midcourse.capture.studio.shapes import Id, MessageView, Shape, Short, Words

__all__ = [
    "Adapters",
    "AddPrompts",
    "Agreement",
    "Difference",
    "DraftLine",
    "Forget",
    "Guidelines",
    "InboxLine",
    "InboxView",
    "InboxWords",
    "Me",
    "Passage",
    "Person",
    "PromptChange",
    "PromptLine",
    "Queue",
    "ReviewLine",
    "Round",
    "Settlement",
    "Stats",
    "TrainRequest",
    "TrainingRun",
    "Verdict",
]


class Me(Shape):
    """Who is asking."""

    name: str
    role: Literal["admin", "annotator"]
    open_drafts: int
    alone: bool
    """The studio has no people: loopback, one person."""


class DraftLine(Shape):
    """A draft in a list."""

    id: str
    prompt: str
    """Its beginning."""
    text: str
    """The end of the answer."""
    status: str
    steers: int
    tokens: int
    changed: float
    item: str | None = None
    flagged: str | None = None


class PromptLine(Shape):
    """A prompt in the queue."""

    id: str
    text: str
    """Its beginning."""
    practice: bool
    state: Literal["waiting", "open", "done", "skipped", "removed"]
    """As it stands for the person who asks; for an admin, for everybody."""
    done: int
    """People who finished it."""
    wanted: int
    """People who should (overlap)."""
    people: tuple[str, ...] = ()
    """Who has it; an annotator sees only their own name."""
    skipped_for: str | None = None


class Queue(Shape):
    """The queue as one person sees it."""

    waiting: int
    open: int
    done: int
    skipped: int
    practice_left: int
    prompts: tuple[PromptLine, ...]
    """The first 200."""


class AddPrompts(Shape):
    """Prompts to add: `text` is a file's content (JSONL: `prompt` or `messages` a line; else one prompt a line, or
    paragraphs apart), `prompts` are single ones."""

    text: Annotated[str, Field(max_length=20_000_000)] | None = None
    prompts: Annotated[tuple[Words | tuple[MessageView, ...], ...], Field(max_length=10_000)] = ()
    practice: bool = False
    people: Annotated[int, Field(ge=1, le=100)] = 1
    """How many people each should go to (overlap)."""


class PromptChange(Shape):
    """Move a prompt to the front, give it more people, or remove it (what was written stays)."""

    people: Annotated[int, Field(ge=1, le=100)] | None = None
    first: bool = False
    removed: bool | None = None


class Forget(Shape):
    """All that one person made: their steers withdrawn, or their texts deleted."""

    confirm: Short
    """Their own name."""
    erase: bool = False
    """Delete the texts in which nobody else had a hand, for good. Exports and adapters made of them stay."""


class Guidelines(Shape):
    """What annotators are asked to do, in Markdown; the page draws it without raw HTML."""

    text: Words


class Round(Shape):
    """Drafts written with one model or adapter."""

    adapter: str | None
    started: float
    drafts: int
    tokens: int
    """Tokens the model wrote and a person saw."""
    steers: int
    per_hundred: float | None
    """Steers per hundred of them."""


class PersonStats(Shape):
    """What one person did."""

    name: str
    drafts: int
    steers: int
    seconds: float
    """Without idle time."""
    median_seconds: float | None
    """From stop to commit."""


class Stats(Shape):
    """The dashboard."""

    steers: int
    target: int | None
    drafts: int
    accepted: int
    tokens: int
    kinds: dict[str, int]
    tags: dict[str, int]
    seconds_per_steer: float | None
    days: tuple[tuple[str, int], ...]
    """(date, steers), the last 30."""
    people: tuple[PersonStats, ...]
    """For an annotator: only themselves."""
    rounds: tuple[Round, ...]


class ReviewLine(Shape):
    """A steer before a reviewer."""

    steer: str
    draft: str
    prompt: str
    before: str
    """Text in front of the fork, shortened."""
    rejected: str
    chosen: str
    after: str
    kind: str
    reason: str | None
    tags: tuple[str, ...]
    annotator: str | None
    source: str
    state: str
    flagged: str | None
    created: float | None


class Verdict(Shape):
    """Approve or refuse."""

    steers: Annotated[tuple[Id, ...], Field(min_length=1, max_length=1000)]
    state: Literal["approved", "refused", "pending"]


class Passage(Shape):
    """One correction in its place."""

    before: str
    """The answer in front of it, shortened."""
    rejected: tuple[str, ...]
    """What was there, shortened; empty where that is not known."""
    chosen: str
    after: str
    """How the answer stands behind it, shortened."""
    ended: bool
    """The answer stops there."""


class InboxLine(Shape):
    """What a proxy recognised in one request."""

    id: str
    client: str
    """Who asked: a name, or a hash of their key."""
    model: str | None
    """As the client named it."""
    at: float
    kind: str
    """`cut`, `changed`, `extended` or `history_edit`."""
    certain: bool
    why: str
    """What speaks for and against it."""
    prompt: str
    """Its beginning."""
    passages: tuple[Passage, ...]


class InboxView(Shape):
    """The inbox."""

    waiting: int
    lines: tuple[InboxLine, ...]
    """The first 200, oldest first."""


class InboxWords(Shape):
    """What should have been put, one text for each passage; none: as it was put."""

    chosen: Annotated[tuple[Words, ...], Field(max_length=1000)] | None = None


class Fork(Shape):
    """Where one person first steered."""

    annotator: str
    draft: str
    at: int | None
    """Token index; None: accepted as it was."""
    text: str
    rejected: str
    chosen: str
    kind: str | None


class Difference(Shape):
    """One prompt as several people steered it."""

    item: str
    prompt: str
    forks: tuple[Fork, ...]
    distance: float | None
    """Median tokens between first forks."""
    same_sentence: bool | None
    similarity: float | None
    """Of the corrections, 0 to 1 (normalised edit similarity)."""
    settled: str | None
    """Draft that stands."""


class Settlement(Shape):
    """Which draft stands; the steers of the others are refused."""

    draft: Id
    note: Short | None = None


class Agreement(Shape):
    """How alike people steer, over prompts that several finished."""

    prompts: int
    pairs: int
    fork_distance: float | None
    """Median, in tokens."""
    same_sentence: float | None
    similarity: float | None
    both_untouched: int
    by_pair: tuple[dict[str, Any], ...]
    """`{"a", "b", "prompts", "fork_distance", "same_sentence", "similarity"}`."""


class TrainRequest(Shape):
    """What `midcourse train` is given."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,40}$")] | None = None
    """Of the adapter; None: round-N."""
    evaluate: bool = True
    """Report on held-out prompts afterwards."""
    epochs: Annotated[float, Field(gt=0, le=100)] | None = None
    beta: Annotated[float, Field(gt=0, le=10)] | None = None
    learning_rate: Annotated[float, Field(gt=0, le=1)] | None = None
    max_drift: Annotated[float, Field(gt=0, le=10)] | None = None


class TrainingRun(Shape):
    """A training, running or past."""

    name: str
    state: Literal["starting", "training", "evaluating", "done", "failed", "stopped"]
    step: int
    steps: int
    started: float
    ended: float | None = None
    steers: int | None = None
    curve: tuple[dict[str, float], ...] = ()
    """One entry a logged step: `step`, `loss`, `margin`, `drift`, … as the trainer reports them."""
    report: bool = False
    message: str | None = None
    """Why it failed, one sentence."""


class Adapters(Shape):
    """Adapters to write with."""

    active: str | None
    names: tuple[str, ...]
    switching: bool = False


class Person(Shape):
    """Somebody who may sign in."""

    name: str
    role: Literal["admin", "annotator"]
    revoked: bool
    last_seen: float | None
