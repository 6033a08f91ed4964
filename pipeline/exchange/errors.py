"""Errors of exports and imports, other than those of the store.

MotionShardsError
└── ExchangeError    also a ValueError
"""

from motion_shards.errors import MotionShardsError


class ExchangeError(MotionShardsError, ValueError):
    """An export or import cannot begin or continue. The message is one line."""
