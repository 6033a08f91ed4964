"""The cache of shards: filled once per machine, never with half a file, within its limit."""

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from click.testing import CliRunner
from tiny_store import write_store
from web_server import WebServer, served

from motion_shards.store_address import CACHE, CACHE_GB
from pipeline.commands.cli import main
from pipeline.store import LayoutError, Store, StoreError, StoreNotFound, shard_cache

SHARDS = [{"b": 7, "a": 1}, {"c/d": 12, "e": 2}]
VIDEOS = ("b", "a", "c/d", "e")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_store(
        tmp_path_factory.mktemp("stores") / "tiny", SHARDS, modalities=("rgb", "mv")
    )


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[WebServer]:
    with served(folder.parent) as server:
        yield server


@pytest.fixture
def server(running: WebServer, monkeypatch: pytest.MonkeyPatch) -> WebServer:
    monkeypatch.setattr(shard_cache, "_said", set())
    running.reset()
    return running


@pytest.fixture
def address(server: WebServer) -> str:
    return f"{server.address}/tiny"


def all_rgb(store: Store) -> list:
    return [store.read(name, "rgb").tolist() for name in VIDEOS]


def shards(cache: Path) -> list[Path]:
    return [path for path in cache.glob("??/*") if len(path.name) == 32]


def bytes_of_shards(server: WebServer) -> int:
    return sum(r.end - r.begin for r in server.requests if r.name.endswith(".h5"))


def test_a_second_epoch_comes_from_the_disk(
    address: str, server: WebServer, folder: Path, tmp_path: Path
) -> None:
    expected = all_rgb(Store(folder))
    store = Store(address, cache=tmp_path / "cache")
    assert all_rgb(store) == expected
    size = sum(path.stat().st_size for path in folder.glob("rgb-*.h5"))
    assert size <= bytes_of_shards(server) <= size + 8
    server.requests.clear()
    assert all_rgb(store) == expected
    assert all_rgb(Store(address, cache=tmp_path / "cache")) == expected
    assert {r.name for r in server.requests} == {"/tiny/manifest.json"}


def _read(address: str, cache: Path, together: Barrier) -> None:
    store = Store(address, cache=cache)
    together.wait()
    all_rgb(store)


