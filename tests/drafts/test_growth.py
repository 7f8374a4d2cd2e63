import pytest

from midcourse.drafts.growth import before_token, grow, place_at
from midcourse.errors import InputError
from midcourse.types import Node, Place, Trajectory


def base() -> Trajectory:
    root = Node.below(None, [1, 2, 3], "prompt", "t")
    return Trajectory("t1", (root,), Place(root.id, 3), "t")


def test_growing_keeps_the_old_value_and_names_what_is_new():
    t = base()
    grown, end, new = grow(t, t.head, [4, 5], "model", [-1.0, -2.0])
    assert grown.path(end) == [1, 2, 3, 4, 5]
    assert [n.logprobs for n in new] == [(-1.0, -2.0)]
    assert len(t.nodes) == 1
    again, same, none = grow(grown, t.head, [4, 5], "model")
    assert (again.nodes, same, none) == (grown.nodes, end, [])


def test_the_same_ids_by_two_hands_are_two_places():
    t, a, _ = grow(base(), base().head, [4], "model")
    t, b, new = grow(t, base().head, [4], "person")
    t, c, _ = grow(t, base().head, [4], "model")
    assert t.path(a) == t.path(b)
    assert (t.authors(a)[-1], t.authors(b)[-1]) == ("model", "person")
    assert c == a
    assert len(new) == 2


def test_places_on_a_boundary_name_the_node_before_or_after():
    t, end, new = grow(base(), base().head, [4, 5], "model")
    assert place_at(t, end, 3).node == t.nodes[0].id
    assert before_token(t, end, 3) == Place(new[0].id, 3)
    assert t.path(before_token(t, end, 3)) == [1, 2, 3]
    assert before_token(t, end, 5) == end
    with pytest.raises(InputError, match="no depth 6"):
        place_at(t, end, 6)
