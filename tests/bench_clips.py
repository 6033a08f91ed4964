"""CPU time from file to answer by the number of clips that a model scores, in turn.

    python tests/bench_clips.py MODEL --clips DIR [--mv-source original]

Where the clips overlap a video more than once, more of them cost the network alone: decoding
and vectors are the same. Ratios of times that were measured in turn in one process hold on a
machine that does other work, too.
"""

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))  # tests/ has folders of these names

from training.recognition import Recognizer
from training.recognition.sources import sources_of
from training.recognition.speed import spread

ROUNDS = 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--clips", required=True, help="folder of videos")
    parser.add_argument("--limit", type=int, default=4)
    parser.add_argument("--mv-source", default="contract")
    parser.add_argument("--numbers", type=int, nargs="+", default=[2, 10])
    asked = parser.parse_args()
    files = spread(sources_of([asked.clips]).files, asked.limit)
    recognizers = {
        number: with_clips(asked.model, number, mv_source=asked.mv_source)
        for number in asked.numbers
    }
    spent: dict[int, list[float]] = {number: [] for number in recognizers}
    frames = 0
    for recognizer in recognizers.values():  # warms up
        frames = sum(recognizer(path).video.frames for path in files)
    for _ in range(ROUNDS):
        for number, recognizer in recognizers.items():
            began = time.process_time()
            for path in files:
                recognizer(path)
            spent[number].append(time.process_time() - began)
    first = spent[asked.numbers[0]]
    for number, times in spent.items():
        ratio = median(one / other for one, other in zip(times, first, strict=True))
        print(
            f"{number} clips: {frames / median(times):,.0f} frames per CPU second,"
            f" {ratio:.2f} times as long as {asked.numbers[0]} clips"
        )


def with_clips(model: Path, number: int, *, mv_source: str) -> Recognizer:
    """A model that scores another number of clips than its contract says."""
    found = Recognizer(model, threads=1, mv_source=mv_source)
    streams = tuple(
        replace(each, protocol=replace(each.protocol, clips=number))
        for each in found.model.streams
    )
    found._model = replace(found.model, streams=streams)
    return found


if __name__ == "__main__":
    main()
