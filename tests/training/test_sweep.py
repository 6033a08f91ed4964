"""Sweeps of a tiny recipe: their runs, their table, and what goes wrong."""

import json
import os
import signal
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner
from tiny_runs import StopAt, Told

from training.commands.cli import main
from training.engine import checkpoint
from training.errors import Interrupted
from training.run_files.results import Interval
from training.runs.record import Run
from training.sweep import Point, best_first, sorted_by, sweep, sweep_text

HERE = Path(__file__).parent


def swept(store, runs, *texts, reporter=None, **options):
    given = {"splits": ["1"], "seeds": [0], "machine": {"device": "cpu"}} | options
    return sweep(
        "tiny", texts, store=store, runs=runs, reporter=reporter or Told(), **given
    )


def test_runs_of_all_combinations_are_kept_and_found_again(store, tmp_path):
    told = Told()
    points = swept(
        store, tmp_path, "epochs=1,2", "teacher:epochs=1", reporter=told, seeds=[0, 1]
    )
    assert {point.settings for point in points} == {
        ("epochs=1", "teacher:epochs=1"),
        ("epochs=2", "teacher:epochs=1"),
    }
    assert told.lines[0] == "tiny: 2 combinations, 4 runs"
    for point in points:
        runs = [Run(Path(folder)) for folder in point.runs]
        results = [run.results() for run in runs]
        assert [run.config().seed for run in runs] == [0, 1]
        epochs = int(point.settings[0].removeprefix("epochs="))
        assert [one.training.epochs for one in results] == [epochs, epochs]
        tops = [one.held_out.top1.mean for one in results]
        assert point.held_out == Interval(sum(tops) / 2, min(tops), max(tops))
        mean = sum(one.test.top1.mean for one in results) / 2
        assert point.test.mean == pytest.approx(mean)
    assert len(list(tmp_path.iterdir())) == 6  # two teachers, four students
    times = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/results.json")}
    again = swept(store, tmp_path, "epochs=1,2", "teacher:epochs=1", seeds=[0, 1])
    assert again == points
    assert times == {
        path: path.stat().st_mtime_ns for path in tmp_path.glob("*/results.json")
    }


def test_an_interrupted_sweep_resumes(store, tmp_path):
    with pytest.raises(Interrupted, match="0 of 2 runs are over; run the same command"):
        swept(store, tmp_path, "epochs=1,2", reporter=StopAt(1))
    begun = {path.name for path in tmp_path.iterdir()}
    points = swept(store, tmp_path, "epochs=1,2")
    assert [len(point.runs) for point in points] == [1, 1]
    assert begun < {path.name for path in tmp_path.iterdir()}
    assert len(list(tmp_path.iterdir())) == 3


def call(*arguments: str):
    return CliRunner().invoke(main, ["sweep", "--recipe", "tiny", *arguments])


def test_a_run_that_fails_is_named_and_the_others_go_on(store, tmp_path, teacher):
    """A learning rate at which the second loss is no number."""
    rates = "optim.learning_rate=1e38,1e-3"
    places = ("--store", str(store.folder), "--out", str(tmp_path / "runs"))
    done = call("--set", rates, *places, "--json")
    assert done.exit_code == 3, done.output
    told = json.loads(done.stdout)
    good, failed = told["points"]
    assert good["settings"] == ["optim.learning_rate=1e-3"] and len(good["runs"]) == 1
    assert failed["settings"] == ["optim.learning_rate=1e38"] and not failed["runs"]
    assert "loss" in failed["errors"][0]
    assert told["sorted_by"] == "held_out"
    assert "[1/2] optim.learning_rate=1e38: failed: " in done.stderr
    shown = call("--set", rates, *places)
    assert shown.exit_code == 3
    lines = shown.stdout.splitlines()
    assert lines[0].split() == ["held-out", "top-1", "test", "top-1", "settings"]
    assert lines[1].endswith(")  optim.learning_rate=1e-3")
    assert "optim.learning_rate=1e38  failed: " in lines[2]


@pytest.mark.slow
def test_processes_side_by_side(store, tmp_path):
    points = swept(store, tmp_path, "epochs=1,2", jobs=2)
    assert sorted(point.settings for point in points) == [("epochs=1",), ("epochs=2",)]
    assert all(len(point.runs) == 1 and not point.errors for point in points)
    assert len(list(tmp_path.iterdir())) == 3  # one teacher for both


def point(name: str, held_out: float | None, test: float, **more) -> Point:
    interval = None if held_out is None else Interval(held_out, 0.0, 1.0)
    own = Interval(test, 0.0, 1.0)
    return Point(settings=(name,), runs=["r"], held_out=interval, test=own, **more)


