"""UCF101 and HMDB51: small lists in their form, and the lists as distributed."""

import time
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from motion_shards.choices import OFFICIAL_DATASETS
from pipeline.adapters import DatasetError, DatasetNotFound, load, report
from pipeline.adapters.loading import ADAPTERS


@pytest.fixture(autouse=True)
def no_usual_places(monkeypatch, tmp_path):
    monkeypatch.setenv("VIDEO_DATA", str(tmp_path / "nowhere"))


def put(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"video " + name.encode())
    return folder


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return path


def kinds(dataset) -> dict[str, tuple[str, ...]]:
    return {finding.kind: finding.names for finding in dataset.findings}


def counts(dataset, split: str) -> Counter:
    return Counter(video.splits.get(split) for video in dataset.videos)


UCF = (
    "YoYo/v_YoYo_g01_c01",
    "YoYo/v_YoYo_g08_c01",
    "HandstandPushups/v_HandStandPushups_g08_c02",
)


@pytest.fixture
def ucf_lists(tmp_path) -> Path:
    folder = tmp_path / "ucfTrainTestlist"
    write(folder / "classInd.txt", "1 HandstandPushups\r\n2 YoYo\r\n")
    write(folder / "trainlist01.txt", f"{UCF[1]}.avi 2\r\n{UCF[2]}.avi 1\r\n")
    write(folder / "testlist01.txt", f"{UCF[0]}.avi\r\n")
    return folder


@pytest.mark.parametrize(
    "layout", ["UCF-101/{folder}/{name}.avi", "{name}.avi", "a/b/{name}.avi"]
)
def test_ucf101_is_found_in_any_folder(tmp_path, ucf_lists, layout):
    for name in UCF:
        folder, _, stem = name.partition("/")
        put(tmp_path / "videos", layout.format(folder=folder, name=stem))
    dataset = load("ucf101", videos=tmp_path / "videos")
    assert dataset.classes == ("HandstandPushups", "YoYo")
    assert {
        video.id.rpartition("/")[2]: video.splits["1"] for video in dataset.videos
    } == {
        "v_HandStandPushups_g08_c02": "train",
        "v_YoYo_g01_c01": "test",
        "v_YoYo_g08_c01": "train",
    }
    assert [video.group for video in dataset.videos][-1] == "v_YoYo_g08"
    assert [each.text for each in dataset.findings] == [
        "classes with train videos and without test videos in split 1: 1"
    ]
    assert dataset.splits == {"1": "lists"}, "these are not the official lists in full"


def test_other_case_other_suffix_and_strangers_are_reported(tmp_path, ucf_lists):
    videos = put(
        tmp_path / "videos",
        "YoYo/v_YoYo_g01_c01.mp4",
        "HandStandPushups/v_HandstandPushups_g08_c02.avi",
        "YoYo/holiday.avi",
        "YoYo/v_YoYo_g08_c01.txt",
    )
    dataset = load("ucf101", videos=videos, splits=ucf_lists)
    found = kinds(dataset)
    assert len(dataset.videos) == 2
    assert found["missing"] == ("YoYo/v_YoYo_g08_c01.avi",)
    assert found["extension"] == ("YoYo/v_YoYo_g01_c01.avi -> YoYo/v_YoYo_g01_c01.mp4",)
    assert len(found["case"]) == 1
    assert found["unexpected"] == ("YoYo/holiday.avi",)
    assert found["not a video"] == ("YoYo/v_YoYo_g08_c01.txt",)
    text = report.text(dataset)
    assert "partial copy: 2 of the 3 videos of UCF101 (66.7 %), 2 of 2 classes" in text
    assert "classes complete: 1, of 1 videos" in text and "YoYo       1 of 2" in text


def test_a_file_is_given_to_one_name_only(tmp_path, ucf_lists):
    videos = put(
        tmp_path / "videos", f"{UCF[0]}.avi", f"copy/{UCF[0]}.avi", f"{UCF[0]}.mp4"
    )
    dataset = load("ucf101", videos=videos, splits=ucf_lists)
    assert [video.path for video in dataset.videos] == [f"{UCF[0]}.avi"]
    assert kinds(dataset)["unexpected"] == (f"{UCF[0]}.mp4", f"copy/{UCF[0]}.avi")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "trainlist01.txt",
            "a/b.avi 1\n",
            r"trainlist01.txt:1: expected a video of UCF101",
        ),
        (
            "trainlist01.txt",
            f"{UCF[1]}.avi 1\n",
            r"trainlist01.txt:1: expected a class",
        ),
        (
            "trainlist01.txt",
            f"{UCF[1]}.avi 7\n",
            r"trainlist01.txt:1: expected a class",
        ),
        (
            "trainlist01.txt",
            "Z/v_Z_g01_c01.avi 1\n",
            r"trainlist01.txt:1: expected a class",
        ),
        (
            "trainlist01.txt",
            f"{UCF[1]}.avi 2\n" * 2,
            r"trainlist01.txt:2: .*came before",
        ),
        (
            "testlist01.txt",
            f"{UCF[1]}.avi\n",
            r"testlist01.txt:1: .*in trainlist01.txt too",
        ),
        ("classInd.txt", "1 YoYo\n1 Z\n", r"classInd.txt:2: .*came before"),
        ("classInd.txt", "YoYo\n", r"classInd.txt:1: expected '1 ClassName'"),
    ],
)
def test_broken_lists_of_ucf101_are_refused_with_their_line(
    tmp_path, ucf_lists, name, text, message
):
    write(ucf_lists / name, text)
    videos = put(tmp_path / "videos", *(f"{each}.avi" for each in UCF))
    with pytest.raises(DatasetError, match=message):
        load("ucf101", videos=videos, splits=ucf_lists)


