"""CPU time per pair of flow beside a GPU, by stage, on one core. Run by hand:

    python tests/bench_flow_rows.py --clips DIR [--rounds 9] [--json]

Milliseconds of CPU time, medians of rounds in turn, of what a worker does for each pair
of 340x256 while a GPU computes flow: decode and make a grey frame, gather the frames of a
batch, copy its levels out, pad them to whole JPEG blocks, encode them. Then the encoding
with the standard Huffman tables instead of the rows' own, and how many bytes that adds. The
levels are those of flow of profile `fast`.
"""

import argparse
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # tests/ has folders of these names

from pipeline.bench.clips import cpu_seconds, in_turn, lines_of, machine
from pipeline.extract.blocks import DeferredFlow
from pipeline.extract.settings import ExtractSettings
from pipeline.extract.video import open_extraction
from pipeline.flow.solver import flow_solver
from pipeline.store import jpeg
from pipeline.store.jpeg_codecs import JpegFlow

SETTINGS = ExtractSettings(modalities=("flow",), short_side=256, enlarge=True)
PAIRS = 3
"""Of each clip."""
CODEC = JpegFlow()


def grey_frames(clip: Path) -> list[np.ndarray]:
    with open_extraction(clip, SETTINGS, solver=DeferredFlow()) as opened:
        return [block.grey for block in opened]


def pictures(levels: np.ndarray) -> list[np.ndarray]:
    """What `JpegFlow` encodes."""
    _, _, height, width = levels.shape
    beyond = ((0, 0), (0, 0), (0, -height % 8), (0, -width % 8))
    return list(
        np.pad(levels, beyond, "edge").reshape(len(levels), -1, width + -width % 8)
    )


def encoded(images: list[np.ndarray], *, own_tables: bool) -> list[np.ndarray]:
    options = jpeg._options(
        CODEC.quality,
        own_tables=own_tables,
        interval=jpeg._blocks_per_band(images[0].shape),
    )
    return [cv2.imencode(".jpg", it, options)[1] for it in images]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path, required=True, help="folder of videos")
    parser.add_argument("--count", type=int, default=4, help="clips")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    files = sorted(
        it for it in given.clips.rglob("*") if it.suffix in (".avi", ".mp4", ".mkv")
    )
    if not files:
        parser.error(f"{given.clips}: expected videos, got none")
    files = files[:: max(len(files) // given.count, 1)][: given.count]
    cv2.setNumThreads(1)
    greys = [grey_frames(it)[0][: PAIRS + 1] for it in files]
    sizes = {it.shape[1:] for it in greys}
    if len(sizes) > 1:
        parser.error(f"{given.clips}: expected videos of one aspect ratio, got {sizes}")
    solver = flow_solver("cpu", profile="fast")
    levels = np.concatenate(
        [CODEC.levels(np.moveaxis(solver.flow(it), 3, 1)) for it in greys]
    )
    images = pictures(levels)
    frames = np.concatenate(greys)
    batch, used = np.empty_like(frames), np.arange(len(frames))
    taken = np.empty_like(levels)
    read = sum(len(it) - 1 for it in grey_frames(files[0]))
    stages: dict[str, tuple[Callable[[], object], int]] = {
        "decode, resize, grey": (partial(grey_frames, files[0]), read),
        "gather": (partial(gathered, frames, used, batch), len(frames)),
        "copy levels": (partial(np.copyto, taken, levels), len(levels)),
        "pad, encode": (partial(CODEC.pack, levels), len(levels)),
        "encode": (partial(encoded, images, own_tables=True), len(levels)),
        "encode, standard tables": (
            partial(encoded, images, own_tables=False),
            len(levels),
        ),
    }
    own, standard = (encoded(images, own_tables=it) for it in (True, False))
    for a, b, row in zip(own, standard, CODEC.pack(levels), strict=True):
        assert a.tobytes() == row.tobytes()
        assert np.array_equal(cv2.imdecode(a, 0), cv2.imdecode(b, 0))
    spent = in_turn(
        {name: partial(cpu_seconds, do) for name, (do, _) in stages.items()},
        rounds=given.rounds,
    )
    milliseconds = {
        name: 1e3 * median(spent[name]) / pairs for name, (_, pairs) in stages.items()
    }
    more = sum(map(len, standard)) / sum(map(len, own)) - 1
    result = machine() | {"ms_per_pair": milliseconds, "more_bytes": more}
    if given.json:
        print(json.dumps(result))
        return
    print("\n".join(lines_of(result)))
    for name, value in milliseconds.items():
        print(f"{name:24} {value:7.3f} ms per pair")
    print(f"standard tables: {more:.1%} more bytes, the same levels")


def gathered(frames: np.ndarray, used: np.ndarray, batch: np.ndarray) -> None:
    np.take(frames, used, axis=0, out=batch, mode="clip")


if __name__ == "__main__":
    main()
