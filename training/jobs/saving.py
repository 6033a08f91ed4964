"""When work that goes in small steps is saved: now and then, and at a signal."""

import time
from collections.abc import Callable
from pathlib import Path

from ..engine.signals import Stop
from ..errors import Interrupted


class Saving:
    """Asks between two steps whether to save, and whether to end."""

    def __init__(self, stop: Stop, folder: Path, *, seconds: float) -> None:
        """
        Args:
            folder: of the run, for the message.
            seconds: between two saves.
        """
        self.stop, self.folder, self.seconds = stop, folder, seconds
        self.saved = time.monotonic()

    def after_step(self, save: Callable[[], None], where: str) -> None:
        """Save if it is time.

        Args:
            where: "step 3 of 8 of ...", for the message.

        Raises:
            Interrupted: a signal came; all is saved.
        """
        if self.stop.asked or time.monotonic() - self.saved >= self.seconds:
            save()
            self.saved = time.monotonic()
        if self.stop.asked:
            raise Interrupted(
                f"{self.folder}: stopped after {where}, everything is saved: the same"
                " command goes on"
            )
