"""The benchmark of a GPU: its checks find what is wrong, its torch is an independent
answer, its command says why it cannot run."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from pipeline.bench import flow, flow_gpu
from pipeline.bench.flow_checks import checks
from pipeline.bench.flow_torch import eager_flow
from pipeline.commands.cli import main
from pipeline.flow import PROFILES, FlowError, flow_solver
from pipeline.flow.batches import CpuBatches, FlowBatch, Ticket
from pipeline.flow.cuda.schedule import Work


class OnCpu(CpuBatches):
    """A solver of batches that is right, or wrong in one way."""

    def __init__(self, profile: str, fault: str = "") -> None:
        super().__init__(flow_solver("cpu", profile=profile))
        self.fault = fault

    def most(self, height: int, width: int) -> int:
        return 2

    def work(self, height: int, width: int) -> Work:
        return Work(2 * height * width, 80 * height * width)

    def limits(self) -> tuple[float, float]:
        return 1e12, 1e12

    def collect(self, ticket: Ticket) -> FlowBatch:
        batch = super().collect(ticket)
        if batch.flow is not None and self.fault == "flow":
            return replace(batch, flow=batch.flow + np.float32(0.05))
        if batch.flow is not None and self.fault == "batch":
            return replace(batch, flow=batch.flow * np.float32(1 + 1e-6 * ticket.pairs))
        if batch.planes is not None and self.fault == "levels":
            batch.planes[0, 1, 3, 3] += 1
        if batch.clipped is not None and self.fault == "clipped":
            batch.clipped[-1] += 1
        return batch


@pytest.fixture
def small_pairs(monkeypatch) -> list[np.ndarray]:
    monkeypatch.setattr(flow, "SIZE", (32, 40))
    return flow.drawn_pairs(2)


@pytest.mark.parametrize(
    ("fault", "wrong"),
    [
        ("", set()),
        ("flow", {"mean px from cpu", "px between equal frames"}),
        ("batch", {"pairs that depend on their batch"}),
        ("levels", {"levels that are not the codec's"}),
        ("clipped", {"wrong counts of clipped values"}),
    ],
)
def test_checks_find_each_fault(small_pairs, fault, wrong):
    found = list(checks(lambda name: OnCpu(name, fault), small_pairs, None))
    failed = {it.name.partition(": ")[2] for it in found if not it.passed}
    assert wrong <= failed
    assert bool(failed) == bool(fault)
    profiles = {it.name.partition(":")[0] for it in found if not it.passed}
    assert profiles == (set(PROFILES) if fault else set())


def test_the_table_has_every_check_and_speed(monkeypatch, small_pairs):
    monkeypatch.setattr(
        flow_gpu, "gpu_solver", lambda *, profile, device: OnCpu(profile)
    )
    monkeypatch.setattr(flow_gpu, "SECONDS", 0.01)
    monkeypatch.setattr(flow_gpu, "_torch_speed", lambda *_: 10.0)
    times = {"cold": 20.0, "warm": 0.5}
    monkeypatch.setattr(flow_gpu, "_compile_seconds", lambda _: times)
    result = flow_gpu.run(pairs=2, check=True)
    assert result["passed"]
    text = flow_gpu.table(result)
    for check in result["checks"]:
        assert check["name"] in text
    for name in PROFILES:
        row = result["profiles"][name]
        assert list(row["pairs_per_second"]) == ["1"]
        assert f"{row['best_pairs_per_second']:.0f}" in text
    assert "compiled in 20.0 s, loaded in 0.5 s" in text


def test_plain_torch_gives_the_answer_of_the_cpu(small_pairs):
    first, second = (torch.tensor(np.stack(it)).float() for it in zip(*small_pairs))
    profile = PROFILES["fast"]
    solution = eager_flow(first, second, profile).movedim(1, 3).numpy()
    cpu = flow_solver("cpu", profile="fast")
    expected = np.concatenate([cpu.flow(pair) for pair in small_pairs])
    assert np.abs(solution - expected).mean() < 0.005
    assert np.abs(expected).mean() > 0.3


def test_without_a_gpu_the_command_says_so_in_one_line(monkeypatch):
    def missing(number: int) -> None:
        raise FlowError("flow back end cuda: no GPU here")

    monkeypatch.setattr("pipeline.flow.cuda.driver.Gpu", missing)
    answer = CliRunner().invoke(main, ["bench", "flow", "--device", "cuda", "--check"])
    assert answer.exit_code == 1
    assert answer.output == "Error: flow back end cuda: no GPU here\n"


def test_checks_are_for_gpus_only():
    answer = CliRunner().invoke(main, ["bench", "flow", "--check"])
    assert answer.exit_code == 2
    assert "--check and --gpu need --device cuda" in answer.output


def test_a_failed_check_is_exit_code_1(monkeypatch):
    result = {"passed": False}
    monkeypatch.setattr(flow_gpu, "run", lambda **_: result)
    arguments = ["bench", "flow", "--device", "cuda", "--check", "--json"]
    answer = CliRunner().invoke(main, arguments)
    assert (answer.exit_code, answer.output) == (1, '{"passed": false}\n')


@pytest.mark.gpu
def test_a_real_gpu_passes_all_checks():
    result = flow_gpu.run(pairs=8, profiles=("default",), check=True)
    assert result["passed"], flow_gpu.table(result)
    assert result["profiles"]["default"]["times_torch"] > 5


@pytest.mark.gpu
@pytest.mark.clips
def test_a_real_gpu_passes_all_checks_on_real_clips_and_middlebury(clips_folder: Path):
    result = flow_gpu.run(pairs=8, clips_folder=clips_folder, profiles=(), check=True)
    assert any("Middlebury" in it["name"] for it in result["checks"])
    assert result["passed"], flow_gpu.table(result)
