"""Time stamps and times of arrival -> whether a source is too far ahead of its reader."""

import time
from collections import deque
from collections.abc import Callable

from av.packet import Packet

MEMORY_SECONDS = 150.0
"""Time over which the least delay is remembered. Clocks of cameras run a little fast or
slow; in a longer time the difference would look like a delay."""
JUMP_SECONDS = 10.0
"""Jump of a time stamp beyond which a new clock begins."""


class Delay:
    """Packets that are skipped so that a reader that is too slow catches up.

    The delay is the time since a packet was sent, less the shortest time that a packet
    took lately. Where it exceeds the limit nothing is decoded up to the next key frame.
    """

    def __init__(
        self, limit: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """
        Args:
            limit: seconds.
            clock: seconds since any moment.
        """
        self._limit, self._clock = limit, clock
        self._skipping = False
        self._stamp: float | None = None
        self._least: deque[tuple[float, float]] = deque(maxlen=2)
        """Beginning of a period, and the least difference of clock and stamp in it."""

    def skips(self, packet: Packet) -> bool:
        """Whether to skip this packet, the next one that came."""
        ticks = packet.dts if packet.dts is not None else packet.pts
        if ticks is None or packet.time_base is None:
            return self._skipping
        late = self._late(float(ticks * packet.time_base))
        if self._skipping and packet.is_keyframe:
            self._skipping = False
        elif late > self._limit:
            self._skipping = True
        return self._skipping

    def _late(self, stamp: float) -> float:
        now = self._clock()
        if self._stamp is not None and abs(stamp - self._stamp) > JUMP_SECONDS:
            self._least.clear()
        self._stamp = stamp
        difference = now - stamp
        if not self._least or now - self._least[-1][0] > MEMORY_SECONDS:
            self._least.append((now, difference))
        began, least = self._least[-1]
        self._least[-1] = (began, min(least, difference))
        return difference - min(least for _, least in self._least)
