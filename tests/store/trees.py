"""Trajectories for the tests: a small one by hand and random ones of any shape."""

from typing import Any

from hypothesis import strategies as st

from midcourse.types import KINDS, TEACHES, Message, ModelRef, Node, Place, Rejected, Steer, Trajectory

TOKENIZER = "tok"


def small(id: str = "t", *, prompt: int = 1, steers: int = 3, **fields: Any) -> Trajectory:
    """A prompt and `steers` corrections, each of the last words of what the model wrote."""
    nodes = [Node.below(None, [prompt, 2, 3], "prompt", TOKENIZER)]
    made: list[Steer] = []
    for k in range(steers):
        wrote = Node.below(nodes[-1], [10, 11, 12, k], "model", TOKENIZER, logprobs=[-0.1, -1 / 3, -2.0, -k])
        put = Node.below(wrote, [20, k], "person", TOKENIZER, offset=2)
        nodes += [wrote, put]
        grown = Trajectory(id, tuple(nodes), Place(nodes[0].id, 1), TOKENIZER)
        fork = Place(wrote.id, grown.start[wrote.id] + 2)
        side = Rejected(grown.end_of(wrote.id))
        made.append(Steer(f"{id}-{k}", id, "typed", fork, (side,), grown.end_of(put.id), annotator="ann"))
    grown = Trajectory(id, tuple(nodes), Place(nodes[0].id, 1), TOKENIZER)
    return grown.with_(head=grown.end_of(nodes[-1].id), steers=tuple(made), **fields)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
times = st.none() | st.floats(0, 2e9)
texts = st.text(st.characters(), max_size=8)  # NUL and lone surrogates included


@st.composite
def nodes(draw: st.DrawFn) -> list[Node]:
    """A forest of nodes, parents first: forks anywhere, also at depth 0 and in abandoned parts."""
    ids = st.lists(st.integers(0, 2**32 - 1) | st.integers(0, 3), max_size=5)
    found: dict[str, Node] = {}
    for _ in range(draw(st.integers(1, 8))):
        above = draw(st.sampled_from([None, *found.values()]))
        token_ids = draw(ids)
        made = Node.below(
            above,
            token_ids,
            draw(st.sampled_from(["prompt", "model", "person"])),
            TOKENIZER,
            offset=draw(st.integers(0, len(above.token_ids))) if above else None,
            logprobs=draw(
                st.none() | st.lists(st.floats(max_value=0), min_size=len(token_ids), max_size=len(token_ids))
            ),
        )
        found.setdefault(made.id, made)
    return list(found.values())


@st.composite
def trajectories(draw: st.DrawFn, id: str = "t") -> Trajectory:
    """Any tree with any steers whose sides begin with their prefix."""
    grown = Trajectory(id, tuple(draw(nodes())), Place("", 0), TOKENIZER)
    ends = [grown.end_of(n.id) for n in grown.nodes]

    def below(fork: Place) -> list[Place]:
        """Ends of the paths that begin with the path to `fork`."""
        prefix = grown.path(fork)
        return [p for p in [fork, *ends] if grown.path(p)[: len(prefix)] == prefix]

    steers = []
    for k in range(draw(st.integers(0, 4))):
        end = draw(st.sampled_from(ends))
        fork = Place(end.node, draw(st.integers(0, end.depth)))
        side = st.builds(
            Rejected,
            st.sampled_from(below(fork)),
            st.sampled_from(["shown", "candidate", "sampled"]),
            st.none() | st.integers(0, 99),
        )
        steers.append(
            Steer(
                f"{id}-{k}",
                id,
                draw(st.sampled_from(KINDS)),  # type: ignore[arg-type]
                fork,
                tuple(draw(st.lists(side, max_size=3))),
                draw(st.none() | st.sampled_from(below(fork))),
                draw(st.none() | texts),
                draw(st.none() | texts),
                draw(st.floats(0, 10)),
                draw(st.none() | st.integers(0, 99)),
                draw(st.none() | st.integers(0, 99)),
                draw(times),
                draw(times),
                draw(st.sampled_from(["active", "withdrawn", "pending", "approved", "refused"])),
            )
        )
    return grown.with_(
        head=draw(st.sampled_from(ends)),
        steers=tuple(steers),
        messages=tuple(draw(st.lists(st.builds(Message, st.just("user"), texts), max_size=2))),
        model=draw(st.none() | st.builds(ModelRef, texts, st.none() | st.just("hash"))),
        template=draw(st.none() | st.just("tpl")),
        sampler=draw(st.dictionaries(st.text(max_size=4), json_values, max_size=3)),
        annotator=draw(st.none() | texts),
        source=draw(texts),
        source_text=draw(st.none() | st.dictionaries(st.text(max_size=4), json_values, max_size=3)),
        group=draw(st.none() | texts),
        split=draw(st.none() | st.sampled_from(["train", "dev", "test"])),
        status=draw(st.sampled_from(["open", "accepted", "discarded", "imported"])),
        created=draw(times),
        teaches=draw(st.sampled_from(TEACHES)),  # type: ignore[arg-type]
    )
