"""The public data set: the clips of our own trainings, stated ones, and its errors."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from moving_store import Made, videos, write_store
from small_clips import CONFIG
from torch.utils.data import DataLoader

from pipeline.store import Store
from training.data import ClipConfig, StoreClips
from training.data.dataset import Clips, frames_of
from training.data.order import ClipPosition, Order
from training.data.splits import split_parts
from training.errors import DataError, RecipeError

ALL = ["rgb", "flow", "mv"]


def train_clips(store, **changes) -> StoreClips:
    return StoreClips(store, **{"modalities": ALL, "config": CONFIG} | changes)


def same(first, second) -> bool:
    return first.keys() == second.keys() and all(
        torch.equal(value, second[name])
        if isinstance(value, torch.Tensor)
        else value == second[name]
        for name, value in first.items()
    )


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_those_of_our_own_trainings(store, workers):
    clips = train_clips(store, seed=3, held_out=0.25)
    parts = split_parts(store, split="1", modalities=ALL, held_out=0.25, seed=3)
    ours = Clips(frames_of(store, CONFIG), parts.train, ALL, CONFIG, seed=3)
    order = Order(len(ours), 2, seed=3)
    loader = clips.loader(2, workers=workers)
    for epoch in (0, 2):
        clips.set_epoch(epoch)
        order.begin(epoch)
        given, expected = list(loader), list(DataLoader(ours, batch_sampler=order))
        assert len(given) == len(expected) == len(parts.train) // 2 > 1
        for batch, theirs in zip(given, expected, strict=True):
            assert same({name: batch[name] for name in theirs}, theirs)
            assert len(batch["video"]) == len(batch["start"]) == 2


def test_workers_that_stay_alive_follow_the_epoch(store):
    """A DataLoader of the user's copies the data set before the first epoch."""
    clips = train_clips(store, modalities=["flow"])
    loader = DataLoader(clips, 4, num_workers=1, persistent_workers=True)
    for epoch in (0, 1):
        clips.set_epoch(epoch)
        batches = list(loader)
        starts = torch.cat([batch["start"] for batch in batches])
        views = torch.cat([batch["flow"] for batch in batches])
        alone = [clips[i] for i in range(len(clips))]
        assert torch.equal(starts, torch.stack([clip["start"] for clip in alone]))
        assert torch.equal(views, torch.stack([clip["flow"] for clip in alone]))
    first = [clips[i]["start"] for i in range(len(clips))]
    clips.set_epoch(0)
    assert first != [clips[i]["start"] for i in range(len(clips))]


def test_a_clip_depends_on_seed_epoch_and_index_alone(store):
    clips = train_clips(store, seed=1)
    clips.set_epoch(5)
    expected = [clips[i] for i in range(len(clips))]
    copy = pickle.loads(pickle.dumps(clips))
    again = [copy[i] for i in reversed(range(len(copy)))][::-1]
    assert all(map(same, expected, again))
    assert same(clips[-1], expected[-1])
    assert len(list(clips)) == len(clips)
    others = train_clips(store, seed=2)
    others.set_epoch(5)
    assert not all(map(same, expected, others))


def test_stated_clips_are_the_centre_of_the_stored_frames(tmp_path):
    """By hand: 16x20 px around the middle of 48x64, entries start, start + 2, start + 4."""
    made = videos(frames=12)
    store = Store(write_store(tmp_path / "s", made))
    config = replace(CONFIG, rgb_mean=(0.0, 0.0, 0.0), rgb_std=(1.0, 1.0, 1.0))
    clips = StoreClips(
        store.folder,
        modalities=["flow", "rgb"],
        part="test",
        length=3,
        stride=2,
        crop_px=(16, 20),
        config=replace(config, grid_short_px=None, motion_gain=20.0),
    )
    assert [clip["video"] for clip in clips] == [
        video.id for video in store.videos() if video.splits["1"] == "test"
    ]
    clip = clips[1]
    start = int(clip["start"])
    assert start == 3  # 11 intervals, 5 of the clip: 6 starts after the first
    frames = store.read(clip["video"], "rgb", start=start, stop=start + 5, step=2)
    expected = frames[:, 16:32, 22:42].transpose(3, 0, 1, 2) / 255
    np.testing.assert_allclose(clip["rgb"].numpy(), expected, atol=1e-6)
    flow = store.read(clip["video"], "flow", start=start, stop=start + 5, step=2)
    expected = flow[:, 16:32, 22:42].transpose(3, 0, 1, 2)
    np.testing.assert_allclose(clip["flow"].numpy(), expected, atol=1e-5)
    label = store.video(clip["video"]).labels[0]
    assert clip["label"] == label and clip["label"].dtype == torch.int64


def test_frames_are_reduced_before_they_are_cut(store):
    """Half of 48x64 px, each pixel the mean of four."""
    clips = StoreClips(
        store, modalities=["flow"], part="all", length=1, short_px=24, crop_px=(24, 32)
    )
    clip = clips[0]
    flow = store.read(clip["video"], "flow", start=3, stop=4)[0]
    expected = flow.reshape(24, 2, 32, 2, 2).mean(axis=(1, 3)).transpose(2, 0, 1) / 20
    np.testing.assert_allclose(clip["flow"][:, 0].numpy(), expected, atol=1e-5)


