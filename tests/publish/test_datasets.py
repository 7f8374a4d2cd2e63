import pytest

from midcourse.errors import TokenizerMismatch
from midcourse.publish.datasets import import_rows, steer_text
from midcourse.publish.pairs import trl_rows
from midcourse.rows import SteerRow, join, read_row
from midcourse.tokens import TextTokenizer
from midcourse.types import Kind, Message, Node, Place, Rejected, Steer, Trajectory


def corrected(tok: TextTokenizer, *, kind: Kind = "typed", messages: tuple[Message, ...] = ()) -> Trajectory:
    """`It was built in 1832.` put right to `1932`, and a later steer with two rejected sides."""
    prompt = tok.prompt_ids(messages or "About the bridge. ")
    root = Node.below(None, prompt, "prompt", tok.hash)
    wrote = Node.below(root, tok.encode("It was built in") + tok.encode(" 1832."), "model", tok.hash)
    cut = len(tok.encode("It was built in"))
    put = Node.below(wrote, tok.encode(" 1932 🙂"), "person", tok.hash, offset=cut)
    more = Node.below(put, tok.encode(" and carries"), "model", tok.hash)
    bad = Node.below(more, tok.encode(" trains"), "model", tok.hash)
    worse = Node.below(more, tok.encode(" ships"), "model", tok.hash)
    good = Node.below(more, tok.encode(" traffic"), "person", tok.hash)
    rest = Node.below(good, tok.encode(" across the river."), "model", tok.hash)
    nodes = (root, wrote, put, more, bad, worse, good, rest)
    t = Trajectory(
        "t", nodes, Place(root.id, 1), tok.hash, messages=messages, source="test", split="dev", annotator="ann"
    )
    fork = Place(wrote.id, len(prompt) + cut)
    two = (Rejected(t.end_of(bad.id)), Rejected(t.end_of(worse.id)))
    steers = (
        Steer("one", "t", kind, fork, (Rejected(t.end_of(wrote.id)),), t.end_of(put.id), reason="wrong year"),
        Steer("two", "t", "picked", t.end_of(more.id), two, t.end_of(good.id)),
        Steer("off", "t", "picked", t.end_of(more.id), (), t.end_of(good.id), state="withdrawn"),
    )
    return t.with_(head=t.end_of(rest.id), steers=steers)


def test_a_steer_reads_as_it_was_seen(tiny_tokenizer: TextTokenizer) -> None:
    t = corrected(tiny_tokenizer)
    text = steer_text(t, t.steers[0], tiny_tokenizer)
    assert (text.prompt, text.prefix) == ("About the bridge. ", "It was built in")
    assert (text.rejected, text.chosen) == ((" 1832.",), " 1932 🙂")
    assert text.tail == " and carries traffic across the river."


def test_rows_for_import(tiny_tokenizer: TextTokenizer) -> None:
    one, two = import_rows(corrected(tiny_tokenizer), tiny_tokenizer)
    assert one == {
        "prompt": "About the bridge. ",
        "prefix": "It was built in",
        "rejected": " 1832.",
        "chosen": " 1932 🙂",
        "kind": "typed",
        "trajectory": "t",
        "split": "dev",
        "reason": "wrong year",
        "author": "ann",
    }
    assert (two["rejected"], two["tail"]) == ([" trains", " ships"], " across the river.")


def test_chat_prompts_stay_messages_and_are_rendered_for_trl(tiny_tokenizer: TextTokenizer) -> None:
    t = corrected(tiny_tokenizer, messages=(Message("user", "hi"),))
    assert next(import_rows(t, tiny_tokenizer))["prompt"] == [{"role": "user", "content": "hi"}]
    rows = list(trl_rows(t, tiny_tokenizer))
    assert len(rows) == 3
    assert rows[0]["prompt"] == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nIt was built in"
    assert set(rows[0]) == {"prompt", "chosen", "rejected"}


def test_a_fork_inside_a_character(tiny_tokenizer: TextTokenizer) -> None:
    tok = tiny_tokenizer
    root = Node.below(None, tok.encode("a: "), "prompt", tok.hash)
    byte = {tok.token_bytes(i): i for i in range(tok.size)}
    first, second = ([byte[bytes([b])] for b in text.encode()] for text in ("é", "è"))
    wrote = Node.below(root, first, "model", tok.hash)
    put = Node.below(wrote, second[1:], "person", tok.hash, offset=1)
    t = Trajectory("t", (root, wrote, put), Place(root.id, 1), tok.hash)
    fork = Place(wrote.id, t.start[wrote.id] + 1)
    steer = Steer("s", "t", "typed", fork, (Rejected(t.end_of(wrote.id)),), t.end_of(put.id))
    text = steer_text(t.with_(head=t.end_of(put.id), steers=(steer,)), steer, tok)
    assert (text.prefix, text.rejected, text.chosen) == ("", ("é",), "è")


