import json
import multiprocessing
import os
import pickle
import resource
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from default_codecs import default_codec
from tiny_store import CLASSES, arrays, write_store

from pipeline.store import (
    LAYOUT,
    LayoutError,
    RangeError,
    Store,
    StoreNotFound,
    VideoNotFound,
    opening,
)
from pipeline.store.entries import DECODE_ROWS
from pipeline.store.files import content_hash
from pipeline.store.sealing import write_sealed

SHARDS = [{"b": 7, "a": 1}, {"c/d": 12, "e": 2}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_store(tmp_path_factory.mktemp("stores") / "tiny", SHARDS)


@pytest.fixture(params=["held", "long"])
def store(folder, request, monkeypatch):
    """The same store with its index held, and as one of millions of videos."""
    if request.param == "long":
        monkeypatch.setattr(opening, "HELD_INDEX_BYTES", 0)
    return Store(folder)


def test_importing_the_store_needs_neither_ray_nor_ffmpeg():
    code = "import sys, pipeline.store; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert "numpy" in loaded and "h5py" not in loaded
    assert not {"ray", "av", "cv2", "torch", "numba", "xxhash"} & set(loaded)


def test_opening_a_store_and_reading_vectors_needs_no_jpeg_decoder(folder):
    code = (
        "import sys; from pipeline.store import Store; "
        f"store = Store({str(folder)!r}); store.videos(); store.read('b', 'mv'); "
        "assert 'cv2' not in sys.modules; store.read('b', 'rgb'); print('cv2' in sys.modules)"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "True\n"


def test_a_store_says_what_it_is(store, folder):
    assert store.folder == folder
    assert store.dataset == "list"
    assert store.classes == CLASSES
    assert store.splits == {"split1": "official"}
    assert store.settings["common"] == {"short_side": 35}
    assert store.fingerprint == "f00d"
    assert store.mirror_safe is False
    assert store.modalities == ("rgb", "flow", "mv")
    assert store.manifest.shards == 2
    assert repr(store) == f"Store({str(folder)!r}): 4 videos, rgb, flow, mv"


def test_videos_come_sorted_with_all_that_is_known(store):
    assert [video.id for video in store.videos()] == ["a", "b", "c/d", "e"]
    video = store.video("b")
    assert video == store.videos()[1]
    assert (video.path, video.xxh3) == ("b.avi", "ab" * 16)
    assert (video.labels, video.class_names) == ((0,), ("jump",))
    assert (video.splits, video.group) == ({"split1": "train"}, "g00")
    assert video.segments == ((0, 0.5, 1.5),)
    assert (video.frames, video.height, video.width) == (7, 35, 50)
    assert (video.fps, video.codec, video.clipped_share) == (25.0, "mpeg4", 0.0)
    assert video.modalities == ("rgb", "flow", "mv")


@pytest.mark.parametrize(
    ("shard", "video_id"), [(0, "b"), (0, "a"), (1, "c/d"), (1, "e")]
)
@pytest.mark.parametrize("name", LAYOUT)
def test_what_was_stored_is_read(store, shard, video_id, name):
    frames = SHARDS[shard][video_id]
    made = arrays(frames, height=35, width=50, seed=shard)[name]
    array = store.read(video_id, name)
    assert array.shape == made.shape
    assert array.dtype == LAYOUT[name].dtype
    if name.startswith("mv"):
        assert np.array_equal(array, made)
    else:
        codec = default_codec(name)
        through = [codec.decode(row, 35, 50) for row in codec.encode(made)]
        assert np.array_equal(array, np.reshape(through, made.shape))
        assert not made.size or np.abs(array - made.astype(np.float32)).mean() < (
            4 if name == "rgb" else 0.1
        )


@pytest.mark.parametrize("name", LAYOUT)
@pytest.mark.parametrize(("start", "stop"), [(0, 1), (3, 9), (10, 11), (5, None)])
def test_a_range_is_a_part_of_the_whole(store, name, start, stop):
    whole = store.read("c/d", name)
    assert np.array_equal(
        store.read("c/d", name, start=start, stop=stop), whole[start:stop]
    )


@pytest.mark.parametrize("name", LAYOUT)
@pytest.mark.parametrize("step", [1, 2, 3, 20])
def test_a_step_leaves_out_what_lies_between(store, name, step):
    whole = store.read("c/d", name)
    got = store.read("c/d", name, start=1, stop=11, step=step)
    assert np.array_equal(got, whole[1:11:step])


@pytest.mark.parametrize("name", ["rgb", "flow", "mv"])
def test_a_crop_is_a_part_of_the_whole(store, name):
    whole = store.read("c/d", name)
    got = store.read("c/d", name, start=2, crop=(1, 3, 4, 2))
    assert np.array_equal(got, whole[2:, 1:5, 3:5])
    assert got.flags.owndata


def test_a_long_range_is_read_in_parts(tmp_path):
    frames = 2 * DECODE_ROWS + 7
    folder = write_store(tmp_path / "s", [{"long": frames}], height=8, width=9)
    store = Store(folder)
    for name in ("rgb", "flow", "mv"):
        whole = store.read("long", name)
        one_by_one = [
            store.read("long", name, start=k, stop=k + 1)[0] for k in range(len(whole))
        ]
        assert np.array_equal(whole, one_by_one)
        assert np.array_equal(store.read("long", name, start=1, step=3), whole[1::3])


@pytest.mark.parametrize(
    ("start", "stop", "step"),
    [(0, 8, 1), (-1, 3, 1), (5, 5, 1), (5, 3, 1), (7, None, 1), (0, 0, 1), (0, 3, 0)],
)
def test_a_range_beyond_the_video_is_an_error(store, start, stop, step):
    with pytest.raises(RangeError, match=r"b: rgb: expected a range within 0:7, got"):
        store.read("b", "rgb", start=start, stop=stop, step=step)


def test_intervals_are_one_fewer_than_frames(store):
    assert len(store.read("b", "rgb", start=6)) == 1
    with pytest.raises(
        IndexError, match="b: flow: expected a range within 0:6, got 6:7"
    ):
        store.read("b", "flow", start=6, stop=7)


def test_one_frame_has_no_intervals_and_that_is_no_error(store):
    assert store.read("a", "rgb").shape == (1, 35, 50, 3)
    assert store.read("a", "flow").shape == (0, 35, 50, 2)
    assert store.read("a", "mv", start=0, stop=0).shape == (0, 5, 7, 2)
    assert store.read("a", "mv_valid").shape == (0,)
    with pytest.raises(RangeError, match="a: flow: expected a range within 0:0"):
        store.read("a", "flow", start=0, stop=1)


@pytest.mark.parametrize(
    "crop", [(30, 0, 6, 5), (0, 46, 5, 5), (-1, 0, 5, 5), (0, 0, 0, 5)]
)
def test_a_crop_beyond_the_grid_is_an_error(store, crop):
    with pytest.raises(RangeError, match="expected a crop .* within 35x50, got"):
        store.read("b", "rgb", crop=crop)


def test_an_unknown_video_or_modality_is_an_error_that_names_what_there_is(
    folder, tmp_path
):
    store = Store(write_store(tmp_path / "s", SHARDS, modalities=["rgb", "mv"]))
    assert store.modalities == ("rgb", "mv")
    assert store.video("b").clipped_share is None
    with pytest.raises(
        VideoNotFound, match="no video 'x' in .*pipeline info .* --videos. lists"
    ):
        store.read("x", "rgb")
    with pytest.raises(KeyError, match="expected a modality among rgb, mv, got 'flow'"):
        store.read("b", "flow")
    with pytest.raises(VideoNotFound, match="among rgb, mv, mv_valid, got 'depth'"):
        store.read("b", "depth")
    with pytest.raises(VideoNotFound, match="among rgb, mv, mv_valid, got 'flow'"):
        next(store.iterate(["rgb", "flow"]))


@pytest.mark.parametrize("modality", ["rgb", "flow", "mv"])
def test_frames_keep_their_times_and_types(tmp_path, modality):
    store = Store(write_store(tmp_path / "s", SHARDS, modalities=[modality]))
    for video in store.videos():
        times = np.arange(video.frames) / 25
        assert np.array_equal(store.seconds(video.id), times)
        kinds = store.picture_types(video.id)
        assert bytes(kinds) == b"IPPBPP?PPPPP"[: video.frames]
        assert kinds.dtype == np.uint8


def test_iterating_gives_every_entry_once(store):
    seen = {}
    for block in store.iterate(block=4):
        for name, array in block.arrays.items():
            assert len(array) <= 4
            whole = store.read(block.video.id, name)
            assert np.array_equal(array, whole[block.start : block.start + 4])
            seen[block.video.id, name] = seen.get((block.video.id, name), 0) + len(
                array
            )
    assert seen == {
        (video.id, name): len(store.read(video.id, name))
        for video in store.videos()
        for name in LAYOUT
    }


def test_iterating_follows_the_disk(store):
    order = [block.video.id for block in store.iterate(["mv"], block=99)]
    assert order == ["b", "a", "c/d", "e"]
    first = next(store.iterate(["mv_valid", "flow"], block=3))
    assert list(first.arrays) == ["mv_valid", "flow"]
    for wrong in ({"modalities": []}, {"block": 0}):
        with pytest.raises(RangeError, match="expected modalities and a block"):
            next(store.iterate(**wrong))


def test_an_unfinished_store_says_how_to_finish(folder, tmp_path):
    with pytest.raises(StoreNotFound, match="got nothing"):
        Store(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="got a folder of something else"):
        Store(tmp_path)
    (tmp_path / "_plan.json").write_text("{}")
    with pytest.raises(StoreNotFound, match="run `pipeline extract` again"):
        Store(tmp_path)


def changed(folder, tmp_path, name, change):
    """A copy of the store with one text changed."""
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in folder.iterdir():
        if path.is_file():
            (copy / path.name).write_bytes(path.read_bytes())
    change(copy / name)
    return copy


def test_index_and_manifest_must_belong_together(folder, tmp_path):
    def rewrite(**changes):
        def change(path):
            lines = path.read_text().splitlines()
            lines[0] = json.dumps(json.loads(lines[0]) | changes)
            path.write_text("\n".join(lines) + "\n")

        return change

    wrong = {
        "expected labels below 2, got 2": rewrite(labels=[2]),
        r"expected a video.*labels: \(-1,\)": rewrite(labels=[-1]),
        "expected 'b' once in the index": rewrite(id="b"),
        "a: rgb: expected a shard below 2, got 2": rewrite(rows={"rgb": [2, 0, 1]}),
        "expected 4 videos in the index, got 3": lambda path: path.write_text(
            "".join(path.read_text().splitlines(keepends=True)[1:])
        ),
    }
    for number, (message, change) in enumerate(wrong.items()):
        (tmp_path / str(number)).mkdir()
        copy = changed(folder, tmp_path / str(number), "index.jsonl", change)
        with pytest.raises(LayoutError, match="expected the index of the manifest"):
            Store(copy)
        with pytest.raises(LayoutError, match=message):
            Store(copy, check=False)


def test_a_modality_that_is_only_half_added_is_not_seen(folder, tmp_path):
    """Killed after the index was replaced, and before the manifest was."""

    def forget_flow(path):
        manifest = json.loads(path.read_text())
        del manifest["modalities"]["flow"]
        write_sealed(path, manifest)

    store = Store(changed(folder, tmp_path, "manifest.json", forget_flow))
    assert store.modalities == store.video("b").modalities == ("rgb", "mv")
    assert len(store.videos()) == 4
    with pytest.raises(VideoNotFound, match="among rgb, mv, got 'flow'"):
        store.read("b", "flow")


def test_a_damaged_row_is_named_and_the_others_are_read(folder, tmp_path):
    def cut(path):
        content = path.read_bytes()
        codec = default_codec("rgb")
        rows = codec.encode(arrays(12, height=35, width=50, seed=1)["rgb"])
        place = content.index(rows[4].tobytes())
        path.write_bytes(content[: place + 2] + bytes(50) + content[place + 52 :])

    store = Store(changed(folder, tmp_path, "rgb-00001.h5", cut))
    assert len(store.read("c/d", "rgb", stop=4)) == 4
    with pytest.raises(
        LayoutError,
        match="c/d: rgb: .*rgb-00001.h5: row 4: expected its bytes as they were",
    ):
        store.read("c/d", "rgb")
    with pytest.raises(LayoutError, match="row 4: expected the header of a baseline"):
        Store(store.folder, check=False).read("c/d", "rgb")


def sums(store: Store) -> list[float]:
    return [
        float(store.read(video.id, name).sum(dtype=np.float64))
        for video in store.videos()
        for name in LAYOUT
    ]


def put_sums(store: Store, queue) -> None:
    queue.put((os.getpid(), sums(store)))


@pytest.mark.parametrize(
    "method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)]
)
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_store_that_is_in_use_works_in_other_processes(store, method):
    expected = sums(store)  # its files are open now
    context = multiprocessing.get_context(method)
    queue = context.SimpleQueue()
    workers = [context.Process(target=put_sums, args=(store, queue)) for _ in range(3)]
    for worker in workers:
        worker.start()
    assert sums(store) == expected
    answers = [queue.get() for _ in workers]
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    assert len({pid for pid, _ in answers} | {os.getpid()}) == 4
    assert all(answer == expected for _, answer in answers)
    assert sums(store) == expected


def test_a_store_can_be_pickled_after_reading(store):
    expected = sums(store)
    assert sums(pickle.loads(pickle.dumps(store))) == expected


def open_files(folder) -> int:
    handles = (f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd"))
    links = (os.readlink(handle) for handle in handles if os.path.exists(handle))
    return sum(link.startswith(str(folder)) for link in links)


@pytest.mark.slow
def test_many_shards_do_not_exhaust_file_handles(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # no power cut expected
    folder = write_store(
        tmp_path / "many",
        [{f"v{shard:03d}": 2} for shard in range(200)],
        modalities=["mv"],
        height=8,
        width=8,
    )
    store = Store(folder, max_open_files=8)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    in_use = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (in_use + 16, before[1]))
    try:
        for _ in range(2):
            for video in store.videos():
                assert store.read(video.id, "mv").shape == (1, 1, 1, 2)
                store.seconds(video.id)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert open_files(folder) == 8
    del store
    assert open_files(folder) == 0


def test_threads_may_share_a_store(folder):
    store = Store(folder, max_open_files=1)  # so that they close each other's files
    expected = sums(store)
    with ThreadPoolExecutor(4) as pool:
        assert all(answer == expected for answer in pool.map(sums, [store] * 12))


def test_a_long_index_takes_little_memory(folder, tmp_path):
    record = json.loads((folder / "index.jsonl").read_text().splitlines()[2])
    lines = [json.dumps(record | {"id": f"c/video_{k:05d}"}) for k in range(2_000)]

    def lengthen(path):
        path.write_text("\n".join(lines) + "\n")
        manifest = json.loads((path.parent / "manifest.json").read_text())
        manifest["videos"] = len(lines)
        manifest["index"] = [content_hash(path)]
        write_sealed(path.parent / "manifest.json", manifest)

    copy = changed(folder, tmp_path, "index.jsonl", lengthen)
    tracemalloc.start()
    try:
        store = Store(copy)
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(store.videos()) == 2_000
    assert held / 2_000 < 1_500  # bytes per video
    assert peak < 1.2 * held
