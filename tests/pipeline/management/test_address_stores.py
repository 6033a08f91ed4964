"""Stores at addresses as sources and as destinations of copies."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from managed import one_line, shard_files
from s3_server import BUCKET, client, objects, upload
from small_videos import store_bytes
from tiny_store import write_store
from web_server import WebServer, served

from pipeline.commands.cli import main
from pipeline.management import address_store, making, relabelling, stores_table
from pipeline.management.errors import ManagementError
from pipeline.store import (
    AddressError,
    LayoutError,
    RemotePath,
    Store,
    StoreError,
    StoreNotFound,
    remote_calls,
    verify,
)
from pipeline.store import (
    upload as uploading,
)
from pipeline.store.file_names import MANIFEST

SHARDS = [{"b": 7, "a": 1}, {"c/d": 12, "e": 2}]
FILES = 6
CLAIM = address_store.CLAIM


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_store(tmp_path_factory.mktemp("stores") / "tiny", SHARDS)


@pytest.fixture(scope="module")
def running(original: Path, tiny: Path) -> Iterator[WebServer]:
    """A web server of both: below /store and /tiny."""
    both = tiny.parent
    (both / "store").symlink_to(original)
    with served(both) as server:
        yield server


@pytest.fixture
def server(running: WebServer, monkeypatch: pytest.MonkeyPatch) -> WebServer:
    monkeypatch.setattr(remote_calls, "FIRST_WAIT_SECONDS", 0.001)
    running.reset()
    return running


def test_a_store_goes_to_object_storage_and_comes_back(tiny, s3, tmp_path):
    there = f"{s3}/whole/tiny"
    seen = []
    outcome = making.copy(tiny, there, progress=lambda done, total: seen.append(done))
    found = objects("whole/tiny")
    del found[CLAIM]
    assert found == store_bytes(tiny)
    assert outcome.store == there and outcome.copied_bytes == outcome.bytes
    assert seen == sorted(seen) and seen[-1] == outcome.bytes and len(seen) >= FILES
    assert "nothing to copy" in making.copy(tiny, there).text()
    making.copy(there, tmp_path / "back")
    assert store_bytes(tmp_path / "back") == store_bytes(tiny)
    making.copy(there, f"{s3}/whole/second")
    assert not verify(f"{s3}/whole/second")


def test_an_upload_that_ends_early_goes_on(tiny, s3, monkeypatch):
    there, put = f"{s3}/early/tiny", address_store.put_text
    for count in (0, 5):  # commits that are written before it ends
        left = count

        def dying(path: RemotePath, content: bytes) -> None:
            nonlocal left
            if not left:
                raise KeyboardInterrupt
            left -= 1
            put(path, content)

        monkeypatch.setattr(address_store, "put_text", dying)
        with pytest.raises(KeyboardInterrupt):
            making.copy(tiny, there)
        assert MANIFEST not in objects("early/tiny")
        with pytest.raises(StoreNotFound, match="manifest"):
            Store(there)
    monkeypatch.setattr(address_store, "put_text", put)
    last = (tiny / "mv-00001.h5").stat().st_size  # five of six were committed
    assert making.copy(tiny, there).copied_bytes == last
    assert not verify(there)


def test_what_arrives_as_something_else_gets_no_commit(tiny, s3, monkeypatch):
    put = uploading.put_file

    def short(path: RemotePath, file: Path, **more: object) -> None:
        put(path, file, **more)
        name = path.address.removeprefix("s3://data/")
        client().put_object(Bucket=BUCKET, Key=name, Body=file.read_bytes()[:-1])

    monkeypatch.setattr(uploading, "put_file", short)
    with pytest.raises(StoreError, match=r"rgb-00000\.h5: expected the [\d,]+ bytes"):
        making.copy(tiny, f"{s3}/short/tiny")
    assert set(objects("short/tiny")) == {CLAIM, "rgb-00000.h5"}


def test_a_rotten_file_is_not_sent(tiny, s3, tmp_path):
    rotten = write_store(tmp_path / "rotten", SHARDS)
    path = rotten / "rgb-00000.h5"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(StoreError, match="expected the file of its commit") as error:
        making.copy(rotten, f"{s3}/rotten/tiny")
    assert one_line(error) and set(objects("rotten/tiny")) == {CLAIM}


def test_the_place_of_another_store_is_refused(tiny, s3, original):
    making.copy(tiny, f"{s3}/taken/tiny", modalities=["mv"])
    with pytest.raises(ManagementError, match="a store of others"):
        making.copy(original, f"{s3}/taken/tiny")
    before = objects("taken/tiny")
    client().delete_object(Bucket=BUCKET, Key=f"taken/tiny/{MANIFEST}")
    for name in before:
        if name.startswith("_commits"):
            client().delete_object(Bucket=BUCKET, Key=f"taken/tiny/{name}")
    with pytest.raises(ManagementError, match="one of another store"):
        making.copy(original, f"{s3}/taken/tiny")  # which is about to begin
    with pytest.raises(ManagementError, match="something else"):
        making.copy(tiny, f"{s3}/taken")
    upload(tiny, "taken/full")
    with pytest.raises(ManagementError, match="apart from"):
        making.copy(f"{s3}/taken/full", f"{s3}/taken/full/inside")


def test_a_later_modality_joins_the_copy(tiny, s3):
    there = f"{s3}/later/tiny"
    making.copy(tiny, there, modalities=["mv"])
    assert Store(there).modalities == ("mv",)
    making.copy(tiny, there, modalities=["rgb"])
    assert Store(there).modalities == ("rgb", "mv") and not verify(there)


def test_addresses_that_take_no_store_are_one_line(tiny, s3, server, monkeypatch):
    with pytest.raises(AddressError, match="is the bucket there"):
        making.copy(tiny, "s3://nobody-has-this/tiny")
    with pytest.raises(AddressError, match="501 Unsupported method") as error:
        making.copy(tiny, f"{server.address}/new")
    assert "tries" not in one_line(error)
    with pytest.raises(ManagementError, match="a part of a store, got an address"):
        making.copy(tiny, f"{s3}/part", classes=["jump"])
    from fsspec.implementations.memory import MemoryFileSystem

    pipe = MemoryFileSystem.pipe_file
    monkeypatch.setattr(
        MemoryFileSystem,
        "pipe_file",
        lambda self, path, value, mode="", **more: pipe(self, path, value),
    )
    with pytest.raises(AddressError, match="If-None-Match"):
        making.copy(tiny, "memory://careless/tiny")


def test_paths_of_this_machine_are_no_addresses(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = tmp_path / "list.txt"
    names.write_text("b\n")
    for words in (
        ["remove", tiny, "--videos", names, "--out", "s3://data/new"],
        ["merge", tiny, tiny, "--out", "s3://data/new"],
        ["relabel", tiny, "--holdout", "0.5", "--out", "s3://data/new"],
        ["browse", tiny, "--out", "s3://data/new"],
        ["export", tiny, "--to", "npz", "--out", "s3://data/new"],
        ["status", "s3://data/new"],
    ):
        result = CliRunner().invoke(main, list(map(str, words)))
        assert result.exit_code == 2, words
        assert "got the address 's3://data/new'" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["list.txt"]


@pytest.mark.parametrize(
    "part", [{}, {"classes": ["right"]}, {"modalities": ["mv"]}], ids=str
)
def test_a_copy_from_a_web_server_has_the_bytes_of_one_from_the_folder(
    part, original, server, tmp_path
):
    making.copy(original, tmp_path / "expected", **part)
    server.fail_once("drop", ".h5")
    outcome = making.copy(f"{server.address}/store", tmp_path / "new", **part)
    assert store_bytes(tmp_path / "new") == store_bytes(tmp_path / "expected")
    assert outcome.copied_bytes == outcome.bytes
    server.requests.clear()
    again = making.copy(f"{server.address}/store", tmp_path / "new", **part)
    assert again.copied_bytes == 0
    assert not any(request.name.endswith(".h5") for request in server.requests)


def test_removing_and_merging_from_addresses(original, server, tmp_path):
    names = tmp_path / "list.txt"
    names.write_text("left/v000\n")
    address = f"{server.address}/store"
    making.remove(original, tmp_path / "expected", videos=names)
    making.remove(address, tmp_path / "new", videos=names)
    assert store_bytes(tmp_path / "new") == store_bytes(tmp_path / "expected")
    kept = tmp_path / "one"
    making.copy(original, kept, videos=names)
    making.merge([address, kept], tmp_path / "both", prefix=["videos"])
    assert {f"store/{name}" for name in Store(original).ids()} | {
        "one/left/v000"
    } == set(Store(tmp_path / "both").ids())


def test_other_labels_for_a_store_at_an_address(original, server, tmp_path):
    address = f"{server.address}/store"
    dataset = relabelling.relisted(address, holdout=0.4)
    with pytest.raises(ManagementError, match="--out"):
        relabelling.relabel(address, dataset)
    relabelling.relabel(address, dataset, tmp_path / "new")
    relabelling.relabel(
        original, relabelling.relisted(original, holdout=0.4), tmp_path / "expected"
    )
    assert store_bytes(tmp_path / "new") == store_bytes(tmp_path / "expected")


@pytest.mark.parametrize("part", [{}, {"classes": ["left"]}], ids=["whole", "part"])
@pytest.mark.parametrize(
    ("fault", "words"), [("changed", "expected"), ("404", "got nothing")]
)
def test_a_source_that_sends_something_else_is_one_line(
    part, fault, words, server, tmp_path
):
    server.fail(fault, "rgb-00000.h5")
    with pytest.raises(LayoutError if fault == "changed" or not part else StoreError):
        _copied(f"{server.address}/store", tmp_path / "new", part)
    assert not (tmp_path / "new" / MANIFEST).exists()
    assert not shard_files(tmp_path / "new", "rgb-00000")


def _copied(address: str, new: Path, part: dict) -> None:
    try:
        making.copy(address, new, **part)
    except StoreError as error:
        assert "\n" not in str(error) and "rgb-00000.h5" in str(error)
        raise


def test_the_table_of_stores_at_an_address(tiny, s3, server):
    making.copy(tiny, f"{s3}/table/one")
    upload(tiny, "table/half")
    client().delete_object(Bucket=BUCKET, Key=f"table/half/{MANIFEST}")
    client().put_object(Bucket=BUCKET, Key="table/half/_plan.json", Body=b"{}")
    client().put_object(Bucket=BUCKET, Key="table/readme.txt", Body=b"notes")
    half, one = stores_table.list_stores(f"{s3}/table")
    (local,) = stores_table.list_stores(tiny)
    assert {**one.to_dict(), "store": ""} == {**local.to_dict(), "store": ""}
    assert one.store == f"{s3}/table/one" and "cannot be read" in half.state
    assert stores_table.list_stores(f"{server.address}/tiny")[0].finished
    with pytest.raises(StoreNotFound, match="got nothing"):
        stores_table.list_stores(f"{s3}/nothing")
    with pytest.raises(StoreNotFound, match="found none"):
        stores_table.list_stores(f"{s3}/table/one/_commits")
    result = CliRunner().invoke(main, ["stores", f"{s3}/table", "--json"])
    assert [row["finished"] for row in json.loads(result.stdout)] == [False, True]
