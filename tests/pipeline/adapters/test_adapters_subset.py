"""Parts of a data set, seeded splits, the report, and the demo's place among them."""

import json
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from pipeline.adapters import DataSet, DatasetError, Segment, Video, load, report
from pipeline.adapters.holdout import with_holdout
from pipeline.adapters.naming import dataset_name
from pipeline.adapters.subset import limited, select_classes


def dataset(videos: list[Video], classes=("a", "b", "c"), **more) -> DataSet:
    return DataSet(
        name="folder",
        folder=Path("videos"),
        classes=classes,
        videos=tuple(sorted(videos, key=lambda video: video.id)),
        splits={"1": "lists"} if any(video.splits for video in videos) else {},
        **more,
    )


def video(name: str, *labels: int, group: str = "", **more) -> Video:
    return Video(
        id=name,
        path=name + ".mp4",
        size_bytes=0,
        labels=labels,
        group=group or name,
        **more,
    )


@pytest.fixture
def uneven() -> DataSet:
    """9 videos of class a, 3 of b, 1 of c; every third one is a test video."""
    sizes = {0: 9, 1: 3, 2: 1}
    return dataset(
        [
            video(f"{label}{n}", label, splits={"1": "test" if n % 3 == 0 else "train"})
            for label, size in sizes.items()
            for n in range(size)
        ]
    )


def test_chosen_classes_count_from_zero_in_their_own_order(uneven):
    part = select_classes(uneven, ["c", "A"])
    assert part.classes == ("a", "c")
    assert Counter(each.labels for each in part.videos) == {(0,): 9, (1,): 1}


def test_a_report_of_chosen_classes_does_not_miss_the_others(uneven):
    whole = dataset(list(uneven.videos), expected={"a": 9, "b": 3, "c": 2, "d": 5})
    assert select_classes(whole, ["a", "c"]).expected == {"a": 9, "c": 2}


def test_a_video_of_several_classes_keeps_the_chosen_ones():
    both = video("x", 0, 2, segments=(Segment(0, 1, 2), Segment(2, 3, 4)))
    part = select_classes(dataset([both, video("y", 1)]), ["c"])
    assert [(each.labels, each.segments) for each in part.videos] == [
        ((0,), (Segment(0, 3, 4),))
    ]


def test_an_unknown_class_is_refused_with_the_closest_names(uneven):
    several = dataset(list(uneven.videos), classes=("Archery", "Surfing", "YoYo"))
    with pytest.raises(DatasetError, match="no class 'archry'; did you mean Archery?"):
        select_classes(several, ["archry"])
    with pytest.raises(DatasetError, match="no class 'zzz'; it has Archery, Surfing"):
        select_classes(several, ["zzz"])


def test_a_class_of_the_lists_without_a_video_is_refused_as_such(uneven):
    part = dataset(list(uneven.videos), expected={"a": 9, "Diving": 4})
    with pytest.raises(DatasetError, match="'Diving' has no video in videos"):
        select_classes(part, ["diving"])


@pytest.mark.parametrize(
    ("limit", "counts"), [(2, [1, 1]), (5, [2, 2, 1]), (8, [4, 3, 1]), (99, [9, 3, 1])]
)
def test_a_limit_is_spread_evenly_over_the_classes(uneven, limit, counts):
    part = limited(uneven, limit)
    assert [
        Counter(v.labels[0] for v in part.videos)[i] for i in range(len(counts))
    ] == counts
    assert len(part.classes) == len(counts)
    assert part == limited(uneven, limit)


def test_a_limit_keeps_train_and_test_videos(uneven):
    parts = Counter(each.splits["1"] for each in limited(uneven, 4).videos)
    assert min(parts["train"], parts["test"]) >= 1


def test_a_limit_below_one_is_refused(uneven):
    with pytest.raises(DatasetError, match="at least 1 video, got 0"):
        limited(uneven, 0)


def grouped(groups: dict[str, tuple[int, ...]], each: int = 2) -> DataSet:
    return dataset(
        [
            video(f"{name}-{n}", *labels, group=name)
            for name, labels in groups.items()
            for n in range(each)
        ]
    )


def test_a_held_out_part_never_tears_a_group_and_names_itself():
    whole = grouped({f"g{n}": (n % 3,) for n in range(30)})
    split = with_holdout(whole, 0.3, seed=5)
    assert split.splits == {"holdout-0.3-seed5": "seeded"}
    parts = defaultdict(set)
    for each in split.videos:
        parts[each.group].add(each.splits["holdout-0.3-seed5"])
    assert all(len(part) == 1 for part in parts.values())
    test = [name for name, part in parts.items() if part == {"test"}]
    assert Counter(int(name[1:]) % 3 for name in test) == {0: 3, 1: 3, 2: 3}


def test_the_same_seed_draws_the_same_groups_in_any_order_and_another_seed_others():
    names = {f"g{n}": (0,) for n in range(40)}
    one = with_holdout(grouped(names), 0.25).videos
    other = with_holdout(grouped(dict(reversed(names.items()))), 0.25).videos
    assert one == other
    third = with_holdout(grouped(names), 0.25, seed=1).videos
    assert [v.splits["holdout-0.25-seed1"] for v in third] != [
        v.splits["holdout-0.25-seed0"] for v in one
    ]


