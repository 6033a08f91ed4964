"""Stores on the Hugging Face Hub: HfFileSystem against a stand-in for the Hub."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hub_server import REPOSITORY, hub
from tiny_store import write_store
from web_server import WebServer

from pipeline.store import AddressError, Store, StoreNotFound, remote_calls

ADDRESS = f"hf://datasets/{REPOSITORY}/tiny"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_store(tmp_path_factory.mktemp("hub") / "tiny", [{"b": 7, "a": 1}])


@pytest.fixture(scope="module")
def running(folder: Path, tmp_path_factory) -> Iterator[WebServer]:
    with hub(tmp_path_factory.mktemp("served"), folder.parent) as server:
        yield server


@pytest.fixture
def server(running: WebServer, monkeypatch: pytest.MonkeyPatch) -> WebServer:
    monkeypatch.setattr(remote_calls, "FIRST_WAIT_SECONDS", 0.001)
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)
    running.reset()
    return running


def opened(server: WebServer, address: str = ADDRESS, **given) -> Store:
    return Store(address, options={"endpoint": server.address}, **given)


def test_a_clip_is_one_request_for_its_range(folder, server):
    there, here = opened(server), Store(folder)
    for name in ("rgb", "flow", "mv"):
        assert np.array_equal(there.read("b", name), here.read("b", name))
    server.requests.clear()
    there.read("b", "rgb", start=2, stop=4)
    (request,) = server.requests
    assert request.name.endswith("tiny/rgb-00000.h5") and not request.whole
    assert 0 < request.end - request.begin < (folder / "rgb-00000.h5").stat().st_size


def test_a_cache_fetches_each_shard_once(folder, server, tmp_path):
    for _ in range(2):
        store = opened(server, cache=tmp_path / "cache", cache_gb=1.0)
        assert np.array_equal(store.read("b", "flow"), Store(folder).read("b", "flow"))
    fetched = [request for request in server.requests if request.name.endswith(".h5")]
    assert len(fetched) == 1


@pytest.mark.parametrize("fault", ["503", "429", "drop", "truncate", "short"])
def test_a_fault_that_passes_is_tried_again(fault, folder, server):
    server.fail_once(fault, ".h5" if fault == "short" else "")
    assert np.array_equal(opened(server).read("b", "mv"), Store(folder).read("b", "mv"))


@pytest.mark.parametrize(
    ("fault", "most", "told"),
    [
        ("403", 1, "access refused (403 "),
        ("401", 1, "access refused (401 "),
        ("500", 12, "expected an answer, got none: 500 "),
    ],
)
def test_what_stays_wrong_is_one_line(fault, most, told, server):
    server.fail(fault, "tiny/manifest.json")
    with pytest.raises(AddressError) as error:
        opened(server)
    text = str(error.value)
    assert text.startswith(f"{ADDRESS}/manifest.json: {told}") and "\n" not in text
    named = [each for each in server.requests if each.name.endswith("manifest.json")]
    assert 0 < len(named) <= most


@pytest.mark.parametrize(
    "address", ["hf://datasets/lab/nothing/tiny", f"hf://datasets/{REPOSITORY}/none"]
)
def test_what_is_not_there_is_said(address, server):
    with pytest.raises(
        StoreNotFound, match="expected a store, got no manifest"
    ) as error:
        opened(server, address)
    assert str(error.value).startswith(address)
