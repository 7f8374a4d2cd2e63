"""Training on trees of steers: a configuration, a cached reference, a `transformers.Trainer`."""

from midcourse.train.config import SteerConfig
from midcourse.train.trainer import SteerTrainer

__all__ = ["SteerConfig", "SteerTrainer"]
