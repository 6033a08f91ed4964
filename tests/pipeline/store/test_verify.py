import json
import random
import shutil

import h5py
import pytest
from tiny_store import rehash, seal_manifest, write_store

from pipeline.driver.plan import StorePlan
from pipeline.driver.plan_file import write_plan
from pipeline.extract.settings import ExtractSettings
from pipeline.shard.plan import PlannedVideo
from pipeline.store import StoreNotFound, verify
from pipeline.store.commit import Commit
from pipeline.store.file_names import commit_file
from pipeline.store.files import content_hash, read_commit
from pipeline.store.hashes import columns_hash
from pipeline.store.sealing import write_sealed
from pipeline.store.verify import Damage

SHARDS = [{"b": 7, "a": 1}, {"c": 3, "e": 2}]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return write_store(tmp_path_factory.mktemp("stores") / "tiny", SHARDS)


@pytest.fixture
def store(built, tmp_path):
    return shutil.copytree(built, tmp_path / "store")


def only(damages: list[Damage]) -> Damage:
    assert len(damages) == 1, damages
    assert "\n" not in damages[0].reason
    return damages[0]


def publish_again(store, modality: str, shard: int) -> None:
    """Let commit and manifest agree with a file that was changed on purpose."""
    commit = read_commit(store, modality, shard)
    assert isinstance(commit, Commit)
    path = store / commit.file
    now: dict[str, object] = {"bytes": path.stat().st_size, "xxh3": content_hash(path)}
    if h5py.is_hdf5(path):
        with h5py.File(path) as file:
            text = file["columns"][:].tobytes()
            now["columns"], now["columns_bytes"] = columns_hash(text), len(text)
            now["columns_offset"] = file["columns"].id.get_offset()
            now["data_offset"] = file["data"].id.get_offset()
    write_sealed(store / commit_file(modality, shard), commit.to_dict() | now)
    manifest = json.loads((store / "manifest.json").read_text())
    manifest["modalities"][modality]["files"][shard] |= now
    write_sealed(store / "manifest.json", manifest)


@pytest.mark.parametrize("decode", [False, True])
def test_a_good_store_has_no_damage(built, decode):
    looked_at = []
    damages = verify(built, decode=decode, on_file=lambda *file: looked_at.append(file))
    assert damages == []
    assert looked_at == [
        (path.name, path.stat().st_size)
        for modality in ("rgb", "flow", "mv")
        for path in sorted(built.glob(f"{modality}-*.h5"))
    ]


def test_a_missing_file_is_named(store):
    (store / "flow-00001.h5").unlink()
    file, modality, shard, reason = only(verify(store))
    assert (file, modality, shard) == ("flow-00001.h5", "flow", 1)
    assert reason.startswith("missing: expected a file of")


def test_a_truncated_file_is_named(store):
    path = store / "rgb-00000.h5"
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(size - 1)
    damage = only(verify(store))
    assert damage[:3] == ("rgb-00000.h5", "rgb", 0)
    assert damage.reason == f"truncated: expected {size} bytes, got {size - 1}"


@pytest.mark.parametrize("place", [0.01, 0.5, 0.99])
def test_a_flipped_bit_is_found_wherever_it_is(store, place):
    path = store / "mv-00001.h5"
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1
    path.write_bytes(content)
    damage = only(verify(store))
    assert damage[:3] == ("mv-00001.h5", "mv", 1)
    assert damage.reason.startswith("changed: expected xxh3 ")


def test_every_damage_is_named_at_once(store):
    (store / "flow-00001.h5").unlink()
    (store / "rgb-00000.h5").write_bytes(b"")
    assert [damage[1:3] for damage in verify(store)] == [("rgb", 0), ("flow", 1)]


def test_a_file_that_is_no_hdf5_is_named_even_if_its_hash_fits(store):
    (store / "rgb-00000.h5").write_bytes(b"not hdf5")
    publish_again(store, "rgb", 0)
    assert "expected an HDF5 file" in only(verify(store)).reason


def test_an_index_that_disagrees_with_the_commit_is_named(store):
    with h5py.File(store / "mv-00000.h5", "a") as file:
        rows = file["index"][:]
        rows["frames"][0] = 6
        file["index"][:] = rows
    rehash(store / "mv-00000.h5")
    publish_again(store, "mv", 0)
    assert only(verify(store)).reason.startswith("index: b: expected {'first': 0, ")

    with h5py.File(store / "mv-00000.h5", "a") as file:
        rows["id"][0] = b"z"
        file["index"][:] = rows
    rehash(store / "mv-00000.h5")
    publish_again(store, "mv", 0)
    reason = only(verify(store)).reason
    assert reason == "index: expected the 2 videos of the commit, not so: b"


def test_a_codec_that_disagrees_with_the_commit_is_named(store):
    with h5py.File(store / "rgb-00000.h5", "a") as file:
        file.attrs["codec"] = '{"name": "jpeg_rgb", "quality": 94}'
    publish_again(store, "rgb", 0)
    assert '"quality": 95} as in the commit, got' in only(verify(store)).reason


def test_a_row_that_does_not_decode_is_found_on_request(store):
    with h5py.File(store / "rgb-00000.h5", "a") as file:
        file["data"][file["offsets"][3]] = 0  # third row of b, and its first byte
    rehash(store / "rgb-00000.h5")
    publish_again(store, "rgb", 0)
    assert verify(store) == []
    damage = only(verify(store, decode=True))
    assert damage.reason.startswith("b: expected a whole JPEG, got")


def test_columns_that_are_too_short_are_named(store):
    with h5py.File(store / "mv-00000.h5", "a") as file:
        del file["valid"]
    publish_again(store, "mv", 0)
    assert "text `columns`, got another one: valid" in only(verify(store)).reason


