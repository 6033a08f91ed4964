import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from moving_store import Made, centred, videos, write_store
from small_clips import CONFIG, clips_of
from torch import Tensor, nn

from pipeline.store import Store
from training.data.dataset import Draw
from training.errors import RecipeError
from training.scoring.clip_protocol import ClipProtocol
from training.scoring.protocols import Scorer, mirrored
from training.scoring.scores import Scores

CPU = torch.device("cpu")


class MeanOfU(nn.Module):
    """Says left or right by the mean of u: we know what it must say."""

    def forward(self, clips: Tensor) -> Tensor:
        u = clips[:, 0].mean(dim=(1, 2, 3))
        return torch.stack([-u, u], dim=1)


class Corners(nn.Module):
    """Says what lies in the corners of a clip: other crops, other scores."""

    def __init__(self) -> None:
        super().__init__()
        self.taken = nn.Identity()

    def forward(self, clips: Tensor) -> Tensor:
        return self.taken(clips[:, 0, 0, ::15, ::19].flatten(1))


def scores_of(store, model=None, sees="flow", modalities=("flow",), **options):
    clips = clips_of(store, modalities)
    options = {"protocol": ClipProtocol()} | options
    return Scorer(clips, sees=sees, device=CPU, **options)(model or MeanOfU())


@pytest.fixture(scope="module")
def mirror_safe(tmp_path_factory) -> Store:
    folder = tmp_path_factory.mktemp("safe") / "store"
    return Store(write_store(folder, videos(4), mirror_safe=True))


def test_every_clip_counts_once_whatever_the_batches(store):
    """7 intervals, clips of 4: starts 0 to 3 for four clips, 0 for consecutive ones."""
    protocol = ClipProtocol(clips=4)
    expected = []
    clips = clips_of(store, ["flow"])
    for video in clips.videos:
        logits = [
            MeanOfU()(clips.clip(video, centred(clips, video, start))["flow"][None])
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


def test_a_snippet_that_comes_twice_counts_twice_and_is_seen_once(store):
    """7 intervals, stacks of 4, 7 snippets: starts 0 1 1 2 2 3 3."""
    clips = clips_of(store, ["flow"])
    protocol = ClipProtocol(clips=7, aggregate="softmax")
    starts = protocol.starts(7, 4).tolist()
    assert starts == [0, 1, 1, 2, 2, 3, 3]
    scorer = Scorer(clips, sees="flow", protocol=protocol, device=CPU)
    assert len(scorer.loader.dataset) == 4 * len(clips)
    scores = scorer(MeanOfU())
    video = clips.videos[2]
    logits = torch.cat(
        [
            MeanOfU()(clips.clip(video, centred(clips, video, start))["flow"][None])
            for start in starts
        ]
    ).double()
    np.testing.assert_allclose(scores.logits[2], logits.mean(0), rtol=1e-6)
    np.testing.assert_allclose(scores.softmax[2], logits.softmax(1).mean(0), rtol=1e-6)


def test_both_means_are_kept_and_the_protocol_says_which_is_judged(store):
    both = [
        scores_of(store, protocol=ClipProtocol(clips=3, aggregate=aggregate))
        for aggregate in ("logits", "softmax")
    ]
    np.testing.assert_array_equal(both[0].logits, both[1].logits)
    np.testing.assert_array_equal(both[0].softmax, both[1].softmax)
    np.testing.assert_allclose(both[0].softmax.sum(axis=1), 1)
    assert both[0].scores is both[0].logits and both[1].scores is both[1].softmax
    assert both[0].classes == store.classes


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"aggregate": "max"}, "to aggregate logits or softmax, got max"),
        ({"crops": 5}, "expected 1, 3 or 10 crops, got 5"),
        ({"clips": 0}, "expected at least 1 clip, got 0"),
    ],
)
def test_protocols_that_do_not_exist_are_refused(wrong, message):
    with pytest.raises(RecipeError, match=message):
        ClipProtocol(**wrong)


@pytest.mark.parametrize("sees", ["flow", "rgb"])
@pytest.mark.parametrize("crops", [3, 10])
def test_crops_are_averaged_as_if_each_were_a_clip(mirror_safe, crops, sees):
    clips = clips_of(mirror_safe, [sees], replace(CONFIG, flip=False))
    protocol = ClipProtocol(clips=2, crops=crops)
    scorer = Scorer(clips, sees=sees, protocol=protocol, device=CPU, batch_size=30)
    scores = scorer(Corners())
    for number, video in enumerate(clips.videos):
        views = clips.views(video, crops)
        if crops == 10:
            views += tuple(view._replace(flip=True) for view in views)
        assert len(set(views)) == crops
        seen = [
            clips.clip(video, Draw(start, view))[sees]
            for start in protocol.starts(clips.available(video), 4).tolist()
            for view in views
        ]
        logits = Corners()(torch.stack(seen)).double()
        np.testing.assert_allclose(scores.logits[number], logits.mean(0), atol=1e-5)
        softmax = logits.softmax(1).mean(0)
        np.testing.assert_allclose(scores.softmax[number], softmax, atol=1e-6)


def test_ten_crops_are_refused_where_left_is_not_right(store):
    with pytest.raises(RecipeError, match="expected 1 or 3 crops, got 10: they mirror"):
        scores_of(store, protocol=ClipProtocol(crops=10))


