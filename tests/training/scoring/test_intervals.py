"""Given hits -> intervals, against tables, formulas of others, and simulated truth."""

import numpy as np
import pytest
from simulated_hits import Case, draw

from training.scoring.intervals import (
    Influence,
    difference,
    influence_of_map,
    influence_of_mean,
    over_splits,
    share,
)
from training.scoring.metrics import mean_average_precision


def alone(count: int) -> list[str]:
    """Every video is a group of its own."""
    return [f"v{k:03d}" for k in range(count)]


@pytest.mark.parametrize(
    "case",
    [
        Case(3, 30, "1", 0.05, 0, 0.8, 0.75),
        Case(3, 60, "1 to 7", 0.05, 0.2, 0.5, 0.5),
        Case(3, 60, "1 to 7", 0.05, 0, 0.8, 0.75),
        Case(5, 60, "1 to 7", 0.05, 0, 0.8, 0.75),
        Case(5, 20, "1 to 7", 0, 0.5, 0.95, 0.9),
        Case(10, 60, "1 to 7", 0, 0.5, 0.5, 0.5),
        Case(3, 60, "1 to 7", 0.05, 0.2, 0.8),
        Case(5, 60, "1 to 7", 0.05, 0, 0.5),
        Case(5, 20, "1 to 7", 0, 0.5, 0.95),
        Case(10, 60, "1 to 7", 0.03, 0.5, 0.9),
    ],
    ids=lambda case: "-".join(map(str, case)),
)
def test_intervals_hold_the_truth_as_often_as_they_say(case):
    """tests/bench_coverage.py has the whole table."""
    drawn = draw(case, 500, np.random.default_rng(7))
    assert drawn is not None
    interval = share if case.other is None else difference
    found = [interval(influence_of_mean(v, drawn.groups)) for v in drawn.values]
    holds = np.mean([one.low <= case.truth <= one.high for one in found])
    assert holds >= 0.94


def test_two_way_table_by_hand():
    """3 seeds x 4 groups of two videos; mean squares as a textbook has them.

    Rows .3, .5, .7; columns .2, .4, .6, .8; the cells deviate from their sum by e.
    """
    rows, columns = np.array([0.3, 0.5, 0.7]), np.array([0.2, 0.4, 0.6, 0.8])
    e = np.array([[1, -1, 0, 0], [-1, 1, 0, 0], [0, 0, 0, 0]]) * 0.05
    cells = rows[:, None] + columns - 0.5 + e
    found = difference(influence_of_mean(cells.repeat(2, axis=1), [*"aabbccdd"]))
    of_seeds, of_groups = 4 * 0.08 / 2, 3 * 0.2 / 3
    of_both = 4 * 0.05**2 / 6
    total = of_seeds + of_groups - of_both
    variance = total / 12 + 2 / 8**2
    kurtosis = 4 * (2 * 0.3**4 + 2 * 0.1**4) / 0.2**2
    groups = min(3, 2 * 4 / (kurtosis - 1 / 3))
    of_seeds /= 1.3863 / 2  # the median of chi-squared with 2 degrees over 2
    larger = of_seeds + of_groups - of_both
    freedom = larger**2 / (of_seeds**2 / 2 + of_groups**2 / groups + of_both**2 / 6)
    assert found.mean == pytest.approx(0.5)
    assert found.standard_error == pytest.approx(np.sqrt(variance))
    assert found.freedom == pytest.approx(freedom, rel=1e-4)
    assert (found.seeds, found.groups) == (3, 4)


def test_one_seed_is_a_students_t_over_groups():
    """Ten groups whose means are 1 to 10 tenths of .1: t(9) = 2.262 in tables."""
    values = np.arange(1, 11) / 100
    found = difference(influence_of_mean(values, alone(10)))
    error = np.sqrt(values.var(ddof=1) / 10 + 2 / 10**2)
    assert found.freedom == 9
    assert found.standard_error == pytest.approx(error)
    assert found.high - found.mean == pytest.approx(2.262 * error, rel=1e-3)
    assert found.mean - found.low == pytest.approx(2.262 * error, rel=1e-3)