def test_the_best_on_held_out_videos_is_first():
    points = [
        point("low", 0.2, 0.9),
        Point(settings=("none",), errors=["a fault"]),
        point("high", 0.6, 0.1),
        point("half", 0.9, 0.9, errors=["a seed"]),
    ]
    assert [p.settings[0] for p in best_first(points)] == [
        "high",
        "low",
        "none",
        "half",
    ]
    assert sorted_by(points) == "held_out"
    assert sweep_text(best_first(points)).splitlines() == [
        "held-out top-1         test top-1             settings",
        "60.0 % (0.0 to 100.0)  10.0 % (0.0 to 100.0)  high",
        "20.0 % (0.0 to 100.0)  90.0 % (0.0 to 100.0)  low",
        "                                              none  failed: a fault",
        "90.0 % (0.0 to 100.0)  90.0 % (0.0 to 100.0)  half  failed: a seed",
    ]


def test_without_held_out_videos_the_order_is_said():
    points = best_first([point("low", None, 0.2), point("high", None, 0.6)])
    assert [p.settings[0] for p in points] == ["high", "low"]
    text = sweep_text(points)
    assert "sorted by the test part, as no videos are held out" in text
    assert "(--held-out 0.2 holds some out)" in text
    for rule, hint in (
        ("--held-out 0", "(--held-out 0.2 holds some out)"),
        (
            "no class has a training video to spare",
            "(no class has a training video to spare, so --held-out cannot change that)",
        ),
        (
            "even one group would be more than 15% of 8 videos",
            "15% of 8 videos; a larger --held-out holds some out)",
        ),
    ):
        points[1].held_out_rule = rule
        assert hint in sweep_text(points)


def test_the_rule_without_held_out_videos_is_that_of_the_runs(store, tmp_path):
    (one,) = swept(store, tmp_path / "runs", "epochs=1", held_out=0.01)
    assert one.held_out is None
    assert one.held_out_rule == "even one group would be more than 2% of 8 videos"


def test_refusals_are_one_line_before_any_training(store, tmp_path):
    places = ("--store", str(store.folder), "--out", str(tmp_path / "runs"))
    for arguments, message in (
        (("--set", "epohcs=1,2"), "did you mean epochs"),
        (("--set", "epochs=1,0"), "at least 1 epoch"),
        (("--set", "epochs=1", "--split", "3"), "a split among 1, got 3"),
        (("--set", "epochs=1", "--ray", "127.0.0.1:1"), "a Ray cluster at 127.0.0.1:1"),
    ):
        refused = call(*places, *arguments)
        assert refused.exit_code == 1, refused.output
        assert message in refused.stderr.splitlines()[-1]
        assert "Traceback" not in refused.output
    assert call(*places).exit_code == 2  # nothing to set
    assert not (tmp_path / "runs").exists()


@pytest.fixture(scope="module")
def on_ray():
    """A cluster of this machine, with two cores."""
    import ray

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{HERE}{os.pathsep}{HERE.parents[1]}")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_worker_niceness", "0")  # or a busy machine starves them
        ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
        yield
        ray.shutdown()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_a_sweep_on_ray(store, tmp_path, on_ray):
    points = swept(store, tmp_path, "optim.learning_rate=1e38,1e-3", ray="auto")
    assert [len(point.runs) for point in points] == [1, 0]
    assert "loss" in points[1].errors[0]
    assert points[0].held_out is not None


class InterruptAfterFirst(Told):
    """Sends SIGINT to this process shortly after a first run is over."""

    def say(self, text: str) -> None:
        super().say(text)
        if text.startswith("[1/"):
            threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_an_interrupted_sweep_on_ray_keeps_what_is_complete(store, tmp_path, on_ray):
    """The other run has saved, and the same command goes on with it, on Ray or not."""
    texts = ("epochs=1,100", "teacher:epochs=1")
    swept(store, tmp_path, "epochs=1", *texts[1:])
    with pytest.raises(Interrupted, match="run the same command to resume"):
        swept(store, tmp_path, *texts, ray="auto", reporter=InterruptAfterFirst())
    short, long = (
        Run(next(tmp_path.glob(f"*+epochs={count}+teacher.epochs=1-*")))
        for count in (1, 100)
    )
    assert short.results() is not None and long.results() is None
    assert 0 < checkpoint.load(long.path("checkpoint.pt"))["steps_done"] < 200
    times = [run.path("recipe.json").stat().st_mtime_ns for run in (short, long)]
    begun = [line for line in long.metrics() if line["kind"] == "epoch"]
    points = swept(store, tmp_path, *texts)
    assert [len(point.runs) for point in points] == [1, 1]
    epochs = [line for line in long.metrics() if line["kind"] == "epoch"]
    assert [line["epoch"] for line in epochs] == list(range(100))
    assert epochs[: len(begun)] == begun  # with their clocks: they were not repeated
    assert times == [
        run.path("recipe.json").stat().st_mtime_ns for run in (short, long)
    ]
