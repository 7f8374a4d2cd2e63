"""Places where distributions are compared: what is let stand sees no rejected side, so none is read for it."""

import numpy as np
import torch

from midcourse.evaluate.drift import Place, compare, retained_places
from midcourse.evaluate.forks import HeldOut
from midcourse.evaluate.variants import Variants
from midcourse.tree import build_tree
from midcourse.tree.pack import pack
from midcourse.types import Node, Rejected, Steer, Trajectory
from midcourse.types import Place as At


def steered() -> Trajectory:
    """A prompt and three corrections, each of the last two tokens that the model wrote."""
    nodes, steers = [Node.below(None, [1, 2, 3], "prompt", "tok")], []
    for k in range(3):
        wrote = Node.below(nodes[-1], [*range(4, 20), k], "model", "tok")
        put = Node.below(wrote, [20, k], "person", "tok", offset=15)
        nodes += [wrote, put]
        grown = Trajectory("t", tuple(nodes), At(nodes[0].id, 1), "tok")
        fork, side = At(wrote.id, grown.start[wrote.id] + 15), Rejected(grown.end_of(wrote.id))
        steers.append(Steer(f"s{k}", "t", "typed", fork, (side,), grown.end_of(put.id)))
    return grown.with_(head=grown.end_of(nodes[-1].id), steers=tuple(steers))


def test_retained_places_leave_rejected_sides_out_and_change_no_figure(model):
    text = steered()
    tree = build_tree(text).tree
    (place,) = retained_places([HeldOut(text, tree, "g")])
    assert len(place.row) < len(tree), "something was left out"
    assert len(place.targets) == len(tree.retained) > 1
    assert (place.row.token_ids[place.targets] == tree.token_ids[tree.retained]).all()

    (row,) = pack([tree], max_tokens=len(tree))
    whole = Place(row, tree.retained, "g")
    torch.manual_seed(1)
    other = type(model)(model.config).eval()
    variants = Variants(model, ("other",), whole={"other": other})
    short, full = compare(variants, [place]), compare(variants, [whole])
    for name in ("base", "other"):
        for k in (0, 1):
            np.testing.assert_allclose(short[name][k][0], full[name][k][0], atol=1e-5)
    assert float(full["other"][0][0].mean()) > 1e-3
