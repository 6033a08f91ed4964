"""Lines of progress of a reproduction, and the time that is left."""

import json

import pytest
from made_runs import made_run

from training.reproduce.plan import Stage
from training.reproduce.remaining import remaining_seconds, seconds_of
from training.reproduce.workers import Done


def test_the_rest_is_estimated_from_equal_stages():
    stages = ["a@0", "b@0", "a@1", "b@1"]
    assert remaining_seconds(stages, {}, {}, 1) is None
    runs, seconds = {"a@0": "x", "b@0": "y"}, {"a@0": 10.0, "b@0": 30.0}
    assert remaining_seconds(stages, runs, seconds, 1) == 40.0
    assert remaining_seconds(stages, runs, seconds, 2) == 20.0


@pytest.mark.parametrize(
    ("took", "wall", "expected"),
    [(0.2, 240.0, 240.0), (0.2, None, 0.2), (4.9, 3.0, 4.9), (60.0, 240.0, 60.0)],
)
def test_a_run_that_was_complete_counts_as_its_training_took(
    took, wall, expected, tmp_path
):
    """Or a reproduction that finds most runs complete would promise to end at once."""
    folder = made_run(tmp_path / "run", "mv_small", [True, False])
    results = json.loads((folder / "results.json").read_text("utf-8"))
    results["training"] = {
        "epochs": 3,
        "seconds": 1.0,
        "seconds_per_epoch": 0.3,
        "share_of_waiting": 0.0,
        "parameters": 7,
        "wall_seconds": wall,
    }
    (folder / "results.json").write_text(json.dumps(results), encoding="utf-8")
    done = Done(Stage("mv_small", 0, "1"), str(folder), seconds=took)
    assert seconds_of(done) == expected


def test_a_fusion_takes_what_it_took(tmp_path):
    folder = made_run(tmp_path / "run", "frame_mv_small", [True, False])
    done = Done(Stage("frame_mv_small", 0, "1"), str(folder), seconds=0.5)
    assert seconds_of(done) == 0.5
