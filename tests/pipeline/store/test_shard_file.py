"""A shard file as HDF5: it holds what its text `columns` says, and nothing else is believed."""

import errno
import json
import os

import h5py
import numpy as np
import pytest
from tiny_store import retext, write_store

from pipeline.store.errors import LayoutError, StoreNotFound
from pipeline.store.shard_file import file_record, read_header

NAME = "mv-00000.h5"


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
        read_header(path, modality="mv")


def test_a_folder_or_a_pipe_is_no_shard(path):
    path.unlink()
    path.mkdir()
    with pytest.raises(LayoutError, match="expected a file, got something else"):
        read_header(path, modality="mv")
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(LayoutError, match="expected a file, got something else"):
        read_header(path, modality="mv")


@pytest.mark.parametrize("keep", [0, 100, 1000])
def test_a_truncated_file_is_refused(path, keep):
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(LayoutError, match=f"{NAME}: expected an HDF5 file, got"):
        read_header(path, modality="mv")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO])
def test_the_machines_errors_are_not_the_files_fault(path, monkeypatch, number):
    def refuse(*args, **kwargs):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(h5py, "File", refuse)
    with pytest.raises(OSError, match=os.strerror(number)) as caught:
        read_header(path, modality="mv")
    assert not isinstance(caught.value, LayoutError)


def test_another_layout_or_modality_is_refused(path):
    with pytest.raises(LayoutError, match="expected modality flow, got 'mv'"):
        read_header(path, modality="flow")
    with h5py.File(path, "a") as file:
        file.attrs["layout_version"] = 1
    with pytest.raises(LayoutError, match=f"{NAME}: expected layout 2, got .*1"):
        read_header(path, modality="mv")


@pytest.mark.parametrize(
    "codec", ["", "[]", "{}", '{"name": "jpeg_rgb", "quality": 95}', '{"name": "zip"}']
)
def test_a_codec_that_cannot_be_is_refused(path, codec):
    with h5py.File(path, "a") as file:
        file.attrs["codec"] = codec
    with pytest.raises(LayoutError, match=NAME):
        read_header(path, modality="mv")


@pytest.mark.parametrize(
    ("name", "dataset", "message"),
    [
        ("data", {"data": np.zeros((70, 2), np.uint8)}, "1-D values in one piece"),
        ("data", {"data": np.zeros(70, np.uint8), "chunks": (7,)}, "in one piece"),
        ("data", {"data": np.zeros(9, np.int8)}, "data: expected .* as in its text"),
        ("offsets", {"data": np.zeros(5, np.float64)}, "offsets: expected int64, got"),
        ("offsets", {"data": np.zeros(5, ">i8")}, "offsets: expected int64, got"),
        ("data", {"shape": (2**45,), "dtype": "u1"}, "data: expected what a file of"),
        ("index", {"data": ["x"], "dtype": h5py.string_dtype()}, "index: expected"),
    ],
)
def test_another_kind_of_data_set_is_refused(path, name, dataset, message):
    replace(path, name, **dataset)
    if name == "offsets":
        retext(path)
    with pytest.raises(LayoutError, match=message):
        read_header(path, modality="mv")


def test_a_data_set_that_lies_elsewhere_than_the_text_says_is_refused(path):
    with h5py.File(path, "a") as file:
        file["more"] = np.zeros(1000)
        file["elsewhere"] = file["offsets"][:]
        del file["offsets"]
        file.move("elsewhere", "offsets")
    with pytest.raises(LayoutError, match="data sets of its text .*: more"):
        read_header(path, modality="mv")
    with h5py.File(path, "a") as file:
        del file["more"]
    with pytest.raises(LayoutError, match="offsets: expected .* as in its text"):
        read_header(path, modality="mv")
    retext(path)
    assert read_header(path, modality="mv").codec.name == "quarter_pel"


def test_nothing_leads_out_of_the_file(path, tmp_path):
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["data"] = np.full(140, 7, np.uint8)
    raw = tmp_path / "raw"
    raw.write_bytes(bytes(280))
    layout = h5py.VirtualLayout((140,), "uint8")
    layout[:] = h5py.VirtualSource(str(secret), "data", (140,))

    def external_link(file):
        file["data"] = h5py.ExternalLink(str(secret), "data")

    def soft_link(file):
        file["data"] = h5py.SoftLink("/offsets")

    def virtual(file):
        file.create_virtual_dataset("data", layout)

    def external_storage(file):
        file.create_dataset("data", (140,), "uint8", external=[(str(raw), 0, 280)])

    def group(file):
        file.create_group("data")

    intact = path.read_bytes()
    for make in (external_link, soft_link, virtual, external_storage, group):
        path.write_bytes(intact)
        with h5py.File(path, "a") as file:
            del file["data"]
            make(file)
        with pytest.raises(LayoutError, match="expected data in the file itself"):
            read_header(path, modality="mv")


def test_the_record_is_where_things_lie(path):
    record = file_record(path, modality="mv")
    content = path.read_bytes()
    assert record.bytes == len(content)
    begin = record.columns_offset
    text = json.loads(content[begin : begin + record.columns_bytes])
    with h5py.File(path) as file:
        for name, entry in text.items():
            values = file[name][:]
            first = entry["offset"]
            assert content[first : first + entry["bytes"]] == values.tobytes()
            assert entry["count"] == len(values)
        assert record.data_offset == file["data"].id.get_offset()
