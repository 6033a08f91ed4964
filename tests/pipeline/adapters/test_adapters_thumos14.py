"""THUMOS14: several labels, segments, known errata, and the .mat files."""

from pathlib import Path

import numpy as np
import pytest
import scipy.io

from pipeline.adapters import DatasetError, Segment, load, report


@pytest.fixture(autouse=True)
def no_usual_places(monkeypatch, tmp_path):
    monkeypatch.setenv("VIDEO_DATA", str(tmp_path / "nowhere"))


def put(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"video " + name.encode())
    return folder


def val(number: int) -> str:
    return f"video_validation_{number:07d}"


def tst(number: int) -> str:
    return f"video_test_{number:07d}"


TEXTS = {
    "TH14_Temporal_annotations_validation/annotation/Diving_val.txt": f"{val(1)}  5.0 6.5\r\n",
    "TH14_Temporal_annotations_validation/annotation/CliffDiving_val.txt": f"{val(1)}  5.0 6.0\n",
    "TH14_Temporal_annotations_validation/annotation/Ambiguous_val.txt": f"{val(1)} 1.0 2.0\n",
    "TH14_Temporal_annotations_test/annotations/Diving_test.txt": (
        f"{tst(2)} 7.0 9.0\n{tst(2)} 4.0 4.0\n{tst(2)} 30.0 31.0\n{tst(2)} 9.5 12.0\n"
        f"{tst(270)} 1.0 2.0\n"
    ),
    "TH14_Temporal_annotations_test/annotations/Ambiguous_test.txt": f"{tst(1292)} 1.0 2.0\n",
    "test_durations.txt": f"{tst(2)}.mp4\n10.0\n",
    "test_avoid_videos.txt": f"{tst(270)} Diving\n",
}


@pytest.fixture
def texts(tmp_path) -> Path:
    folder = tmp_path / "texts"
    for name, text in TEXTS.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return folder


@pytest.fixture
def videos(tmp_path) -> Path:
    return put(
        tmp_path / "videos",
        f"validation/{val(1)}.mp4",
        f"test/{tst(2)}.mp4",
        f"test/{tst(3)}.mp4",
        f"test/{tst(270)}.mp4",
        f"test/{tst(1292)}.mp4",
        "UCF-101/Diving/v_Diving_g01_c01.avi",
        "UCF-101/YoYo/v_YoYo_g01_c01.avi",
    )


def by_name(dataset) -> dict[str, object]:
    return {
        video.path.rpartition("/")[2].partition(".")[0]: video
        for video in dataset.videos
    }


def findings(dataset, kind: str) -> list[tuple[str, ...]]:
    return [finding.names for finding in dataset.findings if finding.kind == kind]


def test_a_video_has_all_its_classes_and_its_segments_in_order(texts, videos):
    dataset = load("thumos14", videos=videos, splits=texts)
    assert dataset.classes == ("CliffDiving", "Diving"), "Ambiguous is no class"
    video = by_name(dataset)[val(1)]
    assert video.labels == (0, 1)
    assert video.segments == (Segment(0, 5.0, 6.0), Segment(1, 5.0, 6.5))
    assert dataset.splits == {"1": "official"}
    assert {name: each.splits["1"] for name, each in by_name(dataset).items()} == {
        val(1): "train",
        tst(2): "test",
        tst(270): "test",
        "v_Diving_g01_c01": "train",
    }
    assert "the 2 of the annotation texts; the 101" in report.text(dataset)


def test_impossible_late_and_false_segments_are_left_out_and_named(texts, videos):
    dataset = load("thumos14", videos=videos, splits=texts)
    assert by_name(dataset)[tst(2)].segments == (
        Segment(1, 7.0, 9.0),
        Segment(1, 9.5, 10.0),
    )
    assert by_name(dataset)[tst(270)].segments == ()
    assert by_name(dataset)[tst(270)].labels == (1,), "the label stays"
    errata = findings(dataset, "erratum")
    assert (f"Diving_test.txt:2 {tst(2)} 4 4",) in errata
    assert (f"Diving_test.txt:3 {tst(2)} 30 31 (the video ends at 10.0)",) in errata
    assert (f"Diving_test.txt:5 {tst(270)} 1 2",) in errata
    assert (tst(1292),) in errata
    assert (f"{tst(270)} Diving",) in errata


def test_videos_without_a_class_and_strangers_are_left_out_and_named(texts, videos):
    dataset = load("thumos14", videos=videos, splits=texts)
    assert findings(dataset, "unlabelled") == [
        (f"test/{tst(3)}.mp4", f"test/{tst(1292)}.mp4")
    ]
    assert findings(dataset, "unexpected") == [("UCF-101/YoYo/v_YoYo_g01_c01.avi",)]


