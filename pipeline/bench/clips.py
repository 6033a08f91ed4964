"""Parts of all benchmarks of decoding: clips, rounds in turn, and their summary."""

import platform
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from motion_shards.cores import processor_name

STEP = Fraction(1, 25)

H264 = {
    "preset": "medium",
    "crf": "23",
    "bf": "0",
    "refs": "1",
    "g": "12",
    "sc_threshold": "0",
    "threads": "1",
}
"""Each frame refers to the one before: then frame threads do not change the vectors."""


def clip_sets(
    clips_folder: Path | None, *, clips: int, scratch: Path, small: bool
) -> dict[str, list[Path]]:
    """Sets of clips by what they are: UCF101 as distributed and as H.264, or drawn ones.

    Args:
        clips_folder: holds ucf101/ and ucf101_h264/; None: draw some.
        clips: in each set.
        scratch: where clips are written that are not there.
        small: also clips of a quarter of the size, where what is paid once per frame
            weighs more than pixels.
    """
    name, originals = original_clips(clips_folder, clips=clips, scratch=scratch)
    sets = {name: originals}
    again = [_as_h264(path, scratch / f"{path.stem}.mp4") for path in originals]
    sets["H.264 320x240, re-encoded"] = again
    if small and clips_folder is not None:
        found = _spread(clips_folder.glob("ucf101_h264/*/*.mp4"), clips)
        sets["H.264 160x120, UCF101"] = found
    return {name: paths for name, paths in sets.items() if paths}


def original_clips(
    clips_folder: Path | None, *, clips: int, scratch: Path
) -> tuple[str, list[Path]]:
    """The first set of `clip_sets` alone: what it is, and its files."""
    if clips_folder is None:
        drawn = [_drawn(scratch / f"drawn{n}.avi", seed=n) for n in range(clips)]
        return "MPEG-4 320x240, drawn", drawn
    found = _spread(clips_folder.glob("ucf101/*/*.avi"), clips)
    if not found:
        raise FileNotFoundError(f"{clips_folder}: expected clips in ucf101/, got none")
    return "MPEG-4 320x240, UCF101", found


def in_turn(
    contestants: Mapping[str, Callable[[], float]], *, rounds: int
) -> dict[str, list[float]]:
    """CPU seconds of each contestant in each round, one round to warm up left out."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds + 1):
        names = list(contestants)
        for name in names if number % 2 else reversed(names):
            spent = contestants[name]()
            if number:
                seconds[name].append(spent)
    return seconds


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU time of all threads of this process for one call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def summary(seconds: Mapping[str, Sequence[float]], *, frames: int) -> dict[str, dict]:
    """Frames per CPU second: of the median round, and from the slowest to the fastest."""
    return {
        name: {
            "fps": frames / statistics.median(spent),
            "low": frames / max(spent),
            "high": frames / min(spent),
        }
        for name, spent in seconds.items()
    }


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Our speed over theirs: median of the rounds."""
    return statistics.median(b / a for a, b in zip(ours, theirs, strict=True))


def machine() -> dict:
    return {
        "processor": processor_name(),
        "versions": {
            "python": platform.python_version(),
            "av": av.__version__,
            "ffmpeg": av.ffmpeg_version_info,
            "opencv": cv2.__version__,
            "numpy": np.__version__,
        },
    }


def lines_of(result: dict) -> list[str]:
    """Head of a table: machine and versions."""
    versions = ", ".join(f"{name} {it}" for name, it in result["versions"].items())
    return [f"{result['processor']}, CPU time of one core, {versions}", ""]


def _spread(paths: Iterable[Path], count: int) -> list[Path]:
    """`count` of the paths, evenly over their order."""
    found = sorted(paths)
    step = max(len(found) // count, 1)
    return found[::step][:count]


def _as_h264(path: Path, out: Path) -> Path:
    with av.open(str(path), metadata_errors="ignore") as source:
        video = source.streams.video[0]
        _write(out, "libx264", H264, source.decode(video))
    return out


def _drawn(path: Path, *, seed: int, frames: int = 120) -> Path:
    """A texture that moves over another one."""
    random = np.random.default_rng(seed)
    noise = random.uniform(0, 255, (2, 240, 320, 3)).astype(np.float32)
    back, front = (cv2.GaussianBlur(layer, (0, 0), 2) for layer in noise)
    path_of = random.integers(-3, 4, (2, 2))

    def drawn() -> Iterator[av.VideoFrame]:
        for t in range(frames):
            picture = np.roll(back, tuple(t * path_of[0]), axis=(0, 1))
            moved = np.roll(front, tuple(t * path_of[1]), axis=(0, 1))
            picture[60:180, 80:240] = moved[60:180, 80:240]
            yield av.VideoFrame.from_ndarray(picture.astype(np.uint8), format="rgb24")

    _write(path, "mpeg4", {"g": "12", "qmin": "3", "qmax": "3"}, drawn())
    return path


def _write(
    path: Path,
    codec: str,
    options: dict[str, str],
    frames: Iterable[av.VideoFrame],
) -> None:
    with av.open(str(path), "w") as target:
        stream = target.add_stream(codec, rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.pix_fmt, stream.codec_context.options = "yuv420p", options
        for number, frame in enumerate(frames):
            if number == 0:
                stream.width, stream.height = frame.width, frame.height
            frame.pts, frame.time_base, frame.pict_type = number, STEP, 0
            target.mux(stream.encode(frame))
        target.mux(stream.encode())
