"""The speed of a recipe on a store, as data and as a table."""

from dataclasses import dataclass

from motion_shards.plain_text import printable

from ..runs.machine import MemoryFormat
from .windows import ROUNDS


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkersSpeed:
    """Speeds with one number of loading processes, in clips per second."""

    workers: int
    loader_alone: float
    training: float
    loader_alone_range: tuple[float, float]
    training_range: tuple[float, float]
    """Slowest and fastest window, where the others are medians."""
    share_of_waiting: float
    """Share of the training's time that is spent waiting for clips, in the median window."""
    share_of_bare: float
    """Speed as a share of that of the bare loop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """The speed of one recipe on one store, in clips per second: medians of windows."""

    store: str
    recipe: str
    modality: str
    batch_size: int
    device: str
    precision: str
    threads: int
    memory_format: MemoryFormat
    """Order in memory, chosen by a trial on a GPU if none was given."""
    cudnn_benchmark: bool
    """Whether cuDNN searched for algorithms, likewise."""
    inputs: str
    """Place where clips are normalised: host or device."""
    clip_bytes: int
    """Bytes of a clip that reach the device."""
    bare: float
    """The bare loop, one batch in memory."""
    loop: float
    """Our loop over the same."""
    bare_range: tuple[float, float]
    loop_range: tuple[float, float]
    """The slowest and the fastest window."""
    rows: tuple[WorkersSpeed, ...]


def text(found: Benchmark) -> str:
    """A table for people."""
    what = (
        f"{found.store}, {found.recipe}, {found.modality}, batches of"
        f" {found.batch_size}, {found.device} {found.precision},"
        f" {found.threads} threads, memory format {found.memory_format}"
        f"{', cuDNN searches' * found.cudnn_benchmark},"
        f" {found.clip_bytes / 1e6:.3g} MB per clip sent to be normalised on the"
        f" {found.inputs}; clips per second: median of {ROUNDS} windows (slowest"
        " to fastest)"
    )
    lines = [
        what,
        f"bare loop, one batch in memory: {_speed_text(found.bare, found.bare_range)}",
        f"our loop over the same: {_speed_text(found.loop, found.loop_range)}",
        f"{'workers':>8} {'loader alone':>26} {'training':>26} {'waiting':>8} {'of bare':>8}",
    ]
    lines += [
        f"{row.workers:>8}"
        f" {_speed_text(row.loader_alone, row.loader_alone_range):>26}"
        f" {_speed_text(row.training, row.training_range):>26}"
        f" {row.share_of_waiting:>8.1%} {row.share_of_bare:>8.1%}"
        for row in found.rows
    ]
    return "\n".join(map(printable, lines))


def _speed_text(middle: float, spread: tuple[float, float]) -> str:
    """123.4 (120.1 to 130.0)"""
    return f"{middle:.1f} ({spread[0]:.1f} to {spread[1]:.1f})"
