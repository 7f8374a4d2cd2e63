"""Text that a trainer tokenizes again gives the ids the model saw, or the pair says what differs."""

from dataclasses import replace

from tokenizers import Tokenizer

from midcourse.publish.pairs import Form, checked, pairs
from midcourse.tokens import TextTokenizer
from midcourse.types import Node, Place, Rejected, Steer, Trajectory


def steered(tok: TextTokenizer, before: list[int], bad: list[int], good: list[int], after: list[int]) -> Trajectory:
    root = Node.below(None, tok.encode("About tea. "), "prompt", tok.hash)
    wrote = Node.below(root, before + bad, "model", tok.hash)
    put = Node.below(wrote, good, "person", tok.hash, offset=len(before))
    rest = Node.below(put, after, "model", tok.hash)
    t = Trajectory("t", (root, wrote, put, rest), Place(root.id, 1), tok.hash)
    fork = Place(wrote.id, t.start[wrote.id] + len(before))
    steer = Steer("s", "t", "typed", fork, (Rejected(t.end_of(wrote.id)),), t.end_of(put.id))
    return t.with_(head=t.end_of(rest.id), steers=(steer,))


def usual(tok: TextTokenizer) -> Trajectory:
    parts = ("It is", " bad", " good", " for you.")
    return steered(tok, *(tok.encode(p) for p in parts[:3]), [*tok.encode(parts[3]), tok.eos[0]])


def test_the_words_alone(tiny_tokenizer: TextTokenizer) -> None:
    (pair,) = pairs(usual(tiny_tokenizer), tiny_tokenizer)
    assert (pair.prompt, pair.chosen, pair.rejected, pair.closed) == ("About tea. It is", " good", " bad", False)
    assert checked(pair, tiny_tokenizer) == (pair, "same")


def test_whole_answers_end_where_the_text_did(tiny_tokenizer: TextTokenizer) -> None:
    (pair,) = pairs(usual(tiny_tokenizer), tiny_tokenizer, form="full")
    assert (pair.prompt, pair.rejected) == ("About tea. ", "It is bad")
    assert (pair.chosen, pair.closed) == ("It is good for you.<|im_end|>", True)
    assert tiny_tokenizer.decode(pair.chosen_ids) == pair.chosen
    assert checked(pair, tiny_tokenizer)[1] == "same"


def test_a_split_through_a_token_moves_back(tiny_tokenizer: TextTokenizer) -> None:
    tok = tiny_tokenizer
    assert len(tok.encode(" that")) == 1
    t = steered(tok, tok.encode("It is") + tok.encode(" tha"), tok.encode("t"), tok.encode("n"), [])
    (pair,) = pairs(t, tok)
    moved, verdict = checked(pair, tok)
    assert verdict == "moved"
    assert moved.prompt + moved.chosen == pair.prompt + pair.chosen
    assert (moved.prompt, moved.rejected) == ("About tea. It is", " that")


def test_no_clean_split_within_the_answer(tiny_tokenizer: TextTokenizer) -> None:
    tok = tiny_tokenizer
    (pair,) = pairs(steered(tok, tok.encode("tha"), tok.encode("t"), tok.encode("n"), []), tok)
    inside = replace(pair, prompt="About tea. is tha", prefix="")  # nothing of the answer to move back into
    assert checked(inside, tok) == (inside, "crossing")


def test_other_ids_are_seen(tiny_tokenizer: TextTokenizer) -> None:
    tok = tiny_tokenizer
    byte = {tok.token_bytes(i): i for i in range(tok.size)}
    spelled = [byte[bytes([b])] for b in b" that"]
    for form in ("span", "full"):
        form_: Form = form  # type: ignore[assignment]
        (pair,) = pairs(steered(tok, tok.encode("It is"), tok.encode(" bad"), spelled, []), tok, form=form_)
        assert checked(pair, tok)[1] == "other"


def test_nothing_rejected_and_nothing_put(tiny_tokenizer: TextTokenizer) -> None:
    t = usual(tiny_tokenizer)
    (pair,) = pairs(t.with_(steers=(replace(t.steers[0], rejected=()),)), tiny_tokenizer)
    assert (pair.rejected, pair.rejected_ids) == (None, [])
    cut = replace(t.steers[0], chosen=t.steers[0].fork, kind="local")
    assert list(pairs(t.with_(steers=(cut,), head=cut.fork), tiny_tokenizer)) == []
    assert list(pairs(t.with_(steers=(replace(t.steers[0], state="withdrawn"),)), tiny_tokenizer)) == []


def test_a_tokenizer_that_adds_a_first_token(tiny_tokenizer: TextTokenizer) -> None:
    from tokenizers.processors import TemplateProcessing

    backend = Tokenizer.from_str(tiny_tokenizer._text.to_str())
    backend.post_processor = TemplateProcessing(single="<|im_start|> $A", special_tokens=[("<|im_start|>", 0)])
    tok = TextTokenizer(backend, eos=["<|im_end|>"])
    assert tok.encode_marked("a<|im_end|>") == [0, *tok.encode("a"), tok.eos[0]]
