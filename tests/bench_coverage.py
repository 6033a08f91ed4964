"""How often 95 % intervals hold the true accuracy or difference, by simulation.

    python tests/bench_coverage.py [REPETITIONS]

One line per case and a summary, of the intervals of training/scoring/intervals.py and, to
compare, of a percentile bootstrap that draws seeds and videos. 1,000 repetitions (the
default; +- 1.4 points) take some ten minutes of a core; a fifth of them for the bootstrap. docs/statistics.md has the result.
"""

import itertools
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # tests/ has folders of these names
sys.path.insert(0, str(Path(__file__).parent / "training"))

from simulated_hits import Case, Drawn, draw

from training.scoring.intervals import difference, influence_of_mean, share

SINGLE, PAIRED = (0.5, 0.8, 0.95), ((0.5, 0.5), (0.8, 0.75), (0.95, 0.9))
DRAWS = 300


def cases() -> Iterator[Case]:
    """Seeds x groups x sizes x spread x likeness x accuracy, without the impossible."""
    grid = itertools.product(
        (1, 3, 5, 10), (20, 60), ("1", "1 to 7"), (0, 0.01, 0.03, 0.05), (0, 0.2, 0.5)
    )
    for seeds, groups, sizes, spread, likeness in grid:
        if (sizes == "1" and likeness) or (seeds == 1 and spread):
            continue
        for pair in (*((one, None) for one in SINGLE), *PAIRED):
            if pair[0] < 0.9 or spread < 0.05:
                yield Case(seeds, groups, sizes, spread, likeness, *pair)


def ours(case: Case, drawn: Drawn) -> Iterator[tuple[float, float]]:
    interval = share if case.other is None else difference
    for values in drawn.values:
        found = interval(influence_of_mean(values, drawn.groups))
        yield found.low, found.high


def bootstrap(drawn: Drawn, rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    """Percentiles of means over seeds and single videos drawn with replacement."""
    for values in drawn.values:
        seeds, videos = values.shape
        times = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=DRAWS)
        each = rng.integers(videos, size=(DRAWS, videos))
        of_video = times @ values / seeds
        means = np.take_along_axis(of_video, each, axis=1).mean(axis=1)
        low, high = np.percentile(means, (2.5, 97.5))
        yield float(low), float(high)


def main(repetitions: int = 1000) -> None:
    names = ("bootstrap", "seeds x groups")
    table: dict[tuple[int, str], list[tuple[Case, list[float]]]] = defaultdict(list)
    print("seeds groups sizes spread likeness accuracy other : coverage, width of each")
    for number, case in enumerate(cases()):
        rng = np.random.default_rng(number)
        drawn = draw(case, repetitions, rng)
        if drawn is None:
            continue
        told = []
        some = drawn._replace(values=drawn.values[: -(-repetitions // 5)])
        for found in (bootstrap(some, rng), ours(case, drawn)):
            low, high = np.array(list(found)).T
            holds = (low - 1e-9 <= case.truth) & (case.truth <= high + 1e-9)
            told += [float(holds.mean()), float(np.median(high - low))]
        table[case.seeds, "one" if case.other is None else "pair"].append((case, told))
        print(*case, ":", *(f"{value:.3f}" for value in told), flush=True)
    print("\n| seeds | of | cases | " + " | ".join(f"{n}: least, mean" for n in names))
    for (seeds, kind), rows in sorted(table.items()):
        each = [[told[2 * k] for _, told in rows] for k in range(len(names))]
        cells = [f"{min(one):.3f}, {np.mean(one):.3f}" for one in each]
        print(f"| {seeds} | {kind} | {len(rows)} |", " | ".join(cells), "|")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
