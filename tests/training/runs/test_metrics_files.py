"""metrics.csv and TensorBoard's scalars have the numbers of metrics.jsonl."""

import csv
import sys
import types
from typing import ClassVar

import pytest
from click.testing import CliRunner
from tiny_runs import job_on, taught

from training.commands.cli import main
from training.runs.machine import Machine
from training.runs.metrics_csv import metrics_csv
from training.runs.progress import SilentReporter


def rows(run) -> list[dict[str, str]]:
    with run.path("metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_table_by_hand():
    lines = [
        {"kind": "gradients", "epoch": 0, "step": 1, "norms": {"labels": 0.5}},
        {"kind": "steps", "epoch": 0, "step": 10, "loss": 2.0},
        {"kind": "epoch", "epoch": 0, "step": 10, "loss": 2.0, "a,b": 1e-05},
    ]
    assert metrics_csv(lines) == (
        'kind,epoch,step,"a,b",loss,norms.labels\n'
        "gradients,0,1,,,0.5\n"
        "steps,0,10,,2.0,\n"
        "epoch,0,10,1e-05,2.0,\n"
    )


def test_a_run_has_its_metrics_as_csv(teacher):
    lines = teacher.metrics()
    table = rows(teacher)
    assert len(table) == len(lines) > 2
    for row, line in zip(table, lines, strict=True):
        assert {name: text for name, text in row.items() if text} == {
            name: str(value) for name, value in line.items()
        }


class Writer:
    """torch's SummaryWriter, as far as it is used: keeps the scalars of a run."""

    scalars: ClassVar[dict[tuple[str, int], float]] = {}
    purged: ClassVar[list[int]] = []
    closed = 0

    def __init__(self, log_dir: str, *, purge_step: int) -> None:
        self.folder = log_dir
        Writer.purged.append(purge_step)
        for name, step in list(self.scalars):
            if step >= purge_step:
                del self.scalars[name, step]

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> None:
        assert self.folder.endswith("/tensorboard")
        assert (tag, global_step) not in self.scalars
        self.scalars[tag, global_step] = scalar_value

    def close(self) -> None:
        Writer.closed += 1


class Killed(SilentReporter):
    """Ends a training before its second step counts."""

    def step(self, done: int, text: str) -> None:
        if done == 2:
            raise RuntimeError("killed")


def test_scalars_of_a_resumed_run_are_its_lines(store, tmp_path, monkeypatch):
    fake = types.ModuleType("torch.utils.tensorboard")
    fake.SummaryWriter = Writer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", fake)
    machine = Machine(loggers=("tensorboard",), checkpoint_seconds=1e6)
    out = tmp_path / "run"
    with pytest.raises(RuntimeError, match="killed"):
        taught(store, out, machine=machine, reporter=Killed())
    assert Writer.scalars
    run = taught(store, out, machine=machine)
    expected = {
        (f"{line['kind']}/{name}", line["step"]): value
        for line in run.metrics()
        for name, value in line.items()
        if name not in ("kind", "epoch", "step")
    }
    assert Writer.scalars == expected
    assert Writer.closed == 2 and Writer.purged == sorted(Writer.purged)
    assert rows(run)
    assert not (taught(store, tmp_path / "plain").folder / "tensorboard").exists()
    assert len(Writer.purged) == 2


def test_tensorboard_that_is_missing_is_one_line(store, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    out = str(tmp_path / "run")
    refused = CliRunner().invoke(
        main,
        ["teach", "--store", str(store.folder), "--log", "tensorboard", "--out", out],
    )
    assert refused.exit_code == 1
    assert refused.stderr == (
        "Error: --log tensorboard needs TensorBoard: pip install 'motion-shards[log]'\n"
    )
    assert job_on(store, tmp_path).machine.loggers == ()
