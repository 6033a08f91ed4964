"""A small data set of moving textures, and decoders that fail on purpose.

A module of its own, because worker processes import what they are given by name.
"""

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from moving import write_video

from pipeline.adapters.videos import DataSet, Video
from pipeline.executors.reporter import SilentReporter
from pipeline.extract.settings import ExtractSettings
from pipeline.extract.video import Extraction, open_extraction

SETTINGS = ExtractSettings(short_side=32)
RGB_MV = SETTINGS.only(["rgb", "mv"])
ONE_PASS = ExtractSettings(modalities=("rgb", "mv"), short_side=32)


def draw_videos(
    folder: Path, count: int, *, frames: int = 6, size: tuple[int, int] = (48, 64)
) -> None:
    """`count` small videos in two class folders; no two have the same content.

    Args:
        size: height and width, px.
    """
    for number in range(count):
        noise = np.random.default_rng(number).uniform(0, 255, (*size, 3))
        smooth = cv2.GaussianBlur(noise.astype(np.float32), (0, 0), 2)
        low, high = smooth.min(), smooth.max()
        texture = ((smooth - low) * (255 / (high - low))).astype(np.uint8)
        moved = [np.roll(texture, (t, 2 * t), axis=(0, 1)) for t in range(frames)]
        path = folder / ("left", "right")[number % 2] / f"v{number:03d}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_video(path, np.stack(moved))


def data_set(folder: Path) -> DataSet:
    """The videos of a folder of class folders."""
    classes = sorted(path.name for path in folder.iterdir() if path.is_dir())
    videos = []
    for path in sorted(folder.rglob("*.*")):
        relative = path.relative_to(folder)
        videos.append(
            Video(
                id=relative.with_suffix("").as_posix(),
                path=relative.as_posix(),
                size_bytes=path.stat().st_size,
                labels=(classes.index(relative.parts[0]),),
                splits={"1": "test" if path.stem.endswith("0") else "train"},
                group=path.stem,
            )
        )
    return DataSet(
        name="folder",
        folder=folder,
        classes=tuple(classes),
        videos=tuple(sorted(videos, key=lambda video: video.id)),
        splits={"1": "lists"},
    )


class Said(SilentReporter):
    """Keeps what was said, and can be told to interrupt after so many shards."""

    def __init__(self, stop_after: int = 1000) -> None:
        self.lines: list[str] = []
        self.left = stop_after

    def say(self, text: str) -> None:
        self.lines.append(text)

    def published(self, *, videos: int, frames: int, stored_bytes: int) -> None:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


def store_bytes(store: Path) -> dict[str, bytes]:
    """Everything in a store but what runs say about themselves."""
    return {
        path.relative_to(store).as_posix(): path.read_bytes()
        for path in sorted(store.rglob("*"))
        if path.is_file() and "_logs" not in path.parts
    }


@contextmanager
def opened(path: Path) -> Iterator[Extraction]:
    """The real decoder, RGB and vectors at 32 px."""
    with open_extraction(path, ONE_PASS) as extraction:
        yield extraction


@contextmanager
def killed_once(path: Path, *, victim: str, marks: Path) -> Iterator[Extraction]:
    """SIGKILL of the process that opens the victim for the first time."""
    mark = marks / "killed"
    if path.stem == victim and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    with opened(path) as extraction:
        yield extraction


@contextmanager
def crashing(path: Path, *, victim: str) -> Iterator[Extraction]:
    """A segmentation fault, each time, in the middle of the victim."""
    with opened(path) as extraction:
        if path.stem == victim:
            os.kill(os.getpid(), signal.SIGSEGV)
        yield extraction


@contextmanager
def hanging(path: Path, *, victim: str) -> Iterator[Extraction]:
    """No frame for ever, each time."""
    if path.stem == victim:
        time.sleep(3600)
    with opened(path) as extraction:
        yield extraction


@contextmanager
def starved(path: Path, *, victim: str) -> Iterator[Extraction]:
    """The victim takes 2.5 s, as on a busy machine: a quarter of them of a processor."""
    began = time.monotonic()
    while path.stem == victim and time.monotonic() < began + 2.5:
        turn = time.process_time()
        while time.process_time() < turn + 0.02:
            pass
        time.sleep(0.06)
    with opened(path) as extraction:
        yield extraction


@contextmanager
def endless(path: Path, *, victim: str) -> Iterator[Extraction]:
    """No frame for ever, and a processor at work."""
    while path.stem == victim:
        pass
    with opened(path) as extraction:
        yield extraction


@contextmanager
def hanging_once(path: Path, *, victim: str, marks: Path) -> Iterator[Extraction]:
    """No frame for ever, the first time."""
    mark = marks / "hung"
    if path.stem == victim and not mark.exists():
        mark.touch()
        time.sleep(3600)
    with opened(path) as extraction:
        yield extraction


@contextmanager
def slow(path: Path, *, seconds: float) -> Iterator[Extraction]:
    """Each video takes its time."""
    time.sleep(seconds)
    with opened(path) as extraction:
        yield extraction


@contextmanager
def marked(path: Path, *, seconds: float, marks: Path) -> Iterator[Extraction]:
    """Each video takes its time, and leaves the name of the Ray node that decodes it."""
    import ray

    (marks / ray.get_runtime_context().get_node_id()).touch()
    with slow(path, seconds=seconds) as extraction:
        yield extraction


@contextmanager
def buggy(path: Path, *, victim: str) -> Iterator[Extraction]:
    """A bug of ours, not the video's fault."""
    if path.stem == victim:
        raise ZeroDivisionError("a bug shows itself")
    with opened(path) as extraction:
        yield extraction


@contextmanager
def broken_disk(path: Path) -> Iterator[Extraction]:
    """The environment fails."""
    raise OSError(5, "Input/output error", str(path))
    yield


@contextmanager
def away_for(path: Path, *, victim: str, error: int) -> Iterator[Extraction]:
    """The system cannot open the victim."""
    if path.stem == victim:
        raise OSError(error, os.strerror(error), str(path))
    with opened(path) as extraction:
        yield extraction


@contextmanager
def written_meanwhile(path: Path, *, victim: str) -> Iterator[Extraction]:
    """Somebody touches the victim while it is decoded."""
    with opened(path) as extraction:
        if path.stem == victim:
            os.utime(path, ns=(0, 0))
        yield extraction


@contextmanager
def broken_scratch(path: Path) -> Iterator[Extraction]:
    """The environment fails, but not at the video."""
    raise OSError(5, "Input/output error", str(path.parent))
    yield


@contextmanager
def killed(path: Path, *, victim: str) -> Iterator[Extraction]:
    """SIGKILL of the process that decodes the victim, each time."""
    if path.stem == victim:
        os.kill(os.getpid(), signal.SIGKILL)
    with opened(path) as extraction:
        yield extraction


@contextmanager
def kills_the_worker(path: Path) -> Iterator[Extraction]:
    """SIGKILL of the worker, also where a child of it decodes."""
    parent = multiprocessing.parent_process()
    isolated = multiprocessing.current_process().daemon
    os.kill(parent.pid if isolated else os.getpid(), signal.SIGKILL)
    time.sleep(60)
    with opened(path) as extraction:
        yield extraction
