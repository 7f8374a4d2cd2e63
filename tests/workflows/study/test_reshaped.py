"""The same steers in other texts: same prefixes, same words put, no words lost."""

from growing import Growing, random_trajectory
from midcourse.drafts.fill import Filled
from midcourse.drafts.growth import grow
from midcourse.tree.options import TreeOptions
from midcourse.tree.sides import read_sides
from midcourse.tree.token_tree import build_tree
from midcourse.types import Message, Rejected
from midcourse.workflows.study.reshaped import as_instruction, filled, joined, one_each, without_rejected
from training_run import tokenizer


def sides(text):
    """Chosen and rejected ids of each steer."""
    found = []
    for steer in text.steers:
        if steer.counts:
            read, why = read_sides(text, steer, 64)
            assert not why
            found += [(s.chosen, s.rejected) for s in read]
    return found


def three():
    return [
        Growing([5, 6, n], f"t{n}").write([10, 11, 12]).steer(1, [30, n]).write([13, 14]).value for n in (40, 41, 42)
    ]


def test_a_text_without_its_rejected_sides_is_learnt_alone():
    for text in map(without_rejected, three()):
        [(chosen, rejected)] = sides(text)
        assert chosen[0] == 30
        assert rejected == ()


def test_one_text_for_each_steer_holds_its_prefix_and_what_was_put():
    text = (
        Growing([5, 6], "t").write([10, 11, 12]).steer(1, [30]).write([13, 14, 15]).steer(2, [31, 32]).write([16]).value
    )
    first, second = one_each([text])
    assert first.path(first.head) == [5, 6, 10, 11, 30]
    assert second.path(second.head) == [5, 6, 10, 11, 30, 13, 31, 32]
    assert [*sides(first), *sides(second)] == sides(text)
    assert {t.id for t in (first, second)} == {s.trajectory for t in (first, second) for s in t.steers}
    assert len({first.id, second.id}) == 2


def test_all_in_one_keeps_every_side_and_every_word():
    texts = three()
    long = joined(texts, tokenizer())
    assert long.path(long.head) == [i for t in texts for i in t.path(t.head)]
    assert sides(long) == [s for t in texts for s in sides(t)]
    assert long.authors(long.head) == [a for t in texts for a in t.authors(t.head)]
    assert [s.fork.depth for s in long.steers] == [5, 14, 23]
    built = build_tree(long)
    assert not built.skipped
    assert len(built.tree.pairs) == 3
    assert len(built.tree.retained) <= sum(len(build_tree(t).tree.retained) for t in texts)


def test_nested_and_abandoned_corrections_survive_being_joined():
    texts = [random_trajectory(n) for n in range(6)]
    long = joined(texts, tokenizer())
    assert long.path(long.head) == [i for t in texts for i in t.path(t.head)]
    trees = [build_tree(t, TreeOptions(retain="none")).tree for t in texts]
    assert len(build_tree(long, TreeOptions(retain="none")).tree.pairs) == sum(len(t.pairs) for t in trees)


def test_chats_are_joined_as_turns(tiny_tokenizer):
    def chat(said: str, answer: str):
        message = Message("user", said)
        growing = Growing(tiny_tokenizer.prompt_ids([message]), said).write(tiny_tokenizer.encode(answer))
        return growing.value.with_(messages=(message,), tokenizer=tiny_tokenizer.hash)

    long = joined([chat("Tea?", "Boil the water"), chat("River?", "A bridge")], tiny_tokenizer)
    turns = [Message("user", "Tea?"), Message("assistant", "Boil the water"), Message("user", "River?")]
    assert tiny_tokenizer.decode(long.path(long.head)) == tiny_tokenizer.render(turns) + "A bridge"


def test_what_the_base_said_becomes_the_rejected_side():
    [text, *_] = map(without_rejected, three())
    [steer] = text.steers
    _, end, nodes = grow(text, steer.fork, [50, 51], "model")
    [made] = filled([text], [Filled(text.id, steer.id, (Rejected(end, "sampled"),), tuple(nodes))])
    assert [r for _, r in sides(made)] == [(50, 51)]


def test_an_answer_as_an_instruction_is_learnt_and_not_its_prompt():
    text = Growing([5, 6], "t").write([10, 11]).value
    tree = build_tree(as_instruction(text)).tree
    assert tree.nll_weight.tolist() == [0, 0, 1, 1]
    held = build_tree(as_instruction(text), TreeOptions(retain="text")).tree
    assert held.retain.tolist() == [False, False, True, True]
    assert not held.nll_weight.any()
