"""Stores published at an address: the objects of the folder, one run at a time, whoever dies."""

import json
import os
import signal
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from moto.s3.responses import S3Response
from s3_server import BUCKET, client, objects
from small_videos import RGB_MV, data_set, draw_videos, store_bytes

from motion_shards.processes import ProcessIdentity
from pipeline.commands.cli import main
from pipeline.driver.addressed import addressed
from pipeline.driver.extraction import dry_run, extract
from pipeline.driver.summary import Summary
from pipeline.errors import PlanError
from pipeline.executors.choose import Execution
from pipeline.inspection.status import status, verify
from pipeline.store import (
    LeaseInfo,
    Store,
    StoreNotFound,
    etags,
    hold,
    holder_of,
    remote_calls,
    remote_folder,
)
from pipeline.store.errors import AddressError, FolderHeld, LayoutError
from pipeline.store.file_names import COMMITS, INDEX, LOGS, MANIFEST, PLAN
from pipeline.store.files import content_hash
from pipeline.store.remote_folder import RemoteFolder
from pipeline.store.remote_lease import ObjectLeases

RGB = RGB_MV.only(["rgb"])
DENIED = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
BUSY = "<Error><Code>SlowDown</Code><Message>Slow down</Message></Error>"
UNKNOWN = (
    "<Error><Code>NotImplemented</Code><Message>A header is not known</Message></Error>"
)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failures are known soon."""
    monkeypatch.setattr(remote_calls, "FIRST_WAIT_SECONDS", 0.001)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight small videos: two shards. Read only."""
    folder = tmp_path_factory.mktemp("few")
    draw_videos(folder, 8, frames=2)
    return folder


