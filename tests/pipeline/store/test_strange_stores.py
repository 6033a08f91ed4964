"""Stores of strangers: whatever is in them, readers end in one line, soon, in little memory."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
from tiny_store import seal_manifest, write_store

from pipeline.driver.plan import StorePlan
from pipeline.driver.plan_file import write_plan
from pipeline.extract.settings import ExtractSettings
from pipeline.shard.plan import PlannedVideo
from pipeline.store import LayoutError, RangeError, Store, StoreError, verify
from pipeline.store.files import read_manifest
from pipeline.store.hashes import columns_hash
from pipeline.store.jpeg import decoded, encoded
from pipeline.store.sealing import write_sealed

FUZZ = Path(__file__).parents[1] / "store_fuzz.py"
SETTINGS = ExtractSettings(modalities=("rgb",), short_side=16)


@pytest.fixture
def store(tmp_path) -> Path:
    folder = write_store(tmp_path / "tiny", [{"a": 3, "b": 1}], height=16, width=24)
    videos = (PlannedVideo("a", "a.avi", 1), PlannedVideo("b", "b.avi", 1))
    plan = StorePlan(dataset="list", videos=videos, ends=(2,), settings=SETTINGS)
    write_plan(folder, plan)
    return folder


def limited() -> None:
    """Memory of the process that reads: an ordinary one, with its libraries."""
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "count"), [("text", 380), ("file", 120)])
def test_mutated_stores_end_in_one_line(store, tmp_path, kind, count):
    work = tmp_path / "work"
    work.mkdir()
    command = [sys.executable, FUZZ, store, work, kind, "7", count]
    done = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        check=False,
        text=True,
        timeout=300,
        preexec_fn=limited,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["slowest"] < 10 and figures["grown_mb"] < 300


@pytest.mark.parametrize("shards", [10**9, 0, -1, "1", 1.0, True, None])
def test_numbers_of_shards_that_cannot_be_are_refused_at_once(store, shards):
    seal_manifest(store, shards=shards)
    with pytest.raises(LayoutError, match="manifest.json: expected a manifest"):
        read_manifest(store)
    assert verify(store)


@pytest.mark.parametrize(
    "name", ["manifest.json", "index.jsonl", "_commits/rgb-00000.json", "_plan.json"]
)
def test_a_pipe_or_a_device_is_not_waited_for(store, name):
    (store / name).unlink()
    os.mkfifo(store / name)
    assert any("expected a file, got something" in d.reason for d in verify(store))
    (store / name).unlink()
    (store / name).symlink_to("/dev/zero")
    assert any("expected a file, got something" in d.reason for d in verify(store))
    if name[0] != "_":
        with pytest.raises(StoreError):
            Store(store)


def test_a_header_that_lies_about_its_size_is_not_decoded(monkeypatch):
    row = encoded(np.zeros((16, 24, 3), np.uint8), quality=95)
    place = row.tobytes().index(b"\xff\xc0")
    huge = row.copy()
    huge[place + 5 : place + 9] = np.frombuffer((30_000).to_bytes(2) * 2, np.uint8)

    def decode(*given):
        raise AssertionError("it was given to the decoder")

    monkeypatch.setattr(cv2, "imdecode", decode)
    with pytest.raises(LayoutError, match=r"got one of \(30000, 30000\) in"):
        decoded(huge, (16, 24, 3))
    with pytest.raises(LayoutError, match=r"expected a JPEG of \(30000, 30000, 3\)"):
        decoded(huge, (30_000, 30_000, 3))  # and the store says so, too
    twice = np.concatenate(
        [row[: place + 19], row[place : place + 19], row[place + 19 :]]
    )
    for strange in (twice, row[2:], np.concatenate([row[:2], row[-2:]])):
        with pytest.raises(
            LayoutError, match="expected (a whole|the header of a base)"
        ):
            decoded(strange, (16, 24, 3))
    progressive = cv2.imencode(
        ".jpg", np.zeros((16, 24, 3), np.uint8), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]
    )[1]
    with pytest.raises(LayoutError, match="the header of a baseline JPEG"):
        decoded(progressive, (16, 24, 3))


def rewritten(path: Path, change: Callable[[dict], object]) -> None:
    """Change the text `columns` of a file, and let the manifest agree with the file."""
    with h5py.File(path, "a") as file:
        text = json.loads(file["columns"][:].tobytes())
        change(text)
        content = json.dumps(text, sort_keys=True).encode()
        del file["columns"]
        file["columns"] = np.frombuffer(content, np.uint8)
        file.flush()
        place = file["columns"].id.get_offset()
    manifest = json.loads((path.parent / "manifest.json").read_text())
    record = manifest["modalities"][path.name.partition("-")[0]]["files"][0]
    record |= {
        "bytes": path.stat().st_size,
        "columns": columns_hash(content),
        "columns_offset": place,
        "columns_bytes": len(content),
    }
    write_sealed(path.parent / "manifest.json", manifest)


@pytest.mark.parametrize("name", ["offsets", "row_hashes", "data"])
def test_claims_that_a_file_cannot_hold_are_refused(store, name):
    size = {"offsets": 8, "row_hashes": 8, "data": 1}[name]
    huge = {"count": 2**45, "bytes": 2**45 * size}
    rewritten(store / "rgb-00000.h5", lambda text: text[name].update(huge))
    with pytest.raises(LayoutError, match=f"a text `columns`, got .*{name}"):
        Store(store).read("a", "rgb")


def test_rows_that_lie_elsewhere_are_refused(store):
    path = store / "mv-00000.h5"
    rewritten(path, lambda text: text["data"].update(offset=0))
    with pytest.raises(LayoutError, match="expected rows from byte"):
        Store(store, check=False).read("a", "mv")


def test_frames_that_are_not_in_the_file_ask_for_no_memory(store):
    index = store / "index.jsonl"
    lines = [json.loads(line) for line in index.read_text().splitlines()]
    lines[0] |= {"frames": 2**40, "rows": {"rgb": [0, 0, 2**40]}}
    index.write_text("".join(json.dumps(line) + "\n" for line in lines))
    seal_manifest(store)
    with pytest.raises(LayoutError, match=f"expected {2**40} rows, got 4"):
        Store(store).read("a", "rgb")
    with pytest.raises(RangeError):
        Store(store).read("a", "rgb", stop=2**41)
    lines[0] |= {"frames": 3, "height": 60_000, "rows": {"rgb": [0, 0, 3]}}
    lines[0]["width"] = 4_000
    index.write_text("".join(json.dumps(line) + "\n" for line in lines))
    seal_manifest(store)
    with pytest.raises(LayoutError, match=r"a: rgb: .*expected a JPEG of \(60000, 400"):
        Store(store).read("a", "rgb")
    lines[0]["width"] = 60_000
    index.write_text("".join(json.dumps(line) + "\n" for line in lines))
    seal_manifest(store)
    with pytest.raises(LayoutError, match="frames, height, width"):
        Store(store)


def test_hashes_that_are_too_few_are_refused(store):
    path = store / "mv-00000.h5"
    rewritten(path, lambda text: text["row_hashes"].update(bytes=8, count=1))
    with pytest.raises(LayoutError, match="row_hashes: 1 values, not 2"):
        Store(store).read("a", "mv")
