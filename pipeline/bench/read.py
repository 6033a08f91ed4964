"""Random clips from a store against bare decoding of the same JPEGs, per core.

    pipeline bench read STORE

The other side has the bytes of exactly these clips in memory and does nothing but decode
and crop: no file, no offsets, no look-up. CPU time of one thread, the two in turn, each
first every other round; the files lie in the page cache by then.
"""

import platform
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import cv2
import h5py
import numpy as np

from motion_shards.cores import processor_name
from motion_shards.plain_text import first_names
from pipeline.store import RangeError, Store, StoredVideo
from pipeline.store.file_names import shard_file
from pipeline.store.shard_reader import ShardReader

FRAMES, SIDE_PX = 16, 112


class Clip(NamedTuple):
    """`FRAMES` frames of a video from `start` on, cut to one window."""

    video: StoredVideo
    start: int
    crop: tuple[int, int, int, int]


def run(
    store: Path, *, rounds: int = 20, clips_per_round: int = 40, seed: int = 0
) -> dict:
    """Compare the speed of `Store.read` with bare decoding.

    Args:
        store: has rgb, and videos of at least 16 frames and 112 px.

    Returns:
        What `table` prints: clips per second and core of both sides, and their ratio
        (1: the store costs nothing; of the sums, and the median of the rounds).

    Raises:
        RangeError: no video is long and large enough.
        AssertionError: the two do not give the same frames.
    """
    opened = Store(store)
    random = np.random.default_rng(seed)
    long = [v for v in opened.videos() if "rgb" in v.rows and _fits(v)]
    if not long:
        raise RangeError(
            f"{store}: expected videos with rgb of {FRAMES} frames and {SIDE_PX} px, "
            "got none"
        )
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        times = []
        for number in range(rounds):
            clips = [_random_clip(long, random) for _ in range(clips_per_round)]
            rows = [_stored_rows(opened, clip) for clip in clips]
            _require_same(opened, clips, rows)
            times.append(_round(opened, clips, rows, store_first=number % 2 == 0))
    finally:
        cv2.setNumThreads(threads)
    stored, bare = np.sum(times, axis=0) / (rounds * clips_per_round)
    heights = {f"{video.width}x{video.height}" for video in long}
    return {
        "clip": f"{FRAMES} frames, {SIDE_PX}x{SIDE_PX} px",
        "frames": sorted(heights),
        "videos": len(long),
        "clips": rounds * clips_per_round,
        "store_clips_per_second": 1 / stored,
        "bare_clips_per_second": 1 / bare,
        "ratio": bare / stored,
        "ratio_median": median(round_[1] / round_[0] for round_ in times),
        "processor": processor_name(),
        "versions": {
            "python": platform.python_version(),
            "opencv": cv2.__version__,
            "h5py": h5py.__version__,
            "hdf5": h5py.version.hdf5_version,
        },
    }


def table(result: dict) -> str:
    """The result of `run` as text."""
    sizes = result["frames"]
    versions = ", ".join(f"{name} {it}" for name, it in result["versions"].items())
    lines = [
        f"{result['clips']} random clips of {result['clip']}",
        f"from {result['videos']} videos of {first_names(sizes)} px",
        f"{result['processor']}, one thread",
        versions,
        "",
        f"{'':<20}{'clips/s and core':>18}",
        f"{'bytes in memory':<20}{result['bare_clips_per_second']:>18.1f}",
        f"{'store':<20}{result['store_clips_per_second']:>18.1f}",
        f"{'ratio':<20}{result['ratio']:>18.3f}",
        f"{'median of rounds':<20}{result['ratio_median']:>18.3f}",
    ]
    return "\n".join(lines)


def _fits(video: StoredVideo) -> bool:
    return video.frames >= FRAMES and min(video.height, video.width) >= SIDE_PX


def _random_clip(videos: Sequence[StoredVideo], random: np.random.Generator) -> Clip:
    video = videos[int(random.integers(len(videos)))]
    top = int(random.integers(video.height - SIDE_PX + 1))
    left = int(random.integers(video.width - SIDE_PX + 1))
    start = int(random.integers(video.frames - FRAMES + 1))
    return Clip(video, start, (top, left, SIDE_PX, SIDE_PX))


def _stored_rows(store: Store, clip: Clip) -> list[np.ndarray]:
    """The JPEGs of a clip, each in memory of its own."""
    rows = clip.video.rows["rgb"]
    name = shard_file("rgb", rows.shard, store.manifest.shards)
    with ShardReader(store.folder / name, modality="rgb") as shard:
        first = rows.first + clip.start
        flat, bounds = shard.stored(first, first + FRAMES)
    return [flat[bounds[k] : bounds[k + 1]].copy() for k in range(FRAMES)]


def _from_store(store: Store, clip: Clip) -> np.ndarray:
    stop = clip.start + FRAMES
    return store.read(clip.video.id, "rgb", start=clip.start, stop=stop, crop=clip.crop)


def _from_memory(rows: Sequence[np.ndarray], clip: Clip) -> np.ndarray:
    top, left, height, width = clip.crop
    frames = np.empty((len(rows), height, width, 3), np.uint8)
    for k, row in enumerate(rows):
        frame = cv2.imdecode(row, cv2.IMREAD_COLOR_RGB)
        assert frame is not None
        frames[k] = frame[top : top + height, left : left + width]
    return frames


def _require_same(
    store: Store, clips: Sequence[Clip], rows: Sequence[Sequence[np.ndarray]]
) -> None:
    for clip, stored in zip(clips, rows, strict=True):
        if not np.array_equal(_from_store(store, clip), _from_memory(stored, clip)):
            raise AssertionError(f"{clip.video.id} from {clip.start}: not the same")


def _round(
    store: Store,
    clips: Sequence[Clip],
    rows: Sequence[Sequence[np.ndarray]],
    *,
    store_first: bool,
) -> tuple[float, float]:
    """CPU seconds for all clips: from the store, from memory."""
    seconds = {True: 0.0, False: 0.0}
    for from_store in (store_first, not store_first):
        begin = time.process_time()
        for clip, stored in zip(clips, rows, strict=True):
            if from_store:
                _from_store(store, clip)
            else:
                _from_memory(stored, clip)
        seconds[from_store] = time.process_time() - begin
    return seconds[True], seconds[False]
