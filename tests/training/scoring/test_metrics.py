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


def test_precision_of_sets_of_videos_is_that_of_these_videos_alone():
    rng = np.random.default_rng(0)
    scores, relevant = rng.integers(0, 12, 40) / 7, rng.random(40) < 0.2
    sets = rng.random((30, 40)) < 0.6
    sets[0] = ~relevant
    found = metrics.precisions_of(scores, relevant, sets)
    assert np.isnan(found[0])
    for one, videos in zip(found[1:], sets[1:], strict=True):
        assert one == pytest.approx(by_thresholds(scores[videos], relevant[videos]))
