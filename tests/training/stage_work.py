"""Stages that do next to nothing, for processes that a test starts."""

import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from training.engine.signals import stop_on_signal
from training.errors import Interrupted, RunError


class Stage(NamedTuple):
    """As in a plan, without the recipes, which take torch seconds to load."""

    recipe: str
    seed: int
    split: str


def work(stage: Stage, needed: Mapping[str, str], *, folder: Path) -> str:
    """Do what the name says; leave a file with the stages that were needed."""
    path = folder / f"{stage.recipe}{stage.seed}"
    match stage.recipe:
        case "refused":
            raise RunError("no such thing")
        case "bug":
            raise ZeroDivisionError("a bug")
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "process":
            path.write_text(str(os.getpid()))
            return str(path)
        case "waits":
            path.with_suffix(".begun").touch()
            time.sleep(120)
        case "saves":
            with stop_on_signal() as stop:
                path.with_suffix(".begun").touch()
                while not stop.requested:
                    time.sleep(0.01)
                time.sleep(1.5 * stage.seed)  # what ends processes would do so here
                path.with_suffix(".saved").touch()
            raise Interrupted("saved")
    path.write_text(" ".join(sorted(Path(one).name for one in needed.values())))
    return str(path)
