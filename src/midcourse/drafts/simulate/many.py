"""Many texts written and steered at a time: the model takes a step for all of them, each person looks at their own.

The same sessions as one by one, so the same steers; only who drives them differs. It knows drafts and a backend that
runs jobs, no model.
"""

from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Protocol

from midcourse.backends.protocol import Sampling, Token
from midcourse.drafts.draft import Draft
from midcourse.drafts.simulate.habits import CAREFUL, Habits
from midcourse.drafts.simulate.judge import Judge
from midcourse.drafts.simulate.session import Run, session
from midcourse.drafts.simulate.wording import Wording

__all__ = ["Crowd", "simulate_many"]


class Job(Protocol):
    """One text that is being written."""

    def request(self) -> tuple[Sequence[int], Sampling] | None: ...
    def receive(self, tokens: Sequence[Token]) -> None: ...


class Crowd(Protocol):
    """A backend that writes many texts at a time, such as `Lockstep`."""

    def run(self, jobs: Iterable[Job]) -> None: ...  # noqa: D102


class _Writing:
    """A session as a job."""

    def __init__(self, draft: Draft, steering: Generator[int, None, Run], done: Callable[[Run], None]) -> None:
        self.draft, self.steering, self.done = draft, steering, done

    def request(self) -> tuple[Sequence[int], Sampling] | None:
        while True:
            try:
                room = next(self.steering)
            except StopIteration as end:
                self.done(end.value)
                return None
            asked = self.draft.ask(room)
            if asked is not None:
                return asked

    def receive(self, tokens: Sequence[Token]) -> None:
        self.draft.take(tokens)


def simulate_many(
    drafts: Iterable[tuple[Draft, Judge]],
    crowd: Crowd,
    done: Callable[[Run], None],
    habits: Habits = CAREFUL,
    *,
    seed: int = 0,
    wording: Wording | None = None,
) -> None:
    """Write and steer all drafts, as many at a time as `crowd` holds; `done` is called with each as it is finished.

    Args:
        drafts: Each with its prompt given and the judge of its task; taken one by one as there is room.
        crowd: Who writes.
        done: Takes each finished run, in the order in which they end.
        habits: Of the simulated person.
        seed: Of their dice.
        wording: Where the words of a correction come from; None: typed as the judge says.

    Raises:
        InputError: A correction breaks a rule itself.
    """
    crowd.run(
        _Writing(draft, session(draft, judge, habits, seed=seed, wording=wording), done) for draft, judge in drafts
    )