def test_other_videos_no_videos_and_no_lists_are_refused(tmp_path, ucf_lists):
    other = put(tmp_path / "other", "a/b.avi")
    with pytest.raises(
        DatasetError, match="none of the 3 videos .*found a/b.avi|found b.avi"
    ):
        load("ucf101", videos=other, splits=ucf_lists)
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        DatasetNotFound, match="found none; get them from https://www.crcv"
    ):
        load("ucf101", videos=tmp_path / "empty", splits=ucf_lists)
    with pytest.raises(
        DatasetError, match="expected HMDB51's .*found lists like UCF101's"
    ):
        load("hmdb51", videos=other, splits=ucf_lists)
    with pytest.raises(DatasetNotFound, match="expected the lists of hmdb51"):
        load("hmdb51", videos=other)
    with pytest.raises(DatasetNotFound, match="found nothing: .*/no"):
        load("ucf101", videos=other, splits=tmp_path / "no")
    with pytest.raises(DatasetNotFound, match="found nothing: .*nowhere/videos/ucf101"):
        load("ucf101")


def test_videos_and_lists_are_looked_for_in_the_data_folder(
    tmp_path, ucf_lists, monkeypatch
):
    monkeypatch.setenv("VIDEO_DATA", str(tmp_path / "data"))
    put(tmp_path / "data" / "videos" / "ucf101", f"{UCF[0]}.avi", f"{UCF[1]}.avi")
    ucf_lists.rename(tmp_path / "data" / "splits_ucf")
    (tmp_path / "data" / "splits").mkdir()
    (tmp_path / "data" / "splits_ucf").rename(tmp_path / "data" / "splits" / "ucf101")
    assert len(load("ucf101").videos) == 2


HMDB = ("#20_(a);_b-c_wave_wave_f_nm_np1_fr_med_2", "Film_1_wave_u_cm_np2_ba_bad_0")


@pytest.fixture
def hmdb_lists(tmp_path) -> Path:
    folder = tmp_path / "testTrainMulti_7030_splits"
    for split, parts in (("1", "12"), ("2", "20"), ("3", "00")):
        lines = (
            f"{name}.avi {part} \n" for name, part in zip(HMDB, parts, strict=True)
        )
        write(folder / f"wave_test_split{split}.txt", "".join(lines))
        write(
            folder / f"run_test_split{split}.txt",
            "Film_1_run_f_cm_np1_le_goo_0.avi 2 \n",
        )
    return folder


def test_hmdb51_reads_one_as_train_two_as_test_and_zero_as_unused(tmp_path, hmdb_lists):
    videos = put(tmp_path / "videos", *(f"hmdb51_org/wave/{name}.avi" for name in HMDB))
    dataset = load("hmdb51", videos=videos)
    assert dataset.folder == videos / "hmdb51_org"
    assert dataset.classes == ("wave",)
    assert [dict(video.splits) for video in dataset.videos] == [
        {"1": "train", "2": "test"},
        {"1": "test"},
    ]
    assert [video.group for video in dataset.videos] == ["#20_(a);_b-c_wave", "Film_1"]
    assert kinds(dataset)["missing"] == ("Film_1_run_f_cm_np1_le_goo_0.avi",)


def test_a_video_in_the_folder_of_another_class_is_reported(tmp_path, hmdb_lists):
    videos = put(tmp_path / "videos", f"run/{HMDB[0]}.avi", f"wave/{HMDB[1]}.avi")
    dataset = load("hmdb51", videos=videos, splits=hmdb_lists)
    assert kinds(dataset)["misplaced"] == (f"run/{HMDB[0]}.avi (wave)",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{HMDB[0]}.avi 3\n", r"wave_test_split2.txt:1: expected a name and 0"),
        (f"{HMDB[0]}.avi\n", r"wave_test_split2.txt:1: expected a name and 0"),
        (
            "Film_1_run_f_cm_np1_le_goo_0.avi 1\n",
            r"split2.txt:1: expected a video of class wave",
        ),
        (f"{HMDB[0]}.avi 1\n{HMDB[0]}.avi 2\n", r"split2.txt:2: .*came before"),
        (f"../{HMDB[0]}.avi 1\n", r"split2.txt:1: .*inside the folder"),
        (None, r"expected wave_test_split2.txt, found none"),
    ],
)
def test_broken_lists_of_hmdb51_are_refused_with_their_line(
    tmp_path, hmdb_lists, text, message
):
    path = hmdb_lists / "wave_test_split2.txt"
    write(path, text) if text else path.unlink()
    videos = put(tmp_path / "videos", f"{HMDB[0]}.avi")
    with pytest.raises(DatasetError, match=message):
        load("hmdb51", videos=videos, splits=hmdb_lists)


