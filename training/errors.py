"""Errors of training.

TrainingError
├── DataError         a store lacks what a run needs; also a ValueError
├── RecipeError       settings that do not fit each other or the networks; also a ValueError
├── RunError          a run folder is something else; also a ValueError
├── WriteError        a file of a run cannot be written; also an OSError
├── DamagedFile       a file has changed since it was written; also a ValueError
├── CheckpointError   a file is not the checkpoint or the weights it should be; also a ValueError
├── StreamError       a live source cannot be reached, is silent or has gone; also an OSError
├── MachineError      the machine lacks what was asked for; also a RuntimeError
├── FirstFailed       another process of a run failed, and says why
├── Diverged          the loss is not finite; also an ArithmeticError
└── Interrupted       a signal came: the run is saved and can resume
"""

from motion_shards.errors import MotionShardsError


class TrainingError(MotionShardsError):
    """Base of everything this package raises on purpose."""


class DataError(TrainingError, ValueError):
    """The store lacks a modality, split or class the run needs."""


class RecipeError(TrainingError, ValueError):
    """Settings that do not fit each other, the networks or the data."""


class NoSuchPath(RecipeError):
    """A path that settings do not have."""


class RunError(TrainingError, ValueError):
    """A run folder holds another run, or none."""


class WriteError(TrainingError, OSError):
    """A file of a run cannot be written. What stood there before is still there."""

    def __str__(self) -> str:
        return " ".join(str(part) for part in self.args)


class DamagedFile(TrainingError, ValueError):
    """A file is empty, was cut, or has changed since it was written."""


class CheckpointError(TrainingError, ValueError):
    """A file is not the checkpoint or the weights it should be."""


class StreamError(TrainingError, OSError):
    """A live source that cannot be reached, is silent, or has gone; one line."""

    def __str__(self) -> str:
        return " ".join(str(part) for part in self.args)


class MachineError(TrainingError, RuntimeError):
    """The machine lacks what was asked for."""


class FirstFailed(TrainingError):
    """The first process of a run failed, and says why: the others only end."""


class Diverged(TrainingError, ArithmeticError):
    """The loss is no longer a number."""


class Interrupted(TrainingError):
    """A signal came. Everything is saved, and the same command resumes."""
