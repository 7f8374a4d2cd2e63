from midcourse.capture.importers.canonical import is_canonical
from midcourse.rows import SteerRow, join
from midcourse.tokens import TextTokenizer
from midcourse.types import Message, Node, Place, Trajectory


def test_a_fork_between_words_is_and_one_inside_a_token_is_not(tiny_tokenizer: TextTokenizer) -> None:
    row = SteerRow((Message("user", "Q"),), "The bridge was", " built", (" that",))
    (t,), _ = join([row], tiny_tokenizer, source="s")
    assert is_canonical(t, t.steers[0].fork, tiny_tokenizer)
    letters = [i for c in " the" for i in tiny_tokenizer.encode(c)]
    assert len(letters) == 4
    assert tiny_tokenizer.encode(" the") != letters
    node = Node.below(None, [*tiny_tokenizer.encode("The bridge was"), *letters], "model", tiny_tokenizer.hash)
    end = Place(node.id, len(node.token_ids))
    made = Trajectory("t", (node,), end, tiny_tokenizer.hash)
    assert not is_canonical(made, end, tiny_tokenizer)
    assert is_canonical(made, Place(node.id, end.depth - 4), tiny_tokenizer)