def test_every_class_of_two_groups_has_a_test_group_and_keeps_a_train_group():
    split = with_holdout(
        grouped({"x": (0,), "y": (0,), "z": (1,), "w": (2,), "v": (2,)}), 0.9
    )
    found = {
        label: Counter(
            v.splits["holdout-0.9-seed0"] for v in split.videos if label in v.labels
        )
        for label in range(3)
    }
    assert found == {
        0: {"train": 2, "test": 2},
        1: {"train": 2},
        2: {"train": 2, "test": 2},
    }
    assert [f.names for f in split.findings if f.kind == "untested"] == [("b",)]


def test_groups_that_span_classes_leave_every_class_a_train_group():
    films = {
        "f1": (0, 1),
        "f2": (0, 1),
        "f3": (0,),
        "f4": (1, 2),
        "f5": (2,),
        "f6": (2,),
    }
    for seed in range(20):
        split = with_holdout(grouped(films), 0.5, seed=seed)
        name = f"holdout-0.5-seed{seed}"
        for label in range(3):
            parts = {v.splits[name] for v in split.videos if label in v.labels}
            assert parts == {"train", "test"}


def sides(split: DataSet) -> dict[str, str]:
    (name,) = split.splits
    return {video.id: video.splits[name] for video in split.videos}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_groups_keep_their_sides_when_a_split_grows_and_so_does_the_share(seed):
    """Drawn anew, some that were learned from would be tested."""
    few = {f"g{n}": (n % 2,) for n in range(20)}
    many = {f"g{n}": (n % 2,) for n in range(60)}
    before = sides(with_holdout(grouped(few), 0.3, seed=seed))
    anew = sides(with_holdout(grouped(many), 0.3, seed=seed))
    assert {(before[name], anew[name]) for name in before} > {("train", "test")}
    split = with_holdout(grouped(many), 0.3, seed=seed, before=before)
    now = sides(split)
    assert {name: now[name] for name in before} == before
    test = {v.group: v.labels for v in split.videos if now[v.id] == "test"}
    assert Counter(test.values()) == {(0,): 9, (1,): 9}
    assert sides(with_holdout(grouped(many), 0.3, seed=seed, before=now)) == now


def test_new_videos_of_a_group_are_on_its_side_and_a_class_gets_its_first_test_group():
    before = {"a-0": "test", "b-0": "train", "c-0": "train"}
    whole = grouped({"a": (0,), "b": (0,), "c": (1,), "d": (1,)}, each=3)
    split = with_holdout(whole, 0.3, before=before)
    parts = {video.group: sides(split)[video.id] for video in split.videos}
    assert parts == {"a": "test", "b": "train", "c": "train", "d": "test"}
    assert len({*sides(split)}) == 12


def test_classes_that_have_enough_test_groups_get_no_more_and_keep_a_train_group():
    before = {f"a{n}-0": "test" for n in range(3)}
    whole = grouped({f"a{n}": (0,) for n in range(4)} | {"b": (1,), "c": (1,)})
    split = with_holdout(whole, 0.3, before=before)
    test = {video.group for video in split.videos if sides(split)[video.id] == "test"}
    assert test > {"a0", "a1", "a2"} and "a3" not in test and len(test) == 4


@pytest.mark.parametrize("seed", range(5))
def test_the_last_group_that_a_class_learns_from_is_no_test_group_of_another(seed):
    whole = grouped({"a": (0,), "x": (0, 1), "y": (1,)})
    split = with_holdout(whole, 0.3, seed=seed, before={"a-0": "test"})
    test = {video.group for video in split.videos if sides(split)[video.id] == "test"}
    assert test == {"a", "y"}


def test_a_group_on_both_sides_is_refused():
    with pytest.raises(
        DatasetError, match="seed0: expected .* got group a with videos"
    ):
        with_holdout(
            grouped({"a": (0,), "b": (0,)}), 0.3, before={"a-0": "test", "a-1": "train"}
        )


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 3])
def test_a_share_that_is_none_is_refused(uneven, share):
    with pytest.raises(DatasetError, match="share between 0 and 1"):
        with_holdout(uneven, share)


def test_nothing_can_be_held_out_of_single_groups():
    with pytest.raises(DatasetError, match="two groups or more"):
        with_holdout(grouped({"x": (0,), "y": (1,)}), 0.3)


def test_the_report_counts_and_the_dictionary_says_the_same(uneven):
    whole = dataset(list(uneven.videos), expected={"a": 9, "b": 4, "c": 1, "d": 2})
    text = report.text(whole)
    assert "13 videos of 3 classes in 13 groups" in text
    assert "split 1 (from lists): 8 train, 5 test" in text
    assert "classes complete: 2, of 1 to 9 videos" in text
    assert "  b       3 of 4" in text
    assert "classes of the lists without a video here: 1" in text
    values = json.loads(json.dumps(report.to_dict(whole)))
    assert values["classes"]["b"] == {"videos": 3, "expected": 4}
    assert values["absent_classes"] == ["d"]
    assert values["splits"] == {"1": {"kind": "lists", "train": 8, "test": 5}}


