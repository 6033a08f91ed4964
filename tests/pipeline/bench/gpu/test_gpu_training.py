"""The training stage: the command it runs, what it reads of it, and how failures are told."""

import json
import subprocess
from pathlib import Path

import pytest
import torch
from small_videos import draw_videos

from pipeline.bench.gpu import training_speed
from pipeline.bench.gpu.rows import NotRun, TrainingSpeed
from pipeline.bench.gpu.settings import Settings
from pipeline.bench.gpu.training_speed import RUNS, Run
from pipeline.driver.extraction import extract
from pipeline.errors import BenchError
from pipeline.executors.choose import Execution
from pipeline.extract.settings import ExtractSettings
from pipeline.store import Store
from training.bench.report import Benchmark, WorkersSpeed
from training.commands.bench import bench
from training.recipes.files import recipe_named
from training.run_files.json_dataclasses import to_json

RUN = Run(network="resnext3d_101", memory_format="channels_last")
STORE = str(Path(__file__).parent)
"""A folder that is there."""
SETTINGS = Settings(seconds=150.0, store=STORE)


def printed(workers: int = 14) -> str:
    """The output of `training bench --json`."""
    row = WorkersSpeed(
        workers=workers,
        loader_alone=2000.0,
        training=900.0,
        loader_alone_range=(1.0, 3.0),
        training_range=(1.0, 3.0),
        share_of_waiting=0.07,
        share_of_bare=0.9,
    )
    found = Benchmark(
        store="store",
        recipe="r3d_rgb",
        modality="rgb",
        batch_size=32,
        device="NVIDIA H200",
        precision="bfloat16",
        threads=1,
        memory_format="channels_last",
        cudnn_benchmark=True,
        inputs="device",
        clip_bytes=602_112,
        bare=1000.0,
        loop=990.0,
        bare_range=(1.0, 3.0),
        loop_range=(1.0, 3.0),
        rows=(row,),
    )
    return json.dumps(to_json(found))


@pytest.fixture
def commands(monkeypatch) -> list[list[str]]:
    """Commands that would be run; each answers at once, on a machine with a GPU."""
    given: list[list[str]] = []

    def run(command, **options):
        given.append(command)
        return subprocess.CompletedProcess(command, 0, printed(), "")

    monkeypatch.setattr(training_speed.subprocess, "run", run)
    monkeypatch.setattr(training_speed, "cannot_train", lambda: "")
    monkeypatch.setattr(training_speed, "worker_cores", lambda: 16)
    return given


def test_a_row_has_the_figures_of_the_command():
    assert training_speed.row_of(RUN, printed()) == TrainingSpeed(
        network="resnext3d_101",
        memory_format="channels_last",
        batch_size=32,
        workers=14,
        network_alone=1000.0,
        loader_alone=2000.0,
        training=900.0,
        share_of_waiting=0.07,
    )


def test_the_command_is_one_that_training_takes(commands):
    rows = list(training_speed.training_speed(SETTINGS))
    assert len(rows) == len(commands) == len(RUNS) == 4
    for run, command in zip(RUNS, commands, strict=True):
        _, _, code, word, *options = command
        assert (code, word) == (training_speed.COMMAND, "bench")
        found = bench.make_context("bench", options).params
        assert str(found["store"]) == STORE
        assert (found["modality"], found["as_json"]) == ("rgb", True)
        assert found["workers"] == (14,)
        assert found["memory_format"] == run.memory_format
        model = recipe_named(found["recipe"]).settings.model
        assert (model.net, model.sees) == (run.network, "rgb")
        assert 0.5 <= found["seconds"] <= 5.0


def test_measurements_fit_into_the_time(commands):
    list(training_speed.training_speed(Settings(seconds=132.0, store=STORE)))
    seconds = [float(it[it.index("--seconds") + 1]) for it in commands]
    assert seconds[0] == pytest.approx((132 / 4 - 26) / 5, abs=0.05)


def test_a_run_that_fails_is_named_and_the_others_are_measured(commands, monkeypatch):
    whole = training_speed.subprocess.run

    def run(command, **options):
        if "resnext_rgb" in command and "contiguous" in command:
            said = "Traceback\ntorch.OutOfMemoryError: CUDA out of memory"
            return subprocess.CompletedProcess(command, 1, "", said)
        if "resnext_rgb" in command:
            raise subprocess.TimeoutExpired(command, options["timeout"])
        return whole(command, **options)

    monkeypatch.setattr(training_speed.subprocess, "run", run)
    found = training_speed.training_speed(SETTINGS)
    rows = [next(found) for _ in range(4)]
    with pytest.raises(BenchError, match=r"^2 of 4 runs failed: resnext3d_101, contig"):
        next(found)
    assert [type(row) for row in rows] == [TrainingSpeed, NotRun] * 2
    assert rows[1].part == "resnext3d_101, contiguous"
    assert rows[1].reason == "exit code 1: torch.OutOfMemoryError: CUDA out of memory"
    assert rows[3].reason.startswith("no answer in ")


def test_without_a_gpu_for_torch_nothing_is_run(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (row,) = training_speed.training_speed(SETTINGS)
    assert isinstance(row, NotRun)
    assert row.reason.startswith(f"PyTorch {torch.__version__} (")
    assert row.reason.endswith(") finds no GPU")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert training_speed.cannot_train() == ""
    monkeypatch.setattr(training_speed, "find_spec", lambda name: None)
    assert training_speed.cannot_train() == "PyTorch is not installed"


def test_a_few_clips_are_a_store_to_train_on(monkeypatch, tmp_path):
    monkeypatch.setattr(training_speed, "TRAIN_VIDEOS", 6)
    monkeypatch.setattr(training_speed, "TEST_VIDEOS", 2)
    draw_videos(tmp_path / "clips", 3)
    clips = sorted((tmp_path / "clips").rglob("*.mp4"))
    made = training_speed.data_set(clips)
    settings = ExtractSettings(modalities=("rgb",), short_side=32)
    out = tmp_path / "store"
    extract(made, settings, out=out, execution=Execution(workers=0))
    store = Store(out)
    videos = store.videos()
    assert len(videos) == 8 and store.classes == ("a", "b")
    parts = [video.splits["1"] for video in videos]
    assert parts.count("train") == 6 and parts.count("test") == 2
    assert {video.labels for video in videos if video.splits["1"] == "test"} == {
        (0,),
        (1,),
    }
