"""Stores at addresses: the same arrays as from a folder, few requests, and one-line errors."""

import json
import multiprocessing
import pickle
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from tiny_store import write_store
from web_server import WebServer, served

from motion_shards import extras
from motion_shards.errors import MissingExtra
from motion_shards.store_address import is_address, local_path
from pipeline.commands.cli import main
from pipeline.store import (
    AddressError,
    LayoutError,
    Store,
    StoreNotFound,
    opening,
    remote_calls,
    side_by_side,
    verify,
)

SHARDS = [{"b": 7, "a": 1}, {"c/d": 12, "e": 2}]
RGB = "rgb-00000.h5"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_store(tmp_path_factory.mktemp("stores") / "tiny", SHARDS)


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[WebServer]:
    with served(folder.parent) as server:
        yield server


@pytest.fixture
def server(running: WebServer, monkeypatch: pytest.MonkeyPatch) -> WebServer:
    """A web server without faults, of which failures are known soon."""
    monkeypatch.setattr(remote_calls, "FIRST_WAIT_SECONDS", 0.001)
    running.reset()
    return running


@pytest.fixture
def address(server: WebServer) -> str:
    return f"{server.address}/tiny"


def everything(store: Store) -> dict[str, list]:
    return {
        video.id: [
            store.seconds(video.id).tolist(),
            store.picture_types(video.id).tolist(),
            *(store.read(video.id, name).tolist() for name in ("rgb", "flow", "mv")),
            store.read(video.id, "mv_valid").tolist(),
        ]
        for video in store.videos()
    }


@pytest.mark.parametrize("kind", ["http", "s3", "memory", "file"])
def test_a_store_at_an_address_reads_as_its_folder(
    kind: str, folder: Path, server: WebServer, s3: str
) -> None:
    if kind == "s3":
        from s3_server import upload

        upload(folder, "read/tiny")
    if kind == "memory":
        import fsspec

        fsspec.filesystem("memory").put(str(folder), "/there/", recursive=True)
    where = {
        "http": f"{server.address}/tiny/",
        "s3": f"{s3}/read/tiny",
        "memory": "memory://there/tiny",
        "file": folder.as_uri(),
    }[kind]
    store = Store(where)
    assert everything(store) == everything(Store(folder))
    assert str(store.folder) == (str(folder) if kind == "file" else where.rstrip("/"))
    assert store.folder.name == "tiny"


def test_a_clip_costs_one_request_of_its_own_bytes(
    address: str, server: WebServer, folder: Path
) -> None:
    store, local = Store(address), Store(folder)
    store.read("b", "rgb")
    server.requests.clear()
    for start in (0, 2, 4):
        store.read("b", "rgb", start=start, stop=start + 3)
    shard = local.shard("rgb", 0)
    first = local.video("b").rows["rgb"].first
    sizes = [len(shard.stored(first + s, first + s + 3)[0]) for s in (0, 2, 4)]
    assert [request.end - request.begin for request in server.requests] == sizes
    assert not any(request.whole for request in server.requests)


def test_a_shard_is_known_after_few_requests(address: str, server: WebServer) -> None:
    store = Store(address)
    opened = [request.name for request in server.requests]
    assert opened.count("/tiny/manifest.json") == 1
    assert len(opened) <= 3
    server.requests.clear()
    with ThreadPoolExecutor(8) as threads:
        list(
            threads.map(
                lambda k: store.read("b", "flow", start=k, stop=k + 1), range(6)
            )
        )
    before_clips = len(server.requests) - 6
    assert before_clips <= 4  # its text, offsets, hashes; ranges of the server: once


def test_reads_of_a_batch_run_side_by_side(
    address: str, server: WebServer, folder: Path
) -> None:
    store = Store(address)
    store.read("c/d", "rgb", stop=1)
    server.delay_seconds = 0.05
    frames = side_by_side(
        store,
        lambda k: store.read("c/d", "rgb", start=k % 12, stop=k % 12 + 1),
        range(32),
    )
    assert 8 <= server.most_at_once <= 16
    local = Store(folder).read("c/d", "rgb")
    assert all(np.array_equal(f[0], local[k % 12]) for k, f in enumerate(frames))


@pytest.mark.parametrize("fault", ["drop", "truncate", "500", "503", "429"])
def test_a_failure_is_tried_again(
    fault: str, address: str, server: WebServer, folder: Path
) -> None:
    server.fail_once(fault)
    assert np.array_equal(
        Store(address).read("b", "rgb"), Store(folder).read("b", "rgb")
    )


