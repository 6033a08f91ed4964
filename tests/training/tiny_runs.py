"""Tiny runs for tests: trained, stopped, and compared to the bit."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import tiny_recipe as tiny
import torch
from tiny_recipe import TINY, tiny_context

from pipeline.store import Store
from training.commands.train import run_distill
from training.experiments.teach import TeachRecipe, teach
from training.runs.context import StoreJob
from training.runs.machine import Machine
from training.runs.progress import SilentReporter
from training.runs.record import Run


class StopAt(SilentReporter):
    """Sends SIGINT to this process when so many steps are done."""

    def __init__(self, step: int) -> None:
        self.at = step

    def step(self, done: int, text: str) -> None:
        if done == self.at:
            os.kill(os.getpid(), signal.SIGINT)


class Told(SilentReporter):
    """Keeps what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def job_on(store: Store, runs: Path, name: str = "tiny", **changes) -> StoreJob:
    """Split 1, seed 0, on this machine, silently."""
    job = StoreJob(
        name=name,
        store=store,
        split="1",
        seed=0,
        runs=runs,
        base=name,
        machine=Machine(),
        reporter=SilentReporter(),
    )
    return replace(job, **changes)


def taught(store: Store, out: Path, *, recipe: TeachRecipe | None = None, **changes):
    job = job_on(store, out.parent, out=out, **changes)
    return teach(recipe or tiny.teach("mv"), job)


def distilled(store: Store, runs: Path, student: str = "mv", **options) -> Run:
    options = {"teacher_runs": (), "baseline": False, "out": None} | options
    return run_distill(
        TINY, tiny_context(store, runs), teacher="flow", student=student, **options
    )


def weights(run: Run) -> dict[str, torch.Tensor]:
    return torch.load(run.path("model.pt"), weights_only=True)


def same(first: Run, second: Run) -> bool:
    """Equal bits in every weight, equal numbers in every line that has no clock."""
    ours, theirs = weights(first), weights(second)
    clocks = {"seconds", "waited", "clips_per_second"}
    lines = [
        [{k: v for k, v in line.items() if k not in clocks} for line in run.metrics()]
        for run in (first, second)
    ]
    return (
        ours.keys() == theirs.keys()
        and all(torch.equal(ours[name], theirs[name]) for name in ours)
        and lines[0] == lines[1]
    )
