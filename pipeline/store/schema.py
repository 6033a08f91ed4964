"""The contents of a store, as code. `storage_layout.md` says the same as prose.

Axis letters: T frames, H rows, W columns, M = ceil(H/8) and N = ceil(W/8) cells of
the motion-vector grid. `T-1` is one entry per interval: entry k is frame k -> k+1,
so flow[k] and mv[k] are the same instant, and frame k is frame k of every modality.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from .errors import LayoutError

LAYOUT_VERSION = 2
CELL_PX = 8
"""Side of a cell of the motion-vector grid, in pixels of the stored frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArraySpec:
    """One array of a video, as users of the store see it."""

    name: str
    axes: str
    """One word per axis: a letter, T-1, or a number for a fixed size."""
    dtype: str
    unit: str
    modality: str
    """The files it lies in."""


LAYOUT: Mapping[str, ArraySpec] = {
    spec.name: spec
    for spec in (
        ArraySpec(
            name="rgb",
            axes="T H W 3",
            dtype="uint8",
            unit="sRGB, 0 to 255",
            modality="rgb",
        ),
        ArraySpec(
            name="flow",
            axes="T-1 H W 2",
            dtype="float32",
            unit="px from frame k to k+1, (right, down)",
            modality="flow",
        ),
        ArraySpec(
            name="mv",
            axes="T-1 M N 2",
            dtype="float32",
            unit="px from frame k to k+1, (right, down)",
            modality="mv",
        ),
        ArraySpec(
            name="mv_valid",
            axes="T-1",
            dtype="bool",
            unit="mv is known to be k -> k+1",
            modality="mv",
        ),
    )
}

DATASETS: Mapping[str, str] = {
    "data": "uint8",
    "offsets": "int64",
    "valid": "uint8",
    "seconds": "float64",
    "picture_types": "uint8",
    "index": "compound",
    "row_hashes": "uint64",
    "columns": "uint8",
}
"""Name -> type of what lies in a shard file; `valid` in files of mv only."""

DATA, COLUMNS = "data", "columns"
"""Names of the rows of a shard file, and of the text that says where everything lies."""

INDEX_FIELDS = ("first", "rows", "frames_first", "frames", "height", "width")
"""The int64 fields of `index`, after `id` (UTF-8, fixed width, padded with zeros)."""


def cells(pixels: int) -> int:
    """Cells of the motion-vector grid along a side of `pixels`."""
    return -(-pixels // CELL_PX)


def num_entries(name: str, frames: int) -> int:
    """Entries an array of `LAYOUT` has for a video of `frames`."""
    return frames - (LAYOUT[name].axes.split()[0] == "T-1")


def entry_shape(name: str, *, height: int, width: int) -> tuple[int, ...]:
    """Shape of one entry (one frame, or one interval) on a grid of this size in px."""
    sizes = {"H": height, "W": width, "M": cells(height), "N": cells(width)}
    return tuple(
        int(axis) if axis.isdigit() else sizes[axis]
        for axis in LAYOUT[name].axes.split()[1:]
    )


def check(shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Check the shapes of one finished video against `LAYOUT`.

    Raises:
        LayoutError: an array is unknown, or its shape disagrees with the others.
    """
    sizes: dict[str, int] = {}
    for name, shape in shapes.items():
        if name not in LAYOUT:
            raise LayoutError(f"expected arrays among {sorted(LAYOUT)}, got {name!r}")
        axes = LAYOUT[name].axes.split()
        if len(shape) != len(axes):
            raise LayoutError(
                f"{name}: expected axes ({LAYOUT[name].axes}), got {shape}"
            )
        for axis, size in zip(axes, shape, strict=True):
            letter, _, fewer = axis.partition("-")
            size += int(fewer or 0)
            expected = int(axis) if axis.isdigit() else sizes.setdefault(letter, size)
            if size != expected:
                raise LayoutError(
                    f"{name}: {letter} is {size}, but {expected} elsewhere"
                )
    for pixels, grid in (("H", "M"), ("W", "N")):
        if {pixels, grid} <= sizes.keys() and cells(sizes[pixels]) != sizes[grid]:
            raise LayoutError(
                f"mv: {grid} is {sizes[grid]}, but {pixels} is {sizes[pixels]} elsewhere: "
                f"expected {cells(sizes[pixels])} cells of {CELL_PX} px"
            )
