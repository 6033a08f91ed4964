"""What makes training or testing say little: torn groups, classes on one side, one class."""

from pathlib import Path

import pytest

from pipeline.adapters import load, report


@pytest.fixture(autouse=True)
def no_usual_places(monkeypatch, tmp_path):
    monkeypatch.setenv("VIDEO_DATA", str(tmp_path / "nowhere"))


def drawn(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"video " + name.encode())
    return folder


def found(dataset, kind: str) -> list[tuple[str, tuple[str, ...]]]:
    return [(each.text, each.names) for each in dataset.findings if each.kind == kind]


@pytest.fixture
def scenes(tmp_path) -> Path:
    """Two clips of each of four scenes of two classes, named like UCF101's."""
    return drawn(
        tmp_path / "videos",
        *(
            f"{name}/v_{name}_g{group:02d}_c{clip:02d}.mp4"
            for name in ("Archery", "YoYo")
            for group in (1, 2)
            for clip in (1, 2)
        ),
    )


@pytest.mark.parametrize("adapter", ["folder", "list"])
def test_groups_on_both_sides_of_a_split_are_told(scenes, tmp_path, adapter):
    lines = ["path,label,split,group,split2"]
    for path in sorted(scenes.rglob("*.mp4")):
        clip = path.stem[-1]
        parts = (
            "train" if clip == "1" else "test",
            "train" if "g01" in path.stem else "test",
        )
        name = path.relative_to(scenes).as_posix()
        lines.append(
            f"{name},{path.parent.name},{parts[0]},{path.stem[:-4]},{parts[1]}"
        )
    (tmp_path / "l.csv").write_text("\n".join(lines))
    dataset = load(adapter, videos=scenes, splits=tmp_path / "l.csv")
    assert found(dataset, "torn") == [
        (
            "groups on both sides of split 1: 4",
            ("v_Archery_g01", "v_Archery_g02", "v_YoYo_g01", "v_YoYo_g02"),
        )
    ], "split 2 goes by group"
    assert not found(dataset, "untested") and not found(dataset, "untaught")
    assert "torn: groups on both sides of split 1: 4" in report.text(dataset)


@pytest.mark.parametrize("adapter", ["folder", "list"])
def test_groups_of_names_are_known_without_a_column(scenes, tmp_path, adapter):
    lines = ["path,split"]
    for path in sorted(scenes.rglob("*.mp4")):
        part = "train" if path.stem.endswith("1") else "test"
        lines.append(f"{path.relative_to(scenes).as_posix()},{part}")
    (tmp_path / "l.csv").write_text("\n".join(lines))
    dataset = load(adapter, videos=scenes, splits=tmp_path / "l.csv")
    assert [text for text, _ in found(dataset, "torn")] == [
        "groups on both sides of split 1: 4"
    ]


def test_a_split_drawn_by_group_tears_none(scenes):
    dataset = load("folder", videos=scenes, holdout=0.5)
    assert not found(dataset, "torn")


def test_classes_on_one_side_of_a_split_are_told(scenes, tmp_path):
    drawn(scenes, "Skiing/1.mp4", "Rowing/1.mp4", "Rowing/2.mp4")
    (tmp_path / "l.csv").write_text(
        "path,label,split\nSkiing/1,Skiing,test\nRowing/1,Rowing,train\n"
        "v_YoYo_g01_c01,YoYo,train\nv_YoYo_g02_c01,YoYo,test\nRowing/2,Rowing,\n"
    )
    dataset = load("list", videos=scenes, splits=tmp_path / "l.csv")
    assert found(dataset, "untested") == [
        ("classes with train videos and without test videos in split 1: 1", ("Rowing",))
    ]
    assert found(dataset, "untaught") == [
        ("classes with test videos and without train videos in split 1: 1", ("Skiing",))
    ]


def test_a_split_without_test_videos_is_told_as_a_whole(scenes, tmp_path):
    (tmp_path / "l.csv").write_text("path,split\nv_YoYo_g01_c01,train\n")
    dataset = load("list", videos=scenes, splits=tmp_path / "l.csv")
    assert found(dataset, "untested") == [("split 1 has no test videos", ())]


def test_one_class_is_told_first(tmp_path):
    drawn(tmp_path / "v", "jump/a.mp4", "jump/b.mp4", "jump/.hidden.mp4")
    dataset = load("folder", videos=tmp_path / "v")
    text = "one class (jump): training on labels needs two"
    assert report.text(dataset).splitlines()[1] == f"  warning: {text}"
    drawn(tmp_path / "v", "run/a.mp4")
    assert not found(load("folder", videos=tmp_path / "v"), "untrainable")


def test_classes_that_may_be_one_are_told(scenes, tmp_path):
    (tmp_path / "l.csv").write_text(
        "path,label\nv_YoYo_g01_c01,Yo Yo\nv_YoYo_g01_c02,yo_yo\nYoYo/v_YoYo_g02_c01,C\n"
        "YoYo/v_YoYo_g02_c02,C++\nv_Archery_g01_c01,Archery\n"
    )
    dataset = load("list", videos=scenes, splits=tmp_path / "l.csv")
    assert len(dataset.classes) == 5
    assert [names for _, names in found(dataset, "alike")] == [
        ("C = C++", "Yo Yo = yo_yo")
    ]
