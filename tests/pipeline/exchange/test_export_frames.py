"""Trees of frames: names, numbers, levels and lists as TSN, mmaction2 and MARS read them."""

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from exported import FRAMES, IDS, exported, tree

from pipeline.store import Store


@pytest.fixture(scope="module")
def frames(odd_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("frames") / "out"
    done = exported(odd_store, out, "frames")
    assert done.exit_code == 0 and done.written.files == 2 * 37 + 37 - 2 * 5
    return out


@pytest.fixture(scope="module")
def mars(odd_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("mars") / "out"
    exported(odd_store, out, "frames", layout="mars", bound_px=3.0)
    return out


def folder(out: Path, video_id: str) -> Path:
    return out / "frames" / video_id.replace(" ", "%20")


@pytest.mark.parametrize("video_id", IDS)
def test_files_count_from_1_and_flow_has_one_less(frames: Path, video_id: str) -> None:
    count = FRAMES[video_id]
    expected = {f"img_{k:05d}.jpg" for k in range(1, count + 1)}
    expected |= {f"flow_{c}_{k:05d}.jpg" for c in "xy" for k in range(1, count)}
    assert {path.name for path in folder(frames, video_id).iterdir()} == expected


@pytest.mark.parametrize("video_id", IDS)
def test_frames_are_the_stored_bytes(
    frames: Path, odd_store: Path, video_id: str
) -> None:
    store = Store(odd_store)
    rows = store.rows(video_id, "rgb", start=0, stop=FRAMES[video_id])
    rgb = store.read(video_id, "rgb")
    for k, row in enumerate(rows):
        path = folder(frames, video_id) / f"img_{k + 1:05d}.jpg"
        assert path.read_bytes() == row.tobytes()
        picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        np.testing.assert_array_equal(picture, rgb[k])


@pytest.mark.parametrize("layout", ("frames", "mars"))
def test_flow_is_right_and_down_of_the_interval_from_its_image(
    odd_store: Path, layout: str, request: pytest.FixtureRequest
) -> None:
    out: Path = request.getfixturevalue(layout)
    name = "flow_" if layout == "frames" else "TVL1jpg_"
    bound = 20.0 if layout == "frames" else 3.0
    stored = Store(odd_store).read("run/#e", "flow")
    for k in (0, 7, 18):
        read = []
        for component in "xy":
            path = folder(out, "run/#e") / f"{name}{component}_{k + 1:05d}.jpg"
            grey = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            assert grey.shape == (35, 50)
            read.append(grey * (2 * bound / 255) - bound)
        error = np.abs(np.stack(read, axis=-1) - np.clip(stored[k], -bound, bound))
        step = 2 * bound / 255
        assert error.mean() < 1.5 * step and error.max() < 8 * step
        others = [
            np.abs(np.stack(read, -1) - stored[j]).mean() for j in (k, (k + 9) % 19)
        ]
        assert others[1] > 5 * others[0]


def test_mars_finds_what_it_asks_for(mars: Path) -> None:
    """As its data set does: by the file `done`, and lengths from counting files."""
    for video_id in IDS:
        names = os.listdir(folder(mars, video_id))
        assert "done" in names
        assert (len(names) + 1) // 3 - 1 == FRAMES[video_id] - 1
        assert all(f"{k + 1:05d}.jpg" in names for k in range(FRAMES[video_id]))


def test_lists_are_read_as_mmaction2_does(frames: Path, odd_store: Path) -> None:
    """`frame_dir, total_frames, label = line.split()`, below a prefix."""
    store = Store(odd_store)
    classes = (frames / "classes.txt").read_text().splitlines()
    assert classes == list(store.classes)
    seen = set()
    for modality, prefix in (("rgb", "img"), ("flow", "flow_x")):
        for part in ("train", "test"):
            listed = (frames / "lists" / f"{modality}_{part}_split1.txt").read_text()
            for line in listed.splitlines():
                path, total, label = line.split()
                there = list((frames / "frames" / path).glob(f"{prefix}_*.jpg"))
                assert len(there) == int(total)
                video = store.video(path.replace("%20", " "))
                assert video.labels == (int(label),) and video.splits["split1"] == part
                seen.add((modality, video.id))
    assert len(seen) == 2 * len(IDS)


def test_the_table_has_what_the_lists_do_not(frames: Path) -> None:
    lines = (frames / "videos.jsonl").read_text().splitlines()
    records = {record["id"]: record for record in map(json.loads, lines)}
    assert list(records) == sorted(IDS)
    first = records["jump/a b"]
    assert first["segments"] == [["jump", 0.5, 1.5]] and first["fps"] == 25
    assert first["group"] == "g00" and first["paths"]["flow"] == "jump/a%20b"


def test_torchvision_reads_the_tree(frames: Path) -> None:
    from torchvision.datasets import ImageFolder

    data = ImageFolder(str(frames / "frames"))
    assert data.classes == ["jump", "run"] and len(data) == 37 + 2 * 32
    path = str(folder(frames, "run/#e") / "img_00003.jpg")
    picture, label = data[data.samples.index((path, 1))]
    expected = cv2.cvtColor(cv2.imread(path), cv2.COLOR_BGR2RGB)
    assert label == 1 and np.abs(np.asarray(picture, int) - expected).mean() < 2


def test_the_export_of_some_classes_counts_labels_over_them(
    odd_store: Path, tmp_path: Path
) -> None:
    names = tmp_path / "names.txt"
    names.write_text("c.d.avi\nrun/f\n\nrun/#e\n")
    out = tmp_path / "out"
    done = exported(
        odd_store, out, "frames", classes=("Run",), videos=names, modalities=("flow",)
    )
    videos = [
        video.id for video in Store(odd_store).videos() if "run" in video.class_names
    ]
    listed = {"jump/c.d", "run/f", "run/#e"} & set(videos)
    assert done.videos == len(listed) > 0
    lists = tree(out / "lists")
    assert all(name.startswith("flow") for name in lists)
    lines = b"".join(lists.values()).decode().splitlines()
    assert {line.split()[0] for line in lines} == listed
    assert {line.split()[2] for line in lines} == {"0"}
    assert (out / "classes.txt").read_text() == "run\n"
