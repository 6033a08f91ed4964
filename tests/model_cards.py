"""Pairs per second of several GPUs by a timing model. Run by hand:

    python tests/model_cards.py [--ends INSTRUCTIONS]

For each card, the flow of frames of 340x256 with each shape of tiles that fits it, and with
batches of several sizes. Cycles of an iteration come from a model of one multiprocessor that ran
the machine code of `iterate`: four schedulers, latencies and widths of the units. Memory is a
stream at its nominal rate, or the second-level cache where a batch fits it. No card has been
measured: only ratios should be believed, and none that is close to 1.
"""

import argparse
import math
import sys
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from pipeline.flow.cuda.schedule import Schedule
from pipeline.flow.cuda.tiles import LARGE, SMALL, TALL, TileShape
from pipeline.flow.profiles import PROFILES

HEIGHT, WIDTH = 256, 340
BATCHES = (1, 2, 4, 5, 8, 10, 16, 32, 64)
WARP, MEDIAN = 312 / 0.55, 2 * 149 / 0.7
"""Instructions per pixel over what a scheduler issues per cycle."""
ENDS = 890
"""Instructions of a warp to load and to store its pixels, as the assembler wrote them."""
CACHE_BYTE = 1 / 40
"""Cycles of a multiprocessor for a byte of the second-level cache."""
IN_CACHE = 0.8
"""Share of the second-level cache that a batch may fill."""
GAP, WARP_GAPS = 2500, 3500
"""Cycles between two launches, and between the other kernels of a warp."""
READ, WRITTEN = 10, 6
"""Planes of float32 that a trip reads and writes."""


class Card(NamedTuple):
    """A GPU by its data sheet."""

    name: str
    multiprocessors: int
    ghz: float
    tb_per_second: float
    cache_mb: float
    cycles: dict[TileShape, int]
    """Cycles of an iteration of a tile."""


TURING = {SMALL: 1668, TALL: 2651}
CARDS = (
    Card("H200", 132, 1.75, 4.8, 50, {LARGE: 2130}),
    Card("A100", 108, 1.41, 2.0, 40, {LARGE: 2520}),
    Card("RTX 4090", 128, 2.52, 1.01, 72, {LARGE: 2175}),
    Card("L4", 58, 2.04, 0.3, 48, {LARGE: 2175}),
    Card("RTX 2080", 46, 1.71, 0.448, 4, TURING),
    Card("T4", 40, 1.2, 0.32, 4, TURING),
)


def pairs_per_second(
    card: Card, shape: TileShape, profile: str, batch: int, *, ends: int = ENDS
) -> float:
    """Of frames of 340x256, with a profile and a number of pairs in a batch."""
    settings = PROFILES[profile]
    warps = shape.width * shape.strips // 32
    per_cycle = card.tb_per_second * 1e3 / card.ghz / card.multiprocessors
    cycles = 0.0
    for level in Schedule(HEIGHT, WIDTH, settings, shape)._levels:
        tiling, pixels = level.tiling, level.pixels
        tiles = tiling.columns * tiling.lines
        region = min(shape.width * shape.height, pixels)
        moved = 4 * (READ * region + WRITTEN * pixels / tiles)
        waves = math.ceil(tiles * batch / card.multiprocessors)
        cached = 4 * (READ + WRITTEN) * pixels * batch < IN_CACHE * 1e6 * card.cache_mb
        streams = not cached and tiles * batch >= card.multiprocessors
        trips = 0.0
        for iterations in tiling.passes:
            one = iterations * card.cycles[shape] + ends * warps / 4
            one += moved * CACHE_BYTE
            trips += waves * max(one, moved / per_cycle if streams else 0.0) + GAP
        others = pixels * batch * (WARP + settings.outer * MEDIAN)
        others /= 32 * 4 * card.multiprocessors
        cycles += settings.warps * (settings.outer * trips + others + 2 * WARP_GAPS)
    return batch * card.ghz * 1e9 / cycles


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ends", type=int, default=ENDS, help=f"{ENDS} by default")
    ends = parser.parse_args().ends
    print(f"{'card, profile, tiles':28}", *(f"{it:>7}" for it in BATCHES), "pairs")
    for card in CARDS:
        for profile in ("default", "fast"):
            for shape in card.cycles:
                name = f"{card.name}, {profile}, {shape.width}x{shape.height}"
                speeds = [
                    pairs_per_second(card, shape, profile, it, ends=ends)
                    for it in BATCHES
                ]
                print(f"{name:28}", *(f"{it:7.0f}" for it in speeds))


if __name__ == "__main__":
    main()
