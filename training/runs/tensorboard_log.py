"""The numbers of a training as TensorBoard's event files, in the run's folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from motion_shards.extras import LOG

from ..errors import MachineError

FOLDER = "tensorboard"


def require_tensorboard() -> None:
    """Check that TensorBoard is installed.

    Raises:
        MachineError: it is not.
    """
    if not LOG.installed:
        raise MachineError(LOG.needed_by("--log tensorboard"))


class TensorBoardLog:
    """Writes scalars named "steps/loss" or "epoch/held_out_top1", by step.

    A resumed training hides the points that it repeats.
    """

    def __init__(self, run: Path) -> None:
        """
        Args:
            run: folder of the run; event files are in its folder `tensorboard`.
        """
        self._folder = run / FOLDER
        self._writer: Any = None

    def write(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        """Add the numbers of a line of metrics.jsonl."""
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter  # takes a second

            self._writer = SummaryWriter(str(self._folder), purge_step=step)
        for name, value in values.items():
            if isinstance(value, Mapping):
                self.write(f"{kind}/{name}", step, value)
            elif isinstance(value, int | float):
                self._writer.add_scalar(f"{kind}/{name}", value, step)

    def close(self) -> None:
        """Write everything to the disk."""
        if self._writer is not None:
            self._writer.close()
