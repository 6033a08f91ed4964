"""TV-L1 on one processor core, compiled by numba."""

from collections import OrderedDict

import cv2
import llvmlite.binding
import numpy as np

from .cache import compile_kernels
from .profiles import Profile, level_sizes
from .solver import check_frames
from .strips import clear_dual, empty_state, put_flow, take_flow
from .sweep import iterate
from .taps import empty_taps, image_and_gradient
from .warp import warp

KEPT_BYTES = 256 << 20


class _Level:
    """Memory for one level of the pyramid, and the solver's steps on it."""

    def __init__(self, height: int, width: int, profile: Profile) -> None:
        self.size = (height, width)
        self.state = empty_state(height, width)
        self.taps = empty_taps(height, width)
        self.flow = np.zeros((2, height, width), np.float32)
        self.unfiltered = np.zeros_like(self.flow)
        self.limit = np.float32(profile.lam * profile.theta)
        self.tau = np.float32(profile.tau)
        self.slope = np.float32(profile.tau / profile.theta)
        self.profile = profile

    def solve(self, first: np.ndarray, second: np.ndarray) -> None:
        """Improve `flow` so that it leads from the first image to the second."""
        profile = self.profile
        enough = profile.epsilon**2 * first.size
        image_and_gradient(second, self.taps)
        clear_dual(self.state)
        put_flow(*self.flow, self.state)
        for _ in range(profile.warps):
            warp(first, self.taps, self.state)
            for _ in range(profile.outer):
                if profile.median > 1:
                    take_flow(self.state, *self.unfiltered)
                    for source, target in zip(self.unfiltered, self.flow, strict=True):
                        cv2.medianBlur(source, profile.median, target)
                    put_flow(*self.flow, self.state)
                if iterate(
                    self.state,
                    *self.size,
                    self.limit,
                    self.tau,
                    self.slope,
                    profile.inner,
                    enough,
                ):
                    break
        take_flow(self.state, *self.flow)


class CpuSolver:
    """`FlowSolver` for one core of this machine.

    The same frames give the same bytes on the same machine; machines with other vector
    instructions add in another order and differ in the last digits.
    """

    backend = "cpu"

    def __init__(self, name: str, profile: Profile) -> None:
        compile_kernels(
            iterate, image_and_gradient, warp, put_flow, take_flow, clear_dual
        )
        self.profile = name
        self.device = f"cpu {llvmlite.binding.get_host_cpu_name()}"
        self._settings = profile
        self._levels: OrderedDict[tuple[int, int], list[_Level]] = OrderedDict()

    def flow(self, frames: np.ndarray) -> np.ndarray:
        """See `FlowSolver.flow`."""
        check_frames(frames)
        flow = np.empty((*frames.shape, 2), np.float32)[1:]
        levels = self._levels_for(*frames.shape[1:])
        first = self._pyramid(frames[0], levels)
        for k in range(len(flow)):
            second = self._pyramid(frames[k + 1], levels)
            self._solve(levels, first, second)
            flow[k] = levels[0].flow.transpose(1, 2, 0)
            first = second
        return flow

    def _levels_for(self, height: int, width: int) -> list[_Level]:
        """Memory for frames of this size; that of other sizes is let go beyond a limit."""
        if (height, width) not in self._levels:
            self._levels.clear()
            self._levels[height, width] = [
                _Level(*size, self._settings)
                for size in level_sizes(height, width, self._settings)
            ]
        return self._levels[height, width]

    def _pyramid(self, frame: np.ndarray, levels: list[_Level]) -> list[np.ndarray]:
        images: list[np.ndarray] = [frame.astype(np.float32)]
        for level in levels[1:]:
            step = self._settings.step
            images.append(
                cv2.resize(
                    images[-1], None, fx=step, fy=step, interpolation=cv2.INTER_LINEAR
                )
            )
            assert images[-1].shape == level.size
        return images

    def _solve(
        self, levels: list[_Level], first: list[np.ndarray], second: list[np.ndarray]
    ) -> None:
        levels[-1].flow[:] = 0
        for number in reversed(range(len(levels))):
            level = levels[number]
            level.solve(first[number], second[number])
            if number:
                finer = levels[number - 1]
                height, width = finer.size
                for source, target in zip(level.flow, finer.flow, strict=True):
                    cv2.resize(
                        source, (width, height), target, interpolation=cv2.INTER_LINEAR
                    )
                finer.flow *= np.float32(1 / self._settings.step)
