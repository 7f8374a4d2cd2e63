"""What the machine ran out of while training, in one sentence: memory, and for which tree; disk, and what is whole.

Libraries say it in many ways; which of them mean it stands in `midcourse.errors`. It knows no model and no loss.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from midcourse.errors import DiskFull, MidcourseError, OutOfMemory, ran_out_of
from midcourse.train import checkpoint
from midcourse.tree.token_tree import TokenTree

__all__ = ["disk_named", "memory_named"]

TRAINING = "set --activation_checkpointing true"
READING = "load the base in half precision with --dtype bfloat16"


@contextmanager
def memory_named(
    trees: Sequence[TokenTree], max_tokens: int | None = None, *, otherwise: str = TRAINING
) -> Iterator[None]:
    """Name the largest tree and the settings to change where memory runs out.

    Args:
        trees: What is run together.
        max_tokens: The setting as it is now, where it is known.
        otherwise: The second setting: `TRAINING`, or `READING` where no gradient is kept.

    Raises:
        OutOfMemory: Instead of whatever torch, numpy or Python raise then.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, MidcourseError) or ran_out_of(error) != "memory":
            raise
        tree = max(trees, key=len)
        now = "" if max_tokens is None else f" (now {max_tokens})"
        raise OutOfMemory(
            f"no memory for a row of {sum(map(len, trees))} tokens; its largest tree is trajectory {tree.id} with "
            f"{len(tree)} tokens. Lower --max_tokens{now}, or {otherwise}"
        ) from error


@contextmanager
def disk_named(output_dir: Path) -> Iterator[None]:
    """Say that the disk is full, and from where the run goes on.

    Raises:
        DiskFull: Instead of whatever the libraries that write files raise then.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, MidcourseError) or ran_out_of(error) != "disk":
            raise
        newest = checkpoint.newest_complete(output_dir)
        kept = "No checkpoint was complete yet: make room and run it again"
        if newest is not None:
            kept = f"{newest.name} is whole: make room, and the same command with --resume goes on from there"
        raise DiskFull(f"{output_dir} cannot be written, the disk is full. {kept}") from error
