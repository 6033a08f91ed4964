"""Weights, checkpoints and scores in which a bit has changed are never used."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_recipe as tiny
import torch
from made_runs import scores_of
from tiny_runs import StopAt, Told, same, taught

from training.engine import checkpoint
from training.errors import (
    CheckpointError,
    Interrupted,
    RunError,
    TrainingError,
    WriteError,
)
from training.models.weights import read_weights
from training.run_files.writing import append
from training.runs.record import Run
from training.runs.trained import trained_model
from training.scoring.scores import Scores

FLIPS = 150
FOUR = replace(tiny.teach("mv"), epochs=4)
"""Four steps."""


def damaged(whole: bytes) -> Iterator[bytes]:
    """The same file with one bit changed, anywhere and near both ends; cut; emptied."""
    rng = np.random.default_rng(7)
    size = len(whole)
    anywhere = rng.integers(0, size, FLIPS)
    near = [*range(0, min(size, 120), 3), *range(max(size - 120, 0), size)]
    for place in (*anywhere.tolist(), *near):
        changed = bytearray(whole)
        changed[place] ^= 1 << int(rng.integers(8))
        yield bytes(changed)
    yield from (b"", whole[:-1], whole[: size // 2], whole[:7], bytes(size), b"x" * 99)


def fails_always(path: Path, read) -> None:
    whole = path.read_bytes()
    for number, content in enumerate(damaged(whole)):
        path.write_bytes(content)
        with pytest.raises(TrainingError) as refused:
            read()
        line = str(refused.value)
        assert path.name in line and "\n" not in line, (number, line)
    path.write_bytes(whole)
    read()


@pytest.fixture(scope="module")
def half(store, tmp_path_factory) -> Run:
    """A run that was stopped in the middle, with two checkpoints. Read only."""
    out = tmp_path_factory.mktemp("half") / "run"
    for step in (2, 3):
        with pytest.raises(Interrupted):
            taught(store, out, recipe=FOUR, reporter=StopAt(step))
    return Run(out)


@pytest.fixture
def teachers(teacher, tmp_path) -> Run:
    return Run(shutil.copytree(teacher.folder, tmp_path / "teacher"))


def test_weights_with_a_changed_bit_are_refused(teachers):
    path = teachers.path("model.pt")
    fails_always(path, lambda: read_weights(path))


def test_a_run_refuses_weights_that_its_results_are_not_of(teachers):
    path = teachers.path("model.pt")
    weights = read_weights(path)
    trained_model(teachers)
    weights["fc.bias"] = weights["fc.bias"] + 1e-6
    checkpoint.save_weights(path, weights)
    with pytest.raises(CheckpointError, match=r"model.pt: .* results.json is of"):
        trained_model(teachers)
    path.unlink()
    with pytest.raises(RunError, match=r"expected weights, but it has no model.pt"):
        trained_model(teachers)


def test_scores_with_a_changed_bit_are_refused(tmp_path):
    path = tmp_path / "scores_test.npz"
    scores_of([True, False, True]).save(path)
    fails_always(path, lambda: Scores.load(path))


def test_a_changed_checkpoint_gives_way_to_the_one_before(tmp_path):
    path = tmp_path / "checkpoint.pt"
    older = checkpoint.before(path)
    for taken in (2, 3):
        state = {
            "version": checkpoint.VERSION,
            "taken": taken,
            "weights": torch.arange(500.0),
        }
        checkpoint.save(path, state)
    assert [checkpoint.load(one)["taken"] for one in (older, path)] == [2, 3]
    kept = older.read_bytes()
    for content in damaged(path.read_bytes()):
        path.write_bytes(content)
        older.write_bytes(kept)
        said: list[str] = []
        assert checkpoint.newest(path, said.append)
        assert path.read_bytes() == kept
        assert len(said) == 1 and "checkpoint.pt: the file " in said[0]
        assert "resuming from the previous checkpoint" in said[0]


def test_a_pipe_in_the_place_of_a_checkpoint_is_damage_and_nobody_waits(tmp_path):
    path = tmp_path / "checkpoint.pt"
    older = checkpoint.before(path)
    checkpoint.save(older, {"version": checkpoint.VERSION, "taken": 2})
    kept = older.read_bytes()
    os.mkfifo(path)
    said: list[str] = []
    assert checkpoint.newest(path, said.append)
    assert path.read_bytes() == kept
    assert "expected a file, got something else: resuming from" in said[0]
    path.unlink()
    os.mkfifo(older)
    with pytest.raises(CheckpointError, match=r"checkpoint_before.pt: .*damaged file"):
        checkpoint.newest(path)
    os.mkfifo(tmp_path / "metrics.jsonl")
    with pytest.raises(WriteError, match="metrics.jsonl: cannot be written"):
        append(tmp_path / "metrics.jsonl", "{}\n")


def test_no_checkpoint_one_and_two_damaged_ones(half, tmp_path):
    path = tmp_path / "checkpoint.pt"
    assert not checkpoint.newest(path)
    shutil.copy(checkpoint.before(half.path(path.name)), checkpoint.before(path))
    assert checkpoint.newest(path)  # killed between two renames
    path.write_bytes(b"")
    checkpoint.before(path).write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"is empty and so is .* to begin again"):
        checkpoint.newest(path)
    path.unlink()
    with pytest.raises(CheckpointError, match=r"checkpoint_before.pt: .*damaged file"):
        checkpoint.newest(path)


def test_from_the_checkpoint_before_the_same_result_follows(store, half, tmp_path):
    whole = taught(store, tmp_path / "whole", recipe=FOUR)
    run = Run(shutil.copytree(half.folder, tmp_path / "run"))
    data = bytearray(run.path("checkpoint.pt").read_bytes())
    data[len(data) // 2] ^= 4
    run.path("checkpoint.pt").write_bytes(data)
    reporter = Told()
    assert same(whole, taught(store, run.folder, recipe=FOUR, reporter=reporter))
    assert any("resuming after step 2 of" in line for line in reporter.lines)
    steps = [line["step"] for line in run.metrics() if line["kind"] == "steps"]
    assert steps == sorted(set(steps))


def test_a_checkpoint_of_another_network_is_one_line(store, half, tmp_path):
    run = Run(shutil.copytree(half.folder, tmp_path / "run"))
    path = run.path("checkpoint.pt")
    state = checkpoint.load(path)
    strange = [
        {"version": checkpoint.VERSION, "world_size": 1},
        state | {"model": {"fc.weight": torch.zeros(3)}},
        state | {"optimizer": {"state": {}, "param_groups": []}},
        state | {"steps_done": 10**9},
        state | {"epochs_done": -1},
        state | {"steps_done": 1},  # before the end of the second epoch
        state | {"epochs_done": 1},  # two epochs are a step each
        state | {"random": [{"cpu": torch.zeros(3)}]},
        state | {"random": []},
        state | {"best": None},
    ]
    for one in strange:
        checkpoint.save(path, one)
        with pytest.raises(CheckpointError, match="a checkpoint of this run") as told:
            taught(store, run.folder, recipe=FOUR)
        assert "\n" not in str(told.value)
