from dataclasses import replace

import numpy as np
import pytest
import torch
from stream_scores import specialists, stream

from training.errors import DataError, RecipeError
from training.scoring.fusion import (
    AttentionConfig,
    AttentionFusion,
    fit_attention,
    probabilities,
)
from training.scoring.weighted_average import WeightedAverage, stacked

LABELS = np.array([0, 1])


def two(first: list, second: list):
    return [
        stream(np.array(it, np.float64), LABELS, name="v") for it in (first, second)
    ]


def test_average_by_hand():
    streams = two([[1.0, 3.0], [0.0, 0.0]], [[4.0, 0.0], [2.0, -4.0]])
    fused = WeightedAverage(weights=(1, 2), on="logits")(streams)
    np.testing.assert_allclose(fused, [[3.0, 1.0], [4 / 3, -8 / 3]])


def test_average_of_probabilities_by_hand():
    """1/2 and 3/4 for the first class, one to three."""
    streams = two([[0.0, 0.0]] * 2, [[np.log(3), 0.0]] * 2)
    fused = WeightedAverage(weights=(1, 3))(streams)
    np.testing.assert_allclose(fused, [[11 / 16, 5 / 16]] * 2)


def test_mean_probabilities_are_taken_as_they_are():
    """They are means over clips, which the mean logits do not tell."""
    first, second = two([[9.0, 0.0]] * 2, [[0.0, 9.0]] * 2)
    first = first._replace(softmax=np.array([[0.25, 0.75]] * 2))
    fused = WeightedAverage(weights=(1, 0))([first, second])
    np.testing.assert_allclose(fused, [[0.25, 0.75]] * 2)


def test_clipped_scores_by_hand():
    """Below 0 is 0, each sums to 1; nothing above 0 says nothing."""
    streams = two([[3.0, -5.0], [-1.0, -2.0]], [[1.0, 3.0], [2.0, 2.0]])
    fused = WeightedAverage(weights=(1, 1.5), on="clipped")(streams)
    first = (1 * np.array([1, 0]) + 1.5 * np.array([0.25, 0.75])) / 2.5
    np.testing.assert_allclose(fused, [first, [0.5, 0.5]])


def test_weights_and_streams_that_make_no_sense_are_refused():
    with pytest.raises(RecipeError, match="logits, softmax or clipped, got max"):
        WeightedAverage(weights=(1,), on="max")
    for weights in ((), (0, 0), (1, -1)):
        with pytest.raises(RecipeError, match="at least 0 and one above"):
            WeightedAverage(weights=weights)
    with pytest.raises(RecipeError, match="expected 3 streams, got 2"):
        WeightedAverage(weights=(1, 1, 1))(two([[0, 0]] * 2, [[0, 0]] * 2))
    with pytest.raises(RecipeError, match="at least one stream"):
        stacked([], on="softmax")


def test_streams_of_other_videos_or_classes_are_refused():
    first, second = specialists()
    fuse = WeightedAverage(weights=(1, 1))
    other = second._replace(ids=("strange", *second.ids[1:]))
    with pytest.raises(
        DataError, match="video strange is in stream 2 and not in stream 1"
    ):
        fuse([first, other])
    with pytest.raises(DataError, match="stream 2 has its videos in another order"):
        fuse([first, second._replace(ids=second.ids[::-1])])
    wider = stream(np.zeros((60, 5)), first.labels)
    with pytest.raises(DataError, match="expected 4 classes in every stream, got 5"):
        fuse([first, wider])
    with pytest.raises(DataError, match="stream 2 has other labels"):
        fuse([first, second._replace(labels=second.labels[::-1])])


@pytest.mark.parametrize(("classes", "expected"), [(101, 13_122), (51, 6_722)])
def test_attention_has_the_parameters_of_two_layers(classes, expected):
    model = AttentionFusion(classes)
    assert sum(weight.numel() for weight in model.parameters()) == expected


