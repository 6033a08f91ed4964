"""Clips whose vectors come from one of several stores of the same videos."""

import pickle
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from moving_store import Made, videos, write_store
from small_clips import CONFIG

from pipeline.store import Store
from training.data.clip_config import ClipConfig
from training.data.dataset import Clips, frames_of
from training.data.order import ClipPosition
from training.data.variants import missing_notice, open_variants
from training.errors import DataError

SHIFTS = (0.0, 8.0, -8.0)
"""px that each store adds to every vector: more than its noise, so that a clip shows its
store."""
CELLS = replace(CONFIG, motion_gain=20.0, cells=(6, 8), crop_px=(24, 32))
MADE = videos(groups=9, tested=1)
BOTH = ["mv", "flow"]


def settings(crf: int) -> dict:
    return {"common": {}, "flow": {}, "mv": {"source": "canonical", "crf": crf}}


@pytest.fixture(scope="module")
def stores(tmp_path_factory) -> list[Store]:
    root = tmp_path_factory.mktemp("variants")
    return [
        Store(
            write_store(
                root / f"crf{number}",
                MADE,
                modalities=("mv",) if number else ("rgb", "flow", "mv"),
                settings=settings(number),
                mv_shift=shift,
            )
        )
        for number, shift in enumerate(SHIFTS)
    ]


def opened(stores, config: ClipConfig = CELLS, *, memory_bytes: int = 0, mirror=False):
    """Clips of all videos, and what they would be of each store alone."""
    own, *others = stores
    frames = frames_of(own, config, memory_bytes=memory_bytes)
    variants = open_variants(
        frames, others, train=own.videos(), scored=(), modality="mv"
    )
    clips = Clips(frames, own.videos(), BOTH, config, variants=variants, varied="mv")
    alone = [
        Clips(
            frames_of(one, config, memory_bytes=1 << 24),
            own.videos(),
            BOTH if one is own else ["mv"],
            config,
        )
        for one in stores
    ]
    for one in (clips, *alone):
        one.mirror = mirror
    return clips, alone


def positions(clips: Clips, epochs: int = 10) -> list[ClipPosition]:
    return [
        ClipPosition(epoch, index, (index + epoch) % len(clips))
        for epoch in range(epochs)
        for index in range(len(clips))
    ]


def test_a_clip_has_the_vectors_of_one_store_and_the_flow_of_its_own(stores):
    """The clip of each store alone differs from the others in every known vector, and all
    else random is the same in all of them: start, crop and flip."""
    clips, alone = opened(stores, mirror=True)
    seen = Counter()
    for at in positions(clips):
        got, each = clips[at], [one[at] for one in alone]
        equal = [torch.equal(got["mv"], one["mv"]) for one in each]
        assert equal.count(True) == 1
        assert torch.equal(got["flow"], each[0]["flow"])
        assert got["label"] == each[0]["label"]
        seen[equal.index(True)] += 1
    # 180 draws of this seed: 60 of each are expected, with a deviation of 6.3.
    assert seen == {0: 61, 1: 69, 2: 50}


def test_vectors_are_shifted_as_the_store_of_the_draw_says(stores):
    """By hand, without the code that reads a store alone: u is -3 or 3 px by class."""
    clips, _ = opened(stores)
    for index in range(len(clips)):
        at = ClipPosition(3, index, index)
        draw = clips.draw(clips.videos[index], np.random.default_rng([0, 3, index, 1]))
        u = clips[at]["mv"][0][clips[at]["mv"][2] > 0].mean().item()
        assert u == pytest.approx(
            3 * (-1, 1)[clips[at]["label"]] + SHIFTS[draw.variant], abs=0.5
        )


def test_draws_are_those_of_one_store_and_one_more_at_the_end(stores):
    clips, alone = opened(stores)
    for seed in range(20):
        ours, before = np.random.default_rng(seed), np.random.default_rng(seed)
        video = clips.videos[seed % len(clips)]
        draw, plain = clips.draw(video, ours), alone[0].draw(video, before)
        assert draw._replace(variant=0) == plain
        assert draw.variant == before.integers(3)
        assert ours.random() == before.random()


def test_a_clip_follows_from_seed_epoch_and_index(stores):
    """In whatever order clips are made, in another process, from memory or the store."""
    clips, _ = opened(stores)
    kept, _ = opened(stores, memory_bytes=1 << 24)
    copied = pickle.loads(pickle.dumps(kept))
    for at in reversed(positions(clips, epochs=2)):
        first = clips[at]["mv"]
        for other in (kept, kept, copied):
            assert torch.equal(other[at]["mv"], first)
    other_seed, _ = opened(stores)
    other_seed.seed = 1
    at = positions(clips, epochs=1)
    assert any(not torch.equal(other_seed[a]["mv"], clips[a]["mv"]) for a in at)


