"""A tiny store, and a teacher trained on it."""

import pytest
import torch
from moving_store import videos, write_store
from tiny_recipe import TINY, tiny_context

from pipeline.store import Store
from training.commands.train import run_teach
from training.runs.record import Run


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Results are compared bit by bit, and the nets are too small to share."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def same_draws() -> None:
    """What a test draws without a seed of its own does not depend on the tests before it."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Six groups of two videos of 8 frames, 48x64; two groups are tested."""
    return Store(write_store(tmp_path_factory.mktemp("stores") / "moving", videos()))


@pytest.fixture(scope="session")
def teacher(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A complete flow teacher. Read only."""
    runs = tmp_path_factory.mktemp("teachers")
    return run_teach(TINY, tiny_context(store, runs), "flow", out=None)
