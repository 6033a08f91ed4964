import numpy as np
import pytest

from training import metrics

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
