import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from moving_store import SPEED, Made, centred, videos, write_store
from small_clips import CONFIG, clips_of
from torch.utils.data import DataLoader

from pipeline.store import Store
from training.data.clip_config import ClipConfig
from training.data.dataset import Draw, StatedClips, frames_of
from training.data.order import ClipPosition, Order, draw_generator
from training.data.transforms import Box, View, painted, resized
from training.data.workers import single_threaded
from training.errors import RecipeError


def equal(first, second) -> bool:
    return first.keys() == second.keys() and all(
        torch.equal(first[name], second[name]) for name in first
    )


def test_a_clip_has_all_modalities_of_one_length(store):
    clip = clips_of(store, ["rgb", "flow", "mv"])[ClipPosition(0, 0, 3)]
    shapes = {name: tuple(value.shape) for name, value in clip.items()}
    assert shapes == {
        "rgb": (3, 4, 16, 20),
        "flow": (2, 4, 16, 20),
        "mv": (2, 4, 16, 20),
        "label": (),
    }
    assert clip["label"] == store.videos()[3].labels[0]


def test_motion_of_a_class_is_what_it_is(store):
    clips = clips_of(store, ["flow", "mv"], replace(CONFIG, flip=False))
    for number, video in enumerate(clips.videos):
        clip = clips[ClipPosition(0, 0, number)]
        u = SPEED if video.class_names == ("right",) else -SPEED
        for name in ("flow", "mv"):
            assert clip[name][0].mean() == pytest.approx(u, abs=0.3)
            assert clip[name][1].mean() == pytest.approx(0, abs=0.3)


def test_flips_happen_only_where_classes_survive_them(store, tmp_path):
    safe = Store(write_store(tmp_path / "safe", videos(), mirror_safe=True))
    places = [ClipPosition(0, position, 0) for position in range(20)]
    signs = {
        bool(clip["flow"][0].mean() > 0)
        for clip in map(clips_of(safe, ["flow"]).__getitem__, places)
    }
    assert signs == {True, False}
    clips = clips_of(store, ["flow"])
    assert all(clips[place]["flow"][0].mean() < 0 for place in places)


def test_clip_of_looped_video_is_whole(tmp_path):
    made = [Made(id="short", label=0, group="g", frames=3)]
    store = Store(write_store(tmp_path / "s", made))
    clip = clips_of(store, ["rgb", "flow"])[ClipPosition(0, 0, 0)]
    assert clip["rgb"].shape[1] == clip["flow"].shape[1] == 4
    assert torch.equal(clip["flow"][:, 0], clip["flow"][:, 2])


def test_memory_changes_nothing(store):
    places = [
        ClipPosition(e, p, (5 * p) % len(store.videos()))
        for e in (0, 1)
        for p in range(9)
    ]
    fresh = clips_of(store, ["rgb", "flow", "mv"], seed=1)
    for memory in (200_000, 1 << 30):
        kept = clips_of(store, ["rgb", "flow", "mv"], seed=1, memory_bytes=memory)
        assert all(equal(fresh[place], kept[place]) for place in places)
        used = sum(values.nbytes for values in kept.frames._kept.values())
        assert 0 < used <= memory


def test_vectors_are_filled_wherever_a_clip_begins(store):
    """Interval 3 of 7 is invalid: it has the field of interval 2, also as the first entry."""
    frames = frames_of(store, replace(CONFIG, grid_short_px=None))
    video = store.videos()[0]
    stored = store.read(video.id, "mv")
    expected = painted(stored, video.height, video.width)
    for entries in ([2, 3, 4], [3, 4], [3]):
        got = frames.read(video, "mv", entries)
        want = expected[[2 if entry == 3 else entry for entry in entries]]
        np.testing.assert_array_equal(got, want)
    zero = frames_of(store, replace(CONFIG, fill="zero"))
    assert not zero.read(video, "mv", [3]).any()
    assert zero.read(video, "mv", [2]).any()


def test_painting_then_reducing_is_what_the_net_sees(store):
    frames = frames_of(store, CONFIG)
    video = store.videos()[1]
    cells = store.read(video.id, "mv", start=0, stop=2)
    expected = resized(painted(cells, video.height, video.width), (24, 32))
    np.testing.assert_array_equal(frames.read(video, "mv", [0, 1]), expected)


