"""The peak memory of a worker does not grow with the length of a video."""

import pytest
from bench_memory import draw, peak_of_a_fresh_process


@pytest.mark.slow
def test_the_peak_does_not_grow_with_length(tmp_path):
    peaks = []
    for frames in (200, 1600):
        path = tmp_path / f"{frames}.mp4"
        draw(path, frames=frames)
        result = peak_of_a_fresh_process(path, 64, "rgb,flow,mv")
        assert result["frames"] == frames and not result["torch"]
        peaks.append(result["peak_mb"])
    rgb_mb_of_the_difference = 1400 * 64 * 84 * 3 / 1e6
    assert peaks[1] - peaks[0] < rgb_mb_of_the_difference / 2
    assert peaks[1] < 1000
