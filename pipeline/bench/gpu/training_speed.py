"""Training of networks on a store of clips, by `training bench` in processes of its own.

This package does not import `training`; it reads the JSON that the command prints.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from itertools import cycle, islice
from os.path import commonpath
from pathlib import Path

from motion_shards.cores import worker_cores
from motion_shards.plain_text import printable
from motion_shards.processes import follow_parent
from pipeline.adapters.videos import DataSet, Video
from pipeline.bench.clips import original_clips
from pipeline.bench.workers import CLIPS
from pipeline.driver.extraction import extract
from pipeline.errors import BenchError
from pipeline.extract.settings import ExtractSettings

from .rows import NotRun, Row, TrainingSpeed
from .settings import Settings

RECIPES = {"r3d_18": "r3d_rgb", "resnext3d_101": "resnext_rgb"}
"""Network -> the recipe that trains it on RGB clips of 112 px."""
FORMATS = ("contiguous", "channels_last")
COMMAND = "from motion_shards.entry import training; training()"

SHORT_SIDE = 128
"""Short side of the stored frames, px: little more than the crops of 112."""
TRAIN_VIDEOS, TEST_VIDEOS = 64, 8
"""Rows of the store; of the training part a tenth is held out. They are the same few
clips again and again, which takes as long to read as others."""
CLASSES = ("a", "b")

START_SECONDS = 26.0
"""Time of a process before it measures: imports, network, the trial of cuDNN's search, first
batches of readers."""
MEASUREMENTS = 4
"""Measured in turn by `training bench` with one number of readers."""
MOST_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of `training bench`."""

    network: str
    memory_format: str

    @property
    def name(self) -> str:
        """The run in words."""
        return f"{self.network}, {self.memory_format}"


RUNS = [
    Run(network=network, memory_format=order)
    for order in FORMATS
    for network in RECIPES
]


def training_speed(settings: Settings) -> Iterator[Row]:
    """Each network in the usual order of memory, then in the other.

    Raises:
        BenchError: a run failed; the others were measured.
    """
    if reason := cannot_train():
        yield NotRun(part="training", reason=reason)
        return
    end = time.monotonic() + settings.seconds
    failed: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        store = settings.store or make_store(settings.clips_folder, Path(folder))
        for place, run in enumerate(RUNS):
            seconds = (end - time.monotonic()) / (len(RUNS) - place)
            try:
                yield measured(run, store, seconds)
            except BenchError as error:
                yield NotRun(part=run.name, reason=str(error))
                failed.append(f"{run.name}: {error}")
    if failed:
        raise BenchError(f"{len(failed)} of {len(RUNS)} runs failed: {failed[0]}")


def cannot_train() -> str:
    """Reason for which no network can be trained on a GPU here; empty if it can."""
    if find_spec("torch") is None:
        return "PyTorch is not installed"
    import torch  # a second, and only here

    if torch.cuda.is_available():
        return ""
    built = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "no CUDA"
    return f"PyTorch {torch.__version__} ({built}) finds no GPU"


def make_store(clips_folder: Path | None, scratch: Path) -> str:
    """A store of RGB frames in a scratch folder, in which a few clips have many names."""
    _, clips = original_clips(clips_folder, clips=CLIPS, scratch=scratch)
    out = scratch / "store"
    extract(
        data_set(clips),
        ExtractSettings(modalities=("rgb",), short_side=SHORT_SIDE),
        out=out,
    )
    return str(out)


def data_set(clips: Sequence[Path]) -> DataSet:
    """Rows of two classes over these clips, for training and test."""
    folder = Path(commonpath([clip.parent for clip in clips]))
    endless = islice(cycle(clips), TRAIN_VIDEOS + TEST_VIDEOS)
    videos = [
        Video(
            id=f"{CLASSES[number % 2]}/{number:04d}",
            path=clip.relative_to(folder).as_posix(),
            size_bytes=clip.stat().st_size,
            labels=(number % 2,),
            splits={"1": "train" if number < TRAIN_VIDEOS else "test"},
            group=f"{number:04d}",
        )
        for number, clip in enumerate(endless)
    ]
    return DataSet(
        name="bench",
        folder=folder,
        classes=CLASSES,
        videos=tuple(sorted(videos, key=lambda video: video.id)),
        splits={"1": "seeded"},
    )


def measured(run: Run, store: str, seconds: float) -> TrainingSpeed:
    """The speeds of a run, within a time limit.

    Raises:
        BenchError: it failed, or did not end in time; one line.
    """
    each = (seconds - START_SECONDS) / (MEASUREMENTS + 1)
    workers = max(worker_cores() - 2, 1)
    command = [sys.executable, "-c", COMMAND, "bench", "--json", "--store", store]
    command += ["--recipe", RECIPES[run.network], "--modality", "rgb"]
    command += ["--memory-format", run.memory_format, "--workers", str(workers)]
    command += ["--seconds", f"{min(max(each, 0.5), MOST_SECONDS):.2f}"]
    try:
        answer = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            timeout=max(seconds, 1.0),
            preexec_fn=partial(follow_parent, os.getpid()),
        )
    except subprocess.TimeoutExpired:
        raise BenchError(f"no answer in {seconds:.0f} s") from None
    if answer.returncode:
        said = (answer.stderr.strip().splitlines() or ["no word"])[-1]
        raise BenchError(f"exit code {answer.returncode}: {printable(said)}")
    return row_of(run, answer.stdout)


def row_of(run: Run, printed: str) -> TrainingSpeed:
    """The row of what `training bench --json` printed."""
    found = json.loads(printed)
    (row,) = found["rows"]
    return TrainingSpeed(
        network=run.network,
        memory_format=run.memory_format,
        batch_size=found["batch_size"],
        workers=row["workers"],
        network_alone=found["bare"],
        loader_alone=row["loader_alone"],
        training=row["training"],
        share_of_waiting=row["share_of_waiting"],
    )
