"""Whole papers at size tiny: interrupted, resumed, side by side, and reported."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from moving_store import videos, write_store

from pipeline.store import Store
from training.errors import Interrupted, RunError
from training.reproduce.run import reproduce
from training.run_files.json_dataclasses import to_json
from training.run_files.reading import read_json
from training.runs.progress import SilentReporter
from training.runs.record import Run

ROWS = ("mv", "ti", "dtmv", "frame_dtmv")
MACHINE = {"device": "cpu", "precision": "float32", "workers": 0}


@pytest.fixture(scope="module")
def tiny_store(tmp_path_factory) -> Store:
    """Eight groups of two videos of 8 frames; three groups are tested."""
    folder = tmp_path_factory.mktemp("stores") / "moving"
    return Store(write_store(folder, videos(groups=8, tested=3)))


class StopAfter(SilentReporter):
    """Sends SIGINT to this process in a stage, some steps after a stage was complete."""

    def __init__(self, stages: int) -> None:
        self.stages, self.lines = stages, list[str]()

    def say(self, text: str) -> None:
        self.lines.append(text)

    def step(self, done: int, text: str) -> None:
        if sum(line.startswith("[") for line in self.lines) == self.stages:
            os.kill(os.getpid(), signal.SIGINT)


def told_of(store: Store, out: Path, **changes) -> dict:
    settings = {
        "size": "tiny",
        "seeds": (0,),
        "store": store,
        "splits": ("1",),
        "out": out,
        "rows": ROWS,
        "machine": MACHINE,
        "controls": False,
        "reporter": SilentReporter(),
    } | changes
    return to_json(reproduce("dtmv", **settings))


def accuracies(out: Path) -> dict:
    return json.loads((out / "table.json").read_text())["systems"]


def test_interrupted_and_resumed_is_as_if_nothing_had_been(tiny_store, tmp_path):
    whole = told_of(tiny_store, tmp_path / "whole" / "report")
    assert whole["done"] == whole["total"] == 6
    out = tmp_path / "parts" / "report"
    with pytest.raises(Interrupted, match="2 of 6 stages are complete; run the same"):
        told_of(tiny_store, out, reporter=StopAfter(2))
    begun = {run.parent.name for run in (tmp_path / "parts").glob("*/checkpoint.pt")}
    assert len(begun) == 3  # two complete, one that goes on
    assert read_json(out / "reproduction.json")["done"] == 2
    assert "Not finished: 2 of 6" in (out / "report.md").read_text()
    before = {
        path: path.stat().st_mtime_ns
        for path in (tmp_path / "parts").glob("*/results.json")
    }
    again = told_of(tiny_store, out)
    assert all(path.stat().st_mtime_ns == old for path, old in before.items())
    assert again["done"] == 6 and not again["not_run"].keys() & set(ROWS)
    assert accuracies(out) == accuracies(tmp_path / "whole" / "report")
    page = (out / "report.md").read_text()
    assert "| MV-CNN from scratch (10 crops) | mv_tiny | 74.4 (UCF101) |" in page
    assert "## Speed" in page and ", batches of 16: inputs" in page
    assert {path.name for path in (out / "figures").iterdir()} >= {
        "filters.svg",
        "flow.svg",
    }


def test_a_failing_row_leaves_the_others_and_is_named(tiny_store, tmp_path):
    out = tmp_path / "report"
    bad = tmp_path / "moving-ti_tiny-split1-seed0"
    told_of(tiny_store, out, rows=("ti",))
    shutil.rmtree(out)
    (bad / "results.json").unlink()
    (bad / "checkpoint.pt").write_bytes(b"junk")
    told = told_of(tiny_store, out, rows=("ti", "mv"))
    assert "expected a checkpoint of a training" in told["not_run"]["ti"]
    assert told["done"] == 2
    assert "| ti | " in (out / "report.md").read_text().partition("## Not run")[2]


def test_only_rows_that_were_asked_for_say_why_none_could_be_run(tiny_store, tmp_path):
    bad, out = tmp_path / "moving-mv_tiny-split1-seed0", tmp_path / "report"
    told_of(tiny_store, out, rows=("mv",))
    shutil.rmtree(out)
    (bad / "results.json").unlink()
    (bad / "checkpoint.pt").write_bytes(b"junk")
    with pytest.raises(RunError, match="no stage could be completed: mv: ") as failed:
        told_of(tiny_store, out, rows=("mv",))
    assert "not asked for" not in str(failed.value)


def test_another_folder_is_not_written_into(tiny_store, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(RunError, match="mine: expected a reproduction or an empty"):
        told_of(tiny_store, tmp_path / "mine")


@pytest.mark.slow
def test_two_processes_give_the_same_and_stop_together(tiny_store, tmp_path):
    """As a command: stopped in the middle it exits 130, then goes on to the end."""
    data = tmp_path / "data"
    shutil.copytree(tiny_store.folder, data / "stores" / "moving")
    command = [sys.executable, "-c", "from training.commands.cli import main; main()"]
    options = ["reproduce", "htsc", "--size", "tiny", "--seeds", "1", "--jobs", "2"]
    options += ["--rows", "4", "--no-controls"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "VIDEO_DATA": str(data)}
    child = subprocess.Popen(
        [*command, *options], env=environment, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    assert child.stderr is not None
    for line in child.stderr:
        if line.startswith("[1/7]") or time.monotonic() > deadline:
            break
    child.send_signal(signal.SIGINT)
    said = child.communicate(timeout=60)[1]
    assert child.returncode == 130, said
    assert "run the same command to resume" in said
    done = subprocess.run(
        [*command, *options, "--json"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout)
    assert told["done"] == 7
    assert set(told["not_run"].values()) == {"not asked for"}
    folder = Path(told["runs"]["htsc_tiny@0"])
    assert Run(folder).results().what == "adaptive of hts_cln_tiny"
    alone = tmp_path / "alone" / "report"
    reproduce(
        "htsc",
        size="tiny",
        seeds=(0,),
        store=tiny_store,
        splits=("1",),
        out=alone,
        rows=("4",),
        controls=False,
        machine=MACHINE,
        reporter=SilentReporter(),
    )
    both = data / "runs" / "moving-reproduce-htsc-tiny-split1"
    assert accuracies(both) == accuracies(alone)


def test_all_splits_are_trained_and_their_mean_is_told(tmp_path):
    """Two splits whose test parts share no video; the first is there before."""
    made = [
        replace(video, parts={"2": "test" if video.group < "g03" else "train"})
        for video in videos(groups=8, tested=3)
    ]
    folder = write_store(tmp_path / "moving", made, splits={"1": "lists", "2": "lists"})
    store, out = Store(folder), tmp_path / "runs" / "both"
    alone = tmp_path / "runs" / "alone"
    told_of(store, alone, rows=("ti",))
    with pytest.raises(Interrupted, match="3 of 4 stages"):
        told_of(store, out, rows=("ti",), splits=("1", "2"), reporter=StopAfter(3))
    before = read_json(alone / "reproduction.json")
    told = told_of(store, out, rows=("ti",), splits=("1", "2"))
    assert told["split"] == "1,2" and told["done"] == told["total"] == 4
    assert told["runs"].keys() == {
        f"{name}@0@{split}" for name in ("flow2d_tiny", "ti_tiny") for split in "12"
    }
    assert (
        before["split"] == "1"
        and before["runs"]["ti_tiny@0"] == (told["runs"]["ti_tiny@0@1"])
    )
    assert Run(Path(told["runs"]["ti_tiny@0@2"])).config().split.name == "2"
    taught = Run(Path(told["runs"]["ti_tiny@0@2"])).machine().teacher
    assert Run(Path(taught)).config().split.name == "2"
    ours = accuracies(out)["ti"]
    each = [ours["splits"][split]["accuracy"]["all"]["mean"] for split in ("1", "2")]
    assert ours["splits"]["1"]["accuracy"] == accuracies(alone)["ti"]["accuracy"]
    assert ours["accuracy"]["all"]["mean"] == pytest.approx(sum(each) / 2)
    with pytest.raises(RunError, match="with split 1, but it has split 1,2"):
        told_of(store, out, rows=("ti",))


def test_another_paper_in_the_same_folder_is_refused(tiny_store, tmp_path):
    told_of(tiny_store, tmp_path / "report", rows=("mv",))
    with pytest.raises(RunError, match="with paper ds, but it has paper dtmv"):
        reproduce(
            "ds",
            size="tiny",
            seeds=(0,),
            store=tiny_store,
            splits=("1",),
            out=tmp_path / "report",
            machine=MACHINE,
            reporter=SilentReporter(),
        )


def test_another_share_may_be_held_out_of_all_rows(tiny_store, tmp_path):
    """In a folder that says so: another share trains other networks."""
    out = tmp_path / "report"
    held = {}
    for share in (0.4, None):
        told_of(tiny_store, out, rows=("mv",), held_out=share)
        recorded = json.loads((out / "reproduction.json").read_text())
        run = Path(recorded["runs"]["mv_tiny@0"])
        results = json.loads((run / "results.json").read_text())
        held[share] = results["videos"]["held_out"]
        if share:
            with pytest.raises(RunError, match="with held_out None, but .* 0.4"):
                told_of(tiny_store, out, rows=("mv",))
            shutil.rmtree(out)
    assert held == {0.4: 4, None: 2}  # of 10 videos in groups of two; the recipe's .25
