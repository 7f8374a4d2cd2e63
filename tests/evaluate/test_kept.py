import numpy as np
import pytest
import torch

from midcourse.evaluate import kept
from midcourse.evaluate.kept import Kept
from midcourse.evaluate.sampling import sample, score
from midcourse.evaluate.variants import BASE, Variants
from midcourse.tree import forward
from midcourse.tree.pack import plain_row

PREFIXES = [[5, 6, 7, 8], [9], [1, 2]]


@pytest.fixture
def asked(monkeypatch):
    """How often the model itself was asked."""
    calls = []

    def counted(*args, **options):
        calls.append(options)
        return sample(*args, **options)

    monkeypatch.setattr(kept, "sample", counted)
    return calls


def test_the_same_is_written_once_and_is_what_the_model_writes(model, tmp_path, asked):
    first = Kept(tmp_path, "w").sample(model, PREFIXES, [6] * 3, n=2, seed=3, end_ids=[4])
    done = []
    again = Kept(tmp_path, "w").sample(model, PREFIXES, [6] * 3, n=2, seed=3, end_ids=[4], progress=done.append)
    assert first == again == sample(model, PREFIXES, [6] * 3, n=2, seed=3, end_ids=[4])
    assert len(asked) == 1
    assert sum(done) == 3


@pytest.mark.parametrize(
    ("weights", "prefixes", "lengths", "chance"),
    [
        ("other", PREFIXES, [6] * 3, {"seed": 3}),
        ("w", [*PREFIXES[:2], [1, 3]], [6] * 3, {"seed": 3}),
        ("w", PREFIXES, [6, 6, 5], {"seed": 3}),
        ("w", PREFIXES, [6] * 3, {"seed": 4}),
        ("w", PREFIXES, [6] * 3, {"seed": 3, "greedy": True}),
    ],
)
def test_whatever_a_sample_depends_on_tells_two_apart(model, tmp_path, asked, weights, prefixes, lengths, chance):
    Kept(tmp_path, "w").sample(model, PREFIXES, [6] * 3, seed=3)
    Kept(tmp_path, weights).sample(model, prefixes, lengths, **chance)
    assert len(asked) == 2


def test_a_damaged_file_is_written_anew(model, tmp_path, asked):
    first = Kept(tmp_path, "w").sample(model, PREFIXES, [6] * 3)
    (path,) = tmp_path.glob("*.json")
    path.write_text(path.read_text()[:20])
    assert Kept(tmp_path, "w").sample(model, PREFIXES, [6] * 3) == first
    assert len(asked) == 2


def test_what_the_base_thinks_of_its_own_is_read_once(model, tmp_path, monkeypatch):
    calls = []

    def counted(*args):
        calls.append(args)
        return score(*args)

    said = [[[9, 8], [7]], [[3]], [[], [4, 5]]]
    monkeypatch.setattr(kept, "score", counted)
    first, again = (Kept(tmp_path, "w").score(model, PREFIXES, said) for _ in range(2))
    plain = score(model, PREFIXES, said)
    for row, kept_row, unkept in zip(first, again, plain, strict=True):
        for a, b, c in zip(row, kept_row, unkept, strict=True):
            assert a.dtype == b.dtype == np.float32
            assert np.array_equal(a, b)
            assert np.array_equal(a, c)
    Kept(tmp_path, "w").score(model, PREFIXES, [*said[:2], [[4, 5]]])
    assert len(calls) == 2


def test_kept_or_not_the_base_thinks_the_same_of_what_each_wrote(model, tmp_path):
    written = {BASE: [[[9, 8]], [[7, 3, 2]], [[]]], "a": [[[1]], [[7, 3]], [[2, 2]]]}
    together = Variants(model, ["a"], whole={"a": model}).scored(PREFIXES, written)
    for _ in range(2):
        apart = Variants(model, ["a"], whole={"a": model}, kept=Kept(tmp_path, "w")).scored(PREFIXES, written)
        assert set(apart) == {BASE, "a"}
        for name, rows in together.items():
            for row, other, ids in zip(rows, apart[name], written[name], strict=True):
                assert [len(x) for x in row] == [len(x) for x in ids]
                for x, y in zip(row, other, strict=True):
                    np.testing.assert_allclose(x, y, atol=1e-5)


def test_what_is_remembered_is_made_once_for_a_model_while_there_is_room(tmp_path, monkeypatch):
    made = []

    def make(n):
        made.append(n)
        return torch.full((4,), float(n))

    folder = Kept(tmp_path)
    for _ in range(2):
        assert folder.of("w").remembered(("a",), lambda: make(1)).tolist() == [1] * 4
    assert folder.of("v").remembered(("a",), lambda: make(2)).tolist() == [2] * 4
    assert made == [1, 2]
    monkeypatch.setattr(kept, "ROOM", 40)  # two of these take 32
    folder.of("w").remembered(("b",), lambda: make(3))
    folder.of("v").remembered(("a",), lambda: make(4))
    folder.of("w").remembered(("a",), lambda: make(5))
    assert made == [1, 2, 3, 5]
    assert not list(tmp_path.iterdir())


def test_the_base_reads_a_row_once_and_says_the_same(model, tmp_path):
    row, at, read = plain_row([5, 6, 7, 8]), torch.tensor([1, 3]), []

    def token_logps(*given):
        read.append(given)
        return forward.token_logps(*given)

    keeping = Variants(model, ["a"], whole={"a": model}, kept=Kept(tmp_path, "w"))
    plain = Variants(model, ["a"], whole={"a": model}).read(BASE, row, at, forward.token_logps, "packed")
    for name in (BASE, BASE, "a", "a"):
        torch.testing.assert_close(keeping.read(name, row, at, token_logps, "packed"), plain, rtol=0, atol=0)
    keeping.read(BASE, row, torch.tensor([1, 2]), token_logps, "packed")
    keeping.read(BASE, plain_row([5, 6, 9, 8]), at, token_logps, "packed")
    assert len(read) == 1 + 2 + 2
