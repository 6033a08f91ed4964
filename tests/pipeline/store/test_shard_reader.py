import json
import os

import h5py
import numpy as np
import pytest
from tiny_store import retext, shard_at, write_store

from pipeline.store.columns import parsed_columns
from pipeline.store.errors import LayoutError, StoreNotFound
from pipeline.store.local_file import LocalFile
from pipeline.store.shard_file import read_header
from pipeline.store.shard_reader import ShardReader

NAME = "mv-00000.h5"


@pytest.fixture
def path(tmp_path):
    return write_store(tmp_path / "store", [{"a": 4, "b": 2}], modalities=["mv"]) / NAME


def opened(path, **changes) -> ShardReader:
    """The file as it is, with a record in which some fields are others."""
    header = read_header(path, modality="mv")
    record = header.record(NAME, "0" * 32)._replace(**changes)
    return ShardReader(
        LocalFile(path), modality="mv", record=record, codec=header.codec.to_dict()
    )


def test_a_missing_file_is_named(path):
    path.unlink()
    with pytest.raises(StoreNotFound, match=f"{NAME}: expected a shard of this store"):
        LocalFile(path)


def test_a_folder_or_a_pipe_is_no_shard(path):
    path.unlink()
    path.mkdir()
    with pytest.raises(LayoutError, match="expected a file, got something else"):
        LocalFile(path)
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(LayoutError, match="expected a file, got something else"):
        LocalFile(path)


def test_a_closed_door_is_not_the_files_fault(path, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(PermissionError) as caught:
        LocalFile(path)
    assert not isinstance(caught.value, LayoutError)


def test_a_file_gives_its_bytes_until_it_is_closed(path):
    content = path.read_bytes()
    file = LocalFile(path)
    assert file.size == len(content)
    assert file.read(3, 20).tobytes() == content[3:20]
    assert file.read(5, 5).size == 0
    with pytest.raises(
        LayoutError, match=f"bytes {file.size - 2}:{file.size + 3}, got"
    ):
        file.read(file.size - 2, file.size + 3)
    file.close()
    file.close()
    with pytest.raises(ValueError, match="after it was closed"):
        file.read(0, 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bytes": 7}, r"expected the file that the manifest names \(7 bytes\), got"),
        ({"columns": "0" * 32}, "expected the file that the manifest names"),
        ({"columns_offset": 0}, "expected the file that the manifest names"),
        ({"columns_offset": 2**50}, "expected the file that the manifest names"),
        ({"columns_bytes": 9}, "expected the file that the manifest names"),
        ({"data_offset": 9}, "expected rows from byte 9 on, as in the manifest"),
    ],
)
def test_a_file_that_is_not_the_one_of_the_manifest_is_refused(path, changes, message):
    with pytest.raises(LayoutError, match=message):
        opened(path, **changes)


@pytest.mark.parametrize(
    "offsets",
    [[1, 1, 1, 1, 40], [0, 9, 3, 20, "end"], [0, 1, 2, 3, 4], [-1, 0, 0, 0, "end"]],
)
def test_offsets_that_lead_nowhere_are_refused(path, offsets):
    with h5py.File(path, "a") as file:
        size = file["data"].size
        file["offsets"][:] = [size if it == "end" else it for it in offsets]
    retext(path)
    with pytest.raises(LayoutError, match="expected offsets from 0 to"):
        shard_at(path)


def test_a_read_beyond_the_rows_is_refused(path):
    with shard_at(path) as shard:
        assert shard.num_rows == 4
        with pytest.raises(LayoutError, match="expected rows 3:5, got 4 in all"):
            shard.stored(3, 5)
        with pytest.raises(LayoutError, match="valid: expected 5 values, got 4"):
            shard.valid(0, 5)
        with pytest.raises(LayoutError, match="expected 'a' with 5 frames, got .*: 4"):
            shard.frames_first("a", 5)


def test_rows_are_the_bytes_between_their_offsets(path):
    content = path.read_bytes()
    with h5py.File(path) as file:
        data, offsets = file["data"][:], file["offsets"][:]
        start = file["data"].id.get_offset()
    with shard_at(path) as shard:
        flat, bounds = shard.stored(1, 3)
        assert np.array_equal(flat, data[offsets[1] : offsets[3]])
        assert bounds == [0, *(offsets[2:4] - offsets[1])]
        assert flat.tobytes() == content[start + offsets[1] : start + offsets[3]]


TEXT = {
    "data": {"offset": 100, "bytes": 9, "count": 9},
    "offsets": {"offset": 200, "bytes": 24, "count": 3, "xxh3": "0" * 16},
    "row_hashes": {"offset": 224, "bytes": 16, "count": 2, "xxh3": "0" * 16},
    "index": {"offset": 240, "bytes": 50, "count": 1, "xxh3": "0" * 16},
    "seconds": {"offset": 300, "bytes": 24, "count": 3, "xxh3": "0" * 16},
    "picture_types": {"offset": 324, "bytes": 3, "count": 3, "xxh3": "0" * 16},
    "valid": {"offset": 327, "bytes": 2, "count": 2, "xxh3": "0" * 16},
}


def test_extents_are_those_of_the_text():
    found = parsed_columns(json.dumps(TEXT).encode(), "mv", 329, "here")
    assert {name: extent.place() for name, extent in found.items()} == {
        name: {k: v for k, v in entry.items() if k != "xxh3"}
        for name, entry in TEXT.items()
    }
    assert found["index"].dtype["id"].itemsize == 2  # 50 bytes less six numbers


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("data", {"offset": 321}),
        ("data", {"offset": -1}),
        ("data", {"bytes": 8}),
        ("data", {"xxh3": "0" * 16}),
        ("offsets", {"count": 2}),
        ("offsets", {"xxh3": "0" * 15}),
        ("row_hashes", {"bytes": 8, "count": 1}),
        ("index", {"bytes": 48}),
        ("index", {"count": 2}),
        ("index", {"bytes": 2**40}),
        ("seconds", {"bytes": 16, "count": 2}),
        ("picture_types", {"bytes": 2, "count": 2}),
        ("valid", {"bytes": 3, "count": 3}),
        ("valid", {"offset": 328}),
        ("valid", None),
        ("more", {}),
    ],
)
def test_a_text_that_leads_elsewhere_is_refused(name, change):
    text = {key: dict(entry) for key, entry in TEXT.items()}
    if change is None:
        del text[name]
    else:
        text[name] = text.get(name, {}) | change
    with pytest.raises(LayoutError, match="here: expected a text `columns`") as refused:
        parsed_columns(json.dumps(text).encode(), "mv", 329, "here")
    assert "\n" not in str(refused.value)


def test_flags_belong_to_vectors_alone():
    with pytest.raises(LayoutError, match="unknown 'valid'"):
        parsed_columns(json.dumps(TEXT).encode(), "flow", 329, "here")
