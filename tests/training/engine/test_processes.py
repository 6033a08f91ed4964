"""Two processes that share every batch learn what one does."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from training.engine import processes
from training.runs.record import Run

ONE_OF_TWO = """
import sys
from dataclasses import replace
from pathlib import Path
sys.path.insert(0, sys.argv[3])
import torch
torch.set_num_threads(1)
from small_trainings import CONFIG, adapted, trained
from tiny_runs import Machine, Run, Store, taught
from training.engine.processes import from_environment, joined, wait
store, out = Store(Path(sys.argv[1])), Path(sys.argv[2])
machine = Machine(processes=from_environment())

# A student with projections, accumulated gradients and a weight chosen by gradient.
config, made = replace(CONFIG, batch_size=4, epochs=1), []

def kept(config):
    made.extend(adapted(config))
    return made

with joined(machine.processes, machine.device):
    taught(store, out, machine=machine)
    out = out.parent / "student"
    if machine.processes.first:
        Run.open(out, {"config": "test"}, machine={})
    wait(machine.processes)
    trained(store, out, kept, config=config, machine=machine)
    learned = {n: w.detach() for n, w in made[0].named_parameters()}
    torch.save([learned, made[0].weights], f"{out}.{machine.processes.rank}")
"""


def test_alone_without_environment(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    assert processes.from_environment() == (0, 1, 0)
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert not processes.from_environment().first
    assert processes.any_process(True, processes.ALONE)
    assert not processes.any_process(False, processes.ALONE)


@pytest.mark.slow
def test_two_processes_finish_one_run(store, tmp_path):
    out = tmp_path / "run"
    here = str(Path(__file__).parents[1])
    command = [sys.executable, "-c", ONE_OF_TWO, str(store.folder), str(out), here]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    children = [
        subprocess.Popen(command, env=os.environ | shared | {"RANK": str(rank)})
        for rank in (0, 1)
    ]
    assert [child.wait(timeout=120) for child in children] == [0, 0]
    results = Run(out).results()
    assert results is not None and results.training.steps == 2
    assert [line["step"] for line in Run(out).metrics()] == [1, 1, 2, 2]
    weights = torch.load(out / "model.pt", weights_only=True)
    assert all(torch.isfinite(value).all() for value in weights.values())

    (first, chosen), (second, also) = [
        torch.load(f"{tmp_path}/student.{rank}", weights_only=True) for rank in (0, 1)
    ]
    assert chosen == also and chosen["soft"] != 4
    assert any(name.startswith("adapters.") for name in first)
    assert all(torch.equal(first[name], second[name]) for name in first)
    (line,) = [x for x in Run(tmp_path / "student").metrics() if x["kind"] == "epoch"]
    assert line["step"] == 1
