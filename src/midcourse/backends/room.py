"""A cache with room ahead: a new token is written into it in place, where the usual one copies all before it each time.

With many rows and a long text that copying is a sixth of a step on a CPU. It holds the same keys and values, so the
model computes the same numbers. It knows no model and no tokens.
"""

from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import Cache, DynamicLayer

__all__ = ["AHEAD", "RoomyLayer", "roomy_cache"]

AHEAD = 128
"""Positions of room that are made at a time."""


class RoomyLayer(DynamicLayer):
    """One layer; `keys` and `values` [B, K, T, d] are the filled part of what there is room for.

    Whoever sets them anew, as `batch_select_indices` does, takes the room away, and it is made again at the next token.
    Not for training: what is written in place cannot be differentiated through.
    """

    keys: torch.Tensor
    values: torch.Tensor
    _room: tuple[torch.Tensor, torch.Tensor] | None = None

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Put new keys and values behind the others; all of them."""
        if not self.get_seq_length():
            # What is read first may be all that is ever read.
            first: tuple[torch.Tensor, torch.Tensor] = super().update(key_states, value_states, *args, **kwargs)
            return first
        held = self.get_seq_length()
        now = held + key_states.shape[-2]
        room = self._room
        if room is None or room[0].data_ptr() != self.keys.data_ptr() or room[0].shape[-2] < now:
            room = self._room = (_longer(self.keys, now + AHEAD), _longer(self.values, now + AHEAD))
        for whole, new in zip(room, (key_states, value_states), strict=True):
            whole[:, :, held:now] = new
        self.keys, self.values = (whole[:, :, :now] for whole in room)
        return self.keys, self.values


def roomy_cache(config: Any = None) -> Cache:
    """An empty cache for a model of this configuration; layers that see only a part of the text keep their own kind."""
    if config is None:
        return Cache(layer_class_to_replicate=RoomyLayer)
    cache = DynamicCache(config=config)
    cache.layers = [RoomyLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


def _longer(states: torch.Tensor, size: int) -> torch.Tensor:
    longer = states.new_empty(*states.shape[:2], size, states.shape[3])
    longer[:, :, : states.shape[2]] = states
    return longer
