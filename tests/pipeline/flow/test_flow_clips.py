"""TV-L1 on real frames: OpenCV's answer, and the error on public ground truth."""

from pathlib import Path
from statistics import mean

import pytest

from pipeline.bench.flow import end_point_errors, run, table
from pipeline.flow import flow_solver

pytestmark = [pytest.mark.clips, pytest.mark.slow]

OPENCV_PX = {
    "Dimetrodon": 0.1795,
    "Grove2": 0.1566,
    "Grove3": 0.7569,
    "Hydrangea": 0.1939,
    "RubberWhale": 0.1562,
    "Urban2": 3.5721,
    "Urban3": 2.0639,
    "Venus": 0.3057,
}
"""End-point errors of OpenCV 5.0.0 in px; they take most of a minute, so written down."""


@pytest.fixture(scope="module")
def middlebury(clips_folder: Path) -> Path:
    return clips_folder / "flow" / "middlebury"


def test_opencv_profile_errs_as_opencv_does_on_every_middlebury_pair(middlebury):
    errors = end_point_errors(flow_solver("cpu", profile="opencv"), middlebury)
    assert errors == pytest.approx(OPENCV_PX, rel=0.01)


@pytest.mark.parametrize(("profile", "most_px"), [("default", 0.40), ("fast", 0.45)])
def test_step_of_a_half_halves_the_error(middlebury, profile, most_px):
    errors = end_point_errors(flow_solver("cpu", profile=profile), middlebury)
    assert mean(errors.values()) <= most_px < mean(OPENCV_PX.values()) / 2


def test_benchmark_finds_opencvs_answer_on_real_clips_and_is_faster(clips_folder):
    profiles = ("opencv", "default")
    result = run(
        pairs=2, clips_folder=clips_folder, profiles=profiles, middlebury=False
    )
    assert tuple(result["profiles"]) == profiles
    for name, row in result["profiles"].items():
        assert row["difference_px"] < 0.02
        assert row["times_opencv"] > 5
        assert f"{name} " in table(result)
    assert f"vectors of up to {result['vector_bits']} bits" in table(result)
