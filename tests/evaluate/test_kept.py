import pytest

from midcourse.evaluate import kept
from midcourse.evaluate.kept import KeptSamples
from midcourse.evaluate.sampling import sample

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
    first = KeptSamples(tmp_path, "w")(model, PREFIXES, [6] * 3, n=2, seed=3, end_ids=[4])
    done = []
    again = KeptSamples(tmp_path, "w")(model, PREFIXES, [6] * 3, n=2, seed=3, end_ids=[4], progress=done.append)
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
    KeptSamples(tmp_path, "w")(model, PREFIXES, [6] * 3, seed=3)
    KeptSamples(tmp_path, weights)(model, prefixes, lengths, **chance)
    assert len(asked) == 2


def test_a_damaged_file_is_written_anew(model, tmp_path, asked):
    first = KeptSamples(tmp_path, "w")(model, PREFIXES, [6] * 3)
    (path,) = tmp_path.glob("*.json")
    path.write_text(path.read_text()[:20])
    assert KeptSamples(tmp_path, "w")(model, PREFIXES, [6] * 3) == first
    assert len(asked) == 2
