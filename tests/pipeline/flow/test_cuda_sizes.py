"""Frames of many sizes on a GPU, timed by a model: they are no slower than those of one."""

import random

import numpy as np
from timed_gpu import TimedGpu

from pipeline.flow.batches import Coding, consecutive
from pipeline.flow.cuda.solver import SIZES, CudaSolver
from pipeline.flow.profiles import PROFILES

ONE = [(256, 340)]
SIXTY = [(256, 256 + 4 * k) for k in range(40)] + [
    (256 + 8 * k, 192) for k in range(20)
]
PAIRS = 150
"""Pairs of a video: two batches and a rest."""


def pixels_per_second(
    sizes: list[tuple[int, int]], videos: int, *, memory: int
) -> tuple[float, TimedGpu]:
    """Pixels of all pairs per second, with videos of these sizes in a mixed order."""
    gpu = TimedGpu(memory)
    device = CudaSolver("default", PROFILES["default"], gpu)
    order = [sizes[k % len(sizes)] for k in range(videos)]
    random.Random(0).shuffle(order)
    waiting, pixels = [], 0
    for height, width in order:
        left, most = PAIRS, device.most(height, width)
        while left:
            count = min(left, most)
            frames = np.broadcast_to(np.zeros((), np.uint8), (count + 1, height, width))
            coding = Coding("companded", 20.0)
            waiting.append(device.launch(frames, consecutive(count + 1), coding))
            left -= count
            if len(waiting) == 2:
                device.collect(waiting.pop(0))
        pixels += PAIRS * height * width
    for ticket in waiting:
        device.collect(ticket)
    return pixels / gpu.host, gpu


def test_sixty_sizes_are_as_fast_as_one():
    memory = 1200 << 20
    one, _ = pixels_per_second(ONE, 20, memory=memory)
    sixty, gpu = pixels_per_second(SIXTY, 150, memory=memory)
    assert 6000 < one / (256 * 340) < 9000
    assert sixty > 0.9 * one
    assert gpu.used < memory
    assert len(SIXTY) < SIZES
