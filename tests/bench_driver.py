"""Peak memory of the driver on a large data set. Run by hand:

    python tests/bench_driver.py --videos 100000

Draws nothing: every "video" is a file of a few bytes, and a stand-in for the decoder
gives one small frame of it. Planning, publishing and merging are the real ones; two
workers build the shards. Prints one JSON line.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from bench_memory import peak_mb

sys.path.insert(0, str(Path(__file__).parents[1]))  # tests/ has folders of these names

from pipeline.adapters import load
from pipeline.driver import extraction
from pipeline.executors.choose import Execution
from pipeline.extract.settings import ExtractSettings
from pipeline.extract.video import Block, VideoInfo


class OneFrame(SimpleNamespace):
    """An opened video of a single frame of 16x16 px."""

    def __iter__(self) -> Iterator[Block]:
        frame = np.zeros((1, 16, 16, 3), np.uint8)
        yield Block(np.zeros(1), np.full(1, ord("I"), np.uint8), {"rgb": frame})


@contextmanager
def one_frame(path: Path) -> Iterator[OneFrame]:
    """The stand-in for the decoder."""
    yield OneFrame(info=VideoInfo(height=16, width=16, fps=25.0, codec="none"))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--videos", type=int, default=100_000)
    count = parser.parse_args().videos
    with tempfile.TemporaryDirectory() as folder:
        videos = Path(folder, "videos")
        for number in range(count):
            path = videos / f"class{number % 400:03d}" / f"{number:07d}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(str(number).encode() * 40)
        began = time.monotonic()
        dataset = load("folder", videos=videos, holdout=0.3)
        loaded = time.monotonic()
        summary = extraction.extract(
            dataset,
            ExtractSettings(short_side=16).only(["rgb"]),
            out=Path(folder, "store"),
            execution=Execution(workers=2, open_video=one_frame),
        )
        print(
            json.dumps(
                {
                    "videos": summary.stored,
                    "shards": summary.fresh_shards,
                    "load_seconds": round(loaded - began, 1),
                    "run_seconds": round(time.monotonic() - loaded, 1),
                    "driver_peak_mb": peak_mb(),
                }
            )
        )


if __name__ == "__main__":
    main()
