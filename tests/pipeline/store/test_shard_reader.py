import os

import h5py
import numpy as np
import pytest
from tiny_store import write_store

from pipeline.store.errors import LayoutError, StoreNotFound
from pipeline.store.shard_reader import ShardReader

NAME = "mv-00000-of-00001.h5"


@pytest.fixture
def path(tmp_path):
    return write_store(tmp_path / "store", [{"a": 4, "b": 2}], modalities=["mv"]) / NAME


def replace(path, name, **dataset):
    with h5py.File(path, "a") as file:
        del file[name]
        file.create_dataset(name, **dataset)


def test_a_missing_file_is_named(path):
    path.unlink()
    with pytest.raises(StoreNotFound, match=f"{NAME}: expected a shard of this store"):
        ShardReader(path, modality="mv", checked=False)


@pytest.mark.parametrize("keep", [0, 100, 2000])
def test_a_truncated_file_is_refused(path, keep):
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(LayoutError, match=f"{NAME}: expected an HDF5 file, got"):
        ShardReader(path, modality="mv", checked=False)


def test_a_closed_door_is_not_the_files_fault(path, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(h5py, "File", refuse)
    with pytest.raises(PermissionError) as caught:
        ShardReader(path, modality="mv", checked=False)
    assert not isinstance(caught.value, LayoutError)


def test_another_layout_or_modality_is_refused(path):
    with pytest.raises(LayoutError, match="expected modality flow, got 'mv'"):
        ShardReader(path, modality="flow")
    with h5py.File(path, "a") as file:
        file.attrs["layout_version"] = 2
    with pytest.raises(LayoutError, match=f"{NAME}: expected layout 1, got .*2"):
        ShardReader(path, modality="mv", checked=False)


@pytest.mark.parametrize(
    "codec", ["", "[]", "{}", '{"name": "jpeg_rgb", "quality": 95}', '{"name": "zip"}']
)
def test_a_codec_that_cannot_be_is_refused(path, codec):
    with h5py.File(path, "a") as file:
        file.attrs["codec"] = codec
    with pytest.raises(LayoutError, match=NAME):
        ShardReader(path, modality="mv", checked=False)


@pytest.mark.parametrize(
    "offsets", [[], [0], [1, 140], [0, 5, 3, 140], [0, 70, 141], [0, 70, 100]]
)
def test_offsets_that_lead_nowhere_are_refused(path, offsets):
    replace(path, "offsets", data=np.array(offsets, np.int64))
    with pytest.raises(LayoutError, match="expected offsets from 0 to"):
        ShardReader(path, modality="mv", checked=False)


@pytest.mark.parametrize(
    ("name", "dataset"),
    [
        ("data", {"data": np.zeros(140, np.int32)}),
        ("data", {"data": np.zeros((70, 2), np.int16)}),
        ("data", {"data": np.zeros(140, ">i2")}),
        ("data", {"data": ["text"], "dtype": h5py.string_dtype()}),
        ("offsets", {"data": np.zeros(3, np.float64)}),
    ],
)
def test_another_type_is_refused(path, name, dataset):
    replace(path, name, **dataset)
    with pytest.raises(LayoutError, match=f"{name}: expected 1-D"):
        ShardReader(path, modality="mv", checked=False)


def test_an_index_of_objects_is_refused(path):
    fields = [("id", h5py.string_dtype()), ("first", "i8")]
    replace(path, "index", shape=(1,), dtype=np.dtype(fields))
    with (
        ShardReader(path, modality="mv", checked=False) as shard,
        pytest.raises(LayoutError, match="index: expected its fields"),
    ):
        shard.index()


def test_nothing_leads_out_of_the_file(path, tmp_path):
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["data"] = np.full(140, 7, np.int16)
    raw = tmp_path / "raw"
    raw.write_bytes(bytes(280))
    layout = h5py.VirtualLayout((140,), "int16")
    layout[:] = h5py.VirtualSource(str(secret), "data", (140,))

    def external_link(file):
        file["data"] = h5py.ExternalLink(str(secret), "data")

    def soft_link(file):
        file["data"] = h5py.SoftLink("/offsets")

    def virtual(file):
        file.create_virtual_dataset("data", layout)

    def external_storage(file):
        file.create_dataset("data", (140,), "int16", external=[(str(raw), 0, 280)])

    def group(file):
        file.create_group("data")

    def nothing(file):
        pass

    intact = path.read_bytes()
    for make in (external_link, soft_link, virtual, external_storage, group, nothing):
        path.write_bytes(intact)
        with h5py.File(path, "a") as file:
            del file["data"]
            make(file)
        with pytest.raises(LayoutError, match="expected data in the file itself"):
            ShardReader(path, modality="mv", checked=False)


def test_a_read_beyond_the_rows_is_refused(path):
    with ShardReader(path, modality="mv", checked=False) as shard:
        assert shard.num_rows == 4
        with pytest.raises(LayoutError, match="expected rows 3:5, got 4 in all"):
            shard.stored(3, 5)
        with pytest.raises(LayoutError, match="valid: expected 5 values, got 4"):
            shard.valid(0, 5)
        with pytest.raises(LayoutError, match="expected 'a' with 5 frames, got .*: 4"):
            shard.frames_first("a", 5)


def test_bytes_that_do_not_inflate_are_refused(path):
    with h5py.File(path, "a") as file:
        info = file["data"].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[info.byte_offset : info.byte_offset + 20] = b"x" * 20
    path.write_bytes(content)
    with (
        ShardReader(path, modality="mv", checked=False) as shard,
        pytest.raises(LayoutError, match="expected values 0:210, got"),
    ):
        shard.stored(0, 3)


def test_a_folder_or_a_pipe_is_no_shard(path):
    path.unlink()
    path.mkdir()
    with pytest.raises(LayoutError, match="expected a file, got something else"):
        ShardReader(path, modality="mv")
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(LayoutError, match="expected a file, got something else"):
        ShardReader(path, modality="mv")
