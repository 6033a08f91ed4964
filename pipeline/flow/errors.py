"""Errors of flow solvers.

FlowError                also a ValueError
└── OutOfMemory          of the device, or of the host
"""

from motion_shards.errors import MotionShardsError


class FlowError(MotionShardsError, ValueError):
    """No such back end or profile, or frames of another type or shape than asked for."""


class OutOfMemory(FlowError):
    """The device's memory, or the host's that it can reach, is used up."""
