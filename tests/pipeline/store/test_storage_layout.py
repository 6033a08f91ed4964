"""storage_layout.md and the example of reading say what the code does."""

import ast
import json
import runpy
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import h5py
import numpy as np
import pytest
from default_codecs import default_codec
from tiny_store import write_store

from pipeline.store import LAYOUT, LAYOUT_VERSION, MODALITIES, Store
from pipeline.store.codecs import CODECS
from pipeline.store.commit import Commit, VideoRecord
from pipeline.store.file_names import (
    COMMITS,
    INDEX,
    MANIFEST,
    PLAN,
    commit_file,
    shard_file,
)
from pipeline.store.index import IndexRecord
from pipeline.store.jpeg_codecs import JpegFlow
from pipeline.store.manifest import Manifest
from pipeline.store.schema import DATASETS, INDEX_FIELDS
from pipeline.store.sealing import CHECKSUM

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "storage_layout.md").read_text()
EXAMPLE = ROOT / "examples" / "read_store.py"


@pytest.fixture(scope="module", params=[(35, 50), (16, 24)], ids=str)
def store(request, tmp_path_factory):
    height, width = request.param
    return write_store(
        tmp_path_factory.mktemp("stores") / "tiny",
        [{"b": 7, "single": 1}, {"c": 3}],
        height=height,
        width=width,
    )


def table(first_heading: str) -> list[list[str]]:
    """The cells of the table whose first heading is this, without the headings."""
    lines = TEXT.splitlines()
    start = next(
        number
        for number, line in enumerate(lines)
        if line.startswith(f"| {first_heading} |")
    )
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def names(first_heading: str) -> list[str]:
    return [row[0] for row in table(first_heading)]


def test_the_version_is_named():
    assert f"This is layout version {LAYOUT_VERSION}." in TEXT


def test_arrays_are_those_of_the_code():
    assert table("array") == [
        [spec.name, spec.axes, spec.dtype, spec.unit, spec.modality]
        for spec in LAYOUT.values()
    ]


def test_names_of_files_are_those_of_the_code():
    assert {name.strip("`") for name in names("name")} == {
        MANIFEST,
        INDEX,
        PLAN,
        shard_file("rgb", 3),
        commit_file("rgb", 3),
        "_logs/",
        "_tmp/",
    }


def test_data_sets_are_those_of_the_code_and_of_the_files(store):
    assert {row[0]: row[1] for row in table("data set")} == DATASETS
    for modality in MODALITIES:
        with h5py.File(store / shard_file(modality, 0)) as file:
            rows, frames = (7, 8) if modality == "rgb" else (6, 8)
            rows += modality == "rgb"
            lengths = {name: len(file[name]) for name in file}
            assert lengths.pop("data") == file["offsets"][-1]
            text = file["columns"][:].tobytes()
            assert lengths.pop("columns") == len(text)
            assert json.loads(text).keys() == set(file) - {"columns"}
            for entry in json.loads(text).values():
                assert {*entry, "xxh3"} == set(names("entry of columns"))
            assert lengths.pop("valid", rows) == rows
            assert ("valid" in file) == (modality == "mv")
            assert lengths == {
                "offsets": rows + 1,
                "seconds": frames,
                "picture_types": frames,
                "index": 2,
                "row_hashes": rows,
            }
            for name, dataset in file.items():
                if name != "index":
                    assert f"{dataset.dtype}" in DATASETS[name]
                assert (dataset.shuffle, dataset.compression) == (False, None)
                assert dataset.chunks is None


def test_fields_of_the_index_are_those_of_the_code_and_of_the_files(store):
    assert names("field of index") == ["id", *INDEX_FIELDS]
    assert {row[1] for row in table("field of index")[1:]} == {"int64"}
    with h5py.File(store / shard_file("flow", 0)) as file:
        dtype = file["index"].dtype
        assert list(dtype.names) == names("field of index")
        assert h5py.check_string_dtype(dtype["id"]) == ("utf-8", len("single"))
        assert {dtype[field].str for field in INDEX_FIELDS} == {"<i8"}


def test_attributes_are_those_of_the_files(store):
    for modality in MODALITIES:
        with h5py.File(store / shard_file(modality, 0)) as file:
            assert sorted(file.attrs) == sorted(names("attribute of the root group"))
            assert file.attrs["layout_version"].dtype == np.int64
            assert file.attrs["modality"].decode() == modality
            codec = json.loads(file.attrs["codec"])
            assert codec == default_codec(modality).to_dict()


