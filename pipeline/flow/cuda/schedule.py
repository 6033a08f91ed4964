"""A batch of pairs -> the launches that solve it, in order.

Nothing here depends on what is in the frames, nor on how many pairs and frames there
are, up to what the memory was made for: the device looks that up itself. So a schedule is
recorded once and replayed for each batch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from pipeline.flow.batches import Coding
from pipeline.flow.profiles import Profile, level_sizes

from . import control, images, median, outputs, warp
from .iterate import ERROR_TRIP, FROM_FILTER, FROM_ZERO, iterate_kernel
from .kernel import Kernel, Launch
from .tiles import TileShape, Tiling, tiling

ASK_CONTROL = -1
"""Parity that stands for: each pair has its own."""

READ_FLOATS, WRITTEN_FLOATS = 10, 6
"""Per pixel and trip of `iterate`."""


class Work(NamedTuple):
    """Iterations of one pair."""

    computed: int
    """Pixel-iterations, with what overlapping tiles compute twice, and beyond the image."""
    moved_bytes: int
    """To and from the device's memory, at most."""


Arrays: TypeAlias = dict[str, Any]
"""Arrays on the device, by name: CUDA's, or the simulation's."""


class Array(NamedTuple):
    """An array in the device's memory that a schedule wants."""

    dtype: type
    per_pair: int = 0
    per_frame: int = 0
    fixed: int = 0
    """Elements: for each pair, for each frame, and in any case."""

    def elements(self, pairs: int, frames: int) -> int:
        return self.per_pair * pairs + self.per_frame * frames + self.fixed


@dataclass(frozen=True, slots=True)
class Level:
    height: int
    width: int
    tiling: Tiling

    @property
    def pixels(self) -> int:
        return self.height * self.width