def test_students_quantiles_are_those_of_tables():
    """Two-sided p of t = 2.776 with 4 degrees is .05; 80 % power adds .941."""
    wide = np.array([[0.2], [0.1], [0.3], [0.0], [0.4]]).repeat(1000, axis=1)
    found = difference(influence_of_mean(wide, alone(1000)))
    assert found.freedom == pytest.approx(4, abs=0.01)
    error = found.standard_error
    assert error == pytest.approx(np.sqrt(0.025 / 5), rel=1e-3)
    assert found.high - found.mean == pytest.approx(2.776 * error, rel=1e-3)
    assert found.detectable == pytest.approx((2.776 + 0.941) * error, rel=1e-3)
    assert found.p_above(found.low) == pytest.approx(0.05)
    assert found.p_above(found.mean - 4.604 * error) == pytest.approx(0.01, rel=1e-2)
    assert found.p_above(found.mean + 0.01) == 1


def test_seeds_that_differ_widen_the_interval_and_equal_seeds_are_one():
    rng = np.random.default_rng(0)
    hits = rng.random(400) < 0.7
    one = difference(influence_of_mean(hits, alone(400)))
    same = difference(influence_of_mean([hits] * 5, alone(400)))
    assert same.standard_error == pytest.approx(one.standard_error)
    rates = np.array([[0.5], [0.6], [0.7], [0.8], [0.9]])
    several = share(influence_of_mean(rng.random((5, 400)) < rates, alone(400)))
    expected = 2 * 2.776 * np.std(rates, ddof=1) / np.sqrt(5)
    assert several.high - several.low == pytest.approx(expected, rel=0.2)


def test_more_seeds_are_no_more_videos():
    """Seeds whose errors have nothing in common: an accuracy is no surer than of one seed."""
    hits = np.random.default_rng(3).random((10, 100)) < 0.8
    found = share(influence_of_mean(hits, alone(100)))
    rounded = np.arange(100) < round(100 * hits.mean())
    one = share(influence_of_mean(rounded, alone(100)))
    assert found.high - found.low == pytest.approx(one.high - one.low, rel=0.05)
    assert found.standard_error < one.standard_error / 2


def test_clips_of_one_recording_count_as_one():
    """Four equal clips of each recording are as sure as one."""
    hits = np.random.default_rng(1).random(50) < 0.6
    one = share(influence_of_mean(hits, alone(50)))
    four = share(influence_of_mean(hits.repeat(4), [*np.repeat(alone(50), 4)]))
    assert four.standard_error == pytest.approx(one.standard_error)
    apart = share(influence_of_mean(hits.repeat(4), alone(200)))
    ratio = (four.high - four.low) / (apart.high - apart.low)
    assert ratio == pytest.approx(2, rel=0.1)
    shuffled = np.random.default_rng(2).permutation(200)
    names = np.repeat(alone(50), 4)[shuffled]
    assert share(influence_of_mean(hits.repeat(4)[shuffled], [*names])) == (
        pytest.approx(four)
    )


def test_groups_of_other_sizes_leave_the_mean_over_videos():
    """As the linearised variance of a ratio: sum over groups of (n (mean - all))^2."""
    sizes = np.array([1, 2, 3, 4, 5, 6])
    right = np.array([1, 0, 2, 4, 1, 5])
    hits = np.concatenate([np.arange(n) < k for n, k in zip(sizes, right, strict=True)])
    found = share(influence_of_mean(hits, [*np.repeat(alone(6), sizes)]))
    mean = 13 / 21
    assert found.mean == pytest.approx(mean)
    expected = 6 / 5 * ((right - sizes * mean) ** 2).sum() / 21**2
    assert found.standard_error == pytest.approx(np.sqrt(expected))


def test_accuracies_have_exact_binomial_bounds():
    """Independent videos, one seed: Clopper and Pearson's, with t(399) for z: hardly wider."""
    found = share(influence_of_mean(np.arange(400) < 300, alone(400)))
    assert found.mean == 0.75
    assert (found.low, found.high) == pytest.approx((0.7046, 0.7917), abs=0.001)


@pytest.mark.parametrize(("right", "bounds"), [(10, (0.6915, 1)), (0, (0, 0.3085))])
def test_all_right_is_no_certainty(right, bounds):
    """Of ten: Clopper and Pearson's bounds as their tables have them."""
    for hits in (np.arange(10) < right, np.tile(np.arange(10) < right, (5, 1))):
        found = share(influence_of_mean(hits, alone(10)))
        assert (found.low, found.high) == pytest.approx(bounds, abs=1e-4)


