"""Videos on disk, a store made of them, and models with their first weights."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from moving import write_video
from moving_blobs import moving
from untrained import untrained_run

from pipeline.commands.cli import main as pipeline
from pipeline.store import Store
from training.recognition.outputs.status import StatusLine
from training.runs.record import Run


@pytest.fixture(scope="session")
def videos(tmp_path_factory) -> Path:
    """Two classes of 6 videos each, some of them shorter than a clip."""
    folder = tmp_path_factory.mktemp("recognised") / "moves"
    for number in range(12):
        name, step = (("right", (0, 3)), ("down", (2, 0)))[number % 2]
        path = folder / name / f"v_{name}_g{number:02}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_video(path, moving(number, (5, 23, 40)[number % 3], step), bf="0")
    return folder


@pytest.fixture(scope="session")
def extracted_store(videos, tmp_path_factory) -> Store:
    """All modalities of these videos; a third of them is for testing."""
    out = tmp_path_factory.mktemp("stores") / "moves"
    command = f"extract --dataset folder --videos {videos} --out {out} --workers 0"
    done = CliRunner().invoke(pipeline, [*command.split(), "--holdout", "0.34"])
    assert done.exit_code == 0, done.output
    return Store(out)


@pytest.fixture(scope="session")
def model_of(extracted_store, tmp_path_factory):
    """Recipe -> its complete run, with the weights that it begins with."""
    runs = tmp_path_factory.mktemp("runs")

    def made(name: str) -> Run:
        (split,) = extracted_store.splits
        return untrained_run(name, extracted_store, runs, split=split, held_out=0.34)

    return made


@pytest.fixture
def status(monkeypatch) -> list[str]:
    """Texts that a terminal shows below the answers; "" where they are removed."""
    shown: list[str] = []
    monkeypatch.setattr(StatusLine, "show", lambda self, text: shown.append(text))
    monkeypatch.setattr(StatusLine, "clear", lambda self: shown.append(""))
    return shown