def test_a_data_set_without_a_split_says_what_training_needs():
    assert "--holdout" in report.text(dataset([video("x", 0)]))


def test_an_unknown_data_set_is_refused_with_the_known_ones():
    with pytest.raises(DatasetError, match="hmdb51, ucf101.*demo, got 'kinetics'"):
        load("kinetics")


def test_the_demo_is_loaded_like_the_others(tmp_path):
    demo = load(
        "demo", videos=tmp_path / "demo", limit=4, holdout=None, classes=["left", "cw"]
    )
    assert demo.name == "demo" and not demo.mirror_safe
    assert len(demo.videos) == 4 and set(demo.classes) == {"left", "cw"}
    assert all((demo.folder / each.path).stat().st_size for each in demo.videos)


def test_classes_with_commas_are_named_alone_in_quotes_or_one_by_one():
    several = dataset(
        [video("x", 0), video("y", 1), video("z", 2)], ("jump", "jump, high", "run")
    )
    for names, kept in (
        (["jump, high"], ("jump, high",)),
        (["Jump, High"], ("jump, high",)),
        (["jump,run"], ("jump", "run")),
        (["jump", "run"], ("jump", "run")),
        (['"jump, high",run'], ("jump, high", "run")),
        (["run", "jump, high"], ("jump, high", "run")),
    ):
        assert select_classes(several, names).classes == kept
    with pytest.raises(DatasetError, match="expected names of classes"):
        select_classes(several, [","])
    with pytest.raises(DatasetError, match="commas between them"):
        select_classes(several, ['"jump'])
    others = dataset([video("x", 0), video("y", 1)], ("jump, high", "run"))
    with pytest.raises(DatasetError, match="mean 'jump, high'. Give it alone, or in"):
        select_classes(others, ["jump, high,run"])


@pytest.mark.parametrize(
    ("adapter", "videos", "called", "name"),
    [
        ("folder", "clips", None, "clips"),
        ("list", "a/../clips/.", None, "clips"),
        ("folder", ".clips", None, "clips"),
        ("folder", "my clips\n", None, "my clips_"),
        ("folder", "clips", "mine", "mine"),
        ("folder", None, None, "folder"),
        ("list", None, "mine", "mine"),
        ("folder", "ucf101", None, "ucf101-folder"),
        ("folder", "/", None, "folder"),
        ("ucf101", "anything", None, "ucf101"),
    ],
)
def test_a_data_set_of_ones_own_is_called_like_its_folder(
    tmp_path, monkeypatch, adapter, videos, called, name
):
    monkeypatch.chdir(tmp_path)
    place = None if videos is None else Path(videos)
    assert dataset_name(adapter, videos=place, called=called) == name


@pytest.mark.parametrize(
    ("adapter", "called", "message"),
    [
        ("ucf101", "mine", "of your own .--dataset folder or list., got ucf101"),
        ("list", "UCF101", "another name than those of known data sets, got UCF101"),
        ("folder", "a/b", "a name for a folder, got 'a/b'"),
        ("folder", "..", "a name for a folder"),
        ("folder", " ", "a name for a folder"),
        ("folder", "--out", "a name for a folder"),
        ("folder", "a\n", "a name for a folder"),
    ],
)
def test_a_name_that_cannot_be_one_is_refused(adapter, called, message):
    with pytest.raises(DatasetError, match=message):
        load(adapter, videos=Path("clips"), called=called)


def test_the_usual_places_of_a_named_data_set_have_its_name(tmp_path, monkeypatch):
    monkeypatch.setenv("VIDEO_DATA", str(tmp_path))
    for name in ("jump/a.mp4", "run/b.mp4"):
        path = tmp_path / "videos" / "mine" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(name.encode())
    (tmp_path / "splits" / "mine").mkdir(parents=True)
    (tmp_path / "splits" / "mine" / "trainlist01.txt").write_text("jump/a 0\n")
    found = load("folder", called="mine")
    assert (found.name, found.folder) == ("mine", tmp_path / "videos" / "mine")
    assert found.splits == {"1": "lists"}


def test_what_cannot_be_read_belongs_to_the_chosen_classes_or_to_none(uneven):
    lost = {"a/1.mp4": "gone", "b/": "forbidden", "c/x.mp4": "gone", "d.mp4": "gone"}
    whole = dataset(list(uneven.videos), unusable=lost)
    assert set(select_classes(whole, ["a"]).unusable) == {"a/1.mp4", "d.mp4"}
    assert set(select_classes(whole, ["b", "c"]).unusable) == {"b/", "c/x.mp4", "d.mp4"}
    assert limited(whole, 99).unusable == lost
    assert limited(whole, 5).unusable == {}, "a part was asked for, and it is whole"