@pytest.fixture(scope="module")
def whole(few: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a store of them in a folder."""
    out = tmp_path_factory.mktemp("whole") / "store"
    extract(data_set(few), RGB_MV, out=out, execution=Execution(workers=0))
    assert (out / "rgb-00001.h5").exists()
    return store_bytes(out)


def published(folder: Path, address: str, settings=RGB_MV, **given: Any) -> Summary:
    """A run into an address, in this process."""
    given.setdefault("execution", Execution(workers=0))
    with addressed(address) as store:
        return extract(data_set(folder), settings, out=store, **given)


def there(address: str) -> dict[str, bytes]:
    """All objects of a store but what runs say about themselves."""
    found = objects(address.removeprefix(f"s3://{BUCKET}/"))
    return {name: each for name, each in found.items() if not name.startswith(LOGS)}


def logs(address: str) -> list[str]:
    found = objects(address.removeprefix(f"s3://{BUCKET}/"))
    return sorted(name for name in found if name.startswith(LOGS))


def before_each_upload(
    monkeypatch: pytest.MonkeyPatch, call: Callable[[str], object]
) -> None:
    """Call a function with the name of each object that is about to be uploaded."""
    real = RemoteFolder.put_file

    def put_file(self: RemoteFolder, name: str, file: Path, **more: Any) -> None:
        call(name)
        real(self, name, file, **more)

    monkeypatch.setattr(RemoteFolder, "put_file", put_file)


def answering(
    monkeypatch: pytest.MonkeyPatch,
    answer: Callable[[S3Response], tuple[int, dict, str] | None],
) -> None:
    """Let the service answer what is to be written; None: as usual."""
    real = S3Response.put_object

    def put_object(self: S3Response) -> Any:
        return answer(self) or real(self)

    monkeypatch.setattr(S3Response, "put_object", put_object)


def test_the_objects_are_the_files_of_the_folder(few, whole, s3):
    address = f"{s3}/same/store"
    summary = published(few, address, execution=Execution(workers=1))
    assert summary.exit_code == 0 and summary.stored == 8 and summary.fresh_shards == 2
    assert str(summary.store) == address and address in summary.text()
    assert there(address) == whole
    assert logs(address) == [f"{LOGS}/holder-00001.ended"]
    assert verify(address) == []


def test_what_is_there_is_not_sent_again_and_what_is_damaged_is(
    few, whole, s3, monkeypatch
):
    address = f"{s3}/again/store"
    sent: list[str] = []
    before_each_upload(monkeypatch, sent.append)
    published(few, address, RGB)
    shards = [name for name in sent if name.endswith(".h5")]
    both = [[name, f"{COMMITS}/{Path(name).stem}.json"] for name in shards]
    assert sorted(shards) == ["rgb-00000.h5", "rgb-00001.h5"]
    assert sent == [PLAN, *chain(*both), INDEX, MANIFEST]
    sent.clear()
    published(few, address, RGB)
    assert sent == []
    published(few, address)  # another modality
    assert not [name for name in sent if "rgb" in name]
    assert sent[-3:] == [MANIFEST, INDEX, MANIFEST]
    assert there(address) == whole
    shown = status(address)
    assert shown.finished and shown.done == {"rgb": 2, "mv": 2} and not shown.running
    assert str(shown.store) == address
    damaged = whole["mv-00001.h5"][:-1] + b"?"
    client().put_object(Bucket=BUCKET, Key="again/store/mv-00001.h5", Body=damaged)
    client().delete_object(Bucket=BUCKET, Key="again/store/rgb-00000.h5")
    found = [damage.file for damage in verify(address, mark=True)]
    assert found == ["rgb-00000.h5", "mv-00001.h5"]
    sent.clear()
    published(few, address)
    both = [
        [f"{name}.h5", f"{COMMITS}/{name}.json"] for name in ("rgb-00000", "mv-00001")
    ]
    assert sorted(sent) == sorted(chain(*both))
    assert there(address) == whole and verify(address) == []
    assert logs(address) == [f"{LOGS}/holder-00004.ended"]


def test_one_of_many_follows_a_run_elsewhere_that_is_silent(s3, monkeypatch):
    folder = RemoteFolder(f"{s3}/silent")
    gone = replace(ProcessIdentity.this_process(), host="gpu7", space="another boot")
    folder.put(f"{LOGS}/holder-00004.json", json.dumps(asdict(gone)).encode())
    with (
        pytest.raises(FolderHeld, match="gpu7.*silent for 180 s"),
        hold(ObjectLeases(folder)),
    ):
        pass
    assert status_of(folder).holder.host == "gpu7"
    refused, said = [], []

    def follow(_: int) -> bool:
        try:
            quick = {"beat_seconds": 0.05, "stale_seconds": -1, "say": said.append}
            with hold(ObjectLeases(folder), **quick):
                while len(refused) < 3:  # held until all the others were refused
                    time.sleep(0.01)
                return True
        except FolderHeld:
            refused.append(1)
            return False

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(follow, range(4))) == [False] * 3 + [True]
    assert "waiting" in said[0] and "gpu7" in said[0]
    assert list(folder.listed(LOGS)) == ["holder-00005.ended"]


def status_of(folder: RemoteFolder) -> LeaseInfo:
    found = holder_of(ObjectLeases(folder))
    assert found is not None
    return found


def test_a_lease_beats_and_a_run_that_is_followed_stops_beating(s3):
    folder = RemoteFolder(f"{s3}/beats")
    with hold(ObjectLeases(folder), beat_seconds=0.02) as lease:
        folder.remove(f"{LOGS}/holder-00001.json")
        folder.put(f"{LOGS}/holder-00001.json", b"{")
        deadline = time.monotonic() + 20
        while status_of(folder).holder is None:  # what was cut short is whole again
            assert time.monotonic() < deadline
        lease.require()
        folder.put(f"{LOGS}/holder-00002.json", b"{")
        with pytest.raises(FolderHeld, match="a run that is starting"):
            lease.require()
    assert status_of(folder).number == 2


def killed_before(
    monkeypatch: pytest.MonkeyPatch, name: str, run: Callable[[], object]
) -> None:
    """A run in a process of its own that is killed before it uploads an object."""
    child = os.fork()
    if not child:

        def die(sent: str) -> None:
            if sent == name:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            before_each_upload(monkeypatch, die)
            run()
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def test_a_killed_run_is_resumed_and_readers_never_see_half(
    few, whole, s3, monkeypatch, tmp_path
):
    address = f"{s3}/killed/store"
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    commit = f"{COMMITS}/rgb-00001.json"
    killed_before(monkeypatch, commit, lambda: published(few, address, RGB))
    assert "rgb-00001.h5" in there(address) and commit not in there(address)
    with pytest.raises(StoreNotFound, match="expected a finished store, got one"):
        Store(address)
    kept = {name for name in there(address) if name.startswith(COMMITS)}
    sent: list[str] = []
    with monkeypatch.context() as patched:
        before_each_upload(patched, sent.append)
        published(few, address, RGB)
    assert sent[-2:] == [INDEX, MANIFEST]
    assert kept.isdisjoint(sent) and commit in sent
    killed_before(monkeypatch, INDEX, lambda: published(few, address))
    assert Store(address).modalities == ("rgb",)
    killed_before(monkeypatch, MANIFEST, lambda: published(few, address))
    assert Store(address).modalities == ("rgb", "mv")  # manifest and index say so
    published(few, address)
    assert there(address) == whole
    assert logs(address) == [f"{LOGS}/holder-00005.ended"]
    assert list(tmp_path.iterdir()) == []  # the mirrors of the dead runs, too


def test_a_second_run_is_refused(few, s3, monkeypatch):
    address = f"{s3}/held/store"
    command = ["extract", "--dataset", "folder", "--videos", str(few), "--ray", "off"]
    with hold(ObjectLeases(RemoteFolder(address))):
        shown = CliRunner().invoke(main, ["status", address])
        assert shown.exit_code == 1 and f"{address}: expected a store" in shown.output
        result = CliRunner().invoke(main, [*command, "--out", address])
        assert result.exit_code == 1
        line = result.output.splitlines()[-1]
        assert line.startswith(f"Error: {address}: another run is writing here: proc")
    assert not there(address)

    def follow(name: str) -> None:
        if name == "rgb-00000.h5":
            RemoteFolder(address).put(f"{LOGS}/holder-00003.json", b"")

    before_each_upload(monkeypatch, follow)
    with pytest.raises(FolderHeld, match=f"{address}: .*another one took over"):
        published(few, address, RGB)
    assert f"{COMMITS}/rgb-00000.json" not in there(address)
    assert f"{LOGS}/holder-00003.json" in logs(address)


def ignoring(response: S3Response) -> None:
    response.headers = {
        name: value
        for name, value in response.headers.items()
        if name.lower() != "if-none-match"
    }


def refusing(response: S3Response) -> tuple[int, dict, str] | None:
    return (501, {}, UNKNOWN) if response.headers.get("If-None-Match") else None


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (ignoring, "conditional writes (If-None-Match), got one that ignores them"),
        (refusing, "conditional writes (If-None-Match), got one that refuses them"),
        (lambda response: (403, {}, DENIED), "access refused (Access Denied)"),
    ],
)
def test_a_service_that_cannot_keep_others_out_is_refused(
    answer, told, few, s3, monkeypatch
):
    address = f"{s3}/open/store"
    answering(monkeypatch, answer)
    with pytest.raises(AddressError) as caught:
        published(few, address)
    line = str(caught.value)
    assert line.startswith(address) and told in line and "\n" not in line
    assert objects("open/store") == {}


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("https://data.example.org/store", "s3://bucket/folder to write to, got an"),
        ("hf://datasets/owner/store", "s3://bucket/folder to write to, got an address"),
        ("s3://nowhere/store", "s3://nowhere/store: expected a bucket that is there"),
    ],
)
def test_addresses_that_cannot_be_written(address, told, few, s3):
    command = ["extract", "--dataset", "folder", "--videos", str(few), "--ray", "off"]
    result = CliRunner().invoke(main, [*command, "--out", address])
    assert result.exit_code == 1
    line = result.output.splitlines()[-1]
    assert line.startswith("Error: s3:" if "s3" in address else "Error: ")
    assert told in line


def test_a_network_that_breaks_is_tried_again_and_then_ends_the_run(
    few, whole, s3, monkeypatch
):
    address = f"{s3}/broken/store"
    failing = chain([True] * 8, repeat(False))  # the service is away for a while
    listing = S3Response.list_objects_v2

    def listed(response: S3Response) -> Any:
        return (503, {}, BUSY) if next(failing) else listing(response)

    def away(name: str) -> None:
        if name == "rgb-00000.h5":
            patched.setattr(S3Response, "list_objects_v2", listed)

    with monkeypatch.context() as patched:
        before_each_upload(patched, away)
        before_each_upload(patched, cut_off(patched, "mv-00001.h5"))
        with pytest.raises(AddressError) as caught:
            published(few, address)
    assert str(caught.value) == (
        f"{address}/mv-00001.h5: expected an answer, got none: Slow down "
        f"({remote_folder.PATIENT_TRIES} tries)"
    )
    assert f"{COMMITS}/rgb-00000.json" in there(address)
    assert f"{COMMITS}/mv-00001.json" not in there(address)
    published(few, address)
    assert there(address) == whole


def cut_off(monkeypatch: pytest.MonkeyPatch, name: str) -> Callable[[str], None]:
    """From the upload of an object on the service is too busy to write."""

    def cut(sent: str) -> None:
        if sent == name:
            answering(monkeypatch, busy)

    def busy(response: S3Response) -> tuple[int, dict, str] | None:
        return None if LOGS in response.parse_key_name() else (503, {}, BUSY)

    return cut


def test_what_is_no_store_or_another_one_is_left_alone(few, s3):
    address = f"{s3}/other/store"
    client().put_object(Bucket=BUCKET, Key="other/store/notes.txt", Body=b"mine")
    with pytest.raises(PlanError, match=f"{address}: expected a store, or nothing"):
        published(few, address)
    assert there(address) == {"notes.txt": b"mine"}
    published(few, f"{address}s", RGB)
    before = there(f"{address}s")
    with pytest.raises(PlanError, match="--short-side: the store was made"):
        published(few, f"{address}s", replace(RGB, short_side=48))
    assert there(f"{address}s") == before


def test_a_store_at_an_address_grows_and_an_estimate_writes_nothing(s3, tmp_path):
    videos, address = tmp_path / "videos", f"{s3}/grown/store"
    draw_videos(videos, 4, frames=2)
    published(videos, address, RGB)
    old = Store(address)
    draw_videos(videos, 8, frames=2)
    before = objects("grown/store")
    with addressed(address) as store:
        given = {"execution": Execution(workers=0), "grow": True}
        assert dry_run(data_set(videos), RGB, out=store, **given).videos == 4
    assert objects("grown/store") == before
    published(videos, address, RGB, grow=True)
    assert len(list(Store(address).videos())) == 8 and verify(address) == []
    assert there(address)["rgb-00000.h5"] == before["rgb-00000.h5"]
    for video in old.videos():  # whoever had it open reads on
        assert old.read(video.id, "rgb").shape[0] == 2


def test_large_files_arrive_in_parts_of_which_each_may_fail(s3, tmp_path, monkeypatch):
    monkeypatch.setattr(etags, "PART_BYTES", 5 << 20)
    content = np.random.default_rng(0).bytes((11 << 20) + 1)
    file = tmp_path / "file"
    file.write_bytes(content)
    failing = chain([True, False, True], repeat(False))
    answering(monkeypatch, lambda response: (503, {}, BUSY) if next(failing) else None)
    folder = RemoteFolder(f"{s3}/in-parts")
    folder.put_file("large", file, xxh3=content_hash(file))
    assert objects("in-parts") == {"large": content}
    found = folder.listed()["large"]
    assert found.etag == etags.etag_of(file) and found.etag.endswith("-3")
    with pytest.raises(LayoutError, match="expected the content that was hashed"):
        folder.put_file("large", file, xxh3="0" * 32)


def test_what_arrives_is_compared_with_what_was_sent(s3, tmp_path, monkeypatch):
    file, folder = tmp_path / "file", RemoteFolder(f"{s3}/changed")
    file.write_bytes(b"content")
    changed = remote_folder.RemoteFolder._put_whole

    def put(self: RemoteFolder, name: str, content: bytes) -> None:
        changed(self, name, b"C" + content[1:])

    with monkeypatch.context() as encrypted:  # by a key: the ETag is no MD5
        encrypted.setattr(remote_folder, "stated_etag", lambda info: "0" * 32)
        folder.put_file("file", file)
    monkeypatch.setattr(RemoteFolder, "_put_whole", put)
    with pytest.raises(AddressError, match="changed/file: expected the 7 bytes that"):
        folder.put_file("file", file)
