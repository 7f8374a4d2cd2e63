"""`SteerTrainer`: a `transformers.Trainer` whose examples are token trees and whose loss is normalised per step.

It adds to the loop what trees need: packed rows, a reference computed once, denominators over the whole optimizer
step, checkpoints that are whole, λ under a drift budget, trees dealt over the ranks. Everything else is the parent's.
The arithmetic is elsewhere.
"""

import contextlib
import json
import logging
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from midcourse.errors import InputError
from midcourse.model import LoadedModel
from midcourse.objective import LossSettings, Totals, discounted, find_loss, step_loss
from midcourse.train import checkpoint, guards, output, sharded
from midcourse.train.adapter import open_model, was_trained, with_lora
from midcourse.train.batch import RowTensors, run_row, totals
from midcourse.train.config import SteerConfig
from midcourse.train.drift import DevDrift, Looks, adapted
from midcourse.train.examples import Examples, to_trees
from midcourse.train.heap import keep_heap
from midcourse.train.limits import READING, disk_named, memory_named
from midcourse.train.metrics import Seen, pair_metrics
from midcourse.train.mix import MixedOrder
from midcourse.train.precision import NoiseFloor, noise_floor
from midcourse.train.progress import reference_bar
from midcourse.train.ranks import Ranks
from midcourse.train.reference import ReferenceCache, TreeReference
from midcourse.train.saving import STATE, SavingTrainer
from midcourse.train.shelf import Shelf
from midcourse.train.sources import gather
from midcourse.train.trees import HeldTrees, Parts, Trees
from midcourse.train.verdicts import discounts, votes
from midcourse.train.writers import Writers
from midcourse.tree.attention import attention_kind
from midcourse.tree.forward import Path as ForwardPath
from midcourse.tree.forward import choose_path, has_plain_head
from midcourse.tree.pack import Row, pack
from midcourse.tree.token_tree import TokenTree, split_tree

__all__ = ["SteerTrainer"]

logger = logging.getLogger(__name__)
_FALLING = 0.1
"""Share of steers whose chosen text may become less likely before a warning."""


