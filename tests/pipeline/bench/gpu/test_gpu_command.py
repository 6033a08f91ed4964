"""`pipeline bench gpu` from end to end, on a stand-in for NVIDIA's driver."""

import json
import os
import re
from pathlib import Path

import made_stages
import pytest
import stub_machine
from click.testing import CliRunner, Result
from stub_gpu import compiler

from pipeline.bench.gpu import runner
from pipeline.bench.gpu.stages import FACTS
from pipeline.commands import bench_gpu
from pipeline.commands.cli import main


def run(*options: str) -> Result:
    return CliRunner().invoke(main, ["bench", "gpu", *options])


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    if compiler() is None:
        pytest.skip("no C compiler: the stand-in for the driver cannot be built")
    return stub_machine.environment(tmp_path_factory.mktemp("stub"))


@pytest.fixture
def stub(machine, monkeypatch) -> None:
    monkeypatch.delenv("VIDEO_TEST_DATA", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    for name, value in machine.items():
        monkeypatch.setenv(name, value)
    folder = str(Path(made_stages.__file__).parent)
    path = os.pathsep.join([folder, os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", path)


def test_without_a_gpu_there_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    found = run("--json", str(tmp_path / "gpu.json"))
    assert found.exit_code == 1
    assert re.fullmatch(r"Error: no GPU to measure: .+\n", found.output)
    stages = json.loads((tmp_path / "gpu.json").read_text())["stages"]
    assert [(it["name"], it["state"]) for it in stages] == [("facts", "failed")]


def test_a_driver_that_hangs_is_one_line(stub, monkeypatch):
    monkeypatch.setattr(runner, "END_SECONDS", 0.2)
    monkeypatch.setattr(runner, "LEAST_SECONDS", 0.0)
    monkeypatch.setenv("STUB_HANG", "cuInit")
    found = run("--stages", "facts", "--budget", "0.04")
    assert found.exit_code == 1
    assert found.output == "Error: no GPU to measure: stopped after 2 s\n"


def test_the_rest_runs_after_a_crash_and_the_file_has_all(stub, monkeypatch, tmp_path):
    """Facts are those of the driver; stages behind it are made up."""
    names = ("crashes", "one_row")
    stages = (FACTS, *map(made_stages.stage, names))
    monkeypatch.setattr(bench_gpu, "STAGES", stages)
    found = run("--json", str(tmp_path / "gpu.json"))
    assert found.exit_code == 1
    assert "crashes: crashed: its process died: SIGSEGV" in found.output
    assert "2 of 3 stages finished" in found.output
    stages = json.loads((tmp_path / "gpu.json").read_text())["stages"]
    states = [(it["name"], it["state"]) for it in stages]
    assert states == [
        ("facts", "finished"),
        ("crashes", "crashed"),
        ("one_row", "finished"),
    ]
    (device,) = [it for it in stages[0]["rows"] if it["kind"] == "device"]
    assert device["name"] == "Stub" and device["memory_bytes"] == 1 << 34
    assert stages[1]["rows"] == [
        {"kind": "fact", "name": "first", "value": "row", "concern": ""}
    ]


def test_ctrl_c_prints_what_was_found(stub, monkeypatch, tmp_path):
    stages = (FACTS, *map(made_stages.stage, ("is_interrupted", "one_row")))
    monkeypatch.setattr(bench_gpu, "STAGES", stages)
    found = run("--json", str(tmp_path / "gpu.json"))
    assert found.exit_code == 130
    assert "Stub" in found.output and "one_row: not run: interrupted" in found.output
    stages = json.loads((tmp_path / "gpu.json").read_text())["stages"]
    states = [it["state"] for it in stages]
    assert states == ["finished", "interrupted", "not run"]


def test_a_stage_must_be_known():
    found = run("--stages", "speed,flow")
    assert found.exit_code == 2
    assert "expected some of facts, answers, speed" in found.output


def test_the_file_must_be_writable(tmp_path):
    found = run("--json", str(tmp_path / "none" / "gpu.json"))
    assert found.exit_code == 1
    assert "No such file or directory" in found.output and "\n" not in found.output[:-1]


@pytest.mark.parametrize(
    ("shown", "gpu", "expected"),
    [("", "1", "1"), ("3,5", "1", "5"), ("GPU-abc", "0", "GPU-abc")],
)
def test_one_gpu_is_visible(shown, gpu, expected, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", shown)
    assert bench_gpu.visible(int(gpu)) == {"CUDA_VISIBLE_DEVICES": expected}
    assert bench_gpu.visible(None) == {}


def test_a_gpu_that_is_not_shown_is_named(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    found = run("--gpu", "2")
    assert found.exit_code == 2
    assert "--gpu 2: expected an index below 2" in found.output
