import numpy as np
import torch

from midcourse.evaluate.sampling import sample, score

PREFIXES = [[5, 6, 7, 8], [9], [1, 2], [3, 4, 5, 6, 7, 8, 9]]


def test_greedy_is_the_plain_argmax_of_each_prefix(model):
    for prefix, (one,) in zip(PREFIXES, sample(model, PREFIXES, [6] * 4, greedy=True), strict=True):
        ids = list(prefix)
        for _ in range(6):
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
        assert list(one.token_ids) == ids[len(prefix) :]


def test_a_sample_depends_on_its_own_luck_only(model):
    together = sample(model, PREFIXES, [8] * 4, n=3, seed=1)
    again = sample(model, PREFIXES[:1], [8], n=3, seed=1)
    assert together[0] == again[0]
    assert len({s.token_ids for s in together[0]}) > 1


def test_some_are_drawn_and_some_are_likeliest_in_one_batch(model):
    drawn, likeliest = (sample(model, PREFIXES, [6] * 4, seed=2, greedy=g) for g in (False, True))
    mixed = sample(model, PREFIXES, [6] * 4, seed=2, greedy=[True, False, False, True])
    assert mixed == [likeliest[0], drawn[1], drawn[2], likeliest[3]]
    assert drawn != likeliest


def test_samples_follow_the_distribution(model):
    p = model(torch.tensor([[5, 6]])).logits[0, -1].softmax(-1).numpy()
    drawn = [s.token_ids[0] for s in sample(model, [[5, 6]], [1], n=2000)[0]]
    assert np.abs(np.bincount(drawn, minlength=30) / 2000 - p).max() < 0.04


def test_end_token_ends_and_is_not_kept(model):
    first = sample(model, [[5, 6]], [1], greedy=True)[0][0].token_ids[0]
    (one,) = sample(model, [[5, 6]], [5], greedy=True, end_ids=[first])[0]
    assert (one.token_ids, one.ended) == ((), True)
    assert one.scored_ids(first) == (first,)


def test_rows_that_end_early_leave_the_batch_and_change_nothing(model):
    lengths = [1, 2, 12, 3]
    together = sample(model, PREFIXES, lengths, n=2, seed=5)
    for length, row in zip(lengths, together, strict=True):
        assert [len(s.token_ids) for s in row] == [length] * 2
    assert together[2] == sample(model, PREFIXES, [12] * 4, n=2, seed=5)[2]


def test_scores_are_those_of_plain_rows(model):
    continuations = [[[1, 2, 3], [4]], [[7, 7]], [[], [8, 9]], [[2]]]
    for prefix, texts, found in zip(PREFIXES, continuations, score(model, PREFIXES, continuations), strict=True):
        for text, values in zip(texts, found, strict=True):
            assert len(values) == len(text)
            if text:
                logps = model(torch.tensor([prefix + text])).logits[0].log_softmax(-1)
                expected = [logps[len(prefix) + i - 1, t].item() for i, t in enumerate(text)]
                np.testing.assert_allclose(values, expected, atol=1e-5)
