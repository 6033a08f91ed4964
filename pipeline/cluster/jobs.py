"""A command line -> a job of a cluster: submit, follow, read, stop, list.

The job runs on the head (on a machine with free GPUs if it asks for some), where this
package is installed as on all machines; nothing is uploaded. What it needs of the user's
surroundings travels as environment variables. It goes on when whoever follows it leaves.
"""

import asyncio
import logging
import os
import re
import secrets
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from pipeline.cluster.address import (
    DASHBOARD_PORT,
    TOKEN_NEEDED,
    answers,
    running_here,
    use_token,
)
from pipeline.cluster.errors import ClusterError
from pipeline.holder import JOB

POLL_SECONDS = 0.5
AWAY_SECONDS = 120.0
"""How long a cluster may be silent before one stops waiting for it."""
STOP_SECONDS = 60
"""What a job may take to put its work in order after it was told to stop; Ray gives 3 s."""
INTERRUPTED = 130
PENDING_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as the cluster knows it."""

    id: str
    command: str
    status: str
    """PENDING, RUNNING, SUCCEEDED, FAILED or STOPPED."""
    exit_code: int | None
    """What whoever submitted it is to end with; None while it runs."""
    began: float
    """Seconds since 1970; 0 if it has not."""
    seconds: float
    message: str
    """What the cluster says about it; its first line."""

    @property
    def over(self) -> bool:
        return self.exit_code is not None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def text(self) -> str:
        """One line of a list."""
        began = time.strftime("%m-%d %H:%M", time.localtime(self.began))
        status = self.status.lower()
        if self.exit_code and status == "failed":
            status += f" ({self.exit_code})"
        took = f"{self.seconds / 60:,.1f} min"
        return f"{self.id}  {status:10}  {began}  {took:>10}  {self.command}"

    @classmethod
    def of(cls, details: Any) -> Self:
        """Of what Ray's client returns."""
        began = (details.start_time or 0) / 1000
        ended = (details.end_time or 0) / 1000 or time.time()
        message = (details.message or "").strip().partition("\n")[0]
        message = message.partition(", last available logs")[0]  # they were shown
        return cls(
            id=details.submission_id,
            command=details.entrypoint,
            status=str(details.status.value),
            exit_code=_exit_code(details.status.value, details.driver_exit_code),
            began=began,
            seconds=max(ended - began, 0.0) if began else 0.0,
            message=message,
        )


def _exit_code(status: str, driver: int | None) -> int | None:
    """Of a job: its own, 130 where it was stopped, 1 where it has none (a crash)."""
    if status == "SUCCEEDED":
        return 0
    if status == "STOPPED":
        return INTERRUPTED
    if status == "FAILED":
        return driver if driver and 0 < driver < 128 or driver == INTERRUPTED else 1
    return None


def new_id(words: Sequence[str]) -> str:
    """Unique, and readable: command, data set or store, when, four random letters."""
    named = ""
    for option in ("--dataset", "--store", "--out"):
        if option in words[:-1]:
            named = Path(words[words.index(option) + 1]).name
            break
    when = time.strftime("%m%d-%H%M%S")
    parts = [*words[1:2], named, when, secrets.token_hex(2)]
    return re.sub("[^a-z0-9]+", "-", "-".join(filter(None, parts)).lower()).strip("-")


