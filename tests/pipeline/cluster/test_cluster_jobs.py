"""Jobs and machines of a real cluster: one head for all, ended by its own number."""

import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from small_videos import RGB_MV, data_set, draw_videos, store_bytes

from pipeline.driver.extraction import extract
from pipeline.executors.choose import Execution
from pipeline.store import Store
from pipeline.store.lease import holder_of

pytestmark = pytest.mark.slow
HERE = Path(__file__).parents[1]
SCRIPTS = Path(sys.executable).parent
SECONDS = 120
"""For a machine with other things to do."""


def free_ports(count: int) -> list[int]:
    """Nobody listens there now; taken together, so that no two are equal."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def wait_until(true: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


class RayCluster:
    """A head and further nodes on this machine, in folders and on ports of their own.

    Nothing is ended but what was started here: `ray stop` would end everybody's Ray.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        home = folder / "home"
        (home / ".ray").mkdir(parents=True)
        (home / ".ray/auth_token").write_text(secrets.token_hex(32))
        kept = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
        self.environment = kept | {
            "HOME": str(home),
            "RAY_TMPDIR": str(folder),
            "RAY_USAGE_STATS_ENABLED": "0",
            "PYTHONPATH": os.pathsep.join(
                map(str, (HERE, HERE.parent, HERE.parents[1]))
            ),
            "PATH": os.pathsep.join((str(SCRIPTS), kept["PATH"])),
        }
        self._nodes: list[subprocess.Popen] = []
        port, dashboard, client = free_ports(3)
        self.address = f"127.0.0.1:{port}"
        self.dashboard = f"http://127.0.0.1:{dashboard}"
        self.head = self.start(
            *("--head", f"--port={port}", f"--dashboard-port={dashboard}"),
            *(f"--ray-client-server-port={client}", "--node-ip-address=127.0.0.1"),
        )

    def join(self) -> subprocess.Popen:
        """One more node."""
        return self.start(f"--address={self.address}", "--node-ip-address=127.0.0.1")

    def start(self, *options: str) -> subprocess.Popen:
        log = self._folder / f"node{len(self._nodes)}.log"
        command = [
            *(str(SCRIPTS / "ray"), "start", "--block", "--num-cpus=1"),
            *("--object-store-memory=80000000", "--disable-usage-stats", *options),
        ]
        with log.open("wb") as file:
            node = subprocess.Popen(
                command,
                # a head finds the token by itself, a node that joins must be told
                env=self.environment | {"RAY_AUTH_MODE": "token"},
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        self._nodes.append(node)

        def started() -> bool:
            assert node.poll() is None, log.read_text()
            return "Ray runtime started" in log.read_text()

        wait_until(started, f"Ray did not start: {log.read_text()}")
        return node

    def kill(self, node: subprocess.Popen) -> None:
        """As a power cut does it: without a word, and all that belongs to it."""
        for pid in session_of(node.pid):
            with_no_process_ignored(os.kill, pid, signal.SIGKILL)
        node.wait(SECONDS)

    def end(self) -> None:
        for node in reversed(self._nodes):
            if node.poll() is None:
                pids = session_of(node.pid)
                node.terminate()
                try:
                    node.wait(30)
                except subprocess.TimeoutExpired:
                    node.kill()
                    node.wait(30)
                for pid in pids:
                    with_no_process_ignored(os.kill, pid, signal.SIGKILL)


def with_no_process_ignored(call: Callable, *arguments: int) -> None:
    try:
        call(*arguments)
    except ProcessLookupError:
        pass


def session_of(leader: int) -> list[int]:
    """Processes of a session, its leader last."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader:
            found.append(int(path.parent.name))
    return sorted(found, reverse=True)


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # sockets: short names
    made = RayCluster(folder)
    try:
        yield made
    finally:
        made.end()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    draw_videos(folder, 24)
    return folder


@pytest.fixture(scope="module")
def expected(folder, tmp_path_factory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("stores") / "store"
    extract(data_set(folder), RGB_MV, out=out, execution=Execution(workers=0))
    return store_bytes(out)


@pytest.fixture
def pipeline(cluster, tmp_path) -> Callable[..., subprocess.CompletedProcess]:
    """Runs the command in a folder of its own, with nothing but Ray's note of its head,
    and leave to send the token there."""

    def run(
        *words: object, environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess:
        return subprocess.run(
            [str(SCRIPTS / "pipeline"), *map(str, words)],
            env=cluster.environment | {"RAY_AUTH_MODE": "token"} | (environment or {}),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    return run


def small(folder: Path, out: Path | str, *more: str) -> list[str]:
    """The extraction that all these tests do."""
    return [
        *("extract", "--dataset", "folder", "--videos", str(folder), "--out", str(out)),
        *("--holdout", "0.5", "--short-side", "32", "--modalities", "rgb,mv", *more),
    ]


def test_a_job_makes_the_store_that_the_command_makes_here(
    pipeline, cluster, folder, tmp_path
):
    here = pipeline(*small(folder, "here", "--ray", "off", "--workers", "0"))
    assert here.returncode == 0, here.stderr
    (folder / "right" / "broken.mp4").write_text("no video")
    try:
        job = pipeline("submit", "--json", "--", *small(folder, "there"))
    finally:
        (folder / "right" / "broken.mp4").unlink()
    assert job.returncode == 3, job.stderr  # one quarantined
    told = json.loads(job.stdout)
    assert told["exit_code"] == 3 and told["status"] == "FAILED"
    assert "with paths made absolute: " in job.stderr
    assert f"--out {tmp_path / 'there'}" in job.stderr
    assert "24 of 25 videos stored" in job.stderr and "of 25 videos (" in job.stderr
    assert "quarantined right/broken.mp4: " in job.stderr
    ours = Store(tmp_path / "here"), Store(tmp_path / "there")
    videos = [{v.id: v.xxh3 for v in store.videos()} for store in ours]
    assert videos[0] == videos[1]
    # it has joined the cluster that it ran on: Ray knows a driver of this job
    code = (
        "import sys; from pipeline.cluster.jobs import JobServer\n"
        "print(JobServer()._client.get_job_info(sys.argv[1]).driver_info)"
    )
    asked = subprocess.run(
        [sys.executable, "-c", code, told["id"]],
        env=cluster.environment | {"RAY_AUTH_MODE": "token"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "pid='" in asked.stdout, asked.stdout


def test_the_token_goes_to_a_cluster_that_is_named_and_not_to_one_that_is_found(
    pipeline, cluster, folder
):
    unasked = {"RAY_AUTH_MODE": ""}
    for words in (["jobs"], small(folder, "s", "--ray", "auto")):
        found = pipeline(*words, environment=unasked)
        assert found.returncode == 1
        assert (
            "asks for a token, which is sent only to a cluster that is named"
            in found.stderr
        )
    named = pipeline("jobs", "--address", cluster.dashboard, environment=unasked)
    assert named.returncode == 0, named.stderr


def test_a_value_of_env_arrives_as_it_is_and_is_in_no_log(pipeline, cluster, tmp_path):
    variables = {"VIDEO_DATA": f"{tmp_path}/s3cret ${{HOME}} $PATH", "OTHER": "s3cret"}
    sent = pipeline(
        *("submit", "--env", "VIDEO_DATA", "--env", "OTHER", "--", "doctor", "--json"),
        environment=variables,
    )
    (line,) = [line for line in sent.stdout.splitlines() if line.startswith("{")]
    found = {check["name"]: check["found"] for check in json.loads(line)["checks"]}
    assert found["data folder"].startswith(f"{variables['VIDEO_DATA']}: ")
    logs = Path(cluster.environment["RAY_TMPDIR"], "ray/session_latest/logs")
    told = [path for path in logs.rglob("*") if path.is_file()]
    having = [path.name for path in told if b"s3cret" in path.read_bytes()]
    assert told and all(name.startswith("job-driver-doctor") for name in having)


def test_the_other_program_is_found_and_an_error_passes_through(pipeline):
    listed = pipeline("submit", "training", "recipes")
    assert listed.returncode == 0, listed.stderr
    assert "r3d" in listed.stdout
    sent = pipeline("submit", "--no-wait", "--", *small(Path("nowhere"), "s"))
    assert sent.returncode == 0
    name = sent.stdout.strip()
    assert re.fullmatch(r"extract-folder-\d{4}-\d{6}-[0-9a-f]{4}", name)
    part = name.rpartition("-")[2]
    followed = pipeline("logs", part, "--follow")
    assert followed.returncode == 1
    assert "nowhere" in followed.stdout and f"{name}: failed" in followed.stderr
    unknown = pipeline("stop", "no-such-job")
    assert unknown.returncode == 1
    assert "no job 'no-such-job' at " in unknown.stderr


def test_a_job_is_left_found_again_and_stopped_and_its_store_is_its_own(
    pipeline, cluster, folder, tmp_path
):
    slow = small(folder, "store", "--short-side", "256", "--flow-device", "opencv")
    slow[slow.index("rgb,mv")] = "flow"  # a minute of the reference's work
    watching = subprocess.Popen(
        [str(SCRIPTS / "pipeline"), "submit", "--", *slow],
        env=cluster.environment | {"RAY_AUTH_MODE": "token"},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    out = tmp_path / "store"
    wait_until(lambda: (out / "_plan.json").exists(), "the job did not begin")
    held = holder_of(out)
    assert held and held.running
    name = held.holder.job
    second = pipeline("submit", "--", *slow)
    assert second.returncode == 1
    assert f"another run is writing here: process {held.holder.pid}" in (second.stdout)
    assert f"job {name}, since 2" in second.stdout
    watching.send_signal(signal.SIGINT)
    _, said = watching.communicate(timeout=SECONDS)
    assert watching.returncode == 130
    assert f"pipeline logs {name} --follow" in said and "continues" in said
    listed = json.loads(pipeline("jobs", "--json").stdout)
    assert {job["id"]: job["status"] for job in listed}[name] == "RUNNING"
    again = subprocess.Popen(
        [str(SCRIPTS / "pipeline"), "logs", name, "--follow"],
        env=cluster.environment | {"RAY_AUTH_MODE": "token"},
        stdout=subprocess.PIPE,
        text=True,
    )
    with again:
        assert "Running entrypoint" in again.stdout.readline() + again.stdout.readline()
        stopped = pipeline("stop", name)
        assert stopped.stdout == f"{name}: stopped\n"
        rest, _ = again.communicate(timeout=SECONDS)
    assert again.returncode == 130 and "are finished and saved in" in rest
    assert holder_of(out) is None


def driver(folder: Path, out: Path, cluster: RayCluster, *more: object):
    """An extraction over Ray in a process of its own; see drive.py."""
    command = [
        *(sys.executable, str(HERE / "drive.py"), str(folder), str(out)),
        *("--ray", cluster.address, "--workers", "-1", *map(str, more)),
    ]
    return subprocess.Popen(
        command, env=cluster.environment, stderr=subprocess.PIPE, text=True
    )


def test_nodes_come_and_go_and_the_store_is_the_same(
    cluster, folder, expected, tmp_path
):
    marks, out = tmp_path / "marks", tmp_path / "store"
    marks.mkdir()
    leaving = cluster.join()
    run = driver(folder, out, cluster, "--slow-seconds", 0.7, "--marks", marks)
    wait_until(lambda: len(list(marks.iterdir())) == 2, "two nodes did not work")
    cluster.kill(leaving)
    coming = cluster.join()
    _, said = run.communicate(timeout=SECONDS)
    cluster.kill(coming)
    assert run.returncode == 0, said
    assert "its worker was lost" in said
    assert len(list(marks.iterdir())) == 3  # the new one had its part
    assert store_bytes(out) == expected


def test_two_stores_at_once_on_one_cluster(cluster, folder, expected, tmp_path):
    runs = [driver(folder, tmp_path / name, cluster) for name in "ab"]
    for run in runs:
        _, said = run.communicate(timeout=SECONDS)
        assert run.returncode == 0, said
    for name in "ab":
        assert store_bytes(tmp_path / name) == expected