def test_a_missing_commit_is_named_and_the_rest_is_looked_at(store):
    (store / commit_file("flow", 0)).unlink()
    (store / "rgb-00001.h5").unlink()
    files = {damage.file for damage in verify(store)}
    assert files == {"_commits/flow-00000.json", "rgb-00001.h5"}


def test_a_commit_that_is_damaged_is_named(store):
    (store / commit_file("flow", 0)).write_text("{")
    damage = only(verify(store))
    assert damage[:3] == ("_commits/flow-00000.json", "flow", 0)
    assert "expected a commit" in damage.reason


def test_a_commit_of_another_store_is_named(store):
    commit = read_commit(store, "mv", 1).to_dict()
    write_sealed(store / commit_file("mv", 1), commit | {"fingerprint": "beef"})
    reason = only(verify(store)).reason
    assert reason == "expected a commit of the store f00d, got one of beef"


def test_a_manifest_that_disagrees_with_a_commit_is_named(store):
    manifest = json.loads((store / "manifest.json").read_text())
    manifest["modalities"]["mv"]["files"][1]["xxh3"] = "0" * 32
    write_sealed(store / "manifest.json", manifest)
    damage = only(verify(store))
    assert damage[:3] == ("mv-00001.h5", "mv", 1)
    assert "as in the manifest" in damage.reason


def test_lines_of_the_index_that_disagree_are_named(store):
    index = store / "index.jsonl"
    lines = index.read_text().splitlines(keepends=True)
    wrong = json.loads(lines[1])  # b
    wrong["height"] = 36
    index.write_text(lines[0] + json.dumps(wrong) + "\n" + lines[2])
    seal_manifest(store)
    reasons = [damage.reason for damage in verify(store)]
    assert sorted(reasons[:3]) + reasons[3:] == [
        "b: flow: expected what its commit says",
        "b: mv: expected what its commit says",
        "b: rgb: expected what its commit says",
        "e: rgb: expected a line, as there is a commit",
        "e: flow: expected a line, as there is a commit",
        "e: mv: expected a line, as there is a commit",
        "expected 4 videos, got 3",
    ]
    index.write_text("{\n")
    seal_manifest(store)
    damage = only(verify(store))
    assert damage[:3] == ("index.jsonl", None, None)
    index.unlink()
    assert only(verify(store)).reason.endswith(
        "expected index.jsonl beside the manifest"
    )


def test_a_modality_that_is_only_half_added_is_no_damage(store):
    manifest = json.loads((store / "manifest.json").read_text())
    del manifest["modalities"]["flow"]
    write_sealed(store / "manifest.json", manifest)
    assert verify(store) == []


def test_an_unfinished_store_is_looked_at_as_far_as_it_goes(store):
    (store / "manifest.json").unlink()
    (store / commit_file("mv", 1)).unlink()
    (store / "rgb-00001.h5").unlink()
    damages = verify(store)
    assert [damage.file for damage in damages] == [
        "manifest.json",
        "rgb-00001.h5",
    ]
    assert "run `pipeline extract` again" in damages[0].reason


def test_a_manifest_of_another_layout_is_named(store):
    manifest = json.loads((store / "manifest.json").read_text())
    write_sealed(store / "manifest.json", manifest | {"layout_version": 1})
    damage = only(verify(store))
    assert damage[:3] == ("manifest.json", None, None)
    assert "expected layout 2, got 1" in damage.reason


def test_a_folder_that_is_no_store_is_refused(tmp_path):
    with pytest.raises(StoreNotFound, match="got a folder of something else"):
        verify(tmp_path)
    with pytest.raises(StoreNotFound, match="got nothing"):
        verify(tmp_path / "nowhere")


def test_content_hash_is_xxh3_128(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    assert content_hash(tmp_path / "file") == "99aa06d3014798d86001c324468d497f"


TEXTS = ["manifest.json", "index.jsonl", "_plan.json", commit_file("flow", 1)]


@pytest.fixture
def planned(tmp_path):
    store = write_store(tmp_path / "small", [{"a": 2}, {"b": 1}], height=8, width=8)
    videos = (PlannedVideo("a", "a.avi", 1), PlannedVideo("b", "b.avi", 2))
    settings = ExtractSettings(modalities=("mv",), short_side=36)
    plan = StorePlan(dataset="list", videos=videos, ends=(1, 2), settings=settings)
    write_plan(store, plan)
    assert verify(store) == []
    return store


@pytest.mark.parametrize("name", TEXTS)
def test_any_changed_byte_of_a_text_is_found(planned, name):
    path = planned / name
    good = path.read_bytes()
    chance = random.Random(name)
    for place in chance.sample(range(len(good)), 15):
        content = bytearray(good)
        content[place] ^= 1 << chance.randrange(8)
        path.write_bytes(content)
        assert name in {damage.file for damage in verify(planned)}
    for content in (good + b"\n", good[:-1], good[1:], b"", good + good):
        path.write_bytes(content)
        assert name in {damage.file for damage in verify(planned)}


@pytest.mark.parametrize("name", TEXTS)
def test_any_changed_field_of_a_text_is_found(planned, name):
    path = planned / name
    good = path.read_text()
    lines = [good] if name != "index.jsonl" else good.splitlines()
    indent = None if name == "index.jsonl" else 1
    for field, value in json.loads(lines[0]).items():
        other = {str: f"{value}x", bool: not value, int: 7, float: 7.5, list: [value]}
        changed = json.loads(lines[0]) | {field: other.get(type(value), {"x": "y"})}
        text = json.dumps(changed, sort_keys=True, indent=indent)
        path.write_text("\n".join([text, *lines[1:]]) + "\n")
        assert name in {damage.file for damage in verify(planned)}, field
