"""What a run shows of itself: margins, rewards, how the chosen text moves, each kind of example apart.

Means over what was seen since the last log; parts of the loss add up over the rows of a step. It changes nothing.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from midcourse.objective import PairLogps
from midcourse.objective.margin import localized_sums
from midcourse.objective.settings import LossSettings
from midcourse.train.batch import RowTensors
from midcourse.train.ranks import Ranks
from midcourse.tree.pack import Row
from midcourse.tree.token_tree import TokenTree

__all__ = ["LOGGED", "Seen", "logged", "pair_metrics"]

LOGGED = {
    "loss": "What is minimised, over the tokens and pairs of the whole step.",
    "pair_loss": "Its first part: the pairs.",
    "retain_kl": "Its second part before λ: KL(reference ‖ policy) at the retained positions of the step, in nats per "
    "token, over the reference's `retain_top_k` likeliest tokens and the rest as one. A lower bound, and no drift: "
    "what is trained on says nothing of what is not. With `retain_discount` the reference is the one less that.",
    "text_nll": "Its third part before ν: next-token loss where examples carry it, in nats per token.",
    "retain_weight": "λ as it is now; it moves where `max_drift` is set.",
    "rewards/chosen": "β times the weighted log-ratio of the chosen side, as in TRL but from the fork on.",
    "rewards/rejected": "The same of the rejected side.",
    "rewards/margins": "Their difference.",
    "rewards/accuracies": "Share of pairs whose margin is above 0.",
    "logps/chosen": "log π of the chosen tokens, summed, in nats.",
    "logps/rejected": "log π of the rejected tokens, summed, in nats.",
    "logps/chosen_delta": "How far log π of the chosen tokens has moved from the reference. Below 0 the text the "
    "person put becomes less likely; on more than a tenth of the steers that is a warning.",
    "tree/token_ratio": "Tokens of one row per branch over the tokens that were run: what the trees save.",
    "examples/KIND": "Examples of this kind since the last log: their `source`, or what they teach.",
    "tokens/KIND": "Their tokens.",
    "text_nll/KIND": "Next-token loss on them, in nats per token.",
    "eval_drift/kl_retained": "The drift: KL(reference ‖ policy) over the whole vocabulary at retained positions of "
    "the dev part, in nats per token. `max_drift` answers to it.",
}
"""What is logged beside transformers' own figures, in the log of training; `eval_` before a name: on the dev part."""


def logged(name: str) -> str | None:
    """The entry of `LOGGED` that a name in a log falls under."""
    folder, _, kind = name.partition("/")
    for known in (name, f"{folder}/KIND" if kind else "", name.removeprefix("eval_")):
        if known in LOGGED:
            return known
    return None


_FELL = -0.05
"""Nats below which a chosen text counts as having become less likely."""


@dataclass(slots=True)
class Seen:
    """Sums of metrics between two logs."""

    steps: int = 0
    values: dict[str, list[float]] = field(default_factory=lambda: defaultdict(lambda: [0.0, 0.0]))
    fell: int = 0
    """Chosen texts that became less likely since `forget_falls`."""
    looked: int = 0

    def step(self, trees: Iterable[TokenTree]) -> None:
        """Count the examples of a step, each kind apart."""
        self.steps += 1
        for tree in trees:
            kind = tree.source or tree.teaches
            self.values[f"examples/{kind}"][0] += 1
            self.values[f"tokens/{kind}"][0] += len(tree)

    def note(self, row: Row, read: RowTensors, parts: dict[str, Tensor], settings: LossSettings) -> None:
        """Take in one row: the parts of its loss, its pairs, what kinds of example it holds."""
        for name, value in parts.items():  # they add up over the rows of a step
            self.values[name][0] += float(value)
        chosen, paired = int((read.pairs.chosen_length > 0).sum()), int(read.pairs.paired.sum())
        for name, value in pair_metrics(read.pairs, settings).items():
            count = chosen if "chosen" in name else paired
            self._add(name, float(value) * count, count)
        rows = sum(t.branch_tokens for t in row.trees)
        if rows:
            self._add("tree/token_ratio", rows, sum(len(t) for t in row.trees if t.pairs))
        self._text(row, read)
        delta = _chosen_delta(read.pairs)
        self.fell += int((delta < _FELL).sum())
        self.looked += len(delta)

    def _text(self, row: Row, read: RowTensors) -> None:
        """Next-token loss of each kind of example."""
        nll = -read.text_logps.detach()
        at = 0
        for tree in row.trees:
            kind = tree.source or tree.teaches
            weights = tree.nll_weight[tree.nll_weight != 0]
            mine = nll[at : at + len(weights)]
            at += len(weights)
            if len(mine):
                total = float((mine * torch.as_tensor(weights, device=mine.device)).sum())
                self._add(f"text_nll/{kind}", total, float(weights.sum()))

    def _add(self, name: str, value: float, weight: float) -> None:
        self.values[name][0] += value
        self.values[name][1] += weight

    def means(self, ranks: Ranks) -> dict[str, float]:
        """Means over all ranks since the last call, then nothing is left."""
        means = {name: v / (w or self.steps or 1) for name, (v, w) in ranks.summed(self.values).items()}
        self.values.clear()
        self.steps = 0
        return means

    def forget_falls(self, ranks: Ranks) -> float:
        """The share of chosen texts that became less likely since the last call."""
        fell, looked = ranks.summed({"": (self.fell, self.looked)})[""]
        share = fell / looked if looked else 0.0
        self.fell = self.looked = 0
        return share


def _chosen_delta(x: PairLogps) -> Tensor:
    """[P'] Σ_j ρ(c_j), how the log-probability of each chosen text moved, for the pairs that have one."""
    return x.per_pair(chosen=x.moved_chosen.detach())[x.chosen_length > 0]


def pair_metrics(x: PairLogps, settings: LossSettings) -> dict[str, Tensor]:
    """Means over the pairs of a row; rewards are the localized sums times β, whatever the loss."""
    if not len(x):
        return {}
    with torch.no_grad():
        plus, minus = localized_sums(x, settings)
        chosen, rejected = x.per_pair(chosen=x.chosen), x.per_pair(rejected=x.rejected)
    metrics: dict[str, Tensor] = {}
    has = x.chosen_length > 0
    if has.any():
        metrics |= {
            "rewards/chosen": settings.beta * plus[has].mean(),
            "logps/chosen": chosen[has].mean(),
            "logps/chosen_delta": _chosen_delta(x).mean(),
        }
    if x.paired.any():
        margin = (plus - minus)[x.paired]
        metrics |= {
            "rewards/rejected": settings.beta * minus[x.paired].mean(),
            "rewards/margins": settings.beta * margin.mean(),
            "rewards/accuracies": (margin > 0).float().mean(),
            "logps/rejected": rejected[x.paired].mean(),
        }
    return {name: value.detach() for name, value in metrics.items()}
