"""How alike two people steer, on cases counted by hand."""

from midcourse.capture.studio.agreement import First, compare, mean_of, median_of, similarity


def test_distance_sentence_and_similarity():
    a = First("a", "1", 5, "One. Two is", " bad", " good", "typed")
    b = First("b", "2", 9, "One. Two is not. Three", " x", " Good ", "typed")
    c = First("c", "3", 6, "One. Two is the", " bad", " well done", "typed")
    nobody = First("d", "4")
    ab, ac, ad, bc, *_ = compare([a, b, c, nobody])
    assert (ab.distance, ab.same_sentence, ab.similarity, ab.untouched) == (4, False, 1.0, False)
    assert (ac.distance, ac.same_sentence) == (1, True)
    assert 0 < ac.similarity < 1
    assert (ad.distance, ad.same_sentence, ad.similarity, ad.untouched) == (None, None, None, False)
    assert bc.distance == 3
    assert compare([nobody, First("e", "5")])[0].untouched


def test_similarity_forgives_case_and_space_only():
    assert similarity("a  B", "A b") == 1.0
    assert similarity("abc", "xyz") == 0.0


def test_means_leave_out_what_is_unknown():
    assert median_of([None, 3, 1, 2]) == 2.0
    assert mean_of([True, False, None]) == 0.5
    assert median_of([]) is None
    assert mean_of([None]) is None
