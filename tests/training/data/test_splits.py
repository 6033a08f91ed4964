from collections import Counter
from dataclasses import replace

import pytest
from moving_store import Made, videos, write_store

from pipeline.store import Store
from training.data.splits import held_out_videos, resolve_split, split_parts
from training.errors import DataError


def made_store(folder, made, **options) -> Store:
    return Store(write_store(folder / "store", made, **options))


def test_groups_are_never_torn_apart(tmp_path):
    found = split_parts(
        made_store(tmp_path, videos(24, 6)), split="1", modalities=["flow"]
    )
    groups = [{video.group for video in part} for part in found[:3]]
    assert [len(part) for part in groups] == [16, 2, 6]
    assert not groups[0] & groups[1] and not groups[0] & groups[2]
    assert not groups[1] & groups[2]
    assert found.held_out_by_video == ()


def test_every_class_is_held_out_where_groups_have_one_class(tmp_path):
    made = [
        Made(id=f"{label}-{group}-{clip}", label=label, group=f"{label}-{group}")
        for label in (0, 1)
        for group in range(8)
        for clip in range(2)
    ]
    made += [replace(video, id=f"t{video.id}", part="test") for video in made[:1]]
    found = split_parts(made_store(tmp_path, made), split="1", modalities=["mv"])
    assert Counter(video.labels[0] for video in found.held_out) == {0: 2, 1: 2}
    assert not {v.group for v in found.held_out} & {v.group for v in found.train}


def test_the_seed_chooses_who_is_held_out(store):
    held = [
        {
            v.id
            for v in split_parts(
                store, split="1", modalities=["mv"], held_out=0.25, seed=seed
            ).held_out
        }
        for seed in (0, 0, 1, 2, 3)
    ]
    assert held[0] == held[1]
    assert len({frozenset(ids) for ids in held}) > 1


def many(label: int, groups: int, clips: int) -> list[Made]:
    return [
        Made(id=f"{label}-{group}-{clip}", label=label, group=f"{label}-{group}")
        for group in range(groups)
        for clip in range(clips)
    ]


HALF = "a group of every class would be 50%"
TESTED = [Made(id="t", label=0, group="x", part="test")]


def held(store: Store, **options) -> tuple[int, str]:
    found = split_parts(store, split="1", modalities=["mv"], **options)
    groups = {v.group for v in found.held_out} & {v.group for v in found.train}
    assert not groups or found.held_out_by_video
    assert {v.labels for v in found.train} == {(0,), (1,)}
    return len(found.held_out), found.held_out_rule


def test_class_of_one_group_is_held_out_by_video_and_named(tmp_path):
    made = [Made(id=f"a{i}", label=0, group="only") for i in range(10)]
    store = made_store(tmp_path, [*made, *many(1, 10, 1), *TESTED])
    found = split_parts(store, split="1", modalities=["mv"])
    assert Counter(v.labels[0] for v in found.held_out) == {0: 1, 1: 1}
    assert found.held_out_by_video == ("left",)


def test_of_a_class_of_one_group_the_share_that_was_asked_for_is_held_out(tmp_path):
    made = [Made(id=f"a{i}", label=0, group="only") for i in range(20)]
    store = made_store(tmp_path, [*made, *many(1, 20, 1), *TESTED])
    found = split_parts(store, split="1", modalities=["mv"], held_out=0.25)
    assert Counter(v.labels[0] for v in found.held_out) == {0: 5, 1: 5}


def test_of_a_small_class_of_one_group_a_video_is_held_out_all_the_same(tmp_path):
    """A tenth of 4 is none: else nothing of this class would be chosen by."""
    made = [Made(id=f"a{i}", label=0, group="only") for i in range(4)]
    store = made_store(tmp_path, [*made, *many(1, 20, 1), *TESTED])
    found = split_parts(store, split="1", modalities=["mv"])
    assert Counter(v.labels[0] for v in found.held_out) == {0: 1, 1: 2}
    assert found.held_out_by_video == ("left",)


