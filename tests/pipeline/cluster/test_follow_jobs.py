"""Jobs of a cluster: found by a part of their name, and their text passed on once."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from motion_shards.errors import ClusterError
from pipeline.cluster import jobs as following
from pipeline.cluster.job import Job
from pipeline.cluster.jobs import JobServer


def job(name: str, *, status: str = "RUNNING", began: float = 0.0, **more: Any) -> Job:
    return Job(
        id=name,
        command="pipeline extract",
        status=status,
        exit_code=0 if status == "SUCCEEDED" else None,
        began=began,
        seconds=1.0,
        message=more.get("message", ""),
    )


class Told(JobServer):
    """A server whose jobs and log are given, one answer after the other."""

    address = "http://head:8265"

    def __init__(self, *answers: Job, jobs: Sequence[Job] = (), log: str = "") -> None:
        self._answers, self._jobs, self._log = list(answers), list(jobs), log
        self._client = self
        self.pieces: list[list[str]] = []
        """What each connection gives, before it breaks."""

    def jobs(self) -> list[Job]:
        return self._jobs

    def _known(self, name: str) -> Job:
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    def log(self, name: str) -> str:
        return self._log

    async def tail_job_logs(self, name: str) -> AsyncIterator[str]:
        for piece in self.pieces.pop(0) if self.pieces else []:
            yield piece


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(following, "POLL_SECONDS", 0.0)


def test_a_job_is_known_by_a_part_of_its_name_that_no_other_has():
    jobs = [job("extract-ucf101-1"), job("extract-ucf101-12"), job("train-9")]
    server = Told(jobs=jobs)
    assert server.job("train").id == "train-9"
    assert server.job("12").id == "extract-ucf101-12"
    assert server.job("extract-ucf101-1").id == "extract-ucf101-1"  # all of it
    with pytest.raises(
        ClusterError,
        match="2 jobs at .* have 'extract' in their id: extract-ucf101-1, extract",
    ):
        server.job("extract")
    with pytest.raises(ClusterError, match="no job 'hmdb' at"):
        server.job("hmdb")


def test_text_that_was_shown_before_a_connection_broke_is_not_shown_again():
    """Each connection begins at the beginning of the log."""
    server, written = Told(job("a")), []
    server.pieces = [["one\n", "two\n"], ["one\ntw", "o\nthree\n"], ["one\n"], []]
    shown = 0
    for expected in (8, 14, 14, 14):
        shown = asyncio.run(server._pass_on("a", shown, written.append))
        assert shown == expected
    assert "".join(written) == "one\ntwo\nthree\n"


def test_following_ends_with_the_job_and_what_was_withheld():
    server = Told(
        job("a"),
        job("a"),
        job("a", status="SUCCEEDED"),
        log="one\ntwo\nthree\n",
    )
    server.pieces = [["one\n"], ["one\ntwo\n"]]
    written: list[str] = []
    done = server.follow("a", write=written.append, say=written.append)
    assert done.exit_code == 0
    assert "".join(written) == "one\ntwo\nthree\n"


def test_why_a_job_waits_is_said_once(monkeypatch):
    monkeypatch.setattr(following, "PENDING_SECONDS", -1.0)
    waits = job("a", status="PENDING", message="no node has a GPU")
    other = job("a", status="PENDING", message="it starts")
    server = Told(waits, waits, other, job("a", status="SUCCEEDED"))
    said: list[str] = []
    server.follow("a", write=said.append, say=said.append)
    assert said[:2] == ["a is waiting: no node has a GPU", "a is waiting: it starts"]


def test_a_cluster_may_be_away_for_a_while(monkeypatch):
    """Two minutes, not longer: the line says that the job may still be running."""
    now = [0.0]
    monkeypatch.setattr(following.time, "monotonic", lambda: now[0])

    class Away(Told):
        def _known(self, name: str) -> Job:
            found = super()._known(name)
            if found.status == "AWAY":
                now[0] += 100
                raise ClusterError("nobody answers")
            return found

    away = job("a", status="AWAY")
    back = Away(job("a"), away, job("a"), away, job("a", status="SUCCEEDED"))
    assert back.follow("a", write=print, say=print).exit_code == 0
    with pytest.raises(
        ClusterError, match="no answer for 120 s; the job may still be running"
    ):
        Away(job("a"), away).follow("a", write=print, say=print)


class Details:
    """As Ray's client describes a job."""

    entrypoint, message, status = "pipeline extract", None, None

    def __init__(self, name: str | None, start_time: int | None) -> None:
        self.submission_id, self.start_time, self.end_time = name, start_time, None
        self.driver_exit_code = None
        self.status = type("Status", (), {"value": "RUNNING"})


def test_jobs_are_listed_by_when_they_began_and_those_of_no_command_left_out():
    server = Told(job("a"))
    server.list_jobs = lambda: [  # type: ignore[attr-defined]
        Details("b", 3000),
        Details("a", 5000),
        Details(None, 1000),
        Details("c", None),
        Details("d", 3000),
    ]
    assert [it.id for it in JobServer.jobs(server)] == ["c", "b", "d", "a"]
