"""Stages in processes of their own: a crash, a hang or an overrun ends one stage alone."""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import IO

from motion_shards.interruption import interrupted_later
from motion_shards.plain_text import printable

from .rows import NotRun, Row, State, from_json
from .settings import Settings
from .stages import FACTS, Stage

END_SECONDS = 5.0
"""Time for a stage to end in good order after it was told to, and again after SIGKILL."""
LEAST_SECONDS = 3.0
"""A stage with less time than this is not started."""
DETAILS_BYTES = 4000
"""End of a failed stage's output that is kept."""

SIGNAL = "Ctrl-C or a signal"

Say = Callable[[str, Row | None], None]
"""Called with the name of a stage when it begins (None) and with each of its rows."""


@dataclass(slots=True, kw_only=True)
class StageResult:
    """The end of a stage, and the rows that it reported until then."""

    stage: Stage
    state: State
    reason: str = ""
    """One line, where the state is not "finished"."""
    seconds: float = 0.0
    limit_seconds: float = 0.0
    rows: list[Row] = field(default_factory=list)
    details: str = ""
    """End of its output, where it failed."""


def run_stages(
    stages: Sequence[Stage],
    settings: Settings,
    *,
    budget_seconds: float,
    environment: Mapping[str, str] = {},
    say: Say = lambda stage, row: None,
) -> Iterator[StageResult]:
    """Run stages one after the other, each within its share of the time that is left.

    A stage that ends early leaves its time to those behind it. After `FACTS` without a
    device, and after Ctrl-C, the rest is not run.

    Args:
        environment: variables in addition to those of this process.
        say: see `Say`.
    """
    end = time.monotonic() + budget_seconds
    why_not = ""
    for place, stage in enumerate(stages):
        left = end - time.monotonic()
        limit = left * stage.seconds / sum(it.seconds for it in stages[place:])
        if stage == FACTS:  # what it cannot say in time would end the whole run
            limit = min(max(limit, stage.seconds), left)
        if not why_not and limit < LEAST_SECONDS:
            yield StageResult(stage=stage, state="not run", reason="no time left")
            continue
        if why_not:
            yield StageResult(stage=stage, state="not run", reason=why_not)
            continue
        say(stage.name, None)
        own = replace(settings, seconds=limit)
        result = run_stage(stage, own, environment=environment, say=say)
        if result.state == "interrupted":
            why_not = "interrupted"
        elif stage == FACTS and result.state != "finished":
            why_not = "the GPU cannot be used"
        yield result


def run_stage(
    stage: Stage,
    settings: Settings,
    *,
    environment: Mapping[str, str] = {},
    say: Say = lambda stage, row: None,
) -> StageResult:
    """Run one stage for `settings.seconds` at most. Ctrl-C ends it, too."""
    began = time.monotonic()
    result = StageResult(stage=stage, state="crashed", limit_seconds=settings.seconds)
    with (
        tempfile.TemporaryFile() as output,
        _started(stage, settings, environment, output) as (process, lines),
    ):
        told = False
        try:
            while result.state == "crashed" and not lines.closed:
                left = began + settings.seconds - time.monotonic()
                if left <= 0:
                    result.state, told = "timed out", True
                    result.reason = f"stopped after {settings.seconds:.0f} s"
                lines.wait(left)
                with interrupted_later():  # or rows that were read would be lost
                    for line in lines.read():
                        _take(result, line, say)
        except KeyboardInterrupt:
            result.state, result.reason, told = "interrupted", SIGNAL, True
        code = _ended(process, told=told)
        for line in lines.read():
            _take(result, line, say)
        if result.state == "crashed":
            result.reason = _cause(code)
        elif result.state == "finished" and code:
            result.state, result.reason = (
                "crashed",
                f"after its last row, {_cause(code)}",
            )
        if code is None:
            result.reason += "; its process does not end after SIGKILL"
        if result.state not in ("finished", "interrupted"):
            result.details = _tail(output)
    result.seconds = time.monotonic() - began
    parts = [row for row in result.rows if isinstance(row, NotRun)]
    if result.state == "finished" and parts and len(parts) == len(result.rows):
        result.state, result.reason = "not run", parts[0].reason
    return result


def _take(result: StageResult, line: str, say: Say) -> None:
    """Add what a line of the process says."""
    message = json.loads(line)
    if "row" in message:
        result.rows.append(from_json(message["row"]))
        say(result.stage.name, result.rows[-1])
    elif result.state == "crashed":  # no other end is known yet
        result.state = "failed" if "failed" in message else "finished"
        result.reason = printable(message.get("failed", ""))


@contextmanager
def _started(
    stage: Stage, settings: Settings, environment: Mapping[str, str], output: IO[bytes]
) -> Iterator[tuple[subprocess.Popen[bytes], "_Lines"]]:
    """The process of a stage and the lines that it sends. At the end nothing of it is
    left."""
    ours, theirs = os.pipe()
    command = [sys.executable, "-m", f"{__package__}.child", stage.function]
    try:
        process = subprocess.Popen(
            [*command, settings.to_text(), str(theirs), str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **environment},
            pass_fds=(theirs,),
            start_new_session=True,
        )
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    try:
        yield process, _Lines(ours)
    finally:
        os.close(ours)
        _kill_group(process)
        with suppress(subprocess.TimeoutExpired):
            process.wait(END_SECONDS)


class _Lines:
    """Lines that come from a descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._rest = b""
        self.closed = False
        """Whether the other side is closed and all was read."""

    def wait(self, seconds: float) -> bool:
        """Wait until there is something to read, and say whether there is."""
        return bool(select.select([self._descriptor], [], [], max(seconds, 0))[0])

    def read(self) -> list[str]:
        """The lines that are whole by now, perhaps none."""
        if self.closed or not self.wait(0):
            return []
        piece = os.read(self._descriptor, 1 << 20)
        self.closed = not piece
        *lines, self._rest = (self._rest + piece).split(b"\n")
        return [line.decode() for line in lines]


def _ended(process: subprocess.Popen[bytes], *, told: bool) -> int | None:
    """Exit code of a process that is told to end, or ends by itself; None: it does not.

    A process is first asked (SIGTERM), so that it gives back what it holds of the GPU.
    """
    if told:
        process.terminate()
    for _ in range(2):
        with suppress(subprocess.TimeoutExpired):
            return process.wait(END_SECONDS)
        _kill_group(process)
    return None


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL for a process and its children; it began a session of its own."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _cause(code: int | None) -> str:
    """An exit code in words."""
    if code is not None and code < 0:
        with suppress(ValueError):
            return f"its process died: {signal.Signals(-code).name}"
    return f"its process ended with exit code {code}"


def _tail(output: IO[bytes]) -> str:
    size = output.seek(0, os.SEEK_END)
    output.seek(max(0, size - DETAILS_BYTES))
    return output.read().decode(errors="replace").strip()