@pytest.mark.parametrize("seed", range(5))
def test_the_only_video_of_a_class_is_learned_from(seed, tmp_path):
    """Whatever share is held out: nobody could know the class otherwise."""
    only = Made(id="a", label=0, group="only")
    store = made_store(tmp_path, [only, *many(1, 20, 1), *TESTED])
    for share in (0.1, 0.5, 0.9):
        found = split_parts(
            store, split="1", modalities=["mv"], held_out=share, seed=seed
        )
        assert "a" in {video.id for video in found.train}
        assert found.untaught == ()


def test_of_single_videos_none_is_held_out_and_no_share_is_claimed(tmp_path):
    made = [Made(id=f"a{label}", label=label, group=f"{label}") for label in (0, 1)]
    store = made_store(tmp_path, [*made, *TESTED])
    assert held(store) == (0, "no class has a training video to spare")


def test_the_limit_itself_may_be_held_out(tmp_path):
    """16 videos, a quarter asked for: 6 are one and a half times that, and no more."""
    store = made_store(tmp_path, [*many(0, 4, 2), *many(1, 2, 4), *TESTED])
    assert held(store, held_out=0.25) == (6, "38%, of every class")


def test_the_limit_itself_may_be_held_out_whatever_the_class(tmp_path):
    """Groups of 6 and of 2: a group of each class would be 8 of 16, so one of 6 or one
    of 2 is held out, as the seed draws."""
    store = made_store(tmp_path, [*many(0, 2, 6), *many(1, 2, 2), *TESTED])
    counts = {held(store, held_out=0.25, seed=seed)[0] for seed in range(12)}
    assert counts == {2, 6}


def test_no_more_is_held_out_than_was_asked_for_whatever_the_class(tmp_path):
    """A group of each of three classes would be 7 of 16; 4 videos are asked for.

    A group of 3 and then one of 1, or the other way round, are enough; 6 are the limit.
    """
    made = [
        Made(id=f"{label}-{group}-{clip}", label=label, group=f"{label}-{group}")
        for label, groups, clips in ((0, 2, 3), (1, 2, 3), (2, 4, 1))
        for group in range(groups)
        for clip in range(clips)
    ]
    store = made_store(tmp_path, [*made, *TESTED], classes=("a", "b", "c"))
    counts = {
        len(held_out_videos(store, split="1", held_out=0.25, seed=seed).ids)
        for seed in range(20)
    }
    assert 4 in counts and counts <= {4, 5, 6}


def test_a_share_of_the_groups_is_held_out(tmp_path):
    store = made_store(tmp_path, [*many(0, 20, 1), *many(1, 20, 1), *TESTED])
    assert held(store) == (4, "10%, of every class")
    assert held(store, held_out=0.25) == (10, "25%, of every class")


def test_videos_without_a_label_are_not_held_out(tmp_path):
    """Nobody learns from them, so they are no part of what the share is of."""
    unknown = [Made(id=f"u{i}", label=0, labels=(), group=f"u{i}") for i in range(20)]
    store = made_store(tmp_path, [*many(0, 10, 1), *many(1, 10, 1), *unknown, *TESTED])
    for seed in range(5):
        found = held_out_videos(store, split="1", held_out=0.1, seed=seed)
        assert len(found.ids) == 2 and found.rule == "10%, of every class"
        assert not any(name.startswith("u") for name in found.ids)


def test_the_seed_chooses_within_a_class_of_one_group_too(tmp_path):
    made = [Made(id=f"a{i}", label=0, group="only") for i in range(10)]
    store = made_store(tmp_path, [*made, *many(1, 10, 1), *TESTED])
    chosen = [
        {
            name
            for name in held_out_videos(store, split="1", held_out=0.1, seed=seed).ids
            if name.startswith("a")
        }
        for seed in range(8)
    ]
    assert all(len(names) == 1 for names in chosen)
    assert len(set.union(*chosen)) > 1


