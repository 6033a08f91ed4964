"""Steps and epochs of a training as lines of metrics.jsonl, and in other forms."""

import json
from collections.abc import Sequence
from typing import Any

from ..engine.state import TrainState
from .metrics_csv import write_metrics_csv
from .record import Run
from .tensorboard_log import TensorBoardLog

LOG_EVERY = 10
"""Steps between two lines."""


class MetricsLog:
    """Writes lines of metrics.jsonl: {"kind", "epoch", "step", and values by name}.

    metrics.csv has the same after every epoch.
    """

    def __init__(
        self,
        run: Run,
        state: TrainState,
        steps_per_epoch: int,
        writes: bool,
        *,
        loggers: Sequence[str] = (),
    ) -> None:
        """
        Args:
            state: of which the sums are written, as means.
            writes: whether this process writes; of several one does.
            loggers: "tensorboard", or none.
        """
        self.run, self.state, self.writes = run, state, writes
        self.steps_per_epoch = steps_per_epoch
        self._lines: list[Any] | None = None
        """Those of metrics.jsonl, once they have been read."""
        self.board = (
            TensorBoardLog(run.folder) if writes and "tensorboard" in loggers else None
        )

    def write(self, kind: str, epoch: int, **values: Any) -> None:
        """A line, which belongs to the last step that was taken."""
        if self.writes:
            line = {"kind": kind, "epoch": epoch, "step": self.state.steps_done}
            self.run.log(**line | values)
            if self._lines is not None:
                self._lines.append(json.loads(json.dumps(line | values)))
        if self.board:
            self.board.write(kind, self.state.steps_done, values)

    def step(self, epoch: int) -> None:
        """A line of means after every tenth step of an epoch and the last one."""
        number = self.state.steps_done - epoch * self.steps_per_epoch
        if number % LOG_EVERY and number != self.steps_per_epoch:
            return
        count = number % LOG_EVERY or LOG_EVERY
        means = {name: total / count for name, total in self.state.line_sums.items()}
        self.state.line_sums = {}
        rate = self.state.optimizer.param_groups[0]["lr"]
        self.write("steps", epoch, learning_rate=rate, **means)

    def epoch(self, epoch: int, clips: int, held_out: dict[str, float]) -> None:
        """A line with the means of a whole epoch, its clocks, and its validation."""
        state, steps = self.state, self.steps_per_epoch
        means = {name: total / steps for name, total in state.epoch_sums.items()}
        self.write(
            "epoch",
            epoch,
            seconds=round(state.seconds, 3),
            waited=round(state.waited, 3),
            clips_per_second=round(clips / state.seconds, 2) if state.seconds else 0.0,
            **means | held_out,
        )
        if self.writes:
            if self._lines is None:
                self._lines = list(self.run.metrics())
            write_metrics_csv(self.run, self._lines)

    def close(self) -> None:
        """Write everything to the disk."""
        if self.board:
            self.board.close()
