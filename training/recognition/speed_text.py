"""The speed of a model from file to answer as a table for people."""

from motion_shards.plain_text import counted, printable

from .speed import PredictSpeed
from .speed_passes import StageSpeed

PUBLISHED = (
    ("MV and RGB extraction, CPU (E5-2640 v3)", 675.7),
    ("networks, GPU (K40)", 925.9),
    ("whole system", 390.7),
)
"""Zhang et al., "Real-time Action Recognition with Deeply-Transferred Motion Vector CNNs",
table V, UCF101 at 320x240, frames per second."""


def text(found: PredictSpeed) -> str:
    """A table for people."""
    source = f", vectors {found.mv_source}" if found.mv_source else ""
    versions = ", ".join(
        f"{name} {it}" for name, it in found.machine.items() if name != "processor"
    )
    low, high = found.total_range
    lines = [
        f"{found.model}{source}, {found.runtime}",
        f"{counted(found.files, 'file')}, {found.frames:,} frames of {found.width}x{found.height}",
        f"{found.machine['processor']}, {versions}",
        "",
        f"{'one core, CPU time':<28}{'frames/s':>10}{'share':>8}",
        *(f"{s.name:<28}{_rate(s):>10}{s.share:>8.1%}" for s in found.stages),
        f"{'total':<28}{found.total:>10,.0f}   ({low:,.0f} to {high:,.0f})",
    ]
    if found.all_cores is not None:
        name = f"{counted(found.cores, 'core')}, by the clock"
        lines.append(f"{name:<28}{found.all_cores:>10,.0f}")
    lines += [
        "",
        f"clips of a video: {', '.join(str(number or 'all') for number in found.clips)}",
        f"batch {found.batch:.1f} inputs; peak memory {found.peak_mb:,} MB",
        f"first window: {found.first_frames} entries, {found.first_ms:.0f} ms of CPU time",
        "published for DTMV, table V, 320x240: "
        + "; ".join(f"{name} {fps}" for name, fps in PUBLISHED),
    ]
    return "\n".join(map(printable, lines))


def _rate(stage: StageSpeed) -> str:
    """Frames per second; a dash where the stage takes less than can be measured."""
    return f"{stage.fps:,.0f}" if stage.share >= 0.0005 else "-"
