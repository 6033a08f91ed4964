"""Automatic saving of work in small steps: at intervals, and at a signal."""

import time
from collections.abc import Callable
from pathlib import Path

from ..engine import processes
from ..engine.processes import ALONE, Processes
from ..engine.signals import Stop
from ..errors import Interrupted


class Autosave:
    """Saves and stops between two steps: at intervals, or after a signal."""

    def __init__(
        self,
        stop: Stop,
        folder: Path,
        *,
        seconds: float,
        processes: Processes = ALONE,
    ) -> None:
        """
        Args:
            folder: of the run, for the message.
            seconds: time between two saves.
            processes: all processes of the training save and stop at the same step.
        """
        self.stop, self.folder, self.seconds = stop, folder, seconds
        self.processes = processes
        self.saved = time.monotonic()

    def after_step(self, save: Callable[[], None], where: str) -> None:
        """Save if it is time.

        Args:
            where: "step 3 of 8 of ...", for the message.

        Raises:
            Interrupted: after a signal; everything is saved.
        """
        due = time.monotonic() - self.saved >= self.seconds
        stop = processes.any_process(self.stop.requested, self.processes)
        if stop or processes.any_process(due, self.processes):
            save()
            self.saved = time.monotonic()
        if stop:
            raise Interrupted(
                f"{self.folder}: stopped after {where}, everything is saved; run "
                "the same command to resume"
            )
