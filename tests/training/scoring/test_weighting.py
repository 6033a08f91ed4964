from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import linprog
from stream_scores import specialists, stream

from training.errors import DataError, RecipeError
from training.scoring.metrics import top_k
from training.scoring.weighting import (
    AdaptiveWeighting,
    corner_weights,
    gains,
    searched_weights,
)


def random_gains(streams: int, *, classes: int = 20, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(classes, streams))


def test_search_finds_the_stream_that_knows():
    labels = np.arange(40) % 4
    knows = stream(4.0 * np.eye(4)[labels], labels)
    misleads = stream(5.0 * np.eye(4)[(labels + 1) % 4], labels)
    found = searched_weights([misleads, knows], training=(), on="logits")
    assert found.quality == 1.0
    assert found.tried == 21
    low, high = found.average.weights
    assert low == pytest.approx(0.4) and high == pytest.approx(0.6)  # 4 * .6 > 5 * .4
    assert top_k(found.average([misleads, knows]), labels).all()


def test_of_equally_good_weights_the_most_even_win():
    streams = specialists(sure=20.0)
    found = searched_weights(streams, training=())
    assert found.average.weights == (0.5, 0.5)
    three = searched_weights([*streams, streams[0]], training=(), parts=10)
    assert three.tried == 66
    assert sum(three.average.weights) == pytest.approx(1)
    assert min(three.average.weights) >= 0.3


def test_another_quality_can_be_searched_for():
    streams = specialists()
    found = searched_weights(
        streams, training=(), quality=lambda fused: -abs(fused[0, 0] - 1)
    )
    assert found.average.weights == (1.0, 0.0)  # it knows class 0, of the first video


def test_gains_by_hand():
    """Two videos of class 0 and one of class 1."""
    probabilities = np.array(
        [[[0.9, 0.1], [0.7, 0.3], [0.4, 0.6]], [[0.5, 0.5], [0.5, 0.5], [0.0, 1.0]]]
    )
    relevant = np.array([[1, 0], [1, 0], [0, 1]], bool)
    np.testing.assert_allclose(
        gains(probabilities, relevant, c=0.1),
        [[1.6 - 0.04, 1.0 - 0.0], [0.6 - 0.04, 1.0 - 0.1]],
    )


@pytest.mark.parametrize("streams", [2, 3, 5])
@pytest.mark.parametrize("least", [0.0, 0.1, 0.2])
def test_weights_solve_the_linear_programme(streams, least):
    """As scipy does, which knows nothing of corners."""
    gain = random_gains(streams)
    ours = corner_weights(gain, min_weight=least)
    for row, weights in zip(gain, ours, strict=True):
        theirs = linprog(
            -row,
            A_eq=np.ones((1, streams)),
            b_eq=[1],
            bounds=[(least, None)] * streams,
        )
        np.testing.assert_allclose(weights, theirs.x, atol=1e-9)
        assert weights @ row == pytest.approx(-theirs.fun)


def test_ties_are_shared():
    gain = np.array([[1.0, 1.0, 0.0], [2.0, 2.0, 2.0]])
    np.testing.assert_allclose(
        corner_weights(gain, min_weight=0.1), [[0.45, 0.45, 0.1], [1 / 3] * 3]
    )


def test_as_printed_one_stream_gets_all_and_bounded_leaves_some():
    streams = specialists()
    literal = AdaptiveWeighting(form="lp").fit(streams, training=())
    np.testing.assert_array_equal(literal.weights, [[1, 0], [1, 0], [0, 1], [0, 1]])
    bounded = AdaptiveWeighting().fit(streams, training=())
    np.testing.assert_allclose(
        bounded.weights, [[0.9, 0.1], [0.9, 0.1], [0.1, 0.9], [0.1, 0.9]]
    )
    assert bounded.without_videos == ()


def test_softmax_grades_by_the_mean_gain():
    streams = specialists()
    graded = AdaptiveWeighting(form="softmax", temperature=0.2, c=0.0)
    weights = graded.fit(streams, training=()).weights
    of_class = streams[0].labels == 0
    first, second = (it.softmax[of_class, 0].mean() for it in streams)
    odds = np.exp((first - second) / 0.2)
    assert weights[0, 0] == pytest.approx(odds / (1 + odds))
    assert 0.5 < weights[0, 0] < 1


