"""npz, movies and tar shards, as numpy, OpenCV and webdataset read them."""

import gc
import json
import tarfile
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
from exported import FRAMES, IDS, exported, tree
from tiny_store import write_store

from pipeline.store import Store


@pytest.fixture(scope="module")
def shards(odd_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("shards") / "out"
    assert exported(odd_store, out, "webdataset", shard_bytes=60_000).exit_code == 0
    return out


def test_npz_has_the_arrays_of_the_store(odd_store: Path, tmp_path: Path) -> None:
    done = exported(odd_store, tmp_path / "out", "npz")
    assert done.written.files == len(IDS)
    store = Store(odd_store)
    for video_id in IDS:
        path = tmp_path / "out" / "arrays" / f"{video_id.replace(' ', '%20')}.npz"
        with np.load(path) as arrays:
            for name in ("rgb", "flow", "mv", "mv_valid"):
                stored = store.read(video_id, name)
                assert arrays[name].dtype == stored.dtype
                np.testing.assert_array_equal(arrays[name], stored)
            np.testing.assert_array_equal(arrays["seconds"], store.seconds(video_id))
            assert arrays["id"].item() == video_id and arrays["fps"] == 25
    exported(odd_store, tmp_path / "again", "npz")
    assert tree(tmp_path / "out") == tree(tmp_path / "again")


def read_movie(path: Path) -> np.ndarray:
    capture, found = cv2.VideoCapture(str(path)), []
    assert capture.get(cv2.CAP_PROP_FPS) == 25
    while True:
        more, frame = capture.read()
        if not more:
            return np.stack(found)[..., ::-1]
        found.append(frame)


def test_movies_play_and_show_what_is_stored(odd_store: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    exported(odd_store, out, "mp4")
    store, path = Store(odd_store), "run/#e.mp4"
    rgb = read_movie(out / "rgb" / path)
    assert rgb.shape == (20, 36, 50, 3)
    stored = store.read("run/#e", "rgb")
    assert np.abs(rgb[:, :35].astype(int) - stored).mean() < 12
    assert np.abs(rgb[:, :35, :, ::-1].astype(int) - stored).mean() > 30
    flow = read_movie(out / "flow" / path)
    assert flow.shape == (19, 36, 50, 3)
    across = store.read("run/#e", "flow")[..., 0]
    assert (
        flow[:, :35][across > 3][:, 0].mean() > flow[:, :35][across < -3][:, 0].mean()
    )
    arrows = read_movie(out / "mv" / path)
    assert arrows.shape == (19, 35 * 14, 50 * 14, 3)
    assert not (out / "mv" / "run" / "one.mp4").exists()
    assert (out / "rgb" / "run" / "one.mp4").exists()
    assert (out / "lists" / "flow_train_split1.txt").read_text()


def samples(out: Path) -> list[dict]:
    import webdataset

    urls = [str(path) for path in sorted(out.glob("*.tar"))]
    with warnings.catch_warnings():  # it leaves the files open
        warnings.simplefilter("ignore", ResourceWarning)
        data = webdataset.WebDataset(urls, shardshuffle=False)
        found = list(data.decode("rgb8"))
        del data
        gc.collect()
    return found


def test_webdataset_reads_the_shards(shards: Path, odd_store: Path) -> None:
    store, found = Store(odd_store), samples(shards)
    assert sorted(sample["json"]["id"] for sample in found) == sorted(IDS)
    assert len({sample["__key__"] for sample in found}) == len(IDS)
    for sample in found:
        video = store.video(sample["json"]["id"])
        assert sample["cls"] == video.labels[0]
        assert sample["json"]["splits"] == dict(video.splits)
        assert sample["json"]["frames"] == video.frames
        names = [name for name in sample if name.startswith("rgb_")]
        assert sorted(names) == [f"rgb_{k:05d}.jpg" for k in range(video.frames)]
        rgb = store.read(video.id, "rgb")
        pictures = np.stack([sample[name] for name in sorted(names)])
        assert np.abs(pictures.astype(int) - rgb).mean() < 2
        fields = [name for name in sample if name.startswith("flow_x_")]
        assert len(fields) == video.frames - 1
        np.testing.assert_array_equal(
            sample["mv.npz"]["mv"], store.read(video.id, "mv")
        )
        valid = store.read(video.id, "mv_valid")
        np.testing.assert_array_equal(sample["mv.npz"]["mv_valid"], valid)
    flow = store.read("run/#e", "flow")
    sample = next(sample for sample in found if sample["json"]["id"] == "run/#e")
    for component, letter in enumerate("xy"):
        picture = sample[f"flow_{letter}_00005.jpg"][..., 0]
        error = np.abs(picture * (40 / 255) - 20 - flow[5, ..., component])
        assert error.mean() < 0.16


def test_shards_keep_to_their_size_and_are_whole(shards: Path) -> None:
    sizes = [path.stat().st_size for path in sorted(shards.glob("*.tar"))]
    assert len(sizes) > 1
    listed = json.loads((shards / "shards.json").read_text())
    assert [shard["bytes"] for shard in listed] == sizes
    for size, shard in zip(sizes, listed, strict=True):
        assert size <= 60_000 or shard["samples"] == 1
    for path in shards.glob("*.tar"):
        with tarfile.open(path) as archive:
            members = archive.getmembers()
            assert {(m.mtime, m.uid, m.gid, m.mode) for m in members} == {
                (0, 0, 0, 0o644)
            }


def test_shards_do_not_depend_on_the_processes(
    shards: Path, odd_store: Path, tmp_path: Path
) -> None:
    exported(odd_store, tmp_path / "out", "webdataset", shard_bytes=60_000, jobs=2)
    assert tree(tmp_path / "out") == tree(shards)


def test_clips_cover_a_video(odd_store: Path, tmp_path: Path) -> None:
    exported(odd_store, tmp_path / "out", "webdataset", clip_frames=8)
    found = [s for s in samples(tmp_path / "out") if s["json"]["id"] == "run/#e"]
    found.sort(key=lambda sample: sample["json"]["first"])
    assert [sample["json"]["first"] for sample in found] == [0, 8, 16]
    assert [sample["json"]["frames"] for sample in found] == [8, 8, 4]
    store = Store(odd_store)
    for sample in found:
        first, count = sample["json"]["first"], sample["json"]["frames"]
        rgb = store.read("run/#e", "rgb", start=first, stop=first + count)
        last = sample[f"rgb_{count - 1:05d}.jpg"]
        assert np.abs(last.astype(int) - rgb[-1]).mean() < 2
        mv = store.read("run/#e", "mv", start=first, stop=first + count - 1)
        np.testing.assert_array_equal(sample["mv.npz"]["mv"], mv)
        assert f"flow_x_{count - 1:05d}.jpg" not in sample
        assert sample["json"]["seconds"] == [
            k / 25 for k in range(first, first + count)
        ]
    assert sum(FRAMES.values()) == sum(
        s["json"]["frames"] for s in samples(tmp_path / "out")
    )


def test_arrows_on_very_wide_frames_are_no_larger_than_an_encoder_takes(tmp_path: Path):
    """The short side would be enlarged 30 times: to 18,000 px for the long one."""
    sizes = {"height": 16, "width": 600}
    store = write_store(tmp_path / "store", [{"w": 2}], modalities=("mv",), **sizes)
    exported(store, tmp_path / "out", "mp4", modalities=("mv",))
    arrows = read_movie(tmp_path / "out" / "mv" / "w.mp4")
    assert arrows.shape == (1, 16 * 27, 600 * 27, 3)
