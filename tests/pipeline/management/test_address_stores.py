"""Stores at addresses as sources and as destinations of copies."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from managed import one_line, shard_files
from moto.s3.exceptions import MissingKey
from moto.s3.responses import S3Response
from s3_server import BUCKET, client, objects, upload
from small_videos import store_bytes
from tiny_store import write_store
from web_server import WebServer, served

from pipeline.commands.cli import main
from pipeline.driver.plan_file import read_plan
from pipeline.errors import PlanError
from pipeline.management import making, relabelling, stores_table
from pipeline.management.errors import ManagementError
from pipeline.store import (
    AddressError,
    FolderHeld,
    LayoutError,
    RemotePath,
    Store,
    StoreError,
    StoreNotFound,
    hold,
    remote_calls,
    verify,
)
from pipeline.store.errors import AccessRefused
from pipeline.store.file_names import MANIFEST, PLAN
from pipeline.store.remote_folder import RemoteFolder
from pipeline.store.remote_lease import ObjectLeases

SHARDS = [{"b": 7, "a": 1}, {"c/d": 12, "e": 2}]
FILES = 6


def stored(prefix: str) -> dict[str, bytes]:
    """The objects of a store, without what runs say about themselves."""
    found = objects(prefix)
    return {name: found[name] for name in found if not name.startswith("_logs/")}


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
    assert stored("whole/tiny") == store_bytes(tiny)
    assert outcome.store == there and outcome.copied_bytes == outcome.bytes
    assert seen == sorted(seen) and seen[-1] == outcome.bytes and len(seen) >= FILES
    assert "nothing to copy" in making.copy(tiny, there).text()
    making.copy(there, tmp_path / "back")
    assert store_bytes(tmp_path / "back") == store_bytes(tiny)
    making.copy(there, f"{s3}/whole/second")
    assert not verify(f"{s3}/whole/second")


def test_an_upload_that_ends_early_goes_on(tiny, s3, monkeypatch):
    there, put = f"{s3}/early/tiny", RemoteFolder.put_file
    for count in (0, 10):  # objects that are written before it ends
        left = count

        def dying(self: RemoteFolder, name: str, file: Path, **more: object) -> None:
            nonlocal left
            if not left:
                raise KeyboardInterrupt
            left -= 1
            put(self, name, file, **more)

        monkeypatch.setattr(RemoteFolder, "put_file", dying)
        with pytest.raises(KeyboardInterrupt):
            making.copy(tiny, there)
        assert MANIFEST not in objects("early/tiny")
        with pytest.raises(StoreNotFound, match="manifest"):
            Store(there)
    monkeypatch.setattr(RemoteFolder, "put_file", put)
    last = (tiny / "mv-00001.h5").stat().st_size  # five of six were committed
    assert making.copy(tiny, there).copied_bytes == last
    assert stored("early/tiny") == store_bytes(tiny)


def test_a_rotten_file_is_not_sent(s3, tmp_path):
    rotten = write_store(tmp_path / "rotten", SHARDS)
    path = rotten / "rgb-00000.h5"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(LayoutError, match="expected the content that was") as error:
        making.copy(rotten, f"{s3}/rotten/tiny")
    assert one_line(error) and stored("rotten/tiny") == {}


def test_the_place_of_another_store_is_refused(tiny, s3, original):
    making.copy(tiny, f"{s3}/taken/tiny", modalities=["mv"])
    before = stored("taken/tiny")
    with pytest.raises(ManagementError, match="a store of others") as error:
        making.copy(original, f"{s3}/taken/tiny")
    assert one_line(error).startswith(f"{s3}/taken/tiny: ")
    with pytest.raises(PlanError, match="something else: tiny/"):
        making.copy(tiny, f"{s3}/taken")
    for inside in ("", "/inside"):
        with pytest.raises(ManagementError, match="apart from"):
            making.copy(f"{s3}/taken/tiny", f"{s3}/taken/tiny{inside}")
    with (
        hold(ObjectLeases(RemoteFolder(f"{s3}/taken/tiny"))),
        pytest.raises(FolderHeld),
    ):
        making.copy(tiny, f"{s3}/taken/tiny")
    assert stored("taken/tiny") == before


def test_a_later_modality_joins_the_copy(tiny, s3):
    there = f"{s3}/later/tiny"
    making.copy(tiny, there, modalities=["mv"])
    assert Store(there).modalities == ("mv",)
    making.copy(tiny, there, modalities=["rgb"])
    assert Store(there).modalities == ("rgb", "mv") and not verify(there)


def test_parts_are_stored_at_addresses_as_in_folders(original, s3, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("left/v000\nright/v001\n")
    making.copy(original, tmp_path / "some", videos=names)
    making.copy(original, f"{s3}/parts/some", videos=names)
    assert stored("parts/some") == store_bytes(tmp_path / "some")
    both = [original, f"{s3}/parts/some"]
    making.merge(both, f"{s3}/parts/both", prefix=["videos"])
    making.merge(both, tmp_path / "both", prefix=["videos"])
    assert stored("parts/both") == store_bytes(tmp_path / "both")
    dataset = relabelling.relisted(original, holdout=0.4)
    relabelling.relabel(original, dataset, tmp_path / "labels")
    relabelling.relabel(original, dataset, f"{s3}/parts/labels")
    assert stored("parts/labels") == store_bytes(tmp_path / "labels")


def test_addresses_that_take_no_store_are_one_line(tiny, server):
    for address in ("s3://nobody-has-this/tiny", f"{server.address}/new"):
        with pytest.raises(AddressError) as error:
            making.copy(tiny, address)
        assert one_line(error).startswith(address)


def test_paths_of_this_machine_are_no_addresses(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for words in (
        ["browse", tiny, "--out", "s3://data/new"],
        ["export", tiny, "--to", "npz", "--out", "s3://data/new"],
        ["info", tiny, "--cache", "s3://data/new"],
    ):
        result = CliRunner().invoke(main, list(map(str, words)))
        assert result.exit_code == 2, words
        assert "got the address 's3://data/new'" in result.output
    for words in (["info", tiny, "--cache", ""], ["stores", "s3://"], ["copy", "//"]):
        result = CliRunner().invoke(main, list(map(str, words)))
        assert result.exit_code == 2, words
    assert not list(tmp_path.iterdir())


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


@pytest.fixture
def unlisted(original: Path, server: WebServer, tmp_path: Path) -> str:
    """The address of a store without a plan, which refuses what is not there: as S3 does to
    whoever may not list the bucket."""
    without = server.folder / "unlisted"
    if not without.exists():
        making.copy(original, without)
        (without / PLAN).unlink()
    server.fault = lambda request: (
        "" if (server.folder / request.name.lstrip("/")).is_file() else "403"
    )
    return f"{server.address}/unlisted"


def test_what_a_store_may_lack_may_be_refused(unlisted, original, server, tmp_path):
    assert not verify(unlisted)
    making.copy(unlisted, tmp_path / "copy")
    assert not verify(tmp_path / "copy")
    making.copy(unlisted, tmp_path / "part", classes=["left"])
    (row,) = stores_table.list_stores(unlisted)
    assert row.finished and row.videos == 10
    # of one with a plan no commits are listed: nothing says that it is being extended
    (row,) = stores_table.list_stores(f"{server.address}/store")
    assert row.state == "finished"
    result = CliRunner().invoke(main, ["info", unlisted, "--videos"])
    assert result.exit_code == 0 and "left/broken" in result.output


def test_what_a_store_needs_may_not(unlisted, server, tmp_path):
    with pytest.raises(AccessRefused, match="manifest.json: access ref.*s3:ListBucket"):
        Store(f"{server.address}/nothing")
    with pytest.raises(AccessRefused, match="nothing/_plan.json: access refused"):
        read_plan(RemotePath(f"{server.address}/nothing"))
    there = server.fault
    server.fault = lambda request: (
        "403" if request.name.endswith("flow-00000.h5") else there(request)
    )
    (damage,) = verify(unlisted)
    assert damage.file == "flow-00000.h5" and "may not be read" in damage.reason
    with pytest.raises(AccessRefused, match=r"flow-00000.h5: access refused \(403"):
        making.copy(unlisted, tmp_path / "copy")
    server.fault = lambda request: (
        "403" if request.name.endswith("rgb-00000.json") else there(request)
    )
    (damage,) = verify(unlisted)
    assert damage.file == "_commits/rgb-00000.json" and "nothing" in damage.reason


def test_s3_without_the_right_to_list(tiny, s3, tmp_path, monkeypatch):
    upload(tiny, "unlisted/tiny")
    denied = (403, {}, "<Error><Code>AccessDenied</Code></Error>")
    for method in ("get_object", "head_object"):
        monkeypatch.setattr(
            S3Response, method, _refusing(getattr(S3Response, method), denied)
        )
    monkeypatch.setattr(S3Response, "list_objects_v2", lambda self: denied)
    there = f"{s3}/unlisted/tiny"
    assert not verify(there)
    making.copy(there, tmp_path / "new")
    assert Store(tmp_path / "new").ids() == Store(tiny).ids()
    with pytest.raises(AccessRefused, match="none/manifest.json: access refused"):
        Store(f"{s3}/unlisted/none")


def _refusing(real: Callable[..., Any], denied: Any) -> Callable[..., Any]:
    """What the service answers for absent objects, where nobody may list them."""

    def answer(*words: Any, **given: Any) -> Any:
        try:
            found = real(*words, **given)
        except MissingKey:
            return denied
        return denied if found[0] == 404 else found

    return answer


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
