"""Several adapters on one base in memory, one of them on: PEFT's names for them, and turning from one to another.

Whoever calls sees to it that nobody computes meanwhile. It knows no folder's meaning and no stream.
"""

import warnings
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from midcourse.errors import ModelError, ran_out_of

__all__ = ["Switch"]


class Switch:
    """A base with room for adapters."""

    def __init__(self, model: Any) -> None:
        """Take a model of transformers without an adapter."""
        self.model = model
        self._numbers = count(1)
        self._on: str | None = None
        self._sure = True
        """Whether `_on` is what PEFT has on."""

    def add(self, folder: Path) -> str:
        """Read an adapter beside the others; its name inside.

        Raises:
            ModelError: It does not fit the model, or is damaged.
        """
        from peft import PeftModel

        own = f"served{next(self._numbers)}"
        self._sure = False
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)
                if isinstance(self.model, PeftModel):
                    self.model.load_adapter(str(folder), adapter_name=own, is_trainable=False)
                else:
                    self.model = PeftModel.from_pretrained(
                        self.model, str(folder), adapter_name=own, is_trainable=False
                    ).eval()
        except Exception as error:  # safetensors and PEFT raise many kinds
            if ran_out_of(error):
                raise
            self._undo(own)
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ModelError(f"the adapter {folder} cannot be read: {first[:300]}") from error
        self.model.eval()
        return own

    def drop(self, own: str) -> None:
        """Take an adapter out."""
        self._sure = False
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that another one is on now: `turning` says which
            self.model.delete_adapter(own)
        others = list(self.model.peft_config)
        if others:
            self.model.set_adapter(others[0], inference_mode=True)

    def turning(self, own: str | None) -> Callable[[], None]:
        """A function that puts this adapter on, None: takes all off."""

        def turn() -> None:
            if self._sure and self._on == own:
                return
            if own is not None:
                self.model.set_adapter(own, inference_mode=True)
            elif hasattr(self.model, "peft_config"):
                self.model.base_model.set_adapter([], inference_mode=True)
            self._on, self._sure = own, True

        return turn

    def _undo(self, own: str) -> None:
        if own in getattr(self.model, "peft_config", {}):
            self.drop(own)