class SteerTrainer(SavingTrainer):
    """Train a model on steers.

    Args:
        model: `builtin`, a folder, a hub id, what `load_model` gives, or a model of transformers. A `PeftModel` is
            trained as it is; anything else gets a LoRA adapter unless `args.use_peft` is false.
        args: Settings.
        train_dataset: Rows with the columns of docs/bring-your-own.md (a `datasets.Dataset`, or mappings), or
            `Trajectory` values.
        eval_dataset: The dev part, in the same form. λ and early stopping see this and nothing else.
        processing_class: The tokenizer, needed with a loaded model: a `TextTokenizer` or transformers' fast one.
        peft_config: A PEFT config in place of the default LoRA.
        mix_datasets: Data to mix in, in the same form, by the name under which `args.mix` gives their share. They are
            read only as far as the run can use them.

    Raises:
        InputError: Nothing in the data can be learnt from.
        TokenizerMismatch: The data's ids are another tokenizer's.
        ModelError: The model cannot be trained exactly.
    """

    loss_is_scaled_for_ga = True
    is_fsdp_enabled: bool

    def __init__(
        self,
        model: Any,
        args: SteerConfig,
        train_dataset: Iterable[Any] | None = None,
        eval_dataset: Iterable[Any] | None = None,
        processing_class: Any = None,
        peft_config: Any = None,
        mix_datasets: Mapping[str, Iterable[Any]] | None = None,
        **kwargs: Any,
    ) -> None:
        if train_dataset is None:
            raise InputError("SteerTrainer needs `train_dataset`: rows of steers or trajectories")
        # Known by the hash of its files, as adapters and texts name it; a model that came loaded is hashed in memory.
        by_files = isinstance(model, (str, Path, LoadedModel))
        model, self.text_tokenizer, self.base = open_model(model, processing_class)
        options = args.tree_options(
            max_depth=getattr(model.config.get_text_config(), "max_position_embeddings", None),
            end_ids=self.text_tokenizer.eos,
        )
        shelf = Shelf(Path(args.output_dir) / "trees", args.held_tokens, Ranks.here())
        with disk_named(Path(args.output_dir)):
            self.examples = to_trees(train_dataset, self.text_tokenizer, options, shelf)
            self.dev: Examples | None = None
            if eval_dataset is not None:
                self.dev = to_trees(eval_dataset, self.text_tokenizer, options, shelf.named("dev"))
            self.data = gather(self.examples, mix_datasets or {}, args, self.text_tokenizer, options, shelf)
        self.loss = find_loss(args.loss_type)
        self.retain_weight = args.loss_settings().retain_weight
        self.forward_path: ForwardPath
        self.forward_path, reason = choose_path(model)
        if args.forward_path != "auto":
            self.forward_path, reason = cast(ForwardPath, args.forward_path), None
        if reason:
            logger.warning("This model is trained one row per branch, which is slower: %s", reason)
        key = {
            "weights": self.base.weights,
            "dtype": str(model.dtype),
            "path": self.forward_path,
            "window": args.window,
        }
        if quantization := getattr(model.config, "quantization_config", None):
            key["quantization"] = getattr(quantization, "to_dict", lambda: quantization)()
        key |= {"attention": attention_kind(model), "rope": getattr(model.config, "rope_parameters", None)}
        folder = Path(args.reference_cache or Path(args.output_dir) / "reference")
        base = self.base if by_files else None
        self.writers = Writers([Path(f) for f in args.writers or []], self.examples.writers, base)
        self.references = ReferenceCache(folder, key, args.retain_top_k, args.logits_memory, self.writers)
        if args.use_peft and not hasattr(model, "disable_adapter"):
            model = with_lora(model, args, peft_config)
        self._seen = Seen()
        self._drift: DevDrift | None = None
        self._noise: NoiseFloor | None = None
        self._discounts: Tensor | None = None
        super().__init__(
            model=model,
            args=args,
            data_collator=list,
            train_dataset=self.data.trees,  # a sequence is all a map-style dataset needs to be
            eval_dataset=self.dev.trees if self.dev else None,
            **kwargs,
        )
        self.model_accepts_loss_kwargs = True
        if args.max_drift is not None:
            self.add_callback(Looks())
        self.ranks = Ranks.here(lockstep=self.is_fsdp_enabled)
        self._check_ranks()
        self._fresh = True
        self._idle = Row.of(self.data.trees.shortest(1))
        self._starts_at_zero = not was_trained(self.model)

    def _check_ranks(self) -> None:
        if self.ranks.count != self.accelerator.num_processes:
            raise InputError(
                f"torch.distributed has {self.ranks.count} processes and accelerate {self.accelerator.num_processes}. "
                "Make the SteerConfig once in each process, after the launcher has set RANK and WORLD_SIZE"
            )
        if self.ranks.lockstep:
            if self.args.writers:
                raise InputError("--writers needs the weights whole in each process: leave it out, or --fsdp")
            sharded.check(self.forward_path, adapter=hasattr(self.model, "peft_config"))
            has_plain_head(self.model)  # tried while the weights are whole
        # Constant in these models; told so, DDP does not send them round in every pass, of which ranks may make unequal
        # numbers where each branch has its own.
        self.model._ddp_params_and_buffers_to_ignore = [name for name, _ in self.model.named_buffers()]

    def create_accelerator_and_postprocess(self) -> None:
        """Weights are sharded on CPUs too where that is asked for."""
        super().create_accelerator_and_postprocess()
        launched = os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true"
        asked = self.args.fsdp_plugin_args is not None or launched
        if asked and not self.is_fsdp_enabled and self.args.world_size > 1:
            sharded.shard_on_cpu(self.accelerator, self.args.fsdp_plugin_args)
            self.is_fsdp_enabled = True

    # -- the loop --------------------------------------------------------------------------------------------------

    def train(self, resume_from_checkpoint: str | bool | None = None, **kwargs: Any) -> Any:
        """Train; `resume_from_checkpoint=True` takes the newest complete checkpoint, or starts where there is none."""
        if resume_from_checkpoint is True:
            newest = checkpoint.newest_complete(Path(self.args.output_dir))
            resume_from_checkpoint = self.ranks.gathered(str(newest) if newest else None)[0]
        if resume_from_checkpoint:
            self._restore(json.loads((Path(resume_from_checkpoint) / STATE).read_text()))
        if self.args.device.type == "cpu":
            keep_heap()
        self._fresh = not resume_from_checkpoint
        with disk_named(Path(self.args.output_dir)):
            if not self.ranks.lockstep:
                self._prepare_reference(fresh=self._fresh)
            return super().train(resume_from_checkpoint=resume_from_checkpoint, **kwargs)

    def _prepare_for_training(self, *args: Any, **kwargs: Any) -> Any:
        """What is too large for one process is read as soon as it lies in shards."""
        prepared = super()._prepare_for_training(*args, **kwargs)
        if self.ranks.lockstep:
            self._prepare_reference(fresh=self._fresh)
        return prepared

    def get_train_dataloader(self) -> Any:
        """Batches of the whole run in one order, as numbers of trees; `get_batch_samples` reads this rank's share.

        The order is then a matter of seed and pass alone, however many ranks there are.
        """
        size = self._train_batch_size * self.ranks.count
        numbers: Any = range(len(self.data.trees))
        loader = self._get_dataloader(numbers, "Training", size, sampler_fn=self._get_train_sampler, is_training=True)
        if self.ranks.count > 1:
            batches = loader.batch_sampler  # accelerate's, which is to deal out nothing and to fill up nothing
            batches.num_processes, batches.process_index, batches.even_batches = 1, 0, False
        return loader

    def _order(self) -> MixedOrder | None:
        return self.data.order(self.args, lambda: int(self.state.epoch or 0))

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        return self._order() or super()._get_train_sampler(train_dataset)

    @property
    def pass_length(self) -> int:
        """Examples of a pass."""
        return len(self._order() or self.data.trees)

    def _restore(self, state: dict[str, Any]) -> None:
        """Go on with λ and the mix of a checkpoint."""
        self.retain_weight = state["retain_weight"]
        self._keep_step(state.get("examples_a_step", self.examples_a_step))
        changed = self.data.check_continues(state)
        if changed and self.ranks.first:
            logger.warning(changed)

    @property
    def examples_a_step(self) -> int:
        """Trajectories of one optimizer step, over all micro-steps and ranks."""
        each: int = self.args.train_batch_size * self.args.gradient_accumulation_steps
        return each * self.ranks.count

    def _keep_step(self, examples: int) -> None:
        """As many examples an optimizer step as before: the steps of a checkpoint are counted in them."""
        if examples == self.examples_a_step:
            return
        each, rest = divmod(examples, self.args.train_batch_size * self.ranks.count)
        if rest:
            raise InputError(
                f"the checkpoint was made with {examples} examples a step, which {self.ranks.count} processes of "
                f"{self.args.train_batch_size} each cannot take. Set --per_device_train_batch_size to a divisor"
            )
        self.args.gradient_accumulation_steps = each

    def _position(self) -> dict[str, int]:
        """How many examples of each source were drawn so far."""
        order = self._order()
        if order is None:
            return {}
        size = self.examples_a_step
        per_pass = -(-len(order) // size)
        epoch, steps = divmod(self.state.global_step, per_pass)
        return order.position(epoch, min(steps * size, len(order)))

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: torch.device) -> tuple[list[Any], Any]:
        """This rank's micro-batches of one optimizer step, and the denominators over all of them and all ranks."""
        batches, _ = super().get_batch_samples(epoch_iterator, num_batches, device)
        numbers = [number for batch in batches for number in batch]
        facts = {number: self.data.trees.facts(number) for number in numbers}
        if self.ranks.count > 1:
            share = self.ranks.share(numbers, lambda number: facts[number].tokens)
            batches = [share[n :: len(batches)] for n in range(len(batches))]
        read = [[self.data.trees[number] for number in batch] for batch in batches]
        self._seen.step(tree for batch in read for tree in batch)
        return read, totals(facts[number] for number in numbers)

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Tensor:
        """Forward and backward over the rows of a micro-batch, one row at a time; gradients meet after the last."""
        # In half precision the same tree packed otherwise gives other numbers: each has a row of its own, as its
        # reference had.
        alone = self.accelerator.unwrap_model(model).dtype != torch.float32
        trees = self.parts(inputs)
        rows = [Row.of([t]) for t in trees] if alone else pack(trees, self.args.max_tokens)
        total = torch.zeros((), device=self.args.device)
        # Gradients meet even where there is nothing to add.
        rounds = list(self.ranks.rounds(rows, self._idle, least=1))
        for n, (row, counts) in enumerate(rounds):
            last = n == len(rounds) - 1
            unsynced = contextlib.nullcontext() if last else self.accelerator.no_sync(model)
            with unsynced, memory_named(row.trees, self.args.max_tokens):
                total += super().training_step(model, {"row": row, "counts": counts}, num_items_in_batch)
        return total

    def parts(self, trees: Iterable[TokenTree]) -> list[TokenTree]:
        """Trees over the budget in parts. Done here and not before, a batch holds the same whichever the budget."""
        return [part for tree in trees for part in split_tree(tree, self.args.max_tokens)]

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The loss of one row, normalised by the step's denominators."""
        row: Row = inputs["row"]
        retain = self.retain_weight > 0
        references = [self._held_to(t) for t in row.trees]
        read = run_row(model, row, references, self.forward_path, retain=retain, memory=self.args.logits_memory)
        loss, metrics = self._loss(read, num_items_in_batch)
        if inputs.get("counts", True):
            self._seen.note(row, read, metrics, self._settings)
        else:
            loss = loss * 0
        loss = loss * self.ranks.count  # ranks average their gradients; the denominators are already those of all
        return (loss, read) if return_outputs else loss

    def _held_to(self, tree: TokenTree) -> TreeReference:
        """The reference of a tree, without the share of what was turned down where the text was let stand."""
        known = self.references.entry(tree)
        if self._discounts is None:
            return known
        top_logps, rest = discounted(known.top_ids, known.top_logps, known.rest, self._discounts)
        return replace(known, top_logps=top_logps, rest=rest)

    @property
    def _settings(self) -> LossSettings:
        """The numbers as they stand now: λ may have answered to drift."""
        settings: LossSettings = self.args.loss_settings(retain_weight=self.retain_weight)
        return settings

    def _loss(self, read: RowTensors, step: Totals) -> tuple[Tensor, dict[str, Tensor]]:
        return step_loss(
            self.loss, read.pairs, read.retained_kl, read.text_logps, read.text_weight, step, self._settings
        )

    # -- before the first step --------------------------------------------------------------------------------------

    def _prepare_reference(self, *, fresh: bool) -> None:
        """Cache the reference of each tree that the run compares, then check the two invariants that training rests on.

        Of the trees only those that are needed are read.
        """
        model, dev = self.model, self.dev.trees if self.dev else HeldTrees([])
        if model.dtype in (torch.bfloat16, torch.float16):
            few = self.parts([*self.data.trees.shortest(2), *dev.shortest(2)])
            self._noise = noise_floor(model, few, self.forward_path)
            if self.ranks.first:
                kind = str(model.dtype).removeprefix("torch.")
                logger.warning("In %s, %s", kind, self._noise or "noise is not known")
        if self.forward_path == "packed":
            branching = [t for trees in (self.data.trees, dev) for t in trees.shortest(1, trees.branching)]
            guards.check_packed_equals_rows(model, self.parts(branching))
        needed = (self._cut(self.data.trees, self.data.compared(self.args, self.examples_a_step)), self._cut(dev))
        if not fresh and not hasattr(model, "disable_adapter"):
            missing = [name for trees in needed for name in self.references.missing(trees)]
            if missing:
                raise InputError(
                    f"the reference of {len(missing)} trees is not cached and all weights are trained, so it cannot be "
                    "computed any more. Start the run anew, or restore the folder `reference` of the run"
                )
        self._count_votes()
        if self.retain_weight > 0 and self.ranks.first:
            for sentence in self.writers.doubts():
                logger.warning(sentence)
        bar = reference_bar(sum(map(len, needed)), self.args.disable_tqdm or not self.ranks.first)
        for trees in needed:
            self.references.fill(model, trees, self.forward_path, bar, self.ranks)
        if self.dev is not None and self._drift is None:
            self._drift = DevDrift.of(model, needed[1], self.forward_path, self.ranks)
        if fresh and self._starts_at_zero:
            pool = needed[0] or needed[1]
            some = pool[:: max(1, len(pool) // 3)][:3]
            entries = [self.references.entry(t) for t in some]
            guards.check_policy_is_reference(model, some, entries, self.forward_path, self.writers)

    def _count_votes(self) -> None:
        """What the data say of each token; every rank counts its share."""
        if self._discounts is None and self.args.retain_discount:
            trees, size = self.data.trees, self.model.config.get_text_config().vocab_size
            mine = votes((trees[n] for n in range(self.ranks.index, len(trees), self.ranks.count)), size)
            down, stand = (torch.stack(part).sum(0) for part in zip(*self.ranks.gathered(mine), strict=True))
            self._discounts = discounts(down, stand, self.args.retain_discount)

    def _cut(self, trees: Trees, at: Any = None) -> Parts:
        return Parts(trees, self.args.max_tokens, at)

    # -- metrics ---------------------------------------------------------------------------------------------------

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the means of what was seen since the last time."""
        if "loss" in logs and (means := self._seen.means(self.ranks)):
            logs = {**logs, **means, "retain_weight": self.retain_weight}
        super().log(logs, start_time)

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Loss, rewards and drift on the dev part; adapts λ when `max_drift` is set."""
        given = eval_dataset if eval_dataset is not None else self.eval_dataset or []
        given = given if isinstance(given, Trees) else HeldTrees(given)
        trees = self._cut(given)
        if not len(trees):
            raise InputError("there is no dev part to evaluate on: give `eval_dataset`, or more prompts")
        self.references.fill(self.model, trees, self.forward_path, lambda: None, self.ranks)
        self._count_votes()
        step = totals(given.facts(number) for number in range(len(given)))
        sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        self.model.eval()
        mine = self.ranks.share(range(len(trees)), lambda number: int(trees.tokens[number]))
        for number, counts in self.ranks.rounds(mine, trees.smallest):
            tree = trees[number]
            with torch.no_grad(), memory_named([tree], self.args.max_tokens, otherwise=READING):
                read = run_row(self.model, Row.of([tree]), [self._held_to(tree)], self.forward_path)
                loss, _ = self._loss(read, step)
            if counts:
                parts = {"loss": loss * len(trees), **pair_metrics(read.pairs, self._settings)}
                for name, value in parts.items():
                    sums[name] = [sums[name][0] + float(value), sums[name][1] + 1]
        metrics = {f"{metric_key_prefix}_{n}": v / c for n, (v, c) in self.ranks.summed(sums).items()}
        if self._drift is not None:
            drift = self._drift.measure(self.model, self.forward_path, self.ranks)
            metrics[f"{metric_key_prefix}_drift/kl_retained"] = drift
            if self.args.max_drift is not None:
                start = self.args.loss_settings().retain_weight
                self.retain_weight = adapted(self.retain_weight, start, drift, self.args.max_drift)
        share = self._seen.forget_falls(self.ranks)
        if share > _FALLING and self.ranks.first:
            logger.warning(
                "The chosen text became less likely on %.0f%% of steers. Raise sft_weight or displacement_guard, or "
                "lower learning_rate",
                100 * share,
            )
        self.log(metrics)
        self.control: Any = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    # -- what a run keeps and says -----------------------------------------------------------------------------------

    def _kept(self) -> dict[str, Any]:
        state = {"retain_weight": self.retain_weight, "examples_a_step": self.examples_a_step}
        return {**state, **self.data.kept(), "drawn": self._position()}

    def _record(self, folder: Path) -> None:
        evals = [h for h in self.state.log_history if "eval_loss" in h]
        facts = {
            **output.data_facts(self.examples),
            "retain_weight_at_end": self.retain_weight,
            "noise_floor": asdict(self._noise) if self._noise else None,
            "metrics": {k: v for k, v in evals[-1].items() if k.startswith("eval_")} if evals else {},
        }
        output.complete(folder, self.model)
        output.write_record(folder, self.base, self.args, facts)
        output.write_card(folder, self.base, self.args, facts)
