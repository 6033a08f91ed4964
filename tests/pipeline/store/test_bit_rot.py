"""Bytes that rot after they were written are noticed by whoever reads them."""

import json
import runpy
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from tiny_store import write_store

from pipeline.store import LayoutError, Store
from pipeline.store.sealing import write_sealed

EXAMPLE = Path(__file__).parents[3] / "examples" / "read_store.py"
FLIPS = 25


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("stores") / "tiny"
    return write_store(folder, [{"a": 2, "b": 6, "c": 2}], height=24, width=40)


@pytest.fixture
def store(built, tmp_path) -> Path:
    return shutil.copytree(built, tmp_path / "store")


def change_row(path: Path, row: int, bit: int) -> None:
    """Turn one bit of a stored row around."""
    good = path.read_bytes()
    path.unlink()  # whoever has it open keeps the old one
    path.write_bytes(good)
    with h5py.File(path, "a") as file:
        first, stop = file["offsets"][row : row + 2]
        stored = file["data"][first:stop]
        stored[bit // 8] ^= np.uint8(1 << bit % 8)
        file["data"][first:stop] = stored


def bits_of(path: Path, row: int) -> int:
    with h5py.File(path) as file:
        first, stop = file["offsets"][row : row + 2]
        return int(stop - first) * 8


@pytest.mark.parametrize("modality", ["rgb", "flow", "mv"])
def test_every_read_of_a_changed_row_is_an_error_that_names_it(store, modality):
    name = f"{modality}-00000.h5"
    path, entry = store / name, 3
    row = (2 if modality == "rgb" else 1) + entry  # behind those of a
    good, whole = path.read_bytes(), Store(store).read("b", modality)
    example = runpy.run_path(str(EXAMPLE))["read"]
    videos = map(json.loads, (store / "index.jsonl").read_text().splitlines())
    lines = {video["id"]: video for video in videos}
    random = np.random.default_rng(0)
    for bit in random.integers(bits_of(path, row), size=FLIPS).tolist():
        path.write_bytes(good)
        change_row(path, row, bit)
        opened = Store(store)
        message = rf"b: {modality}: .*/{name}: row {row}: expected its bytes as they"
        for part in (
            {},
            {"start": entry, "stop": entry + 1},
            {"start": 1, "step": 2},
            {"crop": (0, 0, 2, 2)},
        ):
            with pytest.raises(LayoutError, match=message):
                opened.read("b", modality, **part)
        with pytest.raises(LayoutError, match=message):
            list(opened.iterate([modality], block=2))
        with pytest.raises(ValueError, match="a row of b has changed"):
            example(store, lines["b"], modality)
        before = opened.read("b", modality, stop=entry)
        assert np.array_equal(before, whole[:entry])
        skipped = opened.read("b", modality, start=0, step=2)
        assert np.array_equal(skipped, whole[::2])
        assert len(opened.read("c", modality)) == (2 if modality == "rgb" else 1)


def test_changed_flags_are_noticed(store):
    with h5py.File(store / "mv-00000.h5", "a") as file:
        file["valid"][2] = 1 - file["valid"][2]
    with pytest.raises(LayoutError, match="b: mv_valid: .*valid: expected its values"):
        Store(store).read("b", "mv_valid")


def test_times_and_types_of_a_changed_file_are_an_error_too(store):
    with h5py.File(store / "rgb-00000.h5", "a") as file:
        file["seconds"][0] = 7
        file["picture_types"][0] = ord("B")
    opened = Store(store)
    with pytest.raises(LayoutError, match="b: rgb: .*seconds: expected its values"):
        opened.seconds("b")
    with pytest.raises(LayoutError, match="b: rgb: .*picture_types: expected its"):
        opened.picture_types("b")


@pytest.mark.parametrize("name", ["offsets", "row_hashes"])
def test_changed_offsets_and_hashes_are_noticed(store, name):
    with h5py.File(store / "mv-00000.h5", "a") as file:
        file[name][1] = file[name][1] + 1
    with pytest.raises(LayoutError, match=f"{name}: expected its values as they were"):
        Store(store).read("b", "mv")


@pytest.mark.parametrize("modality", ["rgb", "flow", "mv"])
def test_a_file_of_another_store_is_noticed_even_if_its_size_fits(store, modality):
    name = f"{modality}-00000.h5"
    size = (store / name).stat().st_size
    shards = [{"a": 2, "b": 6, "c": 2}]
    other = write_store(store.parent / "other", shards, height=24, width=40)
    with h5py.File(other / name, "a") as file:
        file["data"][0] = 0 if file["data"][0] else 1
    content = (other / name).read_bytes()
    swapped = write_store(store.parent / "more", [{"a": 2, "c": 6, "d": 2}])
    (store / name).write_bytes(content[:size].ljust(size, b"\0"))
    with pytest.raises(LayoutError, match="a: .*row 0: expected its bytes"):
        Store(store).read("a", modality)
    (store / name).unlink()  # HDF5 knows a file that is still open by its inode
    (store / name).write_bytes((swapped / name).read_bytes())
    with pytest.raises(LayoutError, match="expected the file that the manifest names"):
        Store(store, check=False).read("a", modality)


def test_checks_can_be_switched_off(store):
    change_row(store / "mv-00000.h5", 1, 5)
    whole = Store(store, check=False).read("b", "mv")
    with pytest.raises(LayoutError):
        Store(store).read("b", "mv")
    assert whole.shape == (5, 3, 5, 2)


def test_a_changed_index_is_not_read(store):
    path = store / "index.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"g01"', b'"g07"'))
    with pytest.raises(LayoutError, match="index.jsonl: expected the index of the man"):
        Store(store)
    assert Store(store, check=False).video("b").group == "g07"


def test_every_bit_of_the_manifest_counts(store):
    path = store / "manifest.json"
    good = path.read_bytes()
    random = np.random.default_rng(1)
    for place in random.choice(len(good), 200, replace=False).tolist():
        content = bytearray(good)
        content[place] ^= 1 << int(random.integers(8))
        path.write_bytes(content)
        with pytest.raises(LayoutError, match="manifest.json: expected"):
            Store(store)


def test_an_index_that_is_being_replaced_is_read(store):
    manifest = Store(store).manifest
    other = "12" * 16
    either = manifest.to_dict() | {"index": [*manifest.index, other]}
    write_sealed(store / "manifest.json", either)
    assert len(Store(store).videos()) == 3
    write_sealed(store / "manifest.json", either | {"index": [other]})
    with pytest.raises(LayoutError, match=f"xxh3 {other}"):
        Store(store)