def test_mirrored_motion_goes_the_other_way():
    clips = torch.arange(12.0).view(1, 2, 1, 2, 3)
    motion, picture = mirrored(clips, motion=True), mirrored(clips, motion=False)
    assert torch.equal(motion[:, 0], -picture[:, 0])
    assert torch.equal(motion[:, 1], picture[:, 1])
    assert picture[0, 0, 0, 0].tolist() == [2, 1, 0]
    assert clips[0, 0, 0, 0].tolist() == [0, 1, 2]


def test_a_network_is_judged_alike_whatever_it_was_trained_beside(store):
    """8 frames, 7 intervals: rgb alone has 8 clips of one frame, also after a teacher."""
    config = replace(CONFIG, length=1)
    alone, beside = (
        Scorer(
            clips_of(store, modalities, config),
            sees="rgb",
            protocol=ClipProtocol(),
            device=CPU,
        )
        for modalities in (["rgb"], ["rgb", "flow"])
    )
    assert len(beside.loader.dataset) == 8 * len(store.videos())
    first, second = (scorer(Corners()).logits for scorer in (alone, beside))
    np.testing.assert_array_equal(first, second)


def test_features_stand_where_their_snippets_do(store):
    """Mean over crops of what a layer gives, for 7 snippets of which some are the same."""
    clips = clips_of(store, ["flow"])
    scorer = Scorer(
        clips,
        sees="flow",
        protocol=ClipProtocol(clips=7, crops=3),
        device=CPU,
        batch_size=15,
    )
    batches = list(scorer.snippet_features(Corners(), "taken"))
    assert len(batches) == len(scorer.loader) > 3
    rest = list(scorer.snippet_features(Corners(), "taken", first=2))
    np.testing.assert_array_equal(np.concatenate(rest), np.concatenate(batches[2:]))
    found = np.concatenate(batches).reshape(len(clips), 7, 4)
    for number in (0, 5):
        video = clips.videos[number]
        for place, start in enumerate([0, 1, 1, 2, 2, 3, 3]):
            seen = clips.stated(video, start, clips.views(video, 3))["flow"]
            expected = Corners()(seen).mean(dim=0)
            np.testing.assert_allclose(found[number, place], expected, atol=1e-5)


def test_features_of_ten_crops_are_the_mean_of_ten(mirror_safe):
    clips = clips_of(mirror_safe, ["flow"], replace(CONFIG, flip=False))
    protocol = ClipProtocol(clips=1, crops=10)
    scorer = Scorer(clips, sees="flow", protocol=protocol, device=CPU)
    found = np.concatenate(list(scorer.snippet_features(Corners(), "taken")))
    video = clips.videos[1]
    views = clips.views(video, 10)
    views += tuple(view._replace(flip=True) for view in views)
    seen = [clips.clip(video, Draw(0, view))["flow"] for view in views]
    expected = Corners()(torch.stack(seen)).mean(dim=0)
    np.testing.assert_allclose(found[1], expected, atol=1e-5)


def test_features_of_maps_are_their_means(store):
    model = nn.Sequential(nn.Identity(), MeanOfU())
    clips = clips_of(store, ["flow"])
    scorer = Scorer(clips, sees="flow", protocol=ClipProtocol(clips=2), device=CPU)
    found = np.concatenate(list(scorer.snippet_features(model, "0")))
    assert found.shape == (len(clips) * 2, 2)
    scores = scorer(model)
    u = found[:, 0].reshape(-1, 2).mean(axis=1)
    np.testing.assert_allclose(scores.logits[:, 1], u, rtol=1e-5)


def test_several_labels_and_none_are_told_apart(tmp_path):
    made = [
        Made(id="both", label=0, labels=(1, 0), group="a"),
        Made(id="none", label=0, labels=(), group="b"),
        Made(id="one", label=1, group="c"),
    ]
    scores = scores_of(Store(write_store(tmp_path / "s", made)))
    assert scores.labels.tolist() == [1, -1, 1]
    assert scores.relevant.tolist() == [[True, True], [False, False], [False, True]]
    assert scores.labelled.ids == ("both", "one")
    assert scores.hits().tolist() == [True, True]


def test_several_labels_alone_need_the_table(tmp_path):
    """Every video has a class and some have two: the first one is not the whole truth."""
    made = [
        replace(video, labels=(1, 0)) if video.label else video for video in videos(3)
    ]
    scores = scores_of(Store(write_store(tmp_path / "store", made)))
    assert scores.relevant is not None
    assert scores.relevant.sum(axis=1).tolist() == [
        2 if video.label else 1 for video in sorted(made, key=lambda video: video.id)
    ]


def test_single_labels_need_no_table(store):
    assert scores_of(store).relevant is None


def test_scoring_changes_no_network(store):
    model = nn.Sequential(nn.BatchNorm3d(2), MeanOfU()).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    clips = clips_of(store, ["flow"])
    scorer = Scorer(clips, sees="flow", device=CPU, protocol=ClipProtocol(clips=2))
    scorer(model)
    next(scorer.snippet_features(model, "0"))
    assert model.training and model[0].training
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


def test_what_was_scored_stands_with_the_scores(store):
    scores = scores_of(store, split="1", part="test")
    assert isinstance(scores, Scores)
    assert (scores.split, scores.part) == ("1", "test")
    assert math.isfinite(scores.loss)


def test_evaluation_crop_is_not_mirrored(store):
    assert CONFIG.flip
    clips = clips_of(store, ["flow"])
    video = clips.videos[0]
    assert not centred(clips, video, 0).view.flip
