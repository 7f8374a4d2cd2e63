"""The same forks trained in four ways, each a function that runs one step: a reference pass, forward and backward.

One tree; both sides of a fork behind one prefix; a batch of two plain rows per fork; TRL's `DPOTrainer` on one pair.
All but the last share the model, the loss and the head, so that they differ in nothing but in what is run together.
"""

import contextlib
import time
import warnings
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from tree_cost import Size, tree_of

from midcourse.model import load_model, resolve
from midcourse.train.batch import run_row
from midcourse.train.head import Head, Labels, read_head
from midcourse.train.readings import read_reference
from midcourse.train.reference import TreeReference
from midcourse.tree.attention import base_of
from midcourse.tree.forward import standing_in
from midcourse.tree.pack import Row
from midcourse.tree.token_tree import TokenTree

MEMORY = 512
"""MB of logits at a time, on all sides."""
CHECKPOINT_FROM = 4096
LORA = {"r": 16, "lora_alpha": 32, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}


def load(name: str, dtype: str, *, moved: bool = False, checkpointed: bool = False) -> Any:
    """The model with a fresh LoRA adapter on all linear layers; `moved`: away from zero, so that all have gradients."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    model = get_peft_model(load_model(name, dtype=dtype).model, LoraConfig(**LORA))
    if moved:
        with torch.no_grad():
            for parameter_name, parameter in model.named_parameters():
                if "lora_B" in parameter_name:
                    parameter.normal_(std=0.02)
    if checkpointed:
        model.enable_input_require_grads()
        base_of(model).activation_checkpointing_enable({"use_reentrant": False})
        model.train()
    return model


def gradient(model: Any) -> Tensor:
    return torch.cat([p.grad.flatten().double() for p in model.parameters() if p.grad is not None])


def contrast(sides: list[Tensor], reference: list[Tensor], count: int) -> Tensor:
    """The localized contrast of pairs [P, b], chosen and rejected, normalised by how many there are in all."""
    decay = 0.95 ** torch.arange(sides[0].shape[1])
    plus, minus = ((decay * (x - r)).sum(1) for x, r in zip(sides, reference, strict=True))
    return -F.logsigmoid(0.4 * (plus - minus)).sum() / count


class Ours:
    """The variants of one size on one model."""

    def __init__(self, model: Any, size: Size) -> None:
        self.model, self.size = model, size
        self.base = base_of(model)
        self.vocabulary = self.base.config.get_text_config().vocab_size

    def tree(self, forks: list[int] | None = None) -> tuple[Tensor, Tensor]:
        """One tree; log-probabilities of its pairs [P, b], chosen and rejected."""
        return self._packed(tree_of(self.size, self.vocabulary, forks), len(forks or range(self.size.forks)))

    def shared(self, fork: int, count: int | None = None) -> tuple[Tensor, Tensor]:
        """Both sides of a fork in one row behind one prefix."""
        return self._packed(tree_of(self.size, self.vocabulary, [fork]), count or self.size.forks)

    def _packed(self, tree: TokenTree, count: int) -> tuple[Tensor, Tensor]:
        row = Row.of([tree])
        with torch.no_grad(), self.model.disable_adapter():
            reference = TreeReference(
                *read_reference(self.model, row, tree.labels, tree.retained, 64, "packed", MEMORY)
            )
        x = run_row(self.model, row, [reference], "packed", retain=False, memory=MEMORY).pairs
        sides, before = (
            [part.view(-1, self.size.branch) for part in both]
            for both in ((x.chosen, x.rejected), (x.ref_chosen, x.ref_rejected))
        )
        contrast(sides, before, count).backward()
        return sides[0].detach(), sides[1].detach()

    def pair(self, fork: int, count: int | None = None) -> tuple[Tensor, Tensor]:
        """Two plain rows of the same length in one batch: no padding, no mask, causal attention."""
        tree = tree_of(self.size, self.vocabulary, [fork])
        b, prefix = self.size.branch, self.size.prefixes[fork]
        (only,) = tree.pairs
        ids = torch.from_numpy(tree.token_ids)
        rows = torch.stack([torch.cat([ids[:prefix], ids[side]]) for side in (only.chosen, only.rejected)])
        with torch.no_grad(), self.model.disable_adapter():
            reference = self._logps(rows, prefix, b)
        logps = self._logps(rows, prefix, b)
        sides = [logps[:1], logps[1:]]
        contrast(sides, [reference[:1], reference[1:]], count or self.size.forks).backward()
        return sides[0].detach(), sides[1].detach()

    def _logps(self, rows: Tensor, prefix: int, b: int) -> Tensor:
        head = self.base.get_output_embeddings()
        targets = rows[:, prefix:].flatten()

        def read(hidden: Tensor) -> Tensor:
            at = torch.arange(len(targets))
            return read_head(hidden.flatten(0, 1), Head(head.weight, head.bias, MEMORY), Labels(at, targets)).view(2, b)

        with standing_in(head, read):
            wanted = torch.arange(prefix - 1, prefix + b - 1)
            logits: Tensor = self.model(input_ids=rows, logits_to_keep=wanted, use_cache=False).logits
        return logits


class Trl:
    """TRL's own step on the same ids: no text is tokenized, so that no end token is added to a side."""

    def __init__(self, name: str, dtype: str, size: Size, folder: Path, *, checkpointed: bool) -> None:
        from datasets import Dataset, disable_progress_bars
        from peft import LoraConfig
        from transformers import AutoTokenizer
        from trl import DPOConfig, DPOTrainer

        self.size = size
        disable_progress_bars()
        torch.manual_seed(0)
        loaded = load_model(name, dtype=dtype)
        args = DPOConfig(
            output_dir=str(folder),
            max_length=None,
            per_device_train_batch_size=1,
            use_cpu=True,
            bf16=False,
            report_to="none",
            disable_tqdm=True,
            gradient_checkpointing=checkpointed,
            beta=0.4,
        )
        toy = Dataset.from_list([{"prompt": "a", "chosen": " b", "rejected": " c"}] * 2)
        with warnings.catch_warnings(), contextlib.redirect_stdout(None):
            warnings.simplefilter("ignore")
            self.trainer = DPOTrainer(
                loaded.model,
                args=args,
                train_dataset=toy,
                processing_class=AutoTokenizer.from_pretrained(resolve(name)),
                peft_config=LoraConfig(**LORA),
            )
        self.trainer.current_gradient_accumulation_steps = 1  # what its loop would set
        self.vocabulary = base_of(self.trainer.model).config.get_text_config().vocab_size

    def pair(self, fork: int) -> None:
        tree = tree_of(self.size, self.vocabulary, [fork])
        (only,) = tree.pairs
        prefix = self.size.prefixes[fork]
        prompt, chosen, rejected = (tree.token_ids[i].tolist() for i in (range(prefix), only.chosen, only.rejected))
        batch = self.trainer.data_collator([{"prompt_ids": prompt, "chosen_ids": chosen, "rejected_ids": rejected}])
        self.trainer.training_step(self.trainer.model, batch)


def timed(model: Any, run: Any) -> float:
    """Seconds of one step, gradients dropped afterwards."""
    begin = time.perf_counter()
    run()
    taken = time.perf_counter() - begin
    model.zero_grad(set_to_none=True)
    return taken
