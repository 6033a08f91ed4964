"""Given hits -> verdicts on what the papers claim of each other's rows."""

import numpy as np
import pytest
from made_runs import VIDEOS, hits

from training.papers.orderings import (
    NOT_RUN,
    ORDERINGS,
    concerning,
    evaluate_ordering,
    paired,
)
from training.recipes import SYSTEMS


def of_seeds(shares: list[float]) -> dict[int, dict[str, bool]]:
    return {
        seed: {str(k): hit for k, hit in enumerate(hits(share, seed))}
        for seed, share in enumerate(shares)
    }


def on_one(shares: list[float]) -> dict[str, dict[int, dict[str, bool]]]:
    return {"1": of_seeds(shares)}


def test_orderings_are_about_systems_we_have():
    for ordering in ORDERINGS:
        assert {ordering.better, *ordering.than} <= SYSTEMS.keys()
    numbers = {int(ordering.name[1:]) for ordering in ORDERINGS}
    assert numbers == set(range(1, 18))  # 18 is speed
    assert {o.name for o in concerning("htsc")} == {"O16", "O17"}
    assert concerning("all") == ORDERINGS


@pytest.mark.parametrize(
    ("better", "seeds", "verdict"),
    [
        (0.9, 5, "holds"),
        (0.5, 5, "not reproduced"),
        (0.9, 4, "too few seeds"),
    ],
)
def test_the_rule(better, seeds, verdict):
    ordering = next(o for o in ORDERINGS if o.name == "O1")
    found = evaluate_ordering(
        ordering,
        {"flow2d": on_one([better] * seeds), "mv": on_one([0.5] * seeds)},
    )
    assert found.verdict == verdict
    assert (found.seeds, found.videos) == (seeds, VIDEOS)
    if verdict == "holds":
        assert found.wins == 5 and found.difference.low > 0
    if seeds < 5:
        assert found.text == "too few seeds (4 of 5); so far: holds"
    else:
        assert found.text == verdict


def test_between_holds_and_not_reproduced_is_consistent():
    ordering = next(o for o in ORDERINGS if o.name == "O1")
    worse = of_seeds([0.5] * 5)
    better = {seed: dict(videos) for seed, videos in worse.items()}
    missed = [video for video, hit in better[0].items() if not hit]
    better[0][missed[0]] = True  # one video of one seed: above 0, but not surely
    found = evaluate_ordering(ordering, {"flow2d": {"1": better}, "mv": {"1": worse}})
    assert found.verdict == "consistent" and found.wins == 1


def test_the_nearest_opponent_decides():
    ordering = next(o for o in ORDERINGS if o.name == "O3")
    sides = {"ti": on_one([0.2] * 5), "st": on_one([0.7] * 5)}
    found = evaluate_ordering(ordering, {"emv": on_one([0.5] * 5)} | sides)
    assert (found.against, found.verdict) == ("st", "not reproduced")
    assert evaluate_ordering(ordering, {"emv": on_one([0.5] * 5)}).verdict == NOT_RUN


def test_only_the_same_videos_and_seeds_are_compared():
    ordering = next(o for o in ORDERINGS if o.name == "O1")
    teacher, student = of_seeds([1.0] * 5), of_seeds([0.0] * 3)
    del teacher[0]["7"]
    found = evaluate_ordering(
        ordering, {"flow2d": {"1": teacher}, "mv": {"1": student}}
    )
    assert (found.seeds, found.videos) == (3, VIDEOS - 1)


def of_splits(*shares: float) -> dict[str, dict[int, dict[str, bool]]]:
    """Five seeds, and every split has videos of its own."""
    return {
        str(number): {
            seed: {
                f"{number}:{k}": hit
                for k, hit in enumerate(hits(share, 10 * number + seed))
            }
            for seed in range(5)
        }
        for number, share in enumerate(shares, 1)
    }


def test_an_ordering_is_judged_by_the_mean_of_the_splits():
    ordering = next(o for o in ORDERINGS if o.name == "O1")
    flow, mv = of_splits(0.45, 0.8, 0.8), of_splits(0.5, 0.5, 0.5)
    found = evaluate_ordering(ordering, {"flow2d": flow, "mv": mv})
    alone = [
        evaluate_ordering(
            ordering, {"flow2d": {split: flow[split]}, "mv": {split: mv[split]}}
        )
        for split in ("1", "2", "3")
    ]
    assert [one.verdict for one in alone] == ["not reproduced", "holds", "holds"]
    assert (found.verdict, found.wins) == ("holds", 5)
    assert (found.seeds, found.splits, found.videos) == (5, 3, 3 * VIDEOS)
    means = [one.difference.mean for one in alone]
    assert found.difference.mean == pytest.approx(np.mean(means))
    widths = [one.difference.high - one.difference.low for one in (found, *alone)]
    assert widths[0] < np.mean(widths[1:])  # three times the videos


def test_only_splits_and_seeds_of_both_sides_are_compared():
    ordering = next(o for o in ORDERINGS if o.name == "O1")
    flow, mv = of_splits(0.9, 0.9, 0.9), of_splits(0.5, 0.5)
    del mv["2"][4]
    found = evaluate_ordering(ordering, {"flow2d": flow, "mv": mv})
    assert (found.splits, found.seeds, found.verdict) == (2, 4, "too few seeds")
    assert (
        evaluate_ordering(ordering, {"flow2d": {"3": flow["3"]}, "mv": mv}).verdict
        == NOT_RUN
    )


def test_pairs_are_of_seeds_and_videos_that_both_have():
    """Split 2 has no video in common, split 3 is of one side alone; seed 9 too."""
    first = {
        "1": {0: {"a": True, "b": True}, 1: {"a": False, "b": True}},
        "2": {0: {"x": True}, 1: {"x": True}},
        "3": {0: {"a": True}},
    }
    second = {
        "1": {1: {"b": True, "a": True}, 0: {"a": False, "b": True, "c": True}, 9: {}},
        "2": {0: {"y": True}, 1: {"y": True}},
    }
    differences, seeds = paired(first, second)
    assert list(seeds) == [0, 1]
    assert [one.tolist() for one in differences] == [[[1, 0], [-1, 0]]]
    assert paired(first, {}) == ([], [])