def test_several_processes_fetch_a_shard_once(
    address: str, server: WebServer, folder: Path, tmp_path: Path
) -> None:
    server.delay_seconds = 0.05
    fork = multiprocessing.get_context("fork")
    together = fork.Barrier(4)
    processes = [
        fork.Process(target=_read, args=(address, tmp_path, together)) for _ in range(4)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    size = sum(path.stat().st_size for path in folder.glob("rgb-*.h5"))
    assert size <= bytes_of_shards(server) <= size + 4 * 8
    assert len(shards(tmp_path)) == 3  # with the index


def test_a_file_of_another_content_never_gets_a_name(
    address: str, server: WebServer, tmp_path: Path
) -> None:
    server.fail("changed", ".h5")
    store = Store(address, cache=tmp_path)
    with pytest.raises(LayoutError, match=r"rgb-00000.h5: expected the file that"):
        store.read("b", "rgb")
    assert len(shards(tmp_path)) == 1  # the index
    assert not list(tmp_path.glob("??/.*.part"))


def test_a_missing_shard_says_so(
    address: str, server: WebServer, tmp_path: Path
) -> None:
    server.fail("404", ".h5")
    with pytest.raises(StoreNotFound, match=r"rgb-00000.h5: expected a shard"):
        Store(address, cache=tmp_path).read("b", "rgb")


def test_what_a_killed_process_left_is_removed_and_not_read(
    address: str, server: WebServer, folder: Path, tmp_path: Path
) -> None:
    server.fail("slow", ".h5")
    server.delay_seconds = 0.2
    code = f"from pipeline.store import Store; Store({address!r}, cache={str(tmp_path)!r}).read('b', 'rgb')"
    process = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 30
    while not (parts := list(tmp_path.glob("??/.*.part"))) or not any(
        request.name.endswith(".h5") for request in server.requests
    ):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    server.reset()
    (part,) = parts
    assert part.exists()
    assert all_rgb(Store(address, cache=tmp_path)) == all_rgb(Store(folder))
    assert len(shards(tmp_path)) == 3  # with the index
    assert not list(tmp_path.glob("??/.*.part"))


def test_the_least_recently_used_shards_leave_first(
    address: str, server: WebServer, folder: Path, tmp_path: Path
) -> None:
    sizes = {p.name: p.stat().st_size for p in folder.glob("*.h5")}
    index = (folder / "index.jsonl").stat().st_size
    limit = index + sum(sizes.values()) - 1  # all shards but one
    store = Store(address, cache=tmp_path, cache_gb=limit / 1e9)
    for name, modality in (("b", "rgb"), ("c/d", "rgb"), ("b", "mv")):
        store.read(name, modality)
        time.sleep(0.02)
    again = Store(address, cache=tmp_path, cache_gb=limit / 1e9)  # uses the index
    again.read("b", "rgb")
    time.sleep(0.02)
    again.read("c/d", "mv")
    there = {path.stat().st_size for path in shards(tmp_path)}
    assert sum(path.stat().st_size for path in shards(tmp_path)) <= limit
    assert sizes["rgb-00001.h5"] not in there
    assert {sizes["rgb-00000.h5"], sizes["mv-00001.h5"]} <= there
    assert all_rgb(store) == all_rgb(
        Store(folder)
    )  # what left is still open, or fetched


@pytest.mark.parametrize("fault", ["a file", "small", "full"])
def test_a_cache_that_cannot_be_used_is_named_once_and_passed_by(
    fault: str,
    address: str,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture,
) -> None:
    cache, limit = tmp_path / "cache", 1.0
    if fault == "a file":
        cache.write_text("not a folder")
    if fault == "small":
        limit = 3000 / 1e9
    if fault == "full":
        monkeypatch.setattr(shard_cache.ShardCache, "_fits", lambda self, needed: False)
    store = Store(address, cache=cache, cache_gb=limit)
    assert all_rgb(store) == all_rgb(Store(folder))
    (line,) = (x for x in capfd.readouterr().err.splitlines() if str(cache) in x)
    assert line.startswith(f"{cache}: the cache cannot be used (")
    assert line.endswith("shards are read from their address")


def test_a_copy_that_the_disk_has_damaged_is_fetched_again(
    address: str, server: WebServer, folder: Path, tmp_path: Path
) -> None:
    all_rgb(Store(address, cache=tmp_path))
    for path in shards(tmp_path):
        if path.read_bytes()[1:4] == b"HDF":
            content = path.read_bytes()
            path.write_bytes(content[:-300] + bytes(300))
    (cut, *_) = shards(tmp_path)
    os.truncate(cut, 100)
    assert all_rgb(Store(address, cache=tmp_path)) == all_rgb(Store(folder))


def test_options_and_variables_choose_the_cache(
    address: str,
    server: WebServer,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(CACHE, "")
    monkeypatch.setenv(CACHE_GB, "")
    options = ["--cache", str(tmp_path / "c"), "--cache-gb", "0.5"]
    result = CliRunner().invoke(main, ["info", address, "b", *options])
    assert result.exit_code == 0, result.output
    assert len(shards(tmp_path / "c")) >= 2  # the index, and rgb for the time stamps
    assert os.environ[CACHE] == str(tmp_path / "c")
    store = Store(address)
    cache = store.folder.cache
    assert (cache.folder, cache.limit_bytes) == (tmp_path / "c", 500_000_000)
    assert getattr(Store(folder).folder, "cache", None) is None
    monkeypatch.setenv(CACHE_GB, "much")
    with pytest.raises(
        StoreError, match="VIDEO_CACHE_GB: expected a number above 0, got 'much'"
    ):
        Store(address)
    wrong = CliRunner().invoke(main, ["info", address, "--cache-gb", "0"])
    assert wrong.exit_code == 2
    shutil.rmtree(tmp_path / "c")