def test_held_out_by_video_is_not_said_where_no_video_could_be(tmp_path):
    """A class of a single video keeps it."""
    only = Made(id="a", label=0, group="only")
    store = made_store(tmp_path, [only, *many(1, 20, 1), *TESTED])
    found = split_parts(store, split="1", modalities=["mv"])
    assert [v.labels for v in found.held_out] == [(1,), (1,)]
    assert found.held_out_by_video == ()


def test_a_small_data_set_keeps_its_videos(tmp_path):
    """24 clips in 4 groups of 6: one group of each class would be half of them."""
    store = made_store(tmp_path, [*many(0, 2, 6), *many(1, 2, 6), *TESTED])
    assert held(store, chooses=False) == (
        0,
        f"{HALF}, more than 15% of 24 videos; this recipe does not select weights by them",
    )
    assert held(store) == (0, "even one group would be more than 15% of 24 videos")
    assert held(store, held_out=0.2) == (
        6,
        f"whatever their class, as {HALF}, more than 30% of 24 videos",
    )
    assert held(store, held_out=0.4)[0] == 12
    assert held(store, held_out=0.0) == (0, "--held-out 0")


def test_the_share_is_a_limit_by_group(tmp_path):
    """40 clips of 20 groups: a tenth is two groups, one and a half of that the most."""
    store = made_store(tmp_path, [*many(0, 10, 2), *many(1, 10, 2), *TESTED])
    assert held(store) == held(store, chooses=False) == (4, "10%, of every class")
    few = made_store(tmp_path / "few", [*many(0, 4, 2), *many(1, 9, 1), *TESTED])
    for seed in range(5):
        count, rule = held(few, held_out=0.08, seed=seed)
        assert 1 <= count <= 0.08 * 1.5 * 17 and rule.startswith(
            "whatever their class, as"
        )


def test_the_test_part_is_never_learned_from(store):
    found = split_parts(store, split="1", modalities=["flow"])
    assert {v.id for v in found.test} == {
        v.id for v in store.videos() if v.splits["1"] == "test"
    }
    assert not {v.id for v in found.test} & {v.id for v in found.train + found.held_out}


def test_unusable_videos_are_named(tmp_path):
    made = videos()
    made[0] = replace(made[0], modalities=("rgb",))
    made[1] = replace(made[1], frames=1)
    made[2] = replace(made[2], labels=(0, 1))
    made[3] = replace(made[3], labels=())
    store = made_store(tmp_path, made)
    assert split_parts(store, split="1", modalities=["flow"]).left_out == {
        made[0].id: "no flow",
        made[1].id: "one frame, so no motion",
        made[3].id: "no label",
    }
    rgb = split_parts(store, split="1", modalities=["rgb"])
    assert rgb.left_out.keys() == {made[3].id}


def test_background_is_tested_and_never_learned_from(tmp_path):
    made = videos()
    made[0], made[-1] = (replace(v, labels=()) for v in (made[0], made[-1]))
    found = split_parts(made_store(tmp_path, made), split="1", modalities=["flow"])
    assert made[-1].id in {v.id for v in found.test}
    assert all(v.labels for v in found.train + found.held_out)
    assert found.left_out == {made[0].id: "no label"}


def test_a_test_part_of_background_only_is_refused(tmp_path):
    made = [replace(v, labels=()) if v.part == "test" else v for v in videos()]
    with pytest.raises(DataError, match="split 1 has no usable test video"):
        split_parts(made_store(tmp_path, made), split="1", modalities=["mv"])


