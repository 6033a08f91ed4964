"""Speed of motion vectors by stage, on one core. Run by hand:

    python tests/bench_vectors.py --clips DIR [--rounds 5] [--json]

Frames per second of CPU time, medians of rounds in turn. Each stage contains the one above
it: demuxing, decoding for vectors, distances to the references, grids of 8 px. Then vectors
of an own encode (canonical). The clips are encoded anew, at two sizes; that the decoder gives
the same vectors as with all its pixels is checked first.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # tests/ has folders of these names

from pipeline.bench.clips import cpu_seconds, in_turn, lines_of, machine, summary
from pipeline.bench.vectors import COLUMNS, FIELDS
from pipeline.extract.opening import open_video
from pipeline.extract.settings import ExtractSettings
from pipeline.extract.side_data import side_data
from pipeline.extract.video import open_extraction

SIZES = {"340x256": (340, 256), "1280x720": (1280, 720)}
STREAMS = {
    "P": {"bf": "0", "refs": "1", "g": "12", "sc_threshold": "0"},
    "B, 3 refs": {},
}
"""Options of libx264 beyond preset medium and crf 23: each frame refers to the one before,
and its defaults, as most files of the web have them."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path, required=True, help="folder of videos")
    parser.add_argument("--count", type=int, default=6, help="clips of each set")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    files = [p for p in given.clips.rglob("*") if p.suffix in (".avi", ".mp4", ".mkv")]
    if not files:
        parser.error(f"{given.clips}: expected videos, got none")
    files = sorted(files)[:: max(len(files) // given.count, 1)][: given.count]
    cv2.setNumThreads(1)
    result = machine() | {"sets": {}}
    with tempfile.TemporaryDirectory() as scratch:
        for size, (width, height) in SIZES.items():
            for stream, options in STREAMS.items():
                paths = [
                    encoded(path, Path(scratch, f"{n}.mp4"), width, height, options)
                    for n, path in enumerate(files)
                ]
                result["sets"][f"{size} {stream}"] = measured(paths, given.rounds)
    print(json.dumps(result) if given.json else table(result))


def encoded(
    path: Path, out: Path, width: int, height: int, options: dict[str, str]
) -> Path:
    """The first frames of a video at another size, as H.264."""
    with (
        av.open(str(path), metadata_errors="ignore") as source,
        av.open(str(out), "w") as target,
    ):
        stream = target.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"preset": "medium", "crf": "23", "threads": "1"} | options
        count = 60 if height >= 720 else 200
        for number, frame in zip(range(count), source.decode(video=0), strict=False):
            frame = frame.reformat(width, height, format="yuv420p")
            frame.pts, frame.time_base, frame.pict_type = number, Fraction(1, 25), 0
            target.mux(stream.encode(frame))
        target.mux(stream.encode())
    return out


def measured(paths: list[Path], rounds: int) -> dict:
    for path in paths:
        with open_video(path, vectors=True, pixels=True) as video:
            expected = records(video.pictures())
        with open_video(path, vectors=True, pixels=False) as video:
            if records(video.pictures()) != expected:
                raise AssertionError(f"{path}: expected the same vectors")
    frames = extracted(paths, "original")
    stages: dict[str, Callable[[list[Path]], object]] = {
        "demux": demuxed,
        "decode": decoded,
        "references": referred,
        "grids": partial(extracted, source="original"),
        "canonical": partial(extracted, source="canonical"),
    }
    seconds = in_turn(
        {name: partial(cpu_seconds, partial(do, paths)) for name, do in stages.items()},
        rounds=rounds,
    )
    return {"frames": frames, "speeds": summary(seconds, frames=frames)}


def records(pictures: Iterator) -> list[bytes]:
    """The vectors of each frame, without the padding between their fields."""
    found = (side_data(picture.frame, "MOTION_VECTORS") for picture in pictures)
    vectors = (np.frombuffer(octets, FIELDS) for octets in found)
    return [b"".join(them[name].tobytes() for name in COLUMNS) for them in vectors]


def demuxed(paths: list[Path]) -> None:
    for path in paths:
        with av.open(str(path)) as container:
            for _ in container.demux(video=0):
                pass


def decoded(paths: list[Path]) -> None:
    """The decoder alone, with the settings of `open_video`."""
    for path in paths:
        with open_video(path, vectors=True, pixels=False) as video:
            for packet in video._container.demux(video._stream):
                video._stream.decode(packet)


def referred(paths: list[Path]) -> None:
    for path in paths:
        with open_video(path, vectors=True, pixels=False) as video:
            for picture in video.pictures():
                del picture


def extracted(paths: list[Path], source: str) -> int:
    settings = ExtractSettings(modalities=("mv",), mv_source=source)
    frames = 0
    for path in paths:
        with open_extraction(path, settings) as extraction:
            frames += sum(len(block.seconds) for block in extraction)
    return frames


def table(result: dict) -> str:
    lines = lines_of(result)
    names = list(next(iter(result["sets"].values()))["speeds"])
    lines.append(f"{'frames per second':<24}" + "".join(f"{n:>12}" for n in names))
    for name, row in result["sets"].items():
        cells = "".join(f"{row['speeds'][n]['fps']:>12.0f}" for n in names)
        lines.append(f"{name:<24}{cells}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
