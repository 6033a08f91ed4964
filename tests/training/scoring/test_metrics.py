import time

import numpy as np
import pytest

from training.scoring import metrics

SCORES = np.array([[3.0, 1, 0], [1, 2, 0], [0, 2, 1], [1, 1, 1]])


def test_top_k_by_hand():
    labels = np.array([0, 0, 2, 0])
    assert metrics.top_k(SCORES, labels).tolist() == [True, False, False, True]
    assert metrics.top_k(SCORES, labels, 2).tolist() == [True, True, True, True]


def test_equal_scores_are_right_once_in_k():
    same = np.zeros((3, 3))
    assert metrics.top_k(same, np.array([0, 1, 2])).tolist() == [True, False, False]


def test_class_means_weigh_classes_alike():
    hits, labels = np.array([True, True, True, False]), np.array([0, 0, 0, 1])
    by_class = metrics.per_class(hits, labels, 3)
    np.testing.assert_array_equal(by_class, [1, 0, np.nan])
    assert metrics.mean_class(hits, labels, 3) == 0.5
    assert hits.mean() == 0.75


def test_interval_holds_the_mean_and_has_the_binomial_width():
    hits = np.arange(400) < 300
    mean, low, high = metrics.bootstrap(hits)
    assert mean == 0.75
    assert low < mean < high
    expected = 2 * 1.96 * np.sqrt(0.75 * 0.25 / 400)
    assert high - low == pytest.approx(expected, rel=0.15)


def test_interval_of_certainty_is_a_point():
    assert metrics.bootstrap(np.ones(5)) == (1, 1, 1)


def test_pairs_are_surer_than_the_two_apart():
    rng = np.random.default_rng(0)
    first = rng.random(200) < 0.5
    second = first & (rng.random(200) < 0.9)
    mean, low, high = metrics.paired_difference(first, second)
    assert mean == pytest.approx(first.mean() - second.mean())
    assert low > 0
    assert high - low < metrics.bootstrap(first).high - metrics.bootstrap(first).low


def test_confusion_counts_true_by_called():
    labels = np.array([0, 0, 2, 0])
    expected = [[2, 1, 0], [0, 0, 0], [0, 1, 0]]
    assert metrics.confusion(SCORES, labels).tolist() == expected


def test_top_k_of_several_classes_is_any_of_them():
    truth = np.array([[0, 1, 0], [0, 0, 1], [1, 0, 1], [0, 1, 1]], bool)
    assert metrics.top_k(SCORES, truth).tolist() == [False, False, False, False]
    assert metrics.top_k(SCORES, truth, 2).tolist() == [True, False, True, True]
    labels = np.array([0, 0, 2, 0])
    for k in (1, 2, 3):
        alone = labels[:, None] == np.arange(3)
        same = metrics.top_k(SCORES, labels, k) == metrics.top_k(SCORES, alone, k)
        assert same.all()


def test_average_precision_by_hand():
    """Ranked: yes, no, yes, no, yes: (1/1 + 2/3 + 3/5) / 3."""
    scores = np.array([0.5, 0.9, 0.1, 0.7, 0.3])
    relevant = np.array([True, True, True, False, False])
    expected = (1 + 2 / 3 + 3 / 5) / 3
    assert metrics.average_precision(scores, relevant) == pytest.approx(expected)
    assert np.isnan(metrics.average_precision(scores, np.zeros(5, bool)))


def test_equal_scores_have_the_precision_of_chance():
    """Whatever the order in which the videos come."""
    same, relevant = np.zeros(10), np.arange(10) < 3
    assert metrics.average_precision(same, relevant) == pytest.approx(0.3)
    assert metrics.average_precision(same, relevant[::-1]) == pytest.approx(0.3)


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [0, 2, 1, 3], [3, 2, 1, 0]])
def test_relevant_videos_share_the_last_place_of_their_equals(order):
    """Ranked: no; yes and no alike; yes: (1/3 + 2/4) / 2, in whatever order they come."""
    scores, relevant = np.array([2.0, 1, 1, 0]), np.array([False, True, False, True])
    found = metrics.average_precision(scores[order], relevant[order])
    assert found == pytest.approx((1 / 3 + 2 / 4) / 2)


def by_thresholds(scores: np.ndarray, relevant: np.ndarray) -> float:
    """Area under the steps of the precision-recall curve, threshold by threshold."""
    area, before = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        chosen = scores >= threshold
        recall = relevant[chosen].sum() / relevant.sum()
        area += (recall - before) * relevant[chosen].mean()
        before = recall
    return area


def test_average_precision_is_the_area_of_all_thresholds():
    rng = np.random.default_rng(0)
    for _ in range(50):
        scores = rng.integers(0, 30, 40) / 7  # with equal ones
        relevant = rng.random(40) < 0.2
        relevant[rng.integers(40)] = True
        found = metrics.average_precision(scores, relevant)
        assert found == pytest.approx(by_thresholds(scores, relevant))


def test_background_lowers_precision_and_classes_of_nobody_do_not_count():
    """Class 0: yes, background, yes: (1 + 2/3) / 2; class 1: 1; class 2 has no video."""
    scores = np.array([[3.0, 0, 0], [2, 0, 1], [1, 5, 0]])
    relevant = np.array([[1, 0, 0], [0, 0, 0], [1, 1, 0]], bool)
    found = metrics.precision_per_class(scores, relevant)
    np.testing.assert_allclose(found, [(1 + 2 / 3) / 2, 1, np.nan])
    expected = ((1 + 2 / 3) / 2 + 1) / 2
    assert metrics.mean_average_precision(scores, relevant) == pytest.approx(expected)
    without = metrics.mean_average_precision(scores[[0, 2]], relevant[[0, 2]])
    assert without == 1