def test_one_recording_says_nothing_about_others():
    some = share(influence_of_mean(np.arange(10) < 7, ["g"] * 10))
    assert (some.mean, some.low, some.high) == (0.7, 0, 1)
    one = share(influence_of_mean([True], ["g"]))
    assert (one.low, one.high) == pytest.approx((0.025, 1))
    pair = difference(influence_of_mean(np.eye(3), ["g"] * 3))
    assert (pair.low, pair.high) == (-1, 1)
    assert pair.p_above() == 1 and pair.detectable == np.inf


def test_no_difference_at_all_is_no_certainty():
    found = difference(influence_of_mean(np.zeros((5, 40)), alone(40)))
    assert found.mean == 0
    assert found.high == -found.low == pytest.approx(2.023 * np.sqrt(2) / 40, rel=1e-3)
    two = difference(influence_of_mean(np.zeros((5, 40)), [*"ab"] * 20))
    assert (two.low, two.high) == (-1, 1)


def test_a_single_video_that_differs_decides_nothing():
    values = np.zeros((5, 50))
    values[:, :3] = 1  # three of fifty, always
    found = difference(influence_of_mean(values, alone(50)))
    assert found.low < 0 < found.mean
    values[:, :10] = 1
    assert difference(influence_of_mean(values, alone(50))).low > 0


def test_nothing_has_no_mean():
    with pytest.raises(ValueError, match="expected values of seeds and of 0 videos"):
        influence_of_mean(np.zeros((3, 0)), [])
    with pytest.raises(ValueError, match="of 4 videos"):
        influence_of_mean(np.zeros((3, 5)), alone(4))
    with pytest.raises(ValueError, match="expected 2 seeds, got values of 3"):
        influence_of_mean(np.zeros((3, 5)), alone(5), [0, 1])


def test_pairs_are_surer_than_the_two_apart():
    """Seeds and videos that are lucky on both sides cancel."""
    rng = np.random.default_rng(0)
    second = rng.random((5, 300)) < np.array([[0.2], [0.4], [0.5], [0.6], [0.8]])
    first = second | (rng.random((5, 300)) < 0.1)
    ours, theirs = (influence_of_mean(one, alone(300)) for one in (first, second))
    found = difference(ours.minus(theirs))
    assert found.mean == pytest.approx(first.mean() - second.mean())
    assert found.low > 0
    assert found.standard_error < share(ours).standard_error / 4
    shuffled = influence_of_mean(first[::-1], alone(300))
    assert difference(shuffled.minus(theirs)).low < 0
    with pytest.raises(ValueError, match="the same seeds and groups on both sides"):
        influence_of_mean(first[:4], alone(300)).minus(theirs)


def of_split(hits: np.ndarray, start: int) -> Influence:
    return influence_of_mean(hits, alone(1000)[start : start + len(hits)])


def test_three_splits_count_alike():
    """Other videos in each: variances add."""
    splits = [np.arange(100) < 50, np.arange(10) < 8, np.arange(40) < 20]
    starts = (0, 100, 110)
    each = [of_split(hits, at) for hits, at in zip(splits, starts, strict=True)]
    found = share(over_splits(each))
    assert found.mean == pytest.approx(0.6)
    expected = sum(share(one).standard_error ** 2 for one in each) / 9
    assert found.standard_error == pytest.approx(np.sqrt(expected), rel=0.1)
    assert found.groups == 150


def test_videos_of_several_splits_are_one_group():
    """The same videos thrice are no surer than once; others are, by the root of three."""
    hits = np.arange(400) % 4 < 3
    one = share(of_split(hits, 0))
    same = share(over_splits([of_split(hits, 0)] * 3))
    assert same.mean == one.mean
    assert same.standard_error == pytest.approx(one.standard_error)
    apart = share(over_splits([of_split(hits[:300], at) for at in (0, 300, 600)]))
    alone_ = share(of_split(hits[:300], 0))
    assert apart.standard_error == pytest.approx(
        alone_.standard_error / np.sqrt(3), rel=0.01
    )


