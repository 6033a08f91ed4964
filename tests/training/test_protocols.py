import math

import numpy as np
import pytest
import torch
from test_dataset import CONFIG, clips_of
from torch import Tensor, nn

from training.errors import RecipeError
from training.jobs.evaluate import assessment
from training.protocols import ClipProtocol, Scorer, Scores, cross_entropy

CPU = torch.device("cpu")


class MeanOfU(nn.Module):
    """Says left or right by the mean of u: we know what it must say."""

    def forward(self, clips: Tensor) -> Tensor:
        u = clips[:, 0].mean(dim=(1, 2, 3))
        return torch.stack([-u, u], dim=1)


def scores_of(store, **options) -> Scores:
    clips = clips_of(store, ["flow"])
    return Scorer(clips, sees="flow", device=CPU, **options)(MeanOfU())


def test_every_clip_counts_once_whatever_the_batches(store):
    """7 intervals, clips of 4: starts 0 to 3 for four clips, 0 for consecutive ones."""
    protocol = ClipProtocol(clips=4)
    expected = []
    clips = clips_of(store, ["flow"])
    for video in clips.videos:
        logits = [
            MeanOfU()(clips.clip(video, clips.centred(video, start))["flow"][None])
            for start in range(4)
        ]
        expected.append(torch.cat(logits).double().mean(dim=0).numpy())
    for batch_size in (3, 5, 64):
        scores = scores_of(store, protocol=protocol, batch_size=batch_size)
        np.testing.assert_allclose(scores.scores, expected, rtol=1e-5)
    assert scores.ids == tuple(video.id for video in store.videos())
    assert (scores.scores.argmax(axis=1) == scores.labels).all()


def test_starts_are_those_of_the_protocol():
    assert ClipProtocol().starts(40, 16).tolist() == [0, 16]
    assert ClipProtocol(clips=2).starts(40, 16).tolist() == [0, 24]


def test_probabilities_are_averaged_if_the_protocol_says_so(store):
    scores = scores_of(store, protocol=ClipProtocol(aggregate="softmax"))
    np.testing.assert_allclose(scores.scores.sum(axis=1), 1)
    assert scores.scores.min() >= 0
    with pytest.raises(RecipeError, match="to aggregate logits or softmax, got max"):
        ClipProtocol(aggregate="max")


def test_scoring_changes_no_network(store):
    model = nn.Sequential(nn.BatchNorm3d(2), MeanOfU()).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    clips = clips_of(store, ["flow"])
    Scorer(clips, sees="flow", device=CPU, protocol=ClipProtocol())(model)
    assert model.training and model[0].training
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


def test_cross_entropy_by_hand():
    scores = np.array([[math.log(3), 0.0], [0.0, 0.0]])
    expected = -(math.log(3 / 4) + math.log(1 / 2)) / 2
    labels = np.array([0, 1])
    assert cross_entropy(scores, labels, logits=True) == pytest.approx(expected)
    chances = np.array([[3 / 4, 1 / 4], [1 / 2, 1 / 2]])
    assert cross_entropy(chances, labels, logits=False) == pytest.approx(expected)


def test_assessment_by_hand():
    scores = np.array([[2.0, 1, 0], [2, 1, 0], [0, 2, 1], [2, 0, 1]])
    told = assessment(
        Scores(tuple("abcd"), np.array([0, 0, 1, 1]), scores, 0.5), ("x", "y", "z")
    )
    assert told["top1"]["mean"] == 0.75
    assert told["mean_class"] == 0.75
    assert told["per_class"] == {
        "x": {"accuracy": 1.0, "videos": 2},
        "y": {"accuracy": 0.5, "videos": 2},
    }
    assert told["confusion"] == [[2, 0, 0], [1, 1, 0], [0, 0, 0]]
    assert "top5" not in told


def test_top_5_needs_more_than_five_classes():
    scores = Scores(("a",), np.array([5]), np.arange(7.0)[None], 0.5)
    told = assessment(scores, tuple("abcdefg"))
    assert told["top1"]["mean"] == 0 and told["top5"]["mean"] == 1


def test_scores_are_kept_without_pickles(tmp_path):
    Scores(("a", "ü"), np.array([0, 1]), np.eye(2), 0.1).save(tmp_path / "s.npz")
    with np.load(tmp_path / "s.npz", allow_pickle=False) as file:
        assert file["ids"].tolist() == ["a", "ü"]
        assert file["scores"].tolist() == [[1, 0], [0, 1]]


def test_evaluation_crop_is_not_mirrored(store):
    assert CONFIG.flip
    clips = clips_of(store, ["flow"])
    video = clips.videos[0]
    assert not clips.centred(video, 0).view.flip