def test_all_stores_share_one_memory(stores):
    """10 videos of 7 intervals on 6x8 cells of 12 bytes fit, and no more of any store."""
    one = 7 * 6 * 8 * 12
    kept, _ = opened(stores, memory_bytes=10 * one + one // 2)
    kept = Clips(
        kept.frames, kept.videos, ["mv"], CELLS, variants=kept.variants, varied="mv"
    )
    for at in positions(kept):
        kept[at]
    caches = [kept.frames, *(variant.frames for variant in kept.variants)]
    used = [len(frames._kept) for frames in caches]
    assert sum(used) == 10 and min(used) > 0
    assert {frames.memory.free for frames in caches} == {one // 2}
    copies = pickle.loads(pickle.dumps(kept))
    assert copies.frames.memory is copies.variants[1].frames.memory
    assert copies.frames.memory.free == 10 * one + one // 2


def test_stated_clips_are_of_one_store(stores):
    clips, alone = opened(stores)
    video = clips.videos[3]
    views = clips.views(video, 1)
    got = clips.stated(video, 1, views)["mv"]
    assert torch.equal(got, alone[0].stated(video, 1, views)["mv"])
    for number, variant in enumerate(clips.variants, 1):
        of_variant = clips.of_variant(variant, "mv")
        assert of_variant.modalities == ("mv",)
        got = of_variant.stated(video, 1, views)["mv"]
        assert torch.equal(got, alone[number].stated(video, 1, views)["mv"])


def test_videos_that_a_variant_lacks_come_from_the_other_stores(stores, tmp_path):
    own, first, _ = stores
    made = [
        replace(one, modalities=("rgb",)) if one.id == "left_g01" else one
        for one in MADE
        if one.id != "left_g00"
    ]
    less = Store(write_store(tmp_path / "less", made, settings=settings(9)))
    clips, _ = opened([own, less, first])
    without = [
        k for k, v in enumerate(clips.videos) if v.id in ("left_g00", "left_g01")
    ]
    drawn = Counter(
        (video in without, clips.draw(clips.videos[video], rng).variant)
        for rng in map(np.random.default_rng, range(40))
        for video in range(len(clips))
    )
    assert {store for lacks, store in drawn if lacks} == {0, 2}
    assert {store for lacks, store in drawn if not lacks} == {0, 1, 2}
    assert 25 < drawn[True, 2] < 55  # half of 80
    of_less = clips.of_variant(clips.variants[0], "mv")
    assert [v.id for v in of_less.videos] == [v.id for v in own.videos()[2:]]
    assert missing_notice(clips.variants[0], clips.videos, of="to train on") == (
        f"{less.folder}: without 2 of 18 videos to train on (left_g00, left_g01)"
    )
    assert missing_notice(clips.variants[1], clips.videos, of="to train on") is None


def changed(**fields) -> list[Made]:
    first, *rest = MADE
    return [replace(first, **fields), *rest]


@pytest.mark.parametrize(
    ("made", "options", "message"),
    [
        (MADE, {"dataset": "ucf101"}, "data set folder, as .*crf0, got ucf101"),
        (
            MADE,
            {"classes": ("left", "up")},
            r"expected the 2 classes of .*crf0 \(left, right\), got 2 \(left, up\)",
        ),
        (MADE, {"modalities": ("rgb",)}, "expected mv, but the store has only rgb"),
        (
            MADE,
            {"settings": settings(0)},
            "mv of other settings than .*crf0, got the same",
        ),
        (changed(frames=9), {}, "got left_g00 of 9 frames instead of 8"),
        (changed(label=1), {}, "got left_g00 of the class right instead of left"),
        (
            videos(20, 1)[-6:],
            {},
            r"to train on with mv, got none \(left_g00, left_g01, left_g02",
        ),
    ],
)
def test_what_is_no_variant_is_refused(stores, tmp_path, made, options, message):
    options = {"settings": settings(7), "modalities": ("mv",)} | options
    other = Store(write_store(tmp_path / "other", made, **options))
    with pytest.raises(DataError, match=message) as caught:
        opened([stores[0], other])
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(other.folder))


def test_other_frames_are_refused(stores, monkeypatch):
    own, other, _ = stores
    there = [replace(video, width=96) for video in other.videos()]
    monkeypatch.setattr(other, "videos", lambda: there)
    with pytest.raises(DataError, match="of 96x48 px instead of 64x48 px"):
        opened([own, other])
    rates = [25.02, 30.0]
    there[:] = [replace(video, width=64, fps=rates[0]) for video in there]
    opened([own, other])
    there[:] = [replace(video, fps=rates[1]) for video in there]
    with pytest.raises(DataError, match="30 frames per second instead of 25"):
        opened([own, other])


def test_the_same_store_twice_is_refused(stores, tmp_path):
    own, other, _ = stores
    (tmp_path / "link").symlink_to(other.folder)
    for twice in (own, Store(tmp_path / "link")):
        with pytest.raises(DataError, match="expected each store once, got it twice"):
            opened([own, other, twice])
    copied = Store(
        write_store(tmp_path / "copied", MADE, modalities=("mv",), settings=settings(1))
    )
    with pytest.raises(DataError, match="of other settings than .*crf1, got the same"):
        opened([own, other, copied])


def test_equal_names_are_numbered(stores, tmp_path):
    own, other, _ = stores
    folders = [tmp_path / name / "crf1" for name in "ab"]
    more = [
        Store(
            write_store(
                folder, MADE, modalities=("mv",), settings=settings(30 + number)
            )
        )
        for number, folder in enumerate(folders)
    ]
    clips, _ = opened([own, other, *more])
    assert [v.name for v in clips.variants] == ["crf1", "crf1-2", "crf1-3"]
