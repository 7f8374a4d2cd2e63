"""One small training run, as tests and their child processes start it."""

import sys
import time
from typing import Any

import tokenizers
import torch

import growing
from midcourse.tokens import TextTokenizer
from midcourse.train import SteerConfig, SteerTrainer


def tokenizer() -> TextTokenizer:
    words = {f"w{i}": i for i in range(growing.VOCAB)}
    made = TextTokenizer(tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="w0")))
    made.hash = growing.TOKENIZER
    return made


def trainer(
    output_dir: str,
    *,
    data: list[Any] | None = None,
    dev: bool = False,
    mix_datasets: Any = None,
    dtype: torch.dtype = torch.float32,
    **settings: Any,
) -> SteerTrainer:
    """Nine trajectories, a random model of two layers, four threads of nothing: milliseconds a step."""
    defaults = {"use_cpu": True, "disable_tqdm": True, "num_train_epochs": 2, "learning_rate": 1e-2, "logging_steps": 3}
    defaults |= {"per_device_train_batch_size": 4}
    return SteerTrainer(
        growing.tiny_model().to(dtype),
        SteerConfig(output_dir=output_dir, **{**defaults, **settings}),
        data or [growing.random_trajectory(i) for i in range(9)],
        [growing.random_trajectory(i) for i in range(20, 23)] if dev else None,
        processing_class=tokenizer(),
        mix_datasets=mix_datasets,
    )


def weights(made: SteerTrainer) -> dict[str, torch.Tensor]:
    return {n: p.detach().clone() for n, p in made.model.named_parameters() if p.requires_grad}


if __name__ == "__main__":
    torch.set_num_threads(1)
    data = [*(growing.random_trajectory(i) for i in range(9)), *(growing.text(i) for i in range(4))]
    slow = (time.sleep(0.002) or growing.text(i) for i in range(10, 2000))  # time to be killed in
    run = trainer(
        sys.argv[1],
        data=data,
        mix="replay=0.2,text=0.2",
        mix_datasets={"replay": slow},
        held_tokens=int(sys.argv[2]),
        num_train_epochs=40,
        save_steps=2,
        save_strategy="steps",
        save_total_limit=3,
    )
    run.train(resume_from_checkpoint=True)
    run.save_model()
