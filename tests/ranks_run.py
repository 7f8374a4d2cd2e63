"""One small training run as one rank of several: what test_ranks.py starts under torchrun.

    python -m torch.distributed.run --standalone --nproc_per_node 2 tests/ranks_run.py FOLDER SETTINGS

SETTINGS is JSON: those of the run, and `stop_after` steps, `resume`, `dtype`, `texts`.
"""

import json
import sys
import warnings
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import TrainerCallback

import growing
from midcourse.train import sharded
from training_run import trainer


class Stop(TrainerCallback):
    """Ends a run early, its schedule untouched."""

    def __init__(self, after: int) -> None:
        self.after = after

    def on_step_end(self, args, state, control, **_):
        control.should_training_stop = state.global_step >= self.after


def main(folder: Path, settings: dict) -> None:
    torch.set_num_threads(1)
    warnings.filterwarnings("error", module="midcourse")
    resume = settings.pop("resume", False)
    texts = [growing.text(i) for i in range(settings.pop("texts", 0))]
    dtype = getattr(torch, settings.pop("dtype", "float32"))
    data = [*(growing.random_trajectory(i, steers=2 + i % 5) for i in range(10)), *texts]
    stop = settings.pop("stop_after", 0)
    drawn: list[list[str]] = []

    made = trainer(str(folder), data=data, dev=True, dtype=dtype, **{"logging_steps": 1, **settings})
    take, read = made.get_batch_samples, made.data.trees.read
    reads: list[int] = []
    made.data.trees.read = lambda index: reads.append(index) or read(index)

    def noted(*args):
        reads.clear()
        batches, step = take(*args)
        assert len(reads) == sum(map(len, batches)), "a rank reads its own share and nothing else"
        drawn.append(sorted(t.id for part in made.ranks.gathered([t for b in batches for t in b]) for t in part))
        return batches, step

    made.get_batch_samples = noted
    if stop:
        made.add_callback(Stop(stop))
    made.train(resume_from_checkpoint=resume)
    made.save_model()
    learnt = sharded.trained_state(made.model)
    if made.ranks.first:
        (folder / "seen.json").write_text(json.dumps({"log": made.state.log_history, "drawn": drawn}))
        save_file({n: w.contiguous() for n, w in learnt.items()}, str(folder / "learnt.safetensors"))
    made.ranks.leave()


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
