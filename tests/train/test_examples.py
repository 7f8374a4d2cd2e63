"""What a user hands over as data becomes trees."""

import datasets
import pytest

from growing import random_trajectory, tiny_model
from midcourse.errors import InputError, TokenizerMismatch
from midcourse.tokens import TextTokenizer
from midcourse.train import SteerConfig, SteerTrainer
from midcourse.train.examples import to_trees
from midcourse.tree.token_tree import TreeOptions

TEXT = "The cat sat on the mat. The dog ran home."
ROWS = [
    {"prompt": "Tell me. ", "prefix": "The cat ", "rejected": "ran home.", "chosen": "sat on the mat."},
    {"prompt": "Tell me. ", "prefix": "The cat sat on the mat. The ", "rejected": "cat sat", "chosen": "dog ran"},
]


def test_rows_of_one_text_become_one_tree(tiny_tokenizer: TextTokenizer):
    examples = to_trees(datasets.Dataset.from_list(ROWS), tiny_tokenizer, TreeOptions())
    assert len(examples.trees) == 1
    assert examples.steers == 2
    tree = examples.trees[0]
    for pair in tree.pairs:
        assert tree.parent[pair.chosen[0]] == tree.parent[pair.rejected[0]]
    assert "sat" in tiny_tokenizer.decode(tree.token_ids[tree.pairs[0].chosen].tolist())


def test_a_marked_text_is_an_example_too(tiny_tokenizer: TextTokenizer):
    marked = [{"prompt": "Tell me. ", "text": "The {~~dog~>cat~~} sat on the {--big --}mat."}]
    assert to_trees(marked, tiny_tokenizer, TreeOptions()).steers == 2


def test_a_bad_row_is_named_and_the_others_train(tiny_tokenizer: TextTokenizer):
    examples = to_trees([*ROWS, {"prompt": "x"}], tiny_tokenizer, TreeOptions())
    assert examples.steers == 2
    assert any("chosen" in s or "prefix" in s for s in examples.skipped)


def test_equal_sides_teach_nothing(tiny_tokenizer: TextTokenizer):
    with pytest.raises(InputError, match="nothing to train on"):
        to_trees([{**ROWS[0], "rejected": ROWS[0]["chosen"]}], tiny_tokenizer, TreeOptions())


def test_trajectories_of_another_tokenizer_are_refused(tiny_tokenizer: TextTokenizer):
    with pytest.raises(TokenizerMismatch):
        to_trees([random_trajectory(1)], tiny_tokenizer, TreeOptions())


def test_five_lines_of_python(tiny_tokenizer: TextTokenizer, tmp_path):
    model = tiny_model()
    model.resize_token_embeddings(tiny_tokenizer.size, mean_resizing=False)
    config = SteerConfig(output_dir=str(tmp_path), use_cpu=True, disable_tqdm=True, num_train_epochs=1)
    trainer = SteerTrainer(
        model, config, train_dataset=datasets.Dataset.from_list(ROWS), processing_class=tiny_tokenizer
    )
    trainer.train()
    assert trainer.state.global_step == 1