def test_vectors_on_their_own_grid(store):
    """6 rows and 8 columns of cells in 48x64 px; the fourth interval has none of its own."""
    config = ClipConfig(length=4, crop_px=(48, 64), cells=(6, 8), motion_gain=20.0)
    clips = StoreClips(store, modalities=["mv"], part="all", config=config)
    video = store.videos()[0]
    start = int(clips[0]["start"])
    mv = store.read(video.id, "mv", start=start, stop=start + 4)
    valid = store.read(video.id, "mv_valid", start=start, stop=start + 4)
    seen = clips[0]["mv"].numpy()
    assert seen.shape == (3, 4, 6, 8)
    np.testing.assert_allclose(seen[:2, valid], mv[valid].transpose(3, 0, 1, 2))
    assert (seen[2] == valid[:, None, None]).all() and not valid.all()


@pytest.mark.parametrize(
    ("count", "starts"), [(1, [2]), (2, [0, 5]), (3, [0, 3, 5]), (None, [0, 2, 4])]
)
def test_clips_of_a_video_for_evaluation(store, count, starts):
    """8 frames have 7 intervals: clips of two entries begin at 0 to 5."""
    clips = train_clips(store, part="test", length=2, clips_per_video=count)
    first = store.videos()[-1].id
    assert [int(c["start"]) for c in clips if c["video"] == first] == starts
    assert len(clips) == 4 * len(starts)
    batches = list(clips.loader(3))
    seen = [video for batch in batches for video in batch["video"]]
    assert seen == [clip["video"] for clip in clips]


def test_processes_share_the_clips(store):
    clips, test = train_clips(store), train_clips(store, part="test")
    whole = [batch["video"] for batch in clips.loader(4)]
    shares = [
        [batch["video"] for batch in clips.loader(4, rank=rank, world_size=2)]
        for rank in (0, 1)
    ]
    assert [a[0::2] for a in whole] == shares[0] and [a[1::2] for a in whole] == shares[
        1
    ]
    halves = [list(test.loader(8, rank=rank, world_size=2)) for rank in (0, 1)]
    ids = [half[0]["video"] for half in halves]
    assert sorted(ids[0] + ids[1]) == sorted(clip["video"] for clip in test)


def test_augmented_clips_of_any_part_and_plain_ones_of_training(store):
    drawn = train_clips(store, part="test", augment=True)
    starts = set()
    for epoch in range(8):
        drawn.set_epoch(epoch)
        starts |= {int(clip["start"]) for clip in drawn}
    assert starts == {0, 1, 2, 3}
    plain = train_clips(store, augment=False)
    plain.set_epoch(1)
    again = train_clips(store, augment=False, seed=4)
    assert all(map(same, plain, again))


def test_all_videos_of_a_store_without_splits(tmp_path):
    made = [Made(id="one", label=0, group="a"), Made(id="two", label=1, group="b")]
    made.append(Made(id="bare", label=0, group="c", labels=()))
    store = Store(write_store(tmp_path / "s", made, splits={}))
    clips = StoreClips(store, part="all", length=2, crop_px=(16, 20))
    assert {clip["video"]: int(clip["label"]) for clip in clips} == {
        "one": 0,
        "two": 1,
        "bare": -1,
    }
    with pytest.raises(DataError, match="expected a split into training and test"):
        StoreClips(store)


def test_training_batches_are_whole(store):
    assert [len(batch["label"]) for batch in train_clips(store).loader(3)] == [3, 3]
    assert [len(batch["label"]) for batch in train_clips(store).loader(50)] == [8]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"part": "tset"}, "expected a part among .* got tset: did you mean test"),
        ({"modalities": "rgb"}, "expected a list of modalities among rgb, flow, mv"),
        ({"modalities": []}, "expected a list of modalities"),
        ({"modalities": ["depth"]}, "expected depth, but the store has only rgb, flow"),
        ({"modalities": ["depth"], "part": "all"}, "but the store has only"),
        ({"split": "7"}, "expected a split among 1, got 7"),
        ({"part": "held_out"}, "no video in the part held_out"),
        ({"length": 0}, "expected a positive length, got 0"),
        ({"crop_px": (16,)}, "expected a positive crop_px"),
        ({"crop_px": (16, 0)}, "expected a positive crop_px"),
        ({"clips_per_video": 2}, "expected clips_per_video=1 with augment"),
        ({"clips_per_video": 0, "part": "test"}, "at least one clip per video, got 0"),
    ],
)
def test_what_cannot_be_is_one_line(store, changes, message):
    with pytest.raises((DataError, RecipeError), match=message) as raised:
        train_clips(store, **changes)
    assert "\n" not in str(raised.value)


def test_batches_have_at_least_one_clip(store):
    with pytest.raises(RecipeError, match="at least one clip in a batch, got 0"):
        train_clips(store).loader(0)
    with pytest.raises(RecipeError, match="that 2 processes can share"):
        train_clips(store).loader(3, world_size=2)
    with pytest.raises(IndexError):
        train_clips(store)[99]


def test_positions_of_an_order_are_taken(store):
    clips = train_clips(store)
    assert same(clips[ClipPosition(0, 2, 2)], clips[2])
    assert not same(clips[ClipPosition(1, 2, 2)], clips[2])
