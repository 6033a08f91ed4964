"""A tiny store, and a run of each kind on it."""

from pathlib import Path

import pytest
import torch
from moving_store import videos, write_store

from pipeline.store import Store
from training.commands import Setting
from training.engine.record import Run
from training.jobs.machine import Machine
from training.progress import Silent
from training.recipes import family


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Results are compared bit by bit, and the nets are too small to share."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Six groups of two videos of 8 frames, 48x64; two groups are tested."""
    return Store(write_store(tmp_path_factory.mktemp("stores") / "moving", videos()))


def tiny_setting(store: Store, runs: Path, *, seed: int = 0) -> Setting:
    """The tiny recipe on a store, silently."""
    return Setting(
        store=store,
        split="1",
        seed=seed,
        name="tiny",
        family=family("tiny"),
        runs=runs,
        machine=Machine(),
        watch=Silent(),
    )


@pytest.fixture(scope="session")
def teacher(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A complete flow teacher. Read only."""
    from training.commands import run_teach

    runs = tmp_path_factory.mktemp("teachers")
    return run_teach(tiny_setting(store, runs), "flow", out=None)
