"""Random clips from a store against bare decoding of the same bytes, per core.

    pipeline bench read STORE
    pipeline bench read STORE --against OTHER

The other side has the bytes of exactly these clips in memory and does nothing but decode
and crop: no file, no offsets, no look-up. With another store of the same videos, such as
one of another codec, the same clips are read from that, too. CPU time of one thread, all sides in turn, in
the opposite order every other round; the files lie in the page cache by then.
"""

import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import av
import cv2
import numpy as np

from motion_shards.cores import processor_name
from motion_shards.plain_text import first_names
from pipeline.store import RangeError, Store, StoredVideo

FRAMES, SIDE_PX = 16, 112


class Clip(NamedTuple):
    """`FRAMES` frames of a video from `start` on, cut to one window."""

    video: StoredVideo
    start: int
    crop: tuple[int, int, int, int]


def run(
    store: Path | str,
    *,
    against: Path | str | None = None,
    rounds: int = 20,
    clips_per_round: int = 40,
    seed: int = 0,
) -> dict:
    """Compare the speed of `Store.read` with bare decoding, and with another store.

    Args:
        store: has rgb, and videos of at least 16 frames and 112 px.
        against: a store that has these videos, of the same size, with rgb, too.

    Returns:
        What `table` prints: clips per second and core of all sides, and their ratio
        (1: the store costs nothing; of the sums, and the median of the rounds).

    Raises:
        RangeError: no video is long and large enough, or the other store lacks one.
        AssertionError: a store and bare decoding do not give the same frames.
    """
    stores = [Store(store)] + ([Store(against)] if against is not None else [])
    opened, random = stores[0], np.random.default_rng(seed)
    long = [v for v in opened.videos() if "rgb" in v.rows and _fits(v)]
    if not long:
        raise RangeError(
            f"{store}: expected videos with rgb of {FRAMES} frames and {SIDE_PX} px, "
            "got none"
        )
    for other in stores[1:]:
        _require_videos(other, long)
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        times = []
        for number in range(rounds):
            clips = [_random_clip(long, random) for _ in range(clips_per_round)]
            rows = [_stored_rows(opened, clip) for clip in clips]
            _require_same(opened, clips, rows)
            for other in stores[1:]:
                _require_same(other, clips, [_stored_rows(other, c) for c in clips])
            times.append(_round(stores, clips, rows, backward=number % 2 == 1))
    finally:
        cv2.setNumThreads(threads)
    bare, stored, *others = np.sum(times, axis=0) / (rounds * clips_per_round)
    heights = {f"{video.width}x{video.height}" for video in long}
    found = {
        "clip": f"{FRAMES} frames, {SIDE_PX}x{SIDE_PX} px",
        "frames": sorted(heights),
        "videos": len(long),
        "clips": rounds * clips_per_round,
        "codec": _codec(opened)["name"],
        "store_clips_per_second": 1 / stored,
        "bare_clips_per_second": 1 / bare,
        "ratio": bare / stored,
        "ratio_median": median(round_[0] / round_[1] for round_ in times),
        "processor": processor_name(),
        "versions": {
            "python": platform.python_version(),
            "opencv": cv2.__version__,
        },
    }
    for other, seconds in zip(stores[1:], others, strict=True):
        found |= {
            "against_codec": _codec(other)["name"],
            "against_clips_per_second": 1 / seconds,
            "against_ratio": seconds / stored,
            "against_ratio_median": median(r[2] / r[1] for r in times),
        }
    return found


def table(result: dict) -> str:
    """The result of `run` as text."""
    sizes = result["frames"]
    versions = ", ".join(f"{name} {it}" for name, it in result["versions"].items())
    lines = [
        f"{result['clips']} random clips of {result['clip']}",
        f"from {result['videos']} videos of {first_names(sizes)} px, {result['codec']}",
        f"{result['processor']}, one thread",
        versions,
        "",
        f"{'':<20}{'clips/s and core':>18}",
        f"{'bytes in memory':<20}{result['bare_clips_per_second']:>18.1f}",
        f"{'store':<20}{result['store_clips_per_second']:>18.1f}",
        f"{'ratio':<20}{result['ratio']:>18.3f}",
        f"{'median of rounds':<20}{result['ratio_median']:>18.3f}",
    ]
    if "against_codec" in result:
        heading = f"against {result['against_codec']}"
        lines += [
            "",
            f"{heading:<20}{result['against_clips_per_second']:>18.1f}",
            f"{'store / that':<20}{result['against_ratio']:>18.3f}",
            f"{'median of rounds':<20}{result['against_ratio_median']:>18.3f}",
        ]
    return "\n".join(lines)


