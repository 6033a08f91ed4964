"""A histogram as SVG, in the colours of the page."""

from collections.abc import Sequence

import numpy as np

WIDTH, HEIGHT, FOOT, TOP = 560, 150, 22, 14
BINS = 28
STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
"""Widths of a bin, in powers of ten."""


def bin_width(longest: float, bins: int = BINS) -> float:
    """A round width with which `bins` bins reach from 0 to `longest`.

    >>> bin_width(28.0), bin_width(0.96)
    (1.0, 0.05)
    """
    least = longest / bins
    power = float(10.0 ** np.floor(np.log10(least)))
    return next(step * power for step in STEPS if step * power >= least * (1 - 1e-9))


def histogram(seconds: Sequence[float]) -> str:
    """Numbers of videos by length; those beyond the 99th percentile are in the last bin."""
    most = max(float(np.percentile(seconds, 99)), 1e-3)
    width = bin_width(most)
    count = int(most / width) + 1
    at = np.minimum((np.asarray(seconds) / width + 1e-9).astype(int), count - 1)
    counts = np.bincount(at, minlength=count)
    step, tall = WIDTH / count, HEIGHT - FOOT - TOP
    bars = "".join(
        f'<rect x="{i * step + 0.5:.2f}" y="{TOP + tall * (1 - n / counts.max()):.2f}"'
        f' width="{max(step - 1, 0.5):.2f}" height="{tall * n / counts.max():.2f}">'
        f"<title>{_range(i, width, last=i == count - 1)}: {n:,}</title></rect>"
        for i, n in enumerate(counts.tolist())
        if n
    )
    foot = HEIGHT - FOOT
    texts = "".join(
        f'<text x="{x}" y="{HEIGHT - 6}" text-anchor="{anchor}">{text}</text>'
        for x, anchor, text in (
            (0, "start", "0 s"),
            (WIDTH / 2, "middle", f"{count * width / 2:.3g} s"),
            (WIDTH, "end", f"{count * width:.3g} s"),
        )
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Lengths of the videos">'
        f'<line x1="0" x2="{WIDTH}" y1="{foot}" y2="{foot}"/>{bars}{texts}'
        f'<text x="{WIDTH}" y="10" text-anchor="end">most: {counts.max():,} videos</text></svg>'
    )


def _range(i: int, width: float, *, last: bool) -> str:
    start = f"{i * width:.3g}"
    return f"{start} s and more" if last else f"{start} to {(i + 1) * width:.3g} s"
