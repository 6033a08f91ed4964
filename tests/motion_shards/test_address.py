"""Which cluster is joined, and who gets the token: those that are named, or are ours."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import grpc
import pytest

from motion_shards import address as addresses
from motion_shards.address import (
    ClusterAddress,
    ClusterSearch,
    answers,
    find_cluster,
    find_local_cluster,
    require,
)
from motion_shards.errors import ClusterError

CLOSED = grpc.StatusCode.UNAUTHENTICATED
OPEN = grpc.StatusCode.OK
STRANGER = 4321


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch, tmp_path):
    """No Ray and no token but those of a test."""
    for name in ("RAY_ADDRESS", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAY_AUTH_MODE", "")  # so that it is restored
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))


@pytest.fixture
def note(tmp_path):
    """Writes Ray's note, as Ray does: in a folder where everybody may write."""

    def write(text: str) -> Path:
        path = tmp_path / "ray/ray_current_cluster"
        path.parent.mkdir(exist_ok=True)
        path.parent.chmod(0o777)
        path.write_text(text)
        path.chmod(0o644)
        return path

    return write


def given_to(uid: int, monkeypatch) -> None:
    """Let what this process owns seem to belong to another user than it."""
    monkeypatch.setattr(os, "getuid", lambda: uid + 1)
    real = os.fstat

    def fstat(file: int) -> os.stat_result:
        found = list(real(file))
        found[4] = uid
        return os.stat_result(found)

    monkeypatch.setattr(os, "fstat", fstat)


def test_a_cluster_of_this_user_is_joined(head, note):
    there = head()
    note(f"{there.address}\n")
    assert find_cluster() == ClusterSearch(ClusterAddress(there.address, ""))
    assert (
        f"noted in {addresses.cluster_note()}"
        in ClusterAddress(there.address, "").text()
    )


def test_a_cluster_that_was_killed_left_a_note_and_is_not_joined(note, monkeypatch):
    assert find_cluster() == ClusterSearch(None)
    note("127.0.0.1:1")
    found = find_cluster()
    assert found.cluster is None
    assert "127.0.0.1:1, noted in" in found.why_not and "refused" in found.why_not
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")  # as in a job
    assert find_cluster() == ClusterSearch(
        ClusterAddress("10.0.0.1:6379", "RAY_ADDRESS")
    )
    monkeypatch.setenv("RAY_ADDRESS", "local")
    assert find_cluster() == ClusterSearch(None)


@pytest.mark.parametrize("which", ["file", "folder"])
def test_what_another_user_has_noted_is_not_believed(
    which, head, note, monkeypatch, tmp_path
):
    there = head()
    path = note(there.address)
    if os.getuid() == 0:
        os.chown(path if which == "file" else path.parent, STRANGER, -1)
    else:
        given_to(STRANGER, monkeypatch)
    monkeypatch.setenv("RAY_AUTH_TOKEN", "s3cret")
    found = find_cluster()
    assert found.cluster is None
    assert "it belongs to user" in found.why_not and str(STRANGER) in found.why_not
    assert found.why_not.count("\n") == 0
    assert not there.told, "a stranger's server was asked"


def linked(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def folder_linked(path: Path) -> None:
    path.parent.rename(path.parents[1] / "elsewhere")
    path.parent.symlink_to("elsewhere")


def named_twice(path: Path) -> None:
    path.with_name("twice").hardlink_to(path)


def open_to_all(path: Path) -> None:
    path.chmod(0o666)


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o644)


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir(0o755)


def something_else(path: Path) -> None:
    path.write_text("127.0.0.1:80/../x\x1b[2J")


@pytest.mark.parametrize(
    "change",
    [
        *(linked, folder_linked, named_twice, open_to_all, a_pipe, a_folder),
        something_else,
    ],
)
def test_a_note_that_others_could_have_made_is_not_believed(change, head, note):
    there = head()
    change(note(there.address))
    found = find_cluster()
    assert found.cluster is None and "is ignored" in found.why_not
    assert found.why_not.isprintable() and not there.told


def test_a_port_that_a_stranger_has_taken_over_is_not_joined(head, note, monkeypatch):
    there = head()
    note(there.address)
    port = addresses.host_and_port(there.address)[1]
    assert addresses._listeners(port) == {os.getuid()}
    monkeypatch.setattr(addresses, "_listeners", lambda _: {STRANGER})
    found = find_cluster()
    assert found.cluster is None and f"user {STRANGER}" in found.why_not
    monkeypatch.setattr(addresses, "_listeners", lambda _: {0})
    assert find_cluster().cluster


