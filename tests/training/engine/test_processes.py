"""Two processes that share every batch learn what one does."""

import os
import socket
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import torch

from training.engine import processes
from training.engine.checkpoint import load
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
    torch.manual_seed(100 + machine.processes.rank)
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


def test_processes_wait_for_the_first_without_the_limit_of_a_step(monkeypatch):
    """torch's limits are 10 minutes with NCCL and 30 with gloo; an evaluation may last longer."""
    made, used = [], []
    monkeypatch.setattr(processes.dist, "is_initialized", lambda: False)
    monkeypatch.setattr(
        processes.dist, "init_process_group", lambda *given, **named: made.append(given)
    )
    monkeypatch.setattr(processes.dist, "destroy_process_group", lambda: None)

    def new_group(**named):
        made.append(named)
        return "patient"

    def broadcast(told, source, group):
        used.append(group)

    monkeypatch.setattr(processes.dist, "new_group", new_group)
    monkeypatch.setattr(processes.dist, "broadcast_object_list", broadcast)
    monkeypatch.setattr(processes.dist, "barrier", lambda group: used.append(group))
    two = processes.Processes(0, 2, 0)
    with processes.joined(two, torch.device("cuda")):
        processes.run_on_first(lambda: None, two)
        processes.wait(two)
    assert used == ["patient", "patient"]
    assert made == [("nccl",), {"backend": "gloo", "timeout": timedelta(days=7)}]
    processes.run_on_first(lambda: None, two)  # groups that a launcher made
    assert used[2:] == [None]


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
    states = load(tmp_path / "student" / "checkpoint.pt")["random"]
    assert not torch.equal(states[0]["cpu"], states[1]["cpu"])
    (line,) = [x for x in Run(tmp_path / "student").metrics() if x["kind"] == "epoch"]
    assert line["step"] == 1