def test_each_class_is_decided_by_its_own_weights():
    streams = specialists(seed=1)
    fitted = AdaptiveWeighting().fit(specialists(seed=0), training=())
    fused = fitted(streams)
    expected = [
        sum(fitted.weights[a, s] * streams[s].softmax[:, a] for s in range(2))
        for a in range(4)
    ]
    np.testing.assert_allclose(fused, np.stack(expected, axis=1))
    labels = streams[0].labels
    assert top_k(fused, labels).mean() > top_k(streams[0].softmax, labels).mean()


def test_balanced_keeps_the_weight_of_the_negatives():
    """c (K - 1) is 0.5: for 101 classes 0.005, as printed."""
    streams = [
        stream(np.random.default_rng(s).normal(size=(303, 101)), np.arange(303) % 101)
        for s in range(2)
    ]
    printed = AdaptiveWeighting(form="softmax")
    same = replace(printed, balanced=True)
    np.testing.assert_allclose(
        printed.fit(streams, training=()).weights,
        same.fit(streams, training=()).weights,
    )
    few = specialists()
    relevant = few[0].labels[:, None] == np.arange(4)
    scores = np.stack([it.softmax for it in few])
    mean_gain = gains(scores, relevant, c=0.5 / 3) / 15
    powers = np.exp(mean_gain / 0.1)
    np.testing.assert_allclose(
        same.fit(few, training=()).weights, powers / powers.sum(axis=1, keepdims=True)
    )


def test_classes_without_a_video_get_equal_weights_and_are_named():
    labels = np.array([0, 1, 0, 1])
    streams = [
        stream(np.random.default_rng(s).normal(size=(4, 3)), labels) for s in range(2)
    ]
    for form in ("lp", "bounded", "softmax"):
        fitted = AdaptiveWeighting(form=form).fit(streams, training=())
        assert fitted.without_videos == (2,)
        assert fitted.weights[2].tolist() == [0.5, 0.5]


def test_videos_of_several_classes_count_for_each():
    streams = specialists()
    relevant = streams[0].labels[:, None] == np.arange(4)
    plain = AdaptiveWeighting(form="softmax")
    told = [it._replace(relevant=relevant) for it in streams]
    np.testing.assert_array_equal(
        plain.fit(streams, training=()).weights, plain.fit(told, training=()).weights
    )
    relevant[0] = True
    scores = np.stack([it.softmax for it in streams])
    gain = gains(scores, relevant, c=5e-3) / relevant.sum(axis=0)[:, None]
    powers = np.exp(gain / 0.1)
    np.testing.assert_allclose(
        plain.fit(told, training=()).weights,
        powers / powers.sum(axis=1, keepdims=True),
    )
    relevant[:] = True
    assert searched_weights(told, training=()).quality == 1.0
    relevant[:30] = False
    assert searched_weights(told, training=()).quality == 0.5


@pytest.mark.parametrize("fit", [searched_weights, AdaptiveWeighting().fit])
def test_training_videos_and_other_runs_are_refused(fit):
    streams = specialists()
    with pytest.raises(DataError, match=r"60 of 60 are training videos"):
        fit(streams, training=streams[0].ids)
    other = specialists(videos=56)
    with pytest.raises(
        DataError, match="video v056 is in stream 1 and not in stream 2"
    ):
        fit([streams[0], other[1]], training=())
    wider = specialists(classes=6)
    with pytest.raises(DataError, match="expected 4 classes in every stream, got 6"):
        fit([streams[0], wider[1]], training=())


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(RecipeError, match="bounded, lp or softmax, got best"):
        AdaptiveWeighting(form="best")
    for wrong in (
        {"min_weight": -0.1},
        {"min_weight": 1.1},
        {"temperature": 0},
        {"c": -1},
    ):
        with pytest.raises(RecipeError, match="min_weight in"):
            AdaptiveWeighting(**wrong)
    for right in (
        {"min_weight": 0},
        {"min_weight": 1},
        {"temperature": 0.01},
        {"c": 0},
    ):
        AdaptiveWeighting(**right)
    with pytest.raises(RecipeError, match="at most 1/3 for 3 streams, got 0.4"):
        corner_weights(random_gains(3), min_weight=0.4)
    with pytest.raises(RecipeError, match="parts of at least 1"):
        searched_weights(specialists(), training=(), parts=0)
    assert searched_weights(specialists(), training=(), parts=1).tried == 2
    fitted = AdaptiveWeighting().fit(specialists(), training=())
    with pytest.raises(DataError, match="2 streams of 4 classes, got 1 of 4"):
        fitted(specialists()[:1])