class JobServer:
    """The job server of a cluster: its dashboard.

    Args:
        address: http://HOST:8265 or HOST:PORT of the dashboard; where None, what
            RAY_API_SERVER_ADDRESS says, else a cluster of this machine.

    Raises:
        ClusterError: nobody answers, or we are not let in.
    """

    def __init__(self, address: str | None = None) -> None:
        use_token()
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        self.address = _dashboard(address)
        with _one_line(self.address):
            from ray.job_submission import JobSubmissionClient

            logging.getLogger("ray.dashboard.modules.job.sdk").setLevel(logging.WARNING)
            # Ray lets these two win over what it is given
            os.environ["RAY_API_SERVER_ADDRESS"] = self.address
            self._client = JobSubmissionClient(self.address)

    def submit(
        self,
        words: Sequence[str],
        *,
        environment: Mapping[str, str],
        gpus: float = 0,
    ) -> str:
        """Start a command as a job, and return its id.

        Args:
            words: program and arguments, paths absolute.
            environment: variables for the job and its tasks.
            gpus: of one machine, reserved for the command itself; it then runs on
                whichever machine has them, else on the head.
        """
        name = new_id(words)
        with _one_line(self.address):
            return self._client.submit_job(
                entrypoint=shlex.join(words),
                submission_id=name,
                runtime_env={"env_vars": dict(environment) | _our_variables(name)},
                entrypoint_num_gpus=gpus or None,
                metadata={"motion_shards": words[0]},
            )

    def jobs(self) -> list[Job]:
        """All that were submitted, oldest first."""
        with _one_line(self.address):
            found = self._client.list_jobs()
        jobs = [Job.of(details) for details in found if details.submission_id]
        return sorted(jobs, key=lambda job: (job.began, job.id))

    def job(self, name: str) -> Job:
        """The job of an id, or of a part of it that no other has.

        Raises:
            ClusterError: there is none, or several.
        """
        jobs = self.jobs()
        found = [job for job in jobs if job.id == name] or [
            job for job in jobs if name in job.id
        ]
        if len(found) != 1:
            several = ", ".join(job.id for job in found[:5]) or "none"
            raise ClusterError(
                f"{self.address}: expected one job {name!r}, got {several}"
            )
        return found[0]

    def _known(self, name: str) -> Job:
        with _one_line(self.address):
            return Job.of(self._client.get_job_info(name))

    def log(self, name: str) -> str:
        """What a job has printed so far."""
        with _one_line(self.address):
            return self._client.get_job_logs(name)

    def follow(
        self,
        name: str,
        *,
        write: Callable[[str], None],
        say: Callable[[str], None],
    ) -> Job:
        """Pass on what a job prints, from its beginning, until it is over.

        Args:
            write: gets the job's text.
            say: gets lines about the job: that it waits, that the cluster is away.

        Raises:
            ClusterError: the cluster was silent for too long; the job may go on.
        """
        self._await_start(name, say)
        shown, heard = 0, time.monotonic()
        while True:
            try:
                # one connection after the other: a laptop sleeps, a tunnel breaks
                shown = asyncio.run(self._pass_on(name, shown, write))
                job = self._known(name)
                if job.over:
                    write(self.log(name)[shown:])  # what a broken connection withheld
                    return job
                heard = time.monotonic()
            except ClusterError as error:
                if time.monotonic() - heard > AWAY_SECONDS:
                    raise ClusterError(
                        f"{error}: no answer for {AWAY_SECONDS:.0f} s; the job may go on"
                    ) from error
            time.sleep(POLL_SECONDS)

    def stop(self, name: str) -> Job:
        """Tell a job to stop, wait until it has, and return what became of it."""
        with _one_line(self.address):
            self._client.stop_job(name)
        deadline = time.monotonic() + STOP_SECONDS + AWAY_SECONDS
        while not (job := self._known(name)).over:
            if time.monotonic() > deadline:
                raise ClusterError(f"{name}: expected it to stop, got {job.status}")
            time.sleep(POLL_SECONDS)
        return job

    def _await_start(self, name: str, say: Callable[[str], None]) -> None:
        began, said = time.monotonic(), ""
        while (job := self._known(name)).status == "PENDING":
            waited = time.monotonic() - began
            if waited > PENDING_SECONDS and job.message != said:
                said = job.message
                say(f"{name} waits: {said}")
            time.sleep(POLL_SECONDS)

    async def _pass_on(
        self, name: str, shown: int, write: Callable[[str], None]
    ) -> int:
        """Write what is new behind so many characters; how many there are then."""
        import aiohttp  # comes with ray[default]

        seen = 0
        try:
            async for text in self._client.tail_job_logs(name):
                new = text[max(shown - seen, 0) :]
                seen += len(text)
                if new:
                    write(new)
        except (aiohttp.ClientError, RuntimeError):
            pass  # whether the cluster is there still, the next question tells
        return max(seen, shown)


def _our_variables(name: str) -> dict[str, str]:
    """What every job gets."""
    scripts = Path(sys.executable).parent
    return {
        JOB: name,
        # The head's own `pipeline` comes first; else ours, if it is on a shared disk.
        "PATH": f"${{PATH}}{os.pathsep}{scripts}",
        "RAY_JOB_STOP_WAIT_TIME_S": str(STOP_SECONDS),
        "RAY_USAGE_STATS_ENABLED": os.environ.get("RAY_USAGE_STATS_ENABLED", "0"),
    }


def _dashboard(address: str | None) -> str:
    """The URL of a job server that answers."""
    named = address or os.environ.get("RAY_API_SERVER_ADDRESS")
    if not named and os.environ.get("RAY_ADDRESS", "").startswith("http"):
        named = os.environ["RAY_ADDRESS"]
    if named:
        url = named if "://" in named else f"http://{named}"
        url = url.rstrip("/")
        if url.startswith("http") and not re.search(r":\d+$", url):
            url += f":{DASHBOARD_PORT}"
        if why := answers(url):
            raise ClusterError(f"expected a job server at {url}, got none: {why}")
        return url
    local = os.environ.get("RAY_ADDRESS") or running_here()
    if local and (found := _dashboard_of(local)):
        return found
    url = f"http://127.0.0.1:{DASHBOARD_PORT}"
    if (
        answers(url) is None
    ):  # or a tunnel that ends there: `ray dashboard cluster.yaml`
        return url
    raise ClusterError(
        f"expected a cluster's job server here (at {url}), got none: name it by "
        f"--address http://HEAD:{DASHBOARD_PORT} or RAY_API_SERVER_ADDRESS, or start one "
        "(`ray up cluster.yaml`, `ray start --head`)"
    )


def _dashboard_of(cluster: str) -> str | None:
    """The dashboard of a cluster that is named by its own address."""
    try:
        from ray.dashboard.utils import ray_address_to_api_server_url
    except (
        ImportError
    ):  # not a public function: where it has moved, the port is a guess
        return None
    with _one_line(cluster):
        url = ray_address_to_api_server_url(cluster)
    return url if answers(url) is None else None


@contextmanager
def _one_line(address: str) -> Any:
    """Whatever Ray's clients raise, said in one line."""
    try:
        yield
    except ClusterError:
        raise
    except Exception as error:
        kind = type(error).__name__
        first = next(iter(str(error).strip().splitlines()), kind)
        if kind == "AuthenticationError":
            raise ClusterError(f"{address}: {TOKEN_NEEDED}") from error
        if isinstance(error, (RuntimeError, ConnectionError, ValueError, ImportError)):
            raise ClusterError(f"{address}: {first}") from error
        if kind in ("ConnectionError", "Timeout", "HTTPError", "JSONDecodeError"):
            raise ClusterError(f"{address}: {first}") from error
        raise