class Schedule:
    """Sequence of kernels for frames of one size with one profile."""

    def __init__(
        self, height: int, width: int, profile: Profile, shape: TileShape
    ) -> None:
        self._profile = profile
        self._shape = shape
        self._stopping = profile.epsilon > 0
        most = ERROR_TRIP if self._stopping else profile.inner
        self._iterate = iterate_kernel(shape, stopping=self._stopping)
        self._levels = [
            Level(*size, tiling(*size, profile.inner, shape, most=most))
            for size in level_sizes(height, width, profile)
        ]

    def arrays(self) -> dict[str, Array]:
        """The arrays it works on, by the names that `launches` looks them up with."""
        finest = self._levels[0]
        arrays = {
            "data": Array(np.float32, per_pair=4 * finest.pixels),
            "filtered": Array(np.float32, per_pair=2 * finest.pixels),
            "dual": Array(np.float32, per_pair=8 * finest.pixels),
            "control": Array(np.int32, per_pair=control.FIELDS),
            "errors": Array(np.float32, fixed=1),
        }
        if self._stopping:
            tiles = max(it.tiling.columns * it.tiling.lines for it in self._levels)
            arrays["errors"] = Array(np.float32, per_pair=ERROR_TRIP * tiles)
        for number, level in enumerate(self._levels):
            plane = images.padded(level.height) * images.padded(level.width)
            arrays[f"images {number}"] = Array(
                np.float32, per_frame=images.PLANES * plane
            )
            arrays[f"flow {number}"] = Array(np.float32, per_pair=4 * level.pixels)
        return arrays

    def tables(self) -> dict[str, np.ndarray]:
        """Constant tables, which `arrays` does not have."""
        tables: dict[str, np.ndarray] = {}
        step = self._profile.step
        for number, (finer, level) in enumerate(
            zip(self._levels, self._levels[1:], strict=False)
        ):
            sides = (
                ("columns", finer.width, level.width),
                ("rows", finer.height, level.height),
            )
            for name, fine, coarse in sides:
                (
                    tables[f"{name} down {number}"],
                    tables[f"{name} down shares {number}"],
                ) = images.resizing(fine, coarse, 1 / step)
                tables[f"{name} up {number}"], tables[f"{name} up shares {number}"] = (
                    images.resizing(coarse, fine, coarse / fine)
                )
        return tables

    def launches(
        self,
        arrays: Arrays,
        pairs: int,
        frames: int,
        *,
        given: Any,
        chosen: Any,
        counts: Any,
        result: Any,
        clipped: Any,
        coding: Coding | None,
    ) -> Iterator[Launch]:
        """All launches of a batch.

        Args:
            arrays: those of `arrays` and `tables`, on the device.
            pairs, frames: how many there are at most.
            given: (frames, H, W) uint8.
            chosen: (pairs, 2) int32 numbers of frames.
            counts: (2,) int32: how many pairs and frames there are this time.
            result: (pairs, H, W, 2) float32, or with a coding (pairs, 2, H, W) uint8.
            clipped: (pairs, `clipped_counts`) int32, with a coding.
        """
        yield from self._pyramid(arrays, frames, given, counts)
        parity = 0
        for number in reversed(range(len(self._levels))):
            yield from self._begin_level(arrays, pairs, counts, number, parity)
            parity = 0
            for turn in range(self._profile.warps):
                for launch, after in self._warp(
                    arrays, pairs, chosen, counts, number, parity, turn == 0
                ):
                    yield launch
                parity = after
        pixels = self._levels[0].pixels
        parity = ASK_CONTROL if self._stopping else parity
        start = arrays["flow 0"], result
        if coding is None:
            grid = outputs.interleave.grid(pixels, 1, pairs)
            ends = (arrays["control"], counts, pixels, parity)
            yield Launch(outputs.interleave, grid, (*start, *ends))
        else:
            grid = (self.clipped_counts, 1, pairs)
            companded = int(coding.curve == "companded")
            rest = (clipped, arrays["control"], counts, pixels, parity)
            bound = np.float32(coding.bound_px)
            yield Launch(outputs.encode, grid, (*start, *rest, companded, bound))

    def work(self) -> Work:
        """Work of the iterations of a pair, if none stops early."""
        profile = self._profile
        computed = moved = 0
        for level in self._levels:
            cut = level.tiling
            regions = cut.columns * cut.lines * self._shape.width * self._shape.height
            rounds = profile.warps * profile.outer
            computed += rounds * sum(cut.passes) * regions
            floats = READ_FLOATS * regions + WRITTEN_FLOATS * level.pixels
            moved += rounds * len(cut.passes) * floats * 4
        return Work(computed, moved)

    @property
    def clipped_counts(self) -> int:
        """Numbers that add up to a pair's clipped values."""
        return outputs.encode_blocks(self._levels[0].pixels)

    def _pyramid(
        self, arrays: Arrays, frames: int, given: Any, counts: Any
    ) -> Iterator[Launch]:
        for number, level in enumerate(self._levels):
            size = level.height, level.width
            here = arrays[f"images {number}"]
            width, height = images.padded(level.width), images.padded(level.height)
            grid = images.gradient.grid(width, height, frames)
            if number == 0:
                yield Launch(images.grey_to_float, grid, (given, here, counts, *size))
            else:
                finer = self._levels[number - 1]
                yield Launch(
                    images.shrink_image,
                    grid,
                    (
                        arrays[f"images {number - 1}"],
                        here,
                        counts,
                        *_resizing(arrays, "down", number - 1),
                        *(finer.height, finer.width),
                        *size,
                    ),
                )
            yield Launch(images.gradient, grid, (here, counts, *size))

    def _begin_level(
        self, arrays: Arrays, pairs: int, counts: Any, number: int, parity: int
    ) -> Iterator[Launch]:
        """Flow from the level before, whose `parity` is given, or none."""
        level = self._levels[number]
        here = arrays[f"flow {number}"]
        if number == len(self._levels) - 1:
            floats = 2 * level.pixels
            grid = images.no_flow.grid(floats, 1, pairs)
            yield Launch(images.no_flow, grid, (here, counts, floats))
        else:
            coarse = self._levels[number + 1]
            yield Launch(
                images.enlarge_flow,
                images.enlarge_flow.grid(level.width, level.height, pairs),
                (
                    arrays[f"flow {number + 1}"],
                    here,
                    arrays["control"],
                    counts,
                    *_resizing(arrays, "up", number),
                    *(coarse.height, coarse.width, level.height, level.width),
                    np.float32(1 / self._profile.step),
                    ASK_CONTROL if self._stopping else parity,
                ),
            )

    def _warp(
        self,
        arrays: Arrays,
        pairs: int,
        chosen: Any,
        counts: Any,
        number: int,
        parity: int,
        first_of_level: bool,
    ) -> Iterator[tuple[Launch, int]]:
        """One warp, and with each launch the parity after it if none stops early."""
        profile, level = self._profile, self._levels[number]
        size = level.height, level.width
        flow, flags = arrays[f"flow {number}"], arrays["control"]
        if self._stopping:
            grid = control.restart.grid(pairs)
            restart = (flags, counts, int(first_of_level))
            yield Launch(control.restart, grid, restart), parity

        def place() -> int:
            return ASK_CONTROL if self._stopping else parity

        grid = warp.warp.grid(level.width, level.height, pairs)
        begin = (arrays[f"images {number}"], flow, flags, arrays["data"])
        yield Launch(warp.warp, grid, (*begin, chosen, counts, *size, place())), parity
        for turn in range(profile.outer):
            source = FROM_ZERO if first_of_level and turn == 0 else 0
            if profile.median > 1:
                grid = median.blocks(level.width, level.height, pairs)
                ends = (flow, arrays["filtered"], flags)
                yield (
                    Launch(median.median, grid, (*ends, counts, *size, place())),
                    parity,
                )
                source |= FROM_FILTER
            for iterations in level.tiling.passes:
                for launch in self._trip(
                    arrays, pairs, counts, number, iterations, parity, source
                ):
                    yield launch, 1 - parity
                parity = 1 - parity
                source = 0
        if self._stopping:  # what the last trip found to be done again
            for launch in self._trip(arrays, pairs, counts, number, 0, parity, 0):
                yield launch, parity

    def _trip(
        self,
        arrays: Arrays,
        pairs: int,
        counts: Any,
        number: int,
        iterations: int,
        parity: int,
        source: int,
    ) -> Iterator[Launch]:
        """Iterations on all tiles. 0: only for those pairs that have some to repeat."""
        profile, level = self._profile, self._levels[number]
        cut = level.tiling
        tiles = cut.columns * cut.lines
        flags, errors = arrays["control"], arrays["errors"]
        yield Launch(
            self._iterate,
            (cut.columns, cut.lines, pairs),
            (
                arrays["data"],
                arrays[f"flow {number}"],
                arrays["filtered"],
                arrays["dual"],
                flags,
                errors,
                counts,
                level.height,
                level.width,
                cut.halo,
                iterations,
                parity,
                source,
                np.float32(profile.lam * profile.theta),
                np.float32(profile.tau),
                np.float32(profile.tau / profile.theta),
                level.height,
                level.width,
            ),
        )
        if self._stopping:
            enough = np.float32(profile.epsilon**2 * level.pixels)
            rest = (tiles, ERROR_TRIP, iterations, source, enough)
            yield Launch(control.decide, (pairs, 1, 1), (flags, errors, counts, *rest))


def kernels_of(iterate: Kernel) -> list[Kernel]:
    """The kernels of a profile, given the one that iterates."""
    return [
        images.grey_to_float,
        images.shrink_image,
        images.gradient,
        images.no_flow,
        images.enlarge_flow,
        warp.warp,
        median.median,
        iterate,
        control.restart,
        control.decide,
        outputs.interleave,
        outputs.encode,
    ]


def _resizing(arrays: Arrays, way: str, number: int) -> Sequence[Any]:
    """The tables between a level and the next coarser one, as kernels take them."""
    return [
        arrays[f"{side} {way}{kind} {number}"]
        for side in ("columns", "rows")
        for kind in ("", " shares")
    ]