def test_resampled_and_ended(tiny_tokenizer: TextTokenizer) -> None:
    tok = tiny_tokenizer
    root = Node.below(None, tok.encode("a: "), "prompt", tok.hash)
    bad = Node.below(root, tok.encode(" no no"), "model", tok.hash)
    kept = Node.below(root, tok.encode(" yes and then a lot more"), "model", tok.hash)
    end = Node.below(kept, [tok.eos[0]], "person", tok.hash)
    t = Trajectory("t", (root, bad, kept, end), Place(root.id, 1), tok.hash)
    again = Steer("r", "t", "resampled", t.end_of(root.id), (Rejected(t.end_of(bad.id)),))
    stop = Steer("e", "t", "ended", t.end_of(kept.id), (), t.end_of(end.id))
    t = t.with_(head=t.end_of(end.id), steers=(again, stop))
    text = steer_text(t, again, tok)
    assert text.rejected == (" no no",)
    assert " yes and then a lot more".startswith(text.chosen)
    assert len(tok.encode(text.chosen)) == len(bad.token_ids)
    ended = steer_text(t, stop, tok)
    assert (ended.chosen, ended.ended) == ("", True)
    assert list(import_rows(t, tok))[1]["ended"] is True


def test_an_end_that_was_turned_down(tiny_tokenizer: TextTokenizer) -> None:
    tok = tiny_tokenizer
    root = Node.below(None, tok.encode("a: "), "prompt", tok.hash)
    end = Node.below(root, [tok.eos[0]], "model", tok.hash)
    more = Node.below(root, tok.encode("more"), "person", tok.hash)
    t = Trajectory("t", (root, end, more), Place(root.id, 1), tok.hash)
    steer = Steer("c", "t", "continued", t.end_of(root.id), (Rejected(t.end_of(end.id)),), t.end_of(more.id))
    t = t.with_(head=t.end_of(more.id), steers=(steer,))
    assert list(trl_rows(t, tok)) == [{"prompt": "a: ", "chosen": "more", "rejected": "<|im_end|>"}]
    (row,) = import_rows(t, tok)
    assert (row["rejected"], row["chosen"]) == ([""], "more")
    (back,), _ = join([read_row(row)], tok, source="again")
    assert list(trl_rows(back, tok)) == list(trl_rows(t, tok))


def test_a_pair_of_whole_answers_comes_back_as_one(tiny_tokenizer: TextTokenizer) -> None:
    given = SteerRow("p ", "", "The answer is that", ("The answer was",), ended=True, whole=True, kind="edit")
    (t,), _ = join([given], tiny_tokenizer, source="s")
    (row,) = import_rows(t, tiny_tokenizer)
    assert (row["whole"], row["ended"], row["chosen"]) == (True, True, "The answer is that")
    (back,), _ = join([read_row(row)], tiny_tokenizer, source="s")
    assert back.teaches == "pairs"
    assert back.steers[0].fork.depth == t.steers[0].fork.depth
    assert back.path(back.steers[0].rejected[0].end) == t.path(t.steers[0].rejected[0].end)


def test_another_tokenizer_is_refused(tiny_tokenizer: TextTokenizer) -> None:
    t = corrected(tiny_tokenizer).with_(tokenizer="other")
    with pytest.raises(TokenizerMismatch, match="under tokenizer other"):
        steer_text(t, t.steers[0], tiny_tokenizer)


@pytest.mark.parametrize("chat", [False, True])
def test_exported_rows_come_back_as_the_same_sides(tiny_tokenizer: TextTokenizer, chat: bool) -> None:
    t = corrected(tiny_tokenizer, messages=(Message("user", "hi"),) if chat else ())
    exported = list(import_rows(t, tiny_tokenizer))
    back, skipped = join([read_row(r) for r in exported], tiny_tokenizer, source="again")
    assert skipped == []
    assert len(back) == 1, "one text stays one trajectory"
    assert tiny_tokenizer.decode(back[0].path(back[0].head)) == tiny_tokenizer.decode(t.path(t.head))
    texts = [steer_text(back[0], s, tiny_tokenizer) for s in back[0].steers]
    assert [(x.prefix + x.chosen) for x in texts] == [r["prefix"] + r["chosen"] for r in exported]
    assert texts[1].rejected == (" trains", " ships")
