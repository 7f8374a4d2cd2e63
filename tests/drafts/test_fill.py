import pytest

import model_folder
from midcourse.backends.local import LocalBackend
from midcourse.drafts.draft import Draft
from midcourse.drafts.fill import fill, unfilled
from midcourse.errors import TokenizerMismatch
from midcourse.model import load_model


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    return load_model(model_folder.save_model(tmp_path_factory.mktemp("m") / "tiny"))


def inserted(loaded, text: str = "go"):
    """A text that a person went on with: nothing that was rejected is known."""
    draft = Draft(LocalBackend(loaded.model, loaded.tokenizer.eos), loaded.tokenizer).start("Say:")
    draft.replace(0, text)
    return draft.trajectory


def test_what_the_base_says_instead_becomes_rejected(loaded):
    t = inserted(loaded)
    [steer] = unfilled(t)
    backend = LocalBackend(loaded.model, loaded.tokenizer.eos)
    [filled] = fill([t], backend, loaded.tokenizer, n=5, temperature=2.0)
    assert filled.steer == steer.id
    assert 1 <= len(filled.rejected) <= 5
    grown = t.with_(nodes=(*t.nodes, *filled.nodes))
    chosen = t.path(steer.chosen)
    seen = set()
    for side in filled.rejected:
        assert side.origin == "sampled"
        ids = grown.path(side.end)
        assert ids[: steer.fork.depth] == t.path(steer.fork)
        assert ids[: len(chosen)] != chosen
        assert len(ids) - steer.fork.depth <= 8
        seen.add(tuple(ids))
    assert len(seen) == len(filled.rejected)
    assert list(fill([t], backend, loaded.tokenizer, n=5, temperature=2.0)) == [filled]


def test_what_the_base_says_anyway_is_not_rejected(loaded):
    backend = LocalBackend(loaded.model, loaded.tokenizer.eos)
    ids = loaded.tokenizer.encode_prompt("Say:")
    [[first]] = backend.sample_batch([ids], 1, max_new_tokens=1, temperature=0)
    own = loaded.tokenizer.decode(first)
    if "\ufffd" in own:
        pytest.skip("the random model's likeliest byte is no character")
    [filled] = fill([inserted(loaded, own)], backend, loaded.tokenizer, n=3, temperature=0)
    assert filled.rejected == ()
    assert filled.nodes == ()


def test_only_steers_without_a_rejected_side_are_asked_for(loaded):
    draft = Draft(LocalBackend(loaded.model, loaded.tokenizer.eos), loaded.tokenizer).start("Say:")
    draft.replace(0, "go")
    draft.replace(0, "stay")
    assert [s.id for s in unfilled(draft.trajectory)] == [draft.trajectory.steers[0].id]
    draft.undo()
    draft.undo()
    assert unfilled(draft.trajectory) == []


def test_another_tokenizer_is_refused(loaded):
    t = inserted(loaded).with_(tokenizer="other")
    with pytest.raises(TokenizerMismatch, match="tokenized by other"):
        list(fill([t], LocalBackend(loaded.model, ()), loaded.tokenizer))