def test_a_short_answer_is_tried_again(
    address: str, server: WebServer, folder: Path
) -> None:
    store = Store(address)
    store.read("a", "rgb")
    server.fail_once("short", ".h5")
    assert np.array_equal(store.read("b", "rgb"), Store(folder).read("b", "rgb"))
    assert len(server.requests) > 2


def test_redirects_are_followed(address: str, server: WebServer, folder: Path) -> None:
    server.fail("redirect")
    assert np.array_equal(
        Store(address).read("b", "rgb"), Store(folder).read("b", "rgb")
    )


@pytest.mark.parametrize(
    ("fault", "name", "error", "told"),
    [
        (
            "404",
            "manifest.json",
            StoreNotFound,
            "tiny: expected a store, got no manifest",
        ),
        ("403", "manifest.json", AddressError, "manifest.json: access refused (403 "),
        ("401", "index.jsonl", AddressError, "index.jsonl: access refused (401 "),
        ("400", "index.jsonl", AddressError, "index.jsonl: refused: 400 "),
        ("404", "index.jsonl", LayoutError, "tiny: expected index.jsonl beside"),
        (
            "500",
            "manifest.json",
            AddressError,
            "manifest.json: expected an answer, got none",
        ),
        (
            "drop",
            "index.jsonl",
            AddressError,
            "index.jsonl: expected an answer, got none",
        ),
        ("truncate", ".h5", AddressError, f"{RGB}: expected an answer, got none"),
        ("short", ".h5", AddressError, f"{RGB}: expected bytes "),
        (
            "404",
            ".h5",
            StoreNotFound,
            f"{RGB}: expected a shard of this store, got noth",
        ),
        ("403", ".h5", AddressError, f"{RGB}: access refused (403 "),
        ("changed", ".h5", LayoutError, f"{RGB}: expected the file that the manifest"),
        (
            "changed",
            "index.jsonl",
            LayoutError,
            "index.jsonl: expected the index of the",
        ),
        (
            "short",
            "manifest.json",
            LayoutError,
            "manifest.json: expected a manifest, got",
        ),
    ],
)
def test_an_error_names_the_object_in_one_line(
    fault: str, name: str, error: type, told: str, address: str, server: WebServer
) -> None:
    server.fail(fault, name)
    with pytest.raises(error) as caught:
        Store(address).read("b", "rgb")
    text = str(caught.value)
    assert told in text and address in text and "\n" not in text
    again = pickle.loads(pickle.dumps(caught.value))  # as a loader's worker sends it
    assert str(again) == text
    if fault in ("403", "404", "401", "400"):  # not asked again
        assert sum(request.name.endswith(name) for request in server.requests) == 1


def test_a_row_that_arrives_changed_is_not_used(
    address: str, server: WebServer
) -> None:
    store = Store(address)
    store.read("b", "rgb", stop=1)
    server.fail("changed", ".h5")
    with pytest.raises(LayoutError, match=f"{RGB}: row 0: expected its bytes"):
        store.read("b", "rgb", stop=1)


def test_a_server_without_ranges_is_refused_before_a_shard_arrives(
    folder: Path, tmp_path: Path
) -> None:
    with served(folder.parent) as server:  # another: what one can is remembered
        server.fail("whole")
        store = Store(f"{server.address}/tiny")
        with pytest.raises(
            AddressError, match="answers requests for ranges.*--cache DIR"
        ):
            store.read("b", "rgb")
        cached = Store(f"{server.address}/tiny", cache=tmp_path)
        assert np.array_equal(cached.read("b", "rgb"), Store(folder).read("b", "rgb"))


def test_half_a_store_says_so(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "half")
    (tmp_path / "half" / "manifest.json").rename(tmp_path / "half" / "_plan.json")
    with served(tmp_path) as server, pytest.raises(StoreNotFound) as caught:
        Store(f"{server.address}/half")
    assert "half: expected a finished store, got one without manifest" in str(
        caught.value
    )


def test_nobody_at_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_calls, "FIRST_WAIT_SECONDS", 0.001)
    with pytest.raises(AddressError, match="expected an answer, got none.*connect"):
        Store("http://127.0.0.1:9/nothing")