@pytest.mark.parametrize("asked", ["", "token"])
def test_the_token_goes_to_a_cluster_that_was_found_only_when_asked_for(
    asked, head, note, monkeypatch
):
    there = head(CLOSED)
    note(there.address)
    monkeypatch.setenv("RAY_AUTH_TOKEN", "s3cret")
    monkeypatch.setenv("RAY_AUTH_MODE", asked)
    cluster = find_local_cluster().cluster
    if asked:
        require(cluster)
        assert os.environ["RAY_AUTH_MODE"] == "token"
    else:
        with pytest.raises(ClusterError, match="--ray HOST:PORT, or RAY_AUTH_MODE=tok"):
            require(cluster)
        assert os.environ["RAY_AUTH_MODE"] == ""
    assert there.told and "s3cret" not in str(there.told)


def test_the_client_of_jobs_takes_no_token_to_a_server_that_was_only_found(monkeypatch):
    monkeypatch.setenv("RAY_AUTH_TOKEN", "s3cret")
    monkeypatch.delenv("RAY_AUTH_MODE")
    addresses.use_token(named=False)
    assert os.environ["RAY_AUTH_MODE"] == "disabled"
    monkeypatch.delenv("RAY_AUTH_MODE")
    addresses.use_token(named=True)
    assert os.environ["RAY_AUTH_MODE"] == "token"


@pytest.mark.parametrize(
    ("code", "mode"),
    [
        (OPEN, "disabled"),
        (CLOSED, "token"),
        (grpc.StatusCode.UNIMPLEMENTED, None),  # another Ray: it may decide itself
    ],
)
def test_ray_sends_its_token_where_a_named_cluster_asks_for_it(
    code, mode, head, monkeypatch
):
    there = head(code)
    monkeypatch.setenv("RAY_AUTH_TOKEN", "s3cret")
    monkeypatch.setenv("RAY_ADDRESS", there.address)
    cluster = find_cluster().cluster
    assert cluster and cluster.named_by == "RAY_ADDRESS"
    require(cluster)
    assert (os.environ["RAY_AUTH_MODE"] or None) == mode


def test_a_token_that_is_missing_is_one_line(head, monkeypatch):
    there = ClusterAddress(head(CLOSED).address, "--ray")
    with pytest.raises(
        ClusterError, match=f"{there.address}: the cluster asks for its token"
    ):
        require(there)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # somebody has decided
    require(there)
    require(ClusterAddress("local", "--ray"))


@pytest.mark.parametrize("by", ["RAY_ADDRESS", "--ray"])
def test_a_dead_address_is_one_line_that_says_what_named_it(by):
    began = time.monotonic()
    with pytest.raises(ClusterError) as refused:
        require(ClusterAddress("127.0.0.1:1", by))
    assert time.monotonic() - began < 3
    line = str(refused.value)
    assert line.startswith(f"{by}: expected a Ray cluster at 127.0.0.1:1, got none")
    assert ("unset it" in line) == (by == "RAY_ADDRESS")


def test_a_server_that_does_not_speak_as_ray_does_is_no_cluster(note, monkeypatch):
    monkeypatch.setattr(addresses, "ANSWER_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"127.0.0.1:{mute.getsockname()[1]}"
        with pytest.raises(
            ClusterError, match="something listens there, but it is not Ray"
        ):
            require(ClusterAddress(address, "RAY_ADDRESS"))
        note(address)
        assert "something listens there, but it is not Ray" in find_cluster().why_not


@pytest.mark.parametrize("text", ["http://head", "head", "head:99999", ":1", "head:x"])
def test_an_address_without_a_port_is_no_address(text):
    assert answers(text) == f"expected HOST:PORT, got {text!r}"


@pytest.mark.slow
@pytest.mark.parametrize("variable", ["RAY_ADDRESS", None])
def test_extract_says_in_seconds_that_the_cluster_is_gone(
    variable, moving_video, tmp_path
):
    """Ray itself would try for 14 minutes."""
    (tmp_path / "v/moves").mkdir(parents=True)
    (tmp_path / "v/moves/a.mp4").write_bytes(moving_video.read_bytes())
    words = "extract --dataset folder --videos v --out s --modalities rgb --workers 1"
    more = [] if variable else ["--ray", "127.0.0.1:1"]
    environment = os.environ | ({variable: "127.0.0.1:1"} if variable else {})
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.commands.cli", *words.split(), *more],
        env=environment | {"PYTHONPATH": str(Path(__file__).parents[2])},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert time.monotonic() - began < 30
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        f"Error: {variable or '--ray'}: expected a Ray cluster at 127.0.0.1:1, got none"
    )
