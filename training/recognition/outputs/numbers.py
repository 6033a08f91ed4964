"""Scores and times as text."""

import math


def percent(score: float) -> str:
    """A share in percent: `93.1 %`; `n/a` where it is not a number."""
    return f"{100 * score:.1f} %" if math.isfinite(score) else "n/a"


def milliseconds(seconds: float) -> int:
    """Whole milliseconds, halves upwards, none below zero."""
    return max(math.floor(1000 * seconds + 0.5), 0)


def clock(seconds: float) -> str:
    """A time of a video: minutes, seconds and tenths, and hours where there are some.

    >>> clock(0), clock(75.26), clock(3600)
    ('0:00.0', '1:15.3', '1:00:00.0')
    """
    tenths = max(math.floor(10 * seconds + 0.5), 0)
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    ahead = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{ahead}:{tenths // 10:02d}.{tenths % 10}"


def share(score: float) -> float:
    """A score within 0 and 1, for the length of a bar; 0 where it is not a number."""
    return min(max(float(score), 0.0), 1.0) if math.isfinite(score) else 0.0