def test_every_label_of_a_video_counts(tmp_path):
    """Held out and still taught: both classes of videos that have both."""
    made = [replace(v, labels=(0, 1)) if v.label == 0 else v for v in videos(12, 3)]
    found = split_parts(made_store(tmp_path, made), split="1", modalities=["mv"])
    for part in (found.train, found.held_out):
        assert {label for v in part for label in v.labels} == {0, 1}
    only = [replace(v, labels=(0,)) if v.part == "train" else v for v in made]
    (tmp_path / "only").mkdir()
    found = split_parts(
        made_store(tmp_path / "only", only), split="1", modalities=["mv"]
    )
    assert found.untaught == ("right",)


def test_teacher_and_student_hold_out_the_same(tmp_path):
    made = videos(20, 4)
    made[0] = replace(made[0], modalities=("rgb", "flow"))
    store = made_store(tmp_path, made)
    of_flow, of_mv = (
        {v.id for v in split_parts(store, split="1", modalities=[m]).held_out}
        for m in ("flow", "mv")
    )
    assert of_flow - {made[0].id} == of_mv


def test_classes_without_a_training_video_are_named(tmp_path, store):
    made = [v if v.part == "test" else replace(v, label=0) for v in videos()]
    found = split_parts(made_store(tmp_path, made), split="1", modalities=["mv"])
    assert found.untaught == ("right",)
    assert split_parts(store, split="1", modalities=["mv"]).untaught == ()


def test_classes_without_a_test_video_are_named(tmp_path, store):
    made = [v if v.part == "train" else replace(v, label=0) for v in videos()]
    found = split_parts(made_store(tmp_path, made), split="1", modalities=["mv"])
    assert (found.untested, found.untaught) == (("right",), ())
    assert split_parts(store, split="1", modalities=["mv"]).untested == ()


def test_groups_on_both_sides_are_named(tmp_path, store):
    made = [replace(v, group="g00") if v.part == "test" else v for v in videos()]
    found = split_parts(made_store(tmp_path, made), split="1", modalities=["mv"])
    assert found.torn == ("g00",)
    assert split_parts(store, split="1", modalities=["mv"]).torn == ()


def test_split_is_found_or_asked_for(tmp_path, store):
    assert resolve_split(store, None) == "1"
    with pytest.raises(DataError, match="expected a split among 1, got 2"):
        resolve_split(store, "2")
    first = made_store(
        tmp_path / "first", videos(), splits={"0": "lists", "1": "lists"}
    )
    assert resolve_split(first, None) == "1"
    several = made_store(tmp_path, videos(), splits={"a": "lists", "b": "lists"})
    with pytest.raises(
        DataError, match="several splits, choose one with --split: a, b"
    ):
        resolve_split(several, None)


def test_store_without_split_says_how_to_get_one(tmp_path):
    with pytest.raises(DataError, match="none: extract it with --splits, or with --h"):
        resolve_split(made_store(tmp_path, videos(), splits={}), None)


def test_missing_modality_says_how_to_get_it(tmp_path):
    store = made_store(tmp_path, videos(), modalities=("rgb",))
    with pytest.raises(
        DataError, match="has only rgb: extract it with --modalities mv"
    ):
        split_parts(store, split="1", modalities=["rgb", "mv"])


def test_empty_part_is_refused(tmp_path):
    with pytest.raises(DataError, match="split 1 has no usable test video"):
        split_parts(made_store(tmp_path, videos(4, 0)), split="1", modalities=["mv"])
    (tmp_path / "other").mkdir()
    made = [replace(v, labels=()) for v in videos()]
    store = made_store(tmp_path / "other", made, classes=())
    with pytest.raises(
        DataError, match="expected videos of at least two classes, but it has none"
    ):
        split_parts(store, split="1", modalities=["mv"])


def test_a_store_of_one_class_is_refused_before_anything_is_trained(tmp_path):
    made = [replace(v, label=0) for v in videos()]
    store = made_store(tmp_path, made, classes=("jump",))
    with pytest.raises(DataError, match=r"two classes, but it has one \(jump\)"):
        split_parts(store, split="1", modalities=["mv"])
