"""TV-L1 on one processor core, compiled by numba."""

from collections import OrderedDict

import cv2
import llvmlite.binding
import numpy as np

from pipeline.flow.profiles import Profile, level_sizes
from pipeline.flow.protocol import check_frames
from pipeline.kernels.compiled import compile_kernels

from .interpolation import empty_taps, image_and_gradient
from .iterate import iterate
from .layout import clear_dual, empty_state, planes, put_flow, take_flow
from .warp import warp

KEPT_BYTES = 256 << 20
"""Memory kept for frame sizes seen before; the size at hand has what it needs."""


class CpuSolver:
    """`FlowSolver` for one core of this machine.

    The same frames give the same bytes on the same machine. Machines with other vector
    instructions add up in another order and differ in the last digits. OpenCV resizes
    and filters; its results do not depend on its number of threads.
    """

    backend = "cpu"

    def __init__(self, name: str, profile: Profile) -> None:
        compile_kernels(
            clear_dual, image_and_gradient, iterate, put_flow, take_flow, warp
        )
        self.profile = name
        self.device = f"cpu {llvmlite.binding.get_host_cpu_name()}"
        self._settings = profile
        self._pyramids: OrderedDict[tuple[int, int], list[_Level]] = OrderedDict()

    def flow(self, frames: np.ndarray) -> np.ndarray:
        """See `FlowSolver.flow`."""
        check_frames(frames)
        flow = np.empty((*frames.shape, 2), np.float32)[1:]
        if not len(flow):
            return flow
        _, height, width = frames.shape
        levels = self._levels((height, width))
        first = self._images(frames[0], levels)
        for k in range(len(flow)):
            second = self._images(frames[k + 1], levels)
            self._solve(levels, first, second)
            flow[k] = levels[0].flow.transpose(1, 2, 0)
            first = second
        return flow

    def _levels(self, size: tuple[int, int]) -> list["_Level"]:
        """Memory for frames of this size; that for sizes long not seen is let go."""
        if size not in self._pyramids:
            sizes = level_sizes(*size, self._settings)
            self._pyramids[size] = [_Level(*it, self._settings) for it in sizes]
        self._pyramids.move_to_end(size)
        while len(self._pyramids) > 1 and self.kept_bytes > KEPT_BYTES:
            self._pyramids.popitem(last=False)
        return self._pyramids[size]

    @property
    def kept_bytes(self) -> int:
        """Memory this solver holds on to between calls."""
        return sum(level.nbytes for it in self._pyramids.values() for level in it)

    def _images(self, frame: np.ndarray, levels: list["_Level"]) -> list[np.ndarray]:
        """The frame in the size of each level, float32; no blur before shrinking."""
        step = self._settings.step
        images: list[np.ndarray] = [frame.astype(np.float32)]
        for _ in levels[1:]:
            images.append(cv2.resize(images[-1], None, fx=step, fy=step))
        return images

    def _solve(
        self, levels: list["_Level"], first: list[np.ndarray], second: list[np.ndarray]
    ) -> None:
        """Flow of one pair, into the finest level's `flow`."""
        levels[-1].flow[:] = 0
        for number in reversed(range(len(levels))):
            level = levels[number]
            level.improve(first[number], second[number])
            if number:
                finer = levels[number - 1].flow
                for coarse, fine in zip(level.flow, finer, strict=True):
                    cv2.resize(coarse, fine.shape[::-1], fine)
                finer *= np.float32(1 / self._settings.step)


class _Level:
    """Memory for one level of the pyramid, and the work on it.

    Nothing of a pair is left that the next one would see: the flow is given, the dual
    vectors are cleared, the rest is computed before it is read.
    """

    def __init__(self, height: int, width: int, profile: Profile) -> None:
        self._profile = profile
        self._state = empty_state(height, width)
        self._taps = empty_taps(height, width)
        self._unfiltered = np.zeros((2, height, width), np.float32)
        self._in_place = planes(self._state, height, width)
        self.flow = np.zeros((2, height, width), np.float32)
        self.nbytes = sum(
            it.nbytes for it in (self._state, self._taps, self._unfiltered, self.flow)
        )

    def improve(self, first: np.ndarray, second: np.ndarray) -> None:
        """Make `flow` lead from the first image to the second, both of this size."""
        profile = self._profile
        image_and_gradient(second, self._taps)
        clear_dual(self._state)
        put_flow(*self.flow, self._state)
        for _ in range(profile.warps):
            warp(first, self._taps, self._state)
            for _ in range(profile.outer):
                if profile.median > 1:
                    self._filter()
                if self._iterate():
                    break
        take_flow(self._state, *self.flow)

    def _filter(self) -> None:
        if self._in_place:
            for plane in self._in_place:
                cv2.medianBlur(plane[:, :-1], self._profile.median, plane[:, :-1])
                plane[:, -1] = plane[:, -2]
            return
        take_flow(self._state, *self._unfiltered)
        for source, target in zip(self._unfiltered, self.flow, strict=True):
            cv2.medianBlur(source, self._profile.median, target)
        put_flow(*self.flow, self._state)

    def _iterate(self) -> bool:
        profile = self._profile
        height, width = self.flow.shape[1:]
        return iterate(
            self._state,
            height,
            width,
            np.float32(profile.lam * profile.theta),
            np.float32(profile.tau),
            np.float32(profile.tau / profile.theta),
            profile.inner,
            profile.epsilon**2 * height * width,
        )