def test_a_slow_server_is_given_up(
    address: str, server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_calls, "TIMEOUT_SECONDS", 0.05)
    monkeypatch.setattr(remote_calls, "TRIES", 2)
    server.delay_seconds = 0.3
    with pytest.raises(AddressError, match=r"manifest.json: .*no answer within"):
        Store(address)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [("nosuch://there/store", "nosuch"), ("gs://bucket/store", "gcsfs")],
)
def test_an_address_that_nothing_reads(wrong: str, told: str) -> None:
    with pytest.raises(AddressError, match=told) as caught:
        Store(wrong)
    assert str(caught.value).startswith(wrong) and "\n" not in str(caught.value)


def test_a_missing_library_names_the_extra(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "fsspec", None)
    monkeypatch.setattr(extras, "is_there", lambda module: False)
    with pytest.raises(MissingExtra, match=r"pip install 'motion-shards\[remote\]'"):
        Store(address)


def _read_b(store: Store) -> list:
    return store.read("b", "rgb").tolist()


@pytest.mark.parametrize("long", [False, True])
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_another_process_reads_on(
    method: str, long: bool, address: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if long:
        monkeypatch.setattr(opening, "HELD_INDEX_BYTES", 0)
    store = Store(address)
    expected = _read_b(Store(folder))
    assert _read_b(store) == expected  # connections are open
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert pool.apply(_read_b, (store,)) == expected
    assert _read_b(store) == expected


def test_a_long_index_is_fetched_once(
    address: str, server: WebServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "HELD_INDEX_BYTES", 0)
    store = Store(address)
    assert [video.id for video in store.videos()] == ["a", "b", "c/d", "e"]
    assert store.video("e") == Store(folder).video("e")
    size = (folder / "index.jsonl").stat().st_size
    fetched = [r for r in server.requests if r.name.endswith("index.jsonl")]
    assert sum(r.end - r.begin for r in fetched) <= size + 1


def test_a_store_at_an_address_is_verified(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "tiny")
    (tmp_path / "tiny" / "flow-00001.h5").unlink()
    damaged = tmp_path / "tiny" / RGB
    content = bytearray(damaged.read_bytes())
    content[3000] ^= 1
    damaged.write_bytes(content)
    with served(tmp_path) as server:
        address = f"{server.address}/tiny"
        remote, local = verify(address), verify(tmp_path / "tiny")
        assert [d._replace(reason="") for d in remote] == [
            d._replace(reason="") for d in local
        ]
        assert [damage.file for damage in remote] == [RGB, "flow-00001.h5"]
        result = CliRunner().invoke(main, ["verify", address])
        assert result.exit_code == 1 and f"{address}: 2 damaged files" in result.output
        marked = CliRunner().invoke(main, ["verify", address, "--mark"])
        assert marked.exit_code == 1 and "got an address" in marked.output


def test_commands_take_an_address(address: str, folder: Path, tmp_path: Path) -> None:
    shown = CliRunner().invoke(main, ["info", address, "--json"])
    told = json.loads(shown.output)
    expected = json.loads(
        CliRunner().invoke(main, ["info", str(folder), "--json"]).output
    )
    assert told == expected | {"store": address}
    listed = CliRunner().invoke(main, ["info", address, "--videos"])
    assert len(listed.output.splitlines()) >= 4
    drawn = CliRunner().invoke(
        main, ["preview", address, "--no-movie", "--out", str(tmp_path / "b.png")]
    )
    assert drawn.exit_code == 0 and (tmp_path / "b.png").is_file()
    assert CliRunner().invoke(main, ["verify", address]).exit_code == 0
    audit = CliRunner().invoke(main, ["audit", "--store", address, "--json"])
    assert audit.exit_code == 0


def test_a_command_ends_with_one_line(address: str, server: WebServer) -> None:
    server.fail("403")
    result = CliRunner().invoke(main, ["info", address])
    assert result.exit_code == 1 and result.output.count("\n") == 1
    assert result.output.startswith(f"Error: {address}/manifest.json: access refused")


def test_addresses_and_folders() -> None:
    assert [
        is_address(t) for t in ("s3://b/x", "zip::s3://b/x.zip", "a/b:c", "C:x")
    ] == [*(True, True, False, False)]
    assert local_path("file:///a%20b/c") == Path("/a b/c")
    assert local_path("file://localhost/a") == Path("/a")
    assert not is_address("file:///a")
