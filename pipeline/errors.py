"""Errors of `pipeline extract`, other than those of single videos and of the store.

MotionShardsError
├── PlanError          also a ValueError
│   ├── NoPlan         the folder has no plan
│   └── DamagedPlan    the plan is not as it was written
├── SourceChanged      a video has another content than before; also a ValueError
├── NoDevice           a GPU cannot be used; also a RuntimeError
│   └── DeviceGone     it failed for good in this process
├── ExtractionError    the run cannot continue; also a RuntimeError
└── BenchError         a part of a benchmark failed; also a RuntimeError
"""

from motion_shards.errors import MotionShardsError


class PlanError(MotionShardsError, ValueError):
    """The run asks for something else than the store in this folder was planned for."""


class NoPlan(PlanError):
    """The folder has no plan."""


class DamagedPlan(PlanError):
    """The plan is not as it was written."""


class SourceChanged(MotionShardsError, ValueError):
    """A video is not the same as when its other modalities were extracted."""


class NoDevice(MotionShardsError, RuntimeError):
    """The GPU cannot be used; the message says why, in one line."""


class DeviceGone(NoDevice):
    """The GPU is lost to this process; another may still be able to use it."""


class ExtractionError(MotionShardsError, RuntimeError):
    """The run cannot continue. Published shards stay, and the next run resumes from them."""


class BenchError(MotionShardsError, RuntimeError):
    """A part of a benchmark failed; the message names it, in one line."""