@pytest.mark.parametrize("short_px", [None, 24])
def test_a_part_of_the_frame_is_what_the_whole_has_there(store, short_px):
    """Also where it begins and ends inside a cell, and from memory."""
    config = replace(CONFIG, grid_short_px=short_px)
    video = store.videos()[0]
    read = frames_of(store, config).read
    kept = frames_of(store, config, memory_bytes=1 << 30).read
    for modality in ("rgb", "flow", "mv"):
        whole = read(video, modality, [1, 2, 3])
        for box in (Box(3, 5, 9, 11), Box(0, 0, 24, 32), Box(16, 8, 8, 17)):
            expected = whole[:, box.top :, box.left :][:, : box.height, : box.width]
            for reading in (read, kept):
                got = reading(video, modality, [1, 2, 3], box=box)
                np.testing.assert_array_equal(got, expected)


def test_rows_outside_a_crop_are_not_decoded(store, monkeypatch):
    """Crops of frames that are stored at the size of the grid, not of reduced ones."""
    asked = []
    read = Store.read
    monkeypatch.setattr(
        Store, "read", lambda *a, **o: asked.append(o.get("crop")) or read(*a, **o)
    )
    video, draw = store.videos()[0], Draw(0, View(8, 4, 16, 20))
    clips_of(store, ["rgb"], replace(CONFIG, grid_short_px=None)).clip(video, draw)
    clips_of(store, ["rgb"]).clip(video, draw)
    assert asked == [(8, 4, 16, 20), None]


def test_stride_skips_entries(store):
    video = store.videos()[0]
    config = replace(CONFIG, stride=2, grid_short_px=None, crop_px=(48, 64), flip=False)
    clips = clips_of(store, ["flow"], config)
    clip = clips.clip(video, centred(clips, video, 0))
    flow = store.read(video.id, "flow")[[0, 2, 4, 6]]
    np.testing.assert_allclose(clip["flow"].permute(1, 2, 3, 0), flow, atol=1e-5)
    frames = clips.frames
    whole = frames.read(video, "mv", range(7))
    for entries in ([1, 3, 5], [5, 6, 0, 1], [4, 4], [6, 3, 0], [2]):
        np.testing.assert_array_equal(frames.read(video, "mv", entries), whole[entries])


@pytest.mark.slow
def test_workers_give_the_same_batches(store):
    clips = clips_of(store, ["flow", "mv"], seed=2)
    order = Order(len(clips), 4, seed=2)
    loaded = []
    for workers, context in ((0, None), (2, "fork"), (1, "spawn")):
        loader = DataLoader(
            clips,
            batch_sampler=order,
            num_workers=workers,
            multiprocessing_context=context,
            worker_init_fn=single_threaded,
        )
        order.begin(1, 1)
        loaded.append(list(loader))
    for batches in loaded[1:]:
        assert len(batches) == len(loaded[0]) == 2
        assert all(map(equal, batches, loaded[0]))


def test_stated_clips_are_centred_and_know_their_video(store):
    clips = clips_of(store, ["flow"])
    stated = StatedClips(clips, [(3, 0), (0, 2)])
    assert len(stated) == 2
    clip = stated[1]
    assert clip["index"] == 1
    video = clips.videos[0]
    middle = clips.clip(video, centred(clips, video, 2))
    assert torch.equal(clip["flow"], middle["flow"][None])


def test_a_clip_seen_three_times_is_read_once(store, monkeypatch):
    clips = clips_of(store, ["rgb"])
    read, count = clips.frames.read, []
    monkeypatch.setattr(
        clips.frames, "read", lambda *a, **box: count.append(a) or read(*a, **box)
    )
    clip = StatedClips(clips, [(1, 3)], crops=3)[0]
    assert clip["rgb"].shape == (3, 3, 4, 16, 20) and len(count) == 1
    video = clips.videos[1]
    for view, seen in zip(clips.views(video, 3), clip["rgb"], strict=True):
        assert torch.equal(seen, clips.clip(video, Draw(3, view))["rgb"])


