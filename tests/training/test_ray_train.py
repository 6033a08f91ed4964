"""The same command under Ray Train."""

import importlib.util
import os
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from training import ray_train
from training.commands.cli import main
from training.commands.ray_train import IN_WORKERS, _in_worker
from training.errors import MachineError
from training.runs.record import Run

HERE = Path(__file__).parent
INSTALLED = importlib.util.find_spec("pyarrow") and importlib.util.find_spec("pandas")


def test_without_its_packages_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        MachineError,
        match=r"needs Ray Train: pip install 'motion-shards\[ray-train\]'",
    ):
        ray_train.run(print, workers=2)


def test_a_dead_address_or_none_at_all_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(ray_train, "_require_installed", lambda: None)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(MachineError, match="expected a Ray cluster: none runs here"):
        ray_train.run(print, workers=2)
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(MachineError, match="RAY_ADDRESS: expected a Ray cluster at"):
        ray_train.run(print, workers=2)
    with pytest.raises(MachineError, match="--ray: expected a Ray cluster at 127.0.0"):
        ray_train.run(print, workers=2, address="127.0.0.1:2")


def test_other_commands_are_refused_before_a_cluster_is_joined(monkeypatch):
    monkeypatch.setattr(ray_train, "run", lambda *_, **__: pytest.fail("was run"))
    line = ["ray-train", "--num-workers", "2", "--", "evaluate", "RUN"]
    refused = CliRunner().invoke(main, line)
    assert refused.exit_code == 2
    assert "expected teach or distill to run on the workers, got evaluate" in (
        refused.stderr
    )


def test_a_worker_runs_its_command(monkeypatch):
    ran = []
    monkeypatch.setattr(ray_train, "run", lambda job, **_: job())
    for name in ("teach", "distill"):
        command = IN_WORKERS.commands[name]
        monkeypatch.setattr(
            command, "callback", lambda name=name, **given: ran.append((name, given))
        )
    line = ["ray-train", "--num-workers", "2", "--", "teach", "--modality", "flow"]
    done = CliRunner().invoke(main, line, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    ((name, given),) = ran
    assert name == "teach" and given["modality"] == "flow"


def test_of_failed_workers_the_first_one_tells_why():
    class Failed(Exception):
        worker_failures = {  # noqa: RUF012
            1: ValueError("connection closed by peer"),
            0: ValueError("Traceback:\n  File ...\nRunError: expected a run\n"),
        }

    assert ray_train._told(Failed()) == "RunError: expected a run"
    assert ray_train._told(ValueError("first\nlast")) == "last"


@pytest.mark.slow
@pytest.mark.skipif(not INSTALLED, reason="ray[train] is not installed")
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_two_workers_finish_one_run(store, tmp_path, monkeypatch):
    import ray

    paths = f"{HERE}{os.pathsep}{HERE.parents[1]}"
    before = os.environ.get("PYTHONPATH")
    monkeypatch.setenv(
        "PYTHONPATH", paths + (f"{os.pathsep}{before}" if before else "")
    )
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    options = {"include_dashboard": False, "log_to_driver": False}
    address = ray.init("local", num_cpus=2, **options).address_info["address"]
    monkeypatch.setenv("RAY_ADDRESS", address)  # Ray's helpers would ask around
    out = tmp_path / "run"
    command = ("teach", "--modality", "mv", "--recipe", "tiny", "--device", "cpu")
    places = ("--store", str(store.folder), "--out", str(out))
    try:
        ray_train.run(partial(_in_worker, command + places), workers=2)
    finally:
        ray.shutdown()
    results = Run(out).results()
    assert results is not None and results.training.steps == 2
    assert [line["step"] for line in Run(out).metrics()] == [1, 1, 2, 2]
    weights = torch.load(out / "model.pt", weights_only=True)
    assert all(torch.isfinite(value).all() for value in weights.values())
