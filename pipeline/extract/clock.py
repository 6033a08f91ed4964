"""Time stamps -> seconds of each frame -> which frame is shown at a tick.

The order of frames is the order in which the decoder gives them and nothing here can
change it: time stamps only say *when*.
"""

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

from .errors import DecodeError

LONGEST_SHOWN = 3600.0
"""Seconds: a damaged time stamp may ask to show one frame for a century."""

REPEATED, REPEATED_EACH = 15_000, 100
"""Frames that a steady rate may add to a video by repeating: a constant, and a number for
each decoded frame. A few frames with damaged time stamps could fill a disk."""

JUMP_SECONDS, BACK_SECONDS = 10.0, 1.0
"""A clock that jumps ahead or back by more is another recording's. The first is ffmpeg's
-dts_delta_threshold; it knows the order of coding, while stamps of showing may be in disorder."""


class Clock:
    """Seconds of consecutive frames, counted from the first one, always growing.

    Where a time stamp is missing or would not advance, it is one average interval after
    the frame before.
    """

    def __init__(self, *, rate: float, joined: bool = False) -> None:
        """
        Args:
            rate: average frames per second, above 0.
            joined: recordings with clocks of their own may follow each other. Jumps are
                closed: the next recording follows at once.
        """
        self._interval, self._joined = 1 / rate, joined
        self._start: float | None = None
        self._last: float | None = None

    def seconds(self, stamp: float | None) -> float:
        """Seconds of the next frame, from its time stamp if it has one."""
        following = 0.0 if self._last is None else self._last + self._interval
        if stamp is not None:
            if self._start is None or self._jumps(stamp - self._start - following):
                self._start = stamp - following
            if self._last is None or stamp - self._start > self._last:
                following = stamp - self._start
        self._last = following
        return following

    def _jumps(self, seconds: float) -> bool:
        """Whether a time so far from the expected one is that of another recording."""
        back = seconds < -self._interval - BACK_SECONDS
        return self._joined and (seconds > JUMP_SECONDS or back)


class Timed(Protocol):
    """Something shown from `seconds` on."""

    @property
    def seconds(self) -> float: ...


TimedT = TypeVar("TimedT", bound=Timed)


class Ticks:
    """Picks the frame that is shown at each tick, 1 / `frames_per_second` apart.

    The first tick is the first frame, and a frame is shown until the next one comes;
    the last one for one interval of the average rate. So a frame may be taken several
    times, or never; of any frames, one is.
    """

    def __init__(self, *, frames_per_second: float, rate: float) -> None:
        self._frames_per_second, self._rate = frames_per_second, rate
        self._repeated = 0

    def shown(self, frames: Iterable[TimedT]) -> Iterator[TimedT]:
        """The frame of each tick.

        Raises:
            DecodeError: the time stamps ask to show frames absurdly long.
        """
        tick = 0
        current: TimedT | None = None
        for following in frames:
            self._repeated -= REPEATED_EACH
            if current is not None:
                count = self._count(tick, until=following.seconds)
                for _ in range(count):
                    yield current
                tick += count
            current = following
        if current is not None:
            count = self._count(tick, until=current.seconds + 1 / self._rate)
            for _ in range(max(count, 1 - tick)):
                yield current

    def _count(self, tick: int, *, until: float) -> int:
        """Ticks from `tick` on that lie before `until`. A hair's breadth counts as on it."""
        end = -int(-(until * self._frames_per_second - 1e-6) // 1)
        count = max(end - tick, 0)
        if count > max(LONGEST_SHOWN * self._frames_per_second, 1):
            raise DecodeError(
                f"time stamps: expected a frame every few seconds, got one shown until {until:.0f} s"
            )
        self._repeated += max(count - 1, 0)
        if self._repeated > REPEATED:
            raise DecodeError(
                "time stamps: expected a frame every few seconds, got frames so far apart "
                f"that {self._frames_per_second:g} frames per second would be more than "
                f"{REPEATED_EACH} of each, and {REPEATED:,} more (at {until:.0f} s)"
            )
        return count