def test_attention_starts_as_the_mean_exactly():
    streams = specialists()
    model = AttentionFusion(4)
    scores = probabilities(streams)
    assert torch.equal(model.weights(scores), torch.full((60, 2), 0.5))
    mean = WeightedAverage(weights=(1, 1))(streams)
    np.testing.assert_allclose(model.fuse(streams), mean, atol=1e-7)


def test_attention_learns_whom_to_believe():
    """On the videos of a class, the stream that knows it is sure and the other is not."""
    config = AttentionConfig(learning_rate=1e-2)
    streams = specialists(videos=120)
    model = fit_attention(streams, training=(), config=config)
    fresh = specialists(videos=120, seed=1)
    weights = model.weights(probabilities(fresh))
    lower = torch.from_numpy(fresh[0].labels < 2)
    assert weights[lower, 0].mean() > 0.6
    assert weights[~lower, 1].mean() > 0.6
    truth = np.arange(120), fresh[0].labels
    mean = WeightedAverage(weights=(1, 1))(fresh)
    assert np.log(model.fuse(fresh)[truth]).mean() > np.log(mean[truth]).mean()


def test_attention_is_the_same_for_the_same_seed_whatever_was_drawn_before():
    streams = specialists()
    config = AttentionConfig(epochs=3)
    first = fit_attention(streams, training=(), config=config, seed=3)
    torch.rand(5)
    state = torch.get_rng_state()
    again = fit_attention(streams, training=(), config=config, seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    other = fit_attention(streams, training=(), config=config, seed=4)
    same = [
        torch.equal(one, two)
        for one, two in zip(first.parameters(), again.parameters(), strict=True)
    ]
    assert all(same)
    assert not torch.equal(first.hidden.weight, other.hidden.weight)


def test_attention_that_only_gets_worse_stays_the_mean():
    streams = specialists()
    config = AttentionConfig(learning_rate=1e3)
    model = fit_attention(streams, training=(), config=config)
    assert torch.equal(model.weights(probabilities(streams)), torch.full((60, 2), 0.5))


def test_attention_knows_videos_of_several_classes_and_of_none():
    """Half of the videos have no class: the same as without them."""
    config = AttentionConfig(epochs=20, learning_rate=1e-2)
    streams = specialists(videos=40)
    relevant = streams[0].labels[:, None] == np.arange(4)
    relevant[::2] = False
    told = [it._replace(relevant=relevant) for it in streams]
    half = [
        it._replace(
            ids=it.ids[1::2],
            labels=it.labels[1::2],
            logits=it.logits[1::2],
            softmax=it.softmax[1::2],
        )
        for it in streams
    ]
    first = fit_attention(told, training=(), config=config)
    again = fit_attention(half, training=(), config=config)
    for one, two in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, two)
    assert first.weigh.weight.any()
    relevant[1::2, 0] = True
    even = fit_attention(told, training=(), config=config)
    assert not torch.equal(even.hidden.weight, first.hidden.weight)


def test_attention_stops_when_patience_ends(monkeypatch):
    steps = []
    real = torch.optim.Adam.step
    monkeypatch.setattr(
        torch.optim.Adam, "step", lambda self: (steps.append(1), real(self))
    )
    config = AttentionConfig(learning_rate=1e3, patience=2, batch_size=100)
    fit_attention(specialists(), training=(), config=config)
    assert len(steps) == 2
    fit_attention(specialists(), training=(), config=replace(config, epochs=1))
    assert len(steps) == 3


def test_attention_refuses_training_videos_and_too_few():
    streams = specialists()
    with pytest.raises(DataError, match=r"1 of 60 are training videos \(first: v007\)"):
        fit_attention(streams, training={"v007", "elsewhere"})
    few = [stream(np.zeros((1, 4)), np.array([0]))] * 2
    with pytest.raises(DataError, match="two held-out videos with a class, got 1"):
        fit_attention(few, training=())