def test_stacks_and_frames_of_2d_networks(tmp_path):
    """10 fields of a video that has 4: the last one stays. One frame is a clip of 1."""
    made = [Made(id="short", label=0, group="g", frames=5)]
    store = Store(write_store(tmp_path / "s", made))
    config = replace(CONFIG, length=10, short="hold", crop_px=(24, 32), flip=False)
    stack = clips_of(store, ["flow"], config)[ClipPosition(0, 0, 0)]["flow"]
    assert stack.shape == (2, 10, 24, 32)
    assert all(torch.equal(stack[:, 3], stack[:, t]) for t in range(4, 10))
    assert not torch.equal(stack[:, 2], stack[:, 3])
    frame = clips_of(store, ["rgb"], replace(config, length=1))[ClipPosition(0, 0, 0)][
        "rgb"
    ]
    assert frame.shape == (3, 1, 24, 32)


def test_evaluation_cuts_what_the_config_says(store):
    """48x64: a scaled crop of 40x40 has 48, the input's own 40."""
    scaled = replace(CONFIG, grid_short_px=None, crop_px=(40, 40), crop_scales=(1, 0.5))
    video = store.videos()[0]
    largest = centred(clips_of(store, ["rgb"], scaled), video, 0).view
    assert largest == View(0, 8, 48, 48)
    unscaled = replace(scaled, test_crop="input")
    assert centred(clips_of(store, ["rgb"], unscaled), video, 0).view == View(
        4, 12, 40, 40
    )


def test_motion_may_grow_with_its_crop(store):
    """A crop of 30x20 px made 40x40: u times 2, v times 4/3; evaluation's stay."""
    config = replace(
        CONFIG, grid_short_px=None, crop_px=(40, 40), crop_scales=(1.0,),
        test_crop="input", flip=False,
    )  # fmt: skip
    video, view = store.videos()[0], View(0, 0, 30, 20)
    plain = clips_of(store, ["flow"], config)
    grown = clips_of(store, ["flow"], replace(config, jitter_rescale=True))
    before = plain.clip(video, Draw(0, view))["flow"]
    after = grown.clip(video, Draw(0, view))["flow"]
    factors = torch.tensor([2.0, 4 / 3]).view(2, 1, 1, 1)
    torch.testing.assert_close(after, before * factors, rtol=1e-5, atol=1e-5)
    same = [c.clip(video, centred(c, video, 0))["flow"] for c in (plain, grown)]
    assert torch.equal(*same)


def test_a_video_of_two_classes_teaches_both(tmp_path):
    made = [replace(video, labels=(0, 1)) for video in videos()[:1]]
    store = Store(write_store(tmp_path / "s", made))
    clips = clips_of(store, ["flow"])
    places = [ClipPosition(0, position, 0) for position in range(400)]
    drawn = [
        clips.draw(clips.videos[0], draw_generator(p, seed=0)).label for p in places
    ]
    assert np.mean(drawn) == pytest.approx(0.5, abs=0.1)
    place = ClipPosition(0, drawn.index(1), 0)
    assert clips[place]["label"] == 1


def test_one_label_changes_no_other_draw(store, tmp_path):
    """A data set of single labels trains as if there were no others."""
    made = [replace(video, labels=(video.label, 1 - video.label)) for video in videos()]
    several = clips_of(Store(write_store(tmp_path / "s", made)), ["flow"], seed=3)
    single = clips_of(store, ["flow"], seed=3)
    for place in (ClipPosition(0, 4, 1), ClipPosition(2, 0, 5)):
        assert torch.equal(single[place]["flow"], several[place]["flow"])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"short": "pad"}, "expected short loop or hold, got pad"),
        ({"test_crop": "ten"}, "expected test_crop largest or input, got ten"),
        ({"uneven_crops": True}, "expected crop_scales with uneven_crops, got none"),
    ],
)
def test_settings_that_mean_nothing_are_refused(wrong, message):
    with pytest.raises(RecipeError, match=message):
        ClipConfig(**wrong)


def test_a_copy_for_a_worker_is_small(store):
    clips = clips_of(store, ["flow"], memory_bytes=1 << 30)
    clips[ClipPosition(0, 0, 0)]
    copy = pickle.loads(pickle.dumps(clips))
    assert not copy.frames._kept
    assert equal(copy[ClipPosition(0, 0, 0)], clips[ClipPosition(0, 0, 0)])