def test_codecs_are_those_of_the_code():
    expected = []
    for kind in CODECS.values():
        codec = kind()
        parameters = {
            k: json.dumps(v) for k, v in codec.to_dict().items() if k != "name"
        }
        for parameter, default in parameters.items() or [("", "")]:
            expected.append([codec.name, codec.modality, parameter, default])
    assert table("name of codec") == expected


@pytest.mark.parametrize("curve", ["sqrt", "linear"])
def test_formulas_of_flow_are_those_of_the_code(curve):
    codec = JpegFlow(curve=curve)
    levels = np.arange(256)
    s = np.minimum(np.maximum((levels - 128) / 127, -1), 1)
    value = codec.bound_px * (s * np.abs(s) if curve == "sqrt" else s)
    assert np.array_equal(codec.values(levels), value.astype(np.float32))
    v = np.linspace(-25, 25, 4001, dtype=np.float32)
    c = np.minimum(np.abs(v) / np.float32(codec.bound_px), 1)
    c = np.sqrt(c) if curve == "sqrt" else c
    assert np.array_equal(codec.levels(v), 128 + np.round(127 * np.sign(v) * c))
    within = v[np.abs(v) <= codec.bound_px]
    promise = codec.bound_px / 254 + 0 * within
    if curve == "sqrt":
        promise = 2 * np.sqrt(codec.bound_px * np.abs(within)) / 254
        promise += codec.bound_px / 254**2
    assert np.allclose(codec.max_error(within), promise)


@pytest.mark.parametrize(
    ("heading", "kind", "path"),
    [
        ("field of the manifest", Manifest, MANIFEST),
        ("field of a commit", Commit, f"{COMMITS}/rgb-00001.json"),
        ("field of a line", IndexRecord, INDEX),
    ],
)
def test_fields_of_texts_are_those_of_the_code_and_of_the_files(
    store, heading, kind, path
):
    own = [CHECKSUM] if kind in (Manifest, Commit) else []
    assert names(heading) == own + [field.name for field in fields(kind)]
    first = json.JSONDecoder().raw_decode((store / path).read_text())[0]
    assert sorted(first) == sorted(names(heading))


def test_fields_of_a_video_in_a_commit_are_those_of_the_code():
    heading = "field of a video in a commit"
    assert names(heading) == [field.name for field in fields(VideoRecord)]


def test_files_are_of_the_promised_version(store):
    with h5py.File(store / shard_file("rgb", 0)) as file:
        assert file.id.get_create_plist().get_version()[0] == 3  # superblock of 1.10


@pytest.mark.parametrize("modality", ["rgb", "flow"])
def test_restart_markers_stand_where_the_page_says(modality):
    for size in ((35, 50), (64, 64), (48, 7)):
        width = size[1]
        block = np.zeros((1, *size, 3), np.uint8)
        if modality == "flow":
            block = np.zeros((1, *size, 2), np.float32)
        row = default_codec(modality).encode(block)[0].tobytes()
        place = row.index(b"\xff\xdd\x00\x04")
        interval = int.from_bytes(row[place + 4 : place + 6])
        expected = -(-width // 16) if modality == "rgb" else 2 * -(-width // 8)
        assert interval == expected


def test_the_example_reads_what_the_store_reads(store):
    example = runpy.run_path(str(EXAMPLE))
    lines = map(json.loads, (store / INDEX).read_text().splitlines())
    videos = {video["id"]: video for video in lines}
    ours = Store(store)
    for video in ours.videos():
        for modality in MODALITIES:
            array = example["read"](store, videos[video.id], modality)
            expected = ours.read(video.id, modality)
            assert array.dtype == expected.dtype
            assert np.array_equal(array, expected)


def test_the_example_runs_by_itself_and_uses_nothing_of_ours(store):
    tree = ast.parse(EXAMPLE.read_text())
    imported = {
        name.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for name in node.names
    } | {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported == {
        "av",
        "json",
        "sys",
        "zlib",
        "itertools",
        "pathlib",
        "cv2",
        "numpy",
        "xxhash",
    }
    printed = subprocess.check_output(
        [sys.executable, str(EXAMPLE), str(store)], text=True
    )
    assert len(printed.splitlines()) == 9
    assert "single [1] flow (0, " in printed
