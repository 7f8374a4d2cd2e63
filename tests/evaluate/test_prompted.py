"""Another prompt in place of one: trees read behind it are plain rows read behind it, and samples go on from it."""

import numpy as np
import pytest
import torch

from growing import Growing, tiny_model
from midcourse.evaluate.prompted import Prompted, PromptedVariants
from midcourse.evaluate.sampling import sample
from midcourse.tree.forward import token_logps
from midcourse.tree.pack import Row, plain_row
from midcourse.tree.token_tree import build_tree

LONGER = Prompted({(5, 6, 7): (50, 51, 52, 5, 6, 7), (8,): (9,)})
SHORTER = Prompted({(5, 6, 7): (50,)})


def steered():
    return (
        Growing([5, 6, 7], "t").write([10, 11, 12]).steer(2, [30]).write([13, 14]).steer(1, [31, 32]).write([15]).value
    )


def test_only_known_prompts_are_replaced():
    assert LONGER.ids([5, 6, 7, 1, 2]) == [50, 51, 52, 5, 6, 7, 1, 2]
    assert LONGER.ids([8, 1]) == [9, 1]
    assert LONGER.ids([5, 6, 1]) == [5, 6, 1]
    assert LONGER.known([]) == 0
    assert LONGER.hash != SHORTER.hash


@pytest.mark.parametrize("prompted", [LONGER, SHORTER])
def test_a_tree_behind_another_prompt_gives_what_plain_rows_give(prompted):
    model, trajectory = tiny_model(), steered()
    row = Row.of([build_tree(trajectory).tree])
    moved_row, moved = prompted.row(row)
    behind = np.arange(3, len(row))
    found = token_logps(model, moved_row, torch.from_numpy(behind + moved))
    assert moved_row.token_ids[behind + moved].tolist() == row.token_ids[behind].tolist()
    for at, value in zip(behind, found.tolist(), strict=True):
        path = [int(at)]
        while row.parent[path[-1]] >= 0:
            path.append(int(row.parent[path[-1]]))
        ids = prompted.ids(row.token_ids[path[::-1]].tolist())
        [alone] = token_logps(model, plain_row(ids), torch.tensor([len(ids) - 1])).tolist()
        assert value == pytest.approx(alone, abs=1e-5)


def test_a_row_without_a_known_prompt_stays():
    row = plain_row([1, 2, 3])
    assert LONGER.row(row) == (row, 0)
    assert LONGER.row(plain_row([8, 3]))[0].token_ids.tolist() == [9, 3]


def test_a_fork_inside_the_prompt_is_refused():
    text = Growing([5], "t").write([6, 7, 8]).steer(2, [9]).value
    row = Row.of([build_tree(text).tree])
    with pytest.raises(ValueError, match="leaves inside its prompt"):
        Prompted({tuple(row.token_ids[:3].tolist()): (1, 2)}).row(row)


def test_the_base_is_shown_what_stands_there_and_the_other_what_is_shown():
    variants = PromptedVariants(tiny_model(), LONGER, "shown")
    assert variants.names == ("base", "shown")
    asked = [[5, 6, 7, 10], [8, 3]]
    with torch.no_grad():
        behind = sample(variants.model, [LONGER.ids(p) for p in asked], [4, 4], n=2)
        plain = sample(variants.model, asked, [4, 4], n=2)
    assert variants.sample("shown", asked, [4, 4], n=2) == behind
    assert variants.sample("base", asked, [4, 4], n=2) == plain
    with pytest.raises(KeyError), variants.using("other"):
        pass