@pytest.mark.parametrize("parts", [1, 2, 6], ids="{} groups each".format)
def test_splits_that_divide_the_groups_are_as_one_test_part(parts):
    """Leave one out: the mean over 6 subjects of 10 videos is that of the 60 videos."""
    rng = np.random.default_rng(3)
    groups = [f"subject {k}" for k in range(6) for _ in range(10)]
    hits = rng.random((2, 60)) < np.repeat([0.3, 0.9, 0.6, 0.7, 0.8, 0.6], 10)
    whole = influence_of_mean(hits, groups)
    each = [
        influence_of_mean(hits[:, at : at + 10 * parts], groups[at : at + 10 * parts])
        for at in range(0, 60, 10 * parts)
    ]
    found = over_splits(each)
    np.testing.assert_allclose(found.values, whole.values, atol=1e-15)
    assert share(found) == pytest.approx(share(whole))
    assert share(found).high - share(found).low < 0.6
    assert difference(found) == pytest.approx(difference(whole))


def test_seeds_are_the_same_units_on_every_split():
    """Five seeds stay five: their spread does not shrink with the number of splits."""
    seeds = np.array([[0.2], [0.3], [0.4], [0.5], [0.6]]).repeat(300, axis=1)
    splits = [influence_of_mean(seeds, [f"{s}-{k}" for k in range(300)]) for s in "123"]
    found = difference(over_splits(splits))
    assert found.seeds == 5
    assert found.standard_error == pytest.approx(np.sqrt(0.025 / 5), rel=0.01)


def sample(rng: np.random.Generator, seeds: int = 3, spread: float = 0.0):
    """Scores (S, V, K) and labels of 40 recordings of three clips each."""
    of_clip = np.arange(40).repeat(3)
    relevant = (of_clip % 5)[:, None] == np.arange(4)  # the fifth is background
    quality = 1.5 + spread * rng.normal(size=(seeds, 1, 1))
    shared = rng.normal(size=(40, 4))[of_clip] + rng.normal(size=(120, 4))
    scores = quality * relevant + 0.6 * shared
    scores = scores + 0.4 * rng.normal(size=(seeds, 120, 4))
    return scores, relevant, [f"g{k}" for k in of_clip]


@pytest.mark.parametrize(("seeds", "spread"), [(1, 0.0), (3, 0.4)])
def test_interval_of_map_holds_what_other_seeds_and_videos_would_give(seeds, spread):
    rng = np.random.default_rng(0)
    found = [
        share(influence_of_map(*sample(rng, seeds=seeds, spread=spread)))
        for _ in range(80)
    ]
    means = np.array([one.mean for one in found])
    errors = np.sqrt(np.mean([one.standard_error**2 for one in found]))
    assert errors == pytest.approx(np.std(means), rel=0.3)
    truth = means.mean()
    assert np.mean([one.low <= truth <= one.high for one in found]) >= 0.94


def test_map_of_several_seeds_is_the_mean_and_its_pull_is_that_of_leaving_out():
    scores, relevant, groups = sample(np.random.default_rng(3), spread=0.3)
    each = [mean_average_precision(one, relevant) for one in scores]
    found = influence_of_map(scores, relevant, groups)
    assert found.mean == pytest.approx(np.mean(each))
    assert found.values.sum() == pytest.approx(0)
    of_seed = found.mean + 3 * found.values.sum(axis=1)
    assert of_seed == pytest.approx(each)
    inside = np.array([group != found.groups[7] for group in groups])
    rest = mean_average_precision(scores[0][inside], relevant[inside])
    pulls = found.values[0] * 3 - found.weights * (each[0] - found.mean)
    pull = (1 - found.weights[7]) * (each[0] - rest)
    others = [
        (1 - found.weights[k])
        * (each[0] - mean_average_precision(scores[0][keep], relevant[keep]))
        for k, name in enumerate(found.groups)
        for keep in [np.array([group != name for group in groups])]
    ]
    assert pulls[7] == pytest.approx(pull - np.mean(others))


def test_many_groups_are_left_out_in_sets():
    rng = np.random.default_rng(4)
    relevant = rng.random((450, 2)) < 0.3
    scores = relevant + rng.normal(size=(450, 2))
    found = share(influence_of_map(scores, relevant, alone(450)))
    assert found.groups == 100
    means = []
    for _ in range(200):
        drawn = rng.integers(450, size=450)
        means.append(mean_average_precision(scores[drawn], relevant[drawn]))
    assert found.standard_error == pytest.approx(np.std(means), rel=0.3)


def test_a_perfect_ranking_is_no_certainty():
    relevant = np.arange(6)[:, None] % 2 == np.arange(2)
    found = share(influence_of_map(relevant * 1.0, relevant, alone(6)))
    assert (found.mean, found.high) == (1, 1)
    assert found.low == pytest.approx(0.025 ** (1 / 6))
