"""The peak memory of a worker does not grow with the length of a video."""

import pytest
from bench_memory import draw, peak_of_a_fresh_process


@pytest.mark.slow
def test_the_peak_does_not_grow_with_length(tmp_path):
    """Beyond what a video's coded rows may wait in memory: 16 MB for each modality."""
    peaks = []
    for frames in (400, 4000):
        path = tmp_path / f"{frames}.mp4"
        draw(path, frames=frames)
        result = peak_of_a_fresh_process(path, 64, "rgb,flow,mv")
        assert result["frames"] == frames and not result["torch"]
        peaks.append(result["peak_mb"])
    decoded_mb_of_the_difference = 3600 * 64 * 84 * (3 + 2 * 4) / 1e6  # 213
    assert peaks[1] - peaks[0] < decoded_mb_of_the_difference / 4
    assert peaks[1] < 1000