def whole_copy(folder: Path, names: list[str]) -> Path:
    for parent in {Path(name).parent for name in names}:
        (folder / parent).mkdir(parents=True)
    for number, name in enumerate(names):
        (folder / name).write_bytes(number.to_bytes(4, "big"))
    return folder


@pytest.mark.clips
def test_a_whole_ucf101_has_the_official_counts_and_whole_groups(
    tmp_path, clips_folder
):
    splits = clips_folder / "splits" / "ucf101"
    text = "".join(
        (splits / "ucfTrainTestlist" / f"{part}list01.txt").read_text()
        for part in ("train", "test")
    )
    whole_copy(tmp_path / "UCF-101", [line.split()[0] for line in text.splitlines()])
    begin = time.process_time()
    dataset = load("ucf101", videos=tmp_path, splits=splits)
    assert time.process_time() - begin < 10, "lists of 13,320 videos take seconds"
    assert len(dataset.videos) == 13_320 and len(dataset.classes) == 101
    assert dataset.classes[0] == "ApplyEyeMakeup" and dataset.classes[-1] == "YoYo"
    assert dict.fromkeys("123", "official") == dataset.splits
    for split, (train, test) in {
        "1": (9537, 3783),
        "2": (9586, 3734),
        "3": (9624, 3696),
    }.items():
        assert counts(dataset, split) == {"train": train, "test": test}
        parts = defaultdict(set)
        for video in dataset.videos:
            parts[video.group].add(video.splits[split])
        assert len(parts) == 2525 and {len(part) for part in parts.values()} == {1}
    assert dataset.findings == ()
    assert "classes complete: 101, of 100 to 167 videos" in report.text(dataset)


@pytest.mark.clips
def test_a_whole_hmdb51_has_the_official_counts(tmp_path, clips_folder):
    splits = clips_folder / "splits" / "hmdb51"
    names = [
        f"{path.name.removesuffix('_test_split1.txt')}/{line.split()[0]}"
        for path in splits.rglob("*_test_split1.txt")
        for line in path.read_text().splitlines()
    ]
    whole_copy(tmp_path / "hmdb51_org", names)
    dataset = load("hmdb51", videos=tmp_path, splits=splits)
    assert len(dataset.videos) == 6766 and len(dataset.classes) == 51
    assert dict.fromkeys("123", "official") == dataset.splits
    for split in "123":
        assert counts(dataset, split) == {"train": 3570, "test": 1530, None: 1666}
        torn = defaultdict(set)
        for video in dataset.videos:
            torn[video.group, video.labels].add(video.splits.get(split))
        assert not any({"train", "test"} <= parts for parts in torn.values())
    assert sum(not video.splits for video in dataset.videos) == 6766 - 6371
    assert dataset.findings == ()


@pytest.mark.clips
def test_the_real_clips_are_a_partial_ucf101_with_their_own_labels(clips_folder):
    dataset = load(
        "ucf101",
        videos=clips_folder / "ucf101",
        splits=clips_folder / "splits" / "ucf101",
    )
    assert len(dataset.videos) == 91
    assert dataset.classes[0] == "Archery" and len(dataset.classes) == 7
    assert {label for video in dataset.videos for label in video.labels} == set(
        range(7)
    )
    assert counts(dataset, "1") == {"train": 70, "test": 21}
    assert "partial copy: 91 of the 13,320" in report.text(dataset)
    assert len(kinds(dataset)["missing"]) == 13_320 - 91


@pytest.mark.clips
def test_reencoded_clips_work_with_their_own_and_with_the_official_lists(clips_folder):
    own = load("ucf101", videos=clips_folder / "ucf101_h264")
    assert own.splits == {"1": "lists"} and "partial" not in kinds(own)
    assert counts(own, "1") == {"train": 621, "test": 108}
    official = load(
        "ucf101",
        videos=clips_folder / "ucf101_h264",
        splits=clips_folder / "splits" / "ucf101",
    )
    assert official.splits["1"] == "official"
    assert counts(official, "1") == counts(own, "1")
    assert len(kinds(official)["extension"]) == 729


@pytest.mark.clips
def test_odd_files_are_videos_or_listed(clips_folder):
    dataset = load("folder", videos=clips_folder / "odd")
    assert len(dataset.videos) == 78
    assert all("mv_reference" in name for name in kinds(dataset)["not a video"])


def test_every_official_data_set_has_an_adapter():
    assert tuple(ADAPTERS) == OFFICIAL_DATASETS
    for name in OFFICIAL_DATASETS:
        with pytest.raises(DatasetNotFound, match=f"the folder of {name}'s videos"):
            load(name, videos=Path("nowhere"))
