"""The plain loop and `SteerTrainer` are the same training: loss for loss, weight for weight."""

import ast
import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest
import torch

from midcourse.model import load_model, resolve
from midcourse.train import SteerConfig, SteerTrainer
from model_folder import save_model

RECIPE = Path(__file__).parents[2] / "recipes" / "loop.py"
DEMO = RECIPE.with_name("demo_steers.jsonl")

CHAT = [{"role": "user", "content": "Tea?"}]
ROWS = [
    {"prompt": "Q: a", "prefix": "well, this is", "rejected": " the worst of it all", "chosen": " the best"},
    {"prompt": "Q: a", "prefix": "well, this is the best of days", "rejected": " end", "chosen": " yet", "tail": " so"},
    {"prompt": CHAT, "prefix": "Boil the", "rejected": " milk first", "chosen": " wäter", "tail": " and pour it over."},
    {"prompt": CHAT, "prefix": "", "rejected": "No", "chosen": "Yes, do"},
    {"prompt": "Q: b", "prefix": "it is fine to", "rejected": None, "chosen": " stop", "tail": " now and then"},
    {"prompt": "Q: c", "prefix": "one two three", "rejected": " nine five six", "chosen": " four five", "weight": 2.5},
]


@pytest.fixture
def loop() -> ModuleType:
    spec = importlib.util.spec_from_file_location("loop", RECIPE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def plain(loop: ModuleType, folder: Path, rows: list[dict]) -> tuple[list[float], list[dict[str, torch.Tensor]]]:
    """Losses and adapter weights after every step of the plain loop."""
    model, tokenizer = loop.adapted(folder)
    losses, weights = [], []

    def on_step(step: int, loss: float) -> None:
        losses.append(loss)
        weights.append({n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad})

    loop.train(model, loop.read_texts(rows, tokenizer), on_step)
    return losses, weights


def by_trainer(
    folder: Path, rows: list[dict], out: Path, **settings
) -> tuple[list[float], list[dict[str, torch.Tensor]]]:
    losses, weights = [], []

    class Watched(SteerTrainer):
        def training_step(self, model, inputs, num_items_in_batch=None):
            if losses:
                weights.append({n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad})
            loss = super().training_step(model, inputs, num_items_in_batch)
            losses.append(float(loss))
            return loss

    loaded = load_model(folder)
    config = SteerConfig(
        output_dir=str(out),
        train_sampling_strategy="sequential",
        use_cpu=True,
        disable_tqdm=True,
        save_strategy="no",
        **settings,
    )
    made = Watched(loaded.model, config, rows, processing_class=loaded.tokenizer)
    assert not made.examples.skipped
    made.train()
    weights.append({n: p.detach().clone() for n, p in made.model.named_parameters() if p.requires_grad})
    return losses, weights


def assert_same(one, two, loss: float, weight: float) -> None:
    assert one[0] == pytest.approx(two[0], abs=loss)
    assert len(one[1]) == len(two[1]) == len(one[0])
    for a, b in zip(one[1], two[1], strict=True):
        assert a.keys() == b.keys()
        assert max(float((a[n] - b[n]).abs().max()) for n in a) < weight


@pytest.mark.long
@pytest.mark.parametrize("case", ["defaults", "small windows, all terms"])
def test_step_for_step_the_same_loss_and_the_same_weights(loop, tmp_path, monkeypatch, case):
    folder = save_model(tmp_path / "model")
    settings = {"num_train_epochs": 4, "per_device_train_batch_size": 3, "learning_rate": 2e-3}
    monkeypatch.setattr(loop, "EPOCHS", 4)
    monkeypatch.setattr(loop, "BATCH", 3)
    monkeypatch.setattr(loop, "LR", 2e-3)
    if case != "defaults":
        other = {"BETA": 0.9, "DECAY": 0.7, "WINDOW": 3, "SFT_WEIGHT": 0.3, "RETAIN_WEIGHT": 1.5, "MARGIN": 1}
        for name, value in other.items():
            monkeypatch.setattr(loop, name, value)
        settings |= {n.lower(): v for n, v in other.items() if n != "MARGIN"} | {"retain_margin": 1}
    one, two = plain(loop, folder, ROWS), by_trainer(folder, ROWS, tmp_path / "run", **settings)
    assert len(one[0]) == 8
    assert one[0][-2] < one[0][0]  # the same texts, three passes later
    # Adam divides by the gradient's size: where a gradient is nearly 0, its rounding moves a weight by up to a step.
    assert_same(one, two, loss=2e-5, weight=1e-4)


@pytest.mark.long
@pytest.mark.parametrize(("name", "value"), [("MARGIN", 2), ("DECAY", 0.9), ("TOP_K", 32), ("SEED", 1), ("BETA", 0.5)])
def test_another_loss_would_be_seen(loop, tmp_path, monkeypatch, name, value):
    folder = save_model(tmp_path / "model")
    for setting, small in {"EPOCHS": 2, "LR": 2e-3, name: value}.items():
        monkeypatch.setattr(loop, setting, small)
    one = plain(loop, folder, ROWS)
    two = by_trainer(folder, ROWS, tmp_path / "run", num_train_epochs=2, learning_rate=2e-3)
    with pytest.raises(AssertionError):
        assert_same(one, two, loss=2e-5, weight=1e-4)


@pytest.mark.slow
@pytest.mark.model
@pytest.mark.timeout(900)
def test_the_same_on_the_built_in_model_and_the_demos_steers(loop, tmp_path, monkeypatch):
    rows = [r for r in map(json.loads, DEMO.read_text(encoding="utf-8").splitlines()) if r["split"] == "train"]
    few = sorted(
        {r["trajectory"] for r in rows}, key=lambda t: sum(len(r["prefix"]) for r in rows if r["trajectory"] == t)
    )
    rows = [r for r in rows if r["trajectory"] in few[:4]]
    monkeypatch.setattr(loop, "EPOCHS", 2)
    monkeypatch.setattr(loop, "BATCH", 2)
    one = plain(loop, resolve("builtin"), rows)
    two = by_trainer(resolve("builtin"), rows, tmp_path / "run", num_train_epochs=2, per_device_train_batch_size=2)
    assert len(one[0]) == 4
    assert one[0][0] == pytest.approx(0.6931, abs=1e-3)
    assert_same(one, two, loss=1e-4, weight=2e-4)


def test_every_text_of_the_demo_is_read_as_the_trainer_reads_it(loop, tmp_path):
    """Without running a model: the same ids, forks, sides, masks and retained tokens."""
    from transformers import AutoTokenizer

    from midcourse.tokens import TextTokenizer
    from midcourse.train.examples import to_trees
    from midcourse.tree.token_tree import TreeOptions

    folder = save_model(tmp_path / "model")
    rows = [json.loads(line) for line in DEMO.read_text(encoding="utf-8").splitlines()]
    texts = loop.read_texts(rows, AutoTokenizer.from_pretrained(folder))
    examples = to_trees(rows, TextTokenizer.load(folder), TreeOptions())
    assert not examples.skipped
    for (trunk, pairs, retained), tree in zip(texts, examples.trees, strict=True):
        below = {int(i) for p in tree.pairs for i in p.rejected}
        kept = [i for i in range(len(tree)) if i not in below]
        assert trunk == tree.token_ids[kept].tolist()
        assert retained == tree.position[tree.retained].tolist()
        for (fork, chosen, rejected, counts, weight), p in zip(pairs, tree.pairs, strict=True):
            assert fork == tree.position[p.chosen[0]]
            assert (chosen, rejected) == (tree.token_ids[p.chosen].tolist(), tree.token_ids[p.rejected].tolist())
            assert (counts.tolist(), weight) == (p.rejected_mask.tolist(), p.weight)


def test_it_imports_nothing_of_ours_and_stays_short():
    source = RECIPE.read_text(encoding="utf-8")
    tree = ast.parse(source)
    imported = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    imported |= {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert {name.split(".")[0] for name in imported} == {
        "argparse",
        "itertools",
        "json",
        "math",
        "peft",
        "torch",
        "transformers",
    }
    code = [line for line in source.split('"""', 2)[2].splitlines() if line.strip()]
    assert len(code) < 140
