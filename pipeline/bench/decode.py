"""File -> RGB at the stored size on one core, against cv2.VideoCapture.

    pipeline bench decode

The other side decodes with one thread, resizes linearly and turns BGR into RGB: what most
data loaders do. CPU time, in turn, after one round to warm up; decoding alone, whose speed
nobody can pass, stands beside it. Only the ratios mean something on another machine.
"""

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np

from pipeline.extract.settings import ExtractSettings
from pipeline.extract.video import open_extraction

from .clips import clip_sets, cpu_seconds, in_turn, lines_of, machine, ratio, summary

WHO = ("ours", "cv2", "decode")
SETTINGS = ExtractSettings(modalities=("rgb",), short_side=256, enlarge=True)
LEAST_DB = 30.0
"""Two ways to resize differ; other frames or colours would differ by far more."""


def run(*, clips_folder: Path | None = None, rounds: int = 7, clips: int = 12) -> dict:
    """Compare the speed of extracting rgb with cv2.VideoCapture.

    Args:
        clips_folder: real clips (ucf101/); without it, drawn ones.
        rounds: timed, after one to warm up.
        clips: in each set.

    Returns:
        What `table` prints.

    Raises:
        AssertionError: the two do not give the same frames.
    """
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            sets = clip_sets(
                clips_folder, clips=clips, scratch=Path(scratch), small=False
            )
            rows = {name: _compare(paths, rounds) for name, paths in sets.items()}
    finally:
        cv2.setNumThreads(threads)
    return machine() | {"rounds": rounds, "sets": rows}


def table(result: dict) -> str:
    """The result of `run` as text."""
    lines = lines_of(result)
    lines.append(
        f"{'frames per second':<32}{'ours':>8}{'cv2':>8}{'decode':>8}{'x cv2':>8}"
    )
    for name, row in result["sets"].items():
        speeds = "".join(f"{row['speeds'][who]['fps']:>8.0f}" for who in WHO)
        lines.append(f"{name:<32}{speeds}{row['times_cv2']:>8.2f}")
    lines += [
        "",
        "ours: rgb at short side 256; cv2: VideoCapture, resize, cvtColor; decode: no pixels",
        f"x cv2: median of {result['rounds']} rounds in turn; frames are counted and compared first",
    ]
    return "\n".join(lines)


def _compare(paths: list[Path], rounds: int) -> dict:
    frames, least = _require_same(paths)
    contestants = {
        "ours": partial(cpu_seconds, partial(_each, _ours, paths)),
        "cv2": partial(cpu_seconds, partial(_each, _theirs, paths)),
        "decode": partial(cpu_seconds, partial(_each, _decode_only, paths)),
    }
    seconds = in_turn(contestants, rounds=rounds)
    return {
        "clips": len(paths),
        "frames": frames,
        "least_db": least,
        "speeds": summary(seconds, frames=frames),
        "times_cv2": ratio(seconds["ours"], seconds["cv2"]),
    }


def _each(frames_of: Callable[[Path], Iterator], paths: list[Path]) -> None:
    for path in paths:
        for _ in frames_of(path):
            pass


def _ours(path: Path) -> Iterator[np.ndarray]:
    with open_extraction(path, SETTINGS) as extraction:
        for block in extraction:
            yield from block.arrays["rgb"]


def _theirs(path: Path) -> Iterator[np.ndarray]:
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    height = int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
    width = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)) * 256 // height // 2 * 2
    while True:
        found, frame = capture.read()
        if not found:
            break
        yield cv2.cvtColor(cv2.resize(frame, (width, 256)), cv2.COLOR_BGR2RGB)
    capture.release()


def _decode_only(path: Path) -> Iterator[av.VideoFrame]:
    with av.open(str(path), metadata_errors="ignore") as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        yield from container.decode(stream)


def _require_same(paths: list[Path]) -> tuple[int, float]:
    """Frames in all clips, and the worst likeness of two in dB."""
    count, least = 0, np.inf
    for path in paths:
        for ours, theirs in zip(_ours(path), _theirs(path), strict=True):
            if count % 10 == 0:
                least = min(least, cv2.PSNR(ours, theirs))
            count += 1
    if least < LEAST_DB:
        raise AssertionError(
            f"expected frames that agree to {LEAST_DB} dB, got {least:.1f} dB"
        )
    return count, float(least)