def _codec(store: Store) -> Mapping[str, Any]:
    """The record of the codec of rgb."""
    return store.manifest.modalities["rgb"].codec


def _require_videos(store: Store, videos: Sequence[StoredVideo]) -> None:
    for video in videos:
        other = store.video(video.id)
        sizes = [(it.frames, it.height, it.width) for it in (video, other)]
        if "rgb" not in other.rows or sizes[0] != sizes[1]:
            raise RangeError(
                f"{store.folder}: {video.id}: expected rgb of {sizes[0]} (frames, "
                f"height, width), got {sizes[1]} of {other.modalities}"
            )


def _fits(video: StoredVideo) -> bool:
    return video.frames >= FRAMES and min(video.height, video.width) >= SIDE_PX


def _random_clip(videos: Sequence[StoredVideo], random: np.random.Generator) -> Clip:
    video = videos[int(random.integers(len(videos)))]
    top = int(random.integers(video.height - SIDE_PX + 1))
    left = int(random.integers(video.width - SIDE_PX + 1))
    start = int(random.integers(video.frames - FRAMES + 1))
    return Clip(video, start, (top, left, SIDE_PX, SIDE_PX))


def _stored_rows(store: Store, clip: Clip) -> list[np.ndarray]:
    """The rows that decode to a clip, from a key packet on, each in memory of its own."""
    rows = store.video(clip.video.id).rows["rgb"]
    key = clip.start - clip.start % _codec(store).get("keyint", 1)
    first, stop = rows.first + key, rows.first + clip.start + FRAMES
    flat, bounds = store.shard("rgb", rows.shard).stored(first, stop)
    return [flat[begin:end].copy() for begin, end in pairwise(bounds)]


def _from_store(store: Store, clip: Clip) -> np.ndarray:
    stop = clip.start + FRAMES
    return store.read(clip.video.id, "rgb", start=clip.start, stop=stop, crop=clip.crop)


def _from_memory(rows: Sequence[np.ndarray], clip: Clip, codec: str) -> np.ndarray:
    top, left, height, width = clip.crop
    frames = np.empty((FRAMES, height, width, 3), np.uint8)
    decoded = _pictures(rows) if codec == "h264_rgb" else _jpegs(rows)
    for k, frame in enumerate(decoded):
        frames[k] = frame[top : top + height, left : left + width]
    return frames


def _jpegs(rows: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
    for row in rows:
        frame = cv2.imdecode(row, cv2.IMREAD_COLOR_RGB)
        assert frame is not None
        yield frame


def _pictures(rows: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
    """The last frames of packets, decoded by FFmpeg and converted whole."""
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count, decoder.thread_type = 1, "NONE"
    frames = [f for row in rows for f in decoder.decode(av.Packet(row.tobytes()))]
    for frame in frames[-FRAMES:]:
        planes = frame.to_ndarray(format="yuv420p")
        yield cv2.cvtColor(planes, cv2.COLOR_YUV2RGB_I420)


def _require_same(
    store: Store, clips: Sequence[Clip], rows: Sequence[Sequence[np.ndarray]]
) -> None:
    codec = _codec(store)["name"]
    for clip, stored in zip(clips, rows, strict=True):
        bare = _from_memory(stored, clip, codec)
        if not np.array_equal(_from_store(store, clip), bare):
            raise AssertionError(f"{clip.video.id} from {clip.start}: not the same")


def _round(
    stores: Sequence[Store],
    clips: Sequence[Clip],
    rows: Sequence[Sequence[np.ndarray]],
    *,
    backward: bool,
) -> list[float]:
    """CPU seconds for all clips: from memory, then from each store."""
    codec, seconds = _codec(stores[0])["name"], [0.0] * (1 + len(stores))
    sides = range(len(seconds))
    for side in reversed(sides) if backward else sides:
        begin = time.process_time()
        for clip, stored in zip(clips, rows, strict=True):
            if side:
                _from_store(stores[side - 1], clip)
            else:
                _from_memory(stored, clip, codec)
        seconds[side] = time.process_time() - begin
    return seconds