def records(rows: list[dict]) -> np.ndarray:
    array = np.zeros((1, len(rows)), dtype=[(name, object) for name in rows[0]])
    for position, row in enumerate(rows):
        array[0, position] = tuple(row.values())
    return array


def test_mat_files_beside_the_videos_give_the_classes_of_recognition(texts, videos):
    scipy.io.savemat(
        videos / "validation_set.mat",
        {
            "validation_videos": records(
                [
                    {
                        "video_name": val(1),
                        "primary_action": "Diving",
                        "primary_action_index": 2,
                    },
                    {
                        "video_name": val(4),
                        "primary_action": "YoYo",
                        "primary_action_index": 3,
                    },
                    {
                        "video_name": val(5),
                        "primary_action": "CliffDiving",
                        "primary_action_index": 1,
                    },
                ]
            )
        },
    )
    scipy.io.savemat(
        videos / "test_set_meta.mat",
        {
            "test_videos": records(
                [
                    {
                        "video_name": tst(2),
                        "primary_action": "Diving",
                        "primary_action_index": 2,
                        "secondary_actions": np.array(["YoYo", "Diving"], dtype=object),
                        "background_video": "NO",
                    },
                    {
                        "video_name": tst(3) + ".mp4",
                        "primary_action": "",
                        "primary_action_index": 0,
                        "secondary_actions": "",
                        "background_video": "YES",
                    },
                ]
            )
        },
    )
    dataset = load("thumos14", videos=videos, splits=texts)
    assert dataset.classes == ("CliffDiving", "Diving", "YoYo")
    found = by_name(dataset)
    assert found[tst(2)].labels == (1, 2)
    assert found[tst(3)].labels == () and found[tst(3)].splits == {"1": "test"}
    assert found["v_YoYo_g01_c01"].labels == (2,)
    assert findings(dataset, "missing") == [(val(4), val(5))]
    assert (f"{val(1)} CliffDiving",) in findings(dataset, "erratum")
    assert "the 3 of the recognition task, from the .mat files of the test and" in (
        report.text(dataset)
    )
    assert "not a video" not in {finding.kind for finding in dataset.findings}


def test_a_mat_file_that_is_none_and_one_of_others_are_told_apart(texts, videos):
    scipy.io.savemat(videos / "features.mat", {"x": np.zeros(3)})
    assert load("thumos14", videos=videos, splits=texts).classes == (
        "CliffDiving",
        "Diving",
    )
    (videos / "validation_set.mat").write_bytes(b"not a mat file at all" * 20)
    with pytest.raises(
        DatasetError, match="validation_set.mat: cannot be read as a .mat"
    ):
        load("thumos14", videos=videos, splits=texts)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "video_test_0000001 1.0 2.0",
            "Diving_val.txt:1: expected a video like video_val",
        ),
        (f"{val(1)} one 2.0", "Diving_val.txt:1: expected a video and two times"),
        (f"{val(1)} 1.0", "Diving_val.txt:1: expected a video and two times"),
    ],
)
def test_broken_annotations_are_refused_with_their_line(texts, videos, line, message):
    path = next(texts.rglob("Diving_val.txt"))
    path.write_text(line + "\n")
    with pytest.raises(DatasetError, match=message):
        load("thumos14", videos=videos, splits=texts)


def test_other_videos_and_other_lists_are_refused(tmp_path, texts, videos):
    other = put(tmp_path / "other", "a.mp4")
    with pytest.raises(DatasetError, match="none of the 3 videos annotated"):
        load("thumos14", videos=other, splits=texts)
    with pytest.raises(DatasetError, match="expected THUMOS14's texts"):
        load("thumos14", videos=videos, splits=other)


@pytest.mark.clips
def test_the_distributed_texts_give_the_known_counts(tmp_path, clips_folder):
    splits = clips_folder / "splits" / "thumos14"
    for part in ("validation", "test"):
        lines = (splits / f"{part}_durations.txt").read_text().splitlines()[::2]
        put(tmp_path / part, *lines)
    dataset = load("thumos14", videos=tmp_path, splits=splits)
    parts = [video.splits["1"] for video in dataset.videos]
    assert (parts.count("train"), parts.count("test")) == (200, 212)
    assert len(dataset.classes) == 20
    assert sum(len(video.labels) > 1 for video in dataset.videos) == 61
    assert [len(names) for names in findings(dataset, "unlabelled")] == [2584 - 412]
    false = [names for names in findings(dataset, "erratum") if ":" in names[0]]
    assert 29 + 18 in [len(names) for names in false]
    late = [names for names in findings(dataset, "erratum") if "ends at" in names[0]]
    assert [len(names) for names in late] == [8]
    segments = sum(len(video.segments) for video in dataset.videos)
    assert segments == 6365 - 47 - 8
