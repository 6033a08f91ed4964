"""A command line -> a job of a cluster: submit, follow, read, stop, list.

The job runs on the head (on a machine with free GPUs if it asks for some), where this
package is installed as on all machines; nothing is uploaded. The parts of the user's
environment that it needs are passed as environment variables. It goes on when nobody
follows it any more.
"""

import asyncio
import logging
import os
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from motion_shards.errors import ClusterError
from motion_shards.near import near
from motion_shards.processes import JOB
from motion_shards.variables import packed

from .dashboard import dashboard, one_line
from .job import Job, new_id

POLL_SECONDS = 0.5
AWAY_SECONDS = 120.0
"""Seconds without an answer of the cluster until waiting ends."""
STOP_SECONDS = 60
"""Seconds that a job has to save its work after a request to stop; Ray gives 3 s."""
PENDING_SECONDS = 10.0


class JobServer:
    """The job server of a cluster: its dashboard.

    Args:
        address: http://HOST:8265 or HOST:PORT of the dashboard; None: that of
            RAY_API_SERVER_ADDRESS, else of a cluster on this machine.

    Raises:
        ClusterError: the cluster does not answer, or refuses the connection.
    """

    def __init__(self, address: str | None = None) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        self.address = dashboard(address)
        with one_line(self.address):
            from ray.job_submission import JobSubmissionClient

            logging.getLogger("ray.dashboard.modules.job.sdk").setLevel(logging.WARNING)
            # Ray lets this and RAY_ADDRESS win over what it is given
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
            environment: variables for the job and its tasks. They do not get into logs.
            gpus: of one machine, reserved for the command itself; it then runs on
                whichever machine has them, else on the head.
        """
        name = new_id(words)
        with one_line(self.address):
            return self._client.submit_job(
                entrypoint=shlex.join(words),
                submission_id=name,
                runtime_env={"env_vars": _our_variables(name)},
                entrypoint_num_gpus=gpus or None,
                metadata={"motion_shards": words[0]} | packed(environment),
            )

    def jobs(self) -> list[Job]:
        """All that were submitted, oldest first."""
        with one_line(self.address):
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
        if not found:
            question = near(name, (job.id for job in jobs))
            raise ClusterError(
                f"no job {name!r} at {self.address}{question} (`pipeline jobs` lists them)"
            )
        if len(found) > 1:
            several = ", ".join(job.id for job in found[:5])
            raise ClusterError(
                f"{len(found)} jobs at {self.address} have {name!r} in their id: {several}"
            )
        return found[0]

    def _known(self, name: str) -> Job:
        with one_line(self.address):
            return Job.of(self._client.get_job_info(name))

    def log(self, name: str) -> str:
        """The output of a job so far."""
        with one_line(self.address):
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
            say: called with lines about the job: that it waits, or that the cluster does not
                answer.

        Raises:
            ClusterError: the cluster was silent for too long; the job may still be running.
        """
        self._await_start(name, say)
        shown, heard = 0, time.monotonic()
        while True:
            try:
                # one connection after the other: a laptop sleeps, a tunnel breaks
                shown = asyncio.run(self._pass_on(name, shown, write))
                job = self._known(name)
                if job.over:
                    write(self.log(name)[shown:])  # the rest of the log
                    return job
                heard = time.monotonic()
            except ClusterError as error:
                if time.monotonic() - heard > AWAY_SECONDS:
                    raise ClusterError(
                        f"{error}: no answer for {AWAY_SECONDS:.0f} s; the job may still be running"
                    ) from error
            time.sleep(POLL_SECONDS)

    def stop(self, name: str) -> Job:
        """Tell a job to stop, wait until it has, and return its last state."""
        with one_line(self.address):
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
                say(f"{name} is waiting: {said}")
            time.sleep(POLL_SECONDS)

    async def _pass_on(
        self, name: str, shown: int, write: Callable[[str], None]
    ) -> int:
        """Print the part of the log after `shown` characters; return the new offset."""
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
    """Environment variables of every job."""
    scripts = Path(sys.executable).parent
    return {
        JOB: name,
        # The head's own `pipeline` comes first; else ours, if it is on a shared disk.
        "PATH": f"${{PATH}}{os.pathsep}{scripts}",
        "RAY_JOB_STOP_WAIT_TIME_S": str(STOP_SECONDS),
        "RAY_USAGE_STATS_ENABLED": os.environ.get("RAY_USAGE_STATS_ENABLED", "0"),
    }