def test_interval_of_precision_holds_what_other_videos_would_give():
    """Against the spread of fresh samples of the same kind of videos."""
    rng = np.random.default_rng(0)

    def sample() -> tuple[np.ndarray, np.ndarray]:
        relevant = rng.random((150, 4)) < 0.2
        return relevant + rng.normal(0, 0.8, relevant.shape), relevant

    means = [metrics.mean_average_precision(*sample()) for _ in range(300)]
    mean, low, high = metrics.bootstrap_map(*sample(), draws=400)
    assert low < mean < high
    assert high - low == pytest.approx(2 * 1.96 * np.std(means), rel=0.3)


def test_drawn_twice_is_not_ranked_higher():
    """One relevant video of many, in the middle: its precision is 1/n in every draw."""
    scores, relevant = np.arange(101.0)[:, None], np.zeros((101, 1), bool)
    relevant[50] = True
    mean, low, high = metrics.bootstrap_map(scores, relevant, draws=2000)
    assert mean == pytest.approx(1 / 51)
    assert 1 / 102 < low and high < 2 / 51


def test_a_video_is_not_ranked_behind_its_own_copies():
    """The best of three is the relevant one: precision 1, however often it is drawn."""
    scores, relevant = np.array([[3.0], [2], [1]]), np.array([[True], [False], [False]])
    assert metrics.bootstrap_map(scores, relevant, draws=200) == (1, 1, 1)


def test_seeds_are_drawn_too():
    """Seeds that differ widen the interval; equal seeds are one seed."""
    rng = np.random.default_rng(0)
    hits = rng.random(400) < 0.7
    same = metrics.bootstrap(np.stack([hits] * 5))
    one = metrics.bootstrap(hits)
    assert same.mean == one.mean
    assert same.high - same.low == pytest.approx(one.high - one.low, rel=0.1)
    rates = np.array([0.5, 0.6, 0.7, 0.8, 0.9])
    several = metrics.bootstrap(rng.random((5, 400)) < rates[:, None])
    expected = 2 * 1.96 * np.std(rates) / np.sqrt(5)
    assert several.high - several.low == pytest.approx(expected, rel=0.2)


def test_bootstrap_is_that_of_drawing_one_by_one():
    rng = np.random.default_rng(1)
    values = rng.normal(0.2, 1, (3, 25))
    means = [
        values[rng.integers(3, size=3)][:, rng.integers(25, size=25)].mean()
        for _ in range(10_000)
    ]
    expected = np.percentile(means, (2.5, 97.5))
    found = metrics.bootstrap(values)
    np.testing.assert_allclose(found[1:], expected, atol=0.03)
    assert found == metrics.bootstrap(values)
    assert found != metrics.bootstrap(values, seed=1)


def test_bootstrap_of_a_papers_size_takes_no_time():
    """10,000 draws of 5 seeds and 400 videos: some 50 ms of one core."""
    hits = np.random.default_rng(0).random((5, 400)) < 0.5
    times = []
    for _ in range(5):
        started = time.process_time()
        metrics.bootstrap(hits)
        times.append(time.process_time() - started)
    assert min(times) < 0.2


def test_nothing_has_no_mean():
    with pytest.raises(ValueError, match="expected values of seeds and videos"):
        metrics.bootstrap(np.zeros((3, 0)))


def test_three_splits_count_alike():
    splits = [np.arange(100) < 50, np.arange(10) < 8, np.arange(40) < 20]
    mean, low, high = metrics.over_splits(splits)
    assert mean == pytest.approx(0.6)
    variances = [s.mean() * (1 - s.mean()) / len(s) for s in splits]
    expected = 2 * 1.96 * np.sqrt(sum(variances)) / 3
    assert high - low == pytest.approx(expected, rel=0.1)


def test_each_split_is_drawn_for_itself():
    """Chance cancels: two alike are surer than one by the square root of two."""
    hits = np.arange(400) < 300
    one, two = metrics.bootstrap(hits), metrics.over_splits([hits, hits])
    assert two.mean == one.mean
    narrower = (one.high - one.low) / (two.high - two.low)
    assert narrower == pytest.approx(np.sqrt(2), rel=0.05)


def test_pairs_of_seeds_are_compared_pair_by_pair():
    """Seeds that are lucky on both sides cancel."""
    rng = np.random.default_rng(0)
    second = rng.random((5, 300)) < np.array([[0.2], [0.4], [0.5], [0.6], [0.8]])
    first = second | (rng.random((5, 300)) < 0.1)
    difference = metrics.paired_difference(first, second)
    assert difference.mean == pytest.approx(first.mean() - second.mean())
    assert metrics.verdict(difference, seeds=5) == "holds"
    shuffled = metrics.paired_difference(first[::-1], second)
    assert metrics.verdict(shuffled, seeds=5) == "consistent"
    with pytest.raises(ValueError, match="expected the same seeds and videos"):
        metrics.paired_difference(first[:4], second)


def test_verdicts_by_the_rule():
    interval = metrics.Interval
    assert metrics.verdict(interval(0.1, 0.01, 0.2), seeds=5) == "holds"
    assert metrics.verdict(interval(0.1, 0.0, 0.2), seeds=5) == "consistent"
    assert metrics.verdict(interval(0.0, -0.1, 0.1), seeds=9) == "not reproduced"
    assert metrics.verdict(interval(-0.1, -0.2, -0.05), seeds=5) == "not reproduced"
    assert metrics.verdict(interval(0.1, 0.01, 0.2), seeds=4) == "too few seeds"
