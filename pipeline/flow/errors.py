"""Errors of flow solvers.

FlowError                also a ValueError
└── DeviceError          of a GPU or its driver
    ├── OutOfMemory      of the device, or of the host
    └── LostDevice       nothing of this process can use the GPU any more
"""

from motion_shards.errors import MotionShardsError


class FlowError(MotionShardsError, ValueError):
    """No such back end or profile, or frames of another type or shape than asked for."""


class DeviceError(FlowError):
    """A GPU or its driver failed, or cannot do what is asked; not the frames' fault."""


class OutOfMemory(DeviceError):
    """The device's memory, or the host's that it can reach, is used up."""


class LostDevice(DeviceError):
    """The GPU is lost to this process, as after an illegal address or a memory error:
    every later call fails, too. Another process may still be able to use it."""
