"""Stages side by side: processes that each take one after another.

Two processes with one thread each do more than one process with two threads: the nets
are too small to share.
"""

import multiprocessing
import os
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple

from pipeline.store import StoreError

from ..engine.signals import stopping
from ..errors import Interrupted, TrainingError
from .plan import Stage

Work = Callable[[Stage, Mapping[str, str]], str]
"""Does a stage, given the folders of the runs it needs by role; returns its own."""

Needs = Mapping[Stage, Mapping[str, Stage]]
"""Stage -> role -> the stage that fills it."""


WITHOUT = "what it needs is not there"


class Done(NamedTuple):
    """A stage that is over."""

    stage: Stage
    folder: str = ""
    error: str = ""
    """Why it failed; empty where it did not."""
    interrupted: bool = False
    seconds: float = 0.0


def here(stages: Sequence[Stage], needs: Needs, work: Work) -> Iterator[Done]:
    """One after the other, in this process. Ends after an interruption."""
    folders: dict[Stage, str] = {}
    for stage in stages:
        needed = needs[stage]
        if not all(one in folders for one in needed.values()):
            yield Done(stage, error=WITHOUT)
            continue
        done = _done(work, stage, {role: folders[one] for role, one in needed.items()})
        if done.folder:
            folders[stage] = done.folder
        yield done
        if done.interrupted:
            return


def side_by_side(
    stages: Sequence[Stage],
    needs: Needs,
    make_work: Callable[..., Work],
    arguments: Mapping[str, Any],
    *,
    processes: int,
) -> Iterator[Done]:
    """As they come, each when what it needs is there. Signals are passed on.

    Args:
        needs: where one of them fails, the stage is left out.
        make_work: called in each process with `arguments`, both of which are pickled.

    Raises:
        Interrupted: a signal came while nothing was at work.
    """
    context = multiprocessing.get_context("spawn")
    helpers: dict[Connection, tuple[BaseProcess, Stage | None]] = {}
    waiting, complete, failed = list(stages), dict[Stage, str](), set[Stage]()
    stopped = False

    def stop(number: int, frame: object) -> None:
        nonlocal stopped
        stopped = True
        for process, _ in helpers.values():
            if process.pid and process.is_alive():
                os.kill(process.pid, signal.SIGTERM)

    before = stopping()
    for number in before:
        signal.signal(number, stop)
    try:
        for _ in range(min(processes, len(stages))):
            ours, theirs = context.Pipe()
            process: BaseProcess = context.Process(
                target=_helper, args=(theirs, make_work, dict(arguments))
            )
            process.start()
            theirs.close()
            helpers[ours] = (process, None)
        while helpers:
            without = [s for s in waiting if failed & set(needs[s].values())]
            for lost in without if not stopped else ():
                waiting.remove(lost)
                failed.add(lost)
                yield Done(lost, error=WITHOUT)
            for link, (process, busy) in list(helpers.items()):
                ready = (
                    s for s in waiting if complete.keys() >= set(needs[s].values())
                )
                if busy is None and not stopped and (stage := next(ready, None)):
                    waiting.remove(stage)
                    helpers[link] = (process, stage)
                    folders = {r: complete[one] for r, one in needs[stage].items()}
                    link.send((stage, folders))
            at_work = [link for link, (_, busy) in helpers.items() if busy]
            if not at_work and stopped:
                raise Interrupted("stopped between two stages")
            if not at_work:
                return
            ready_links = wait(at_work, timeout=1.0)
            for link in [one for one in at_work if one in ready_links]:
                process, stage = helpers[link]
                assert stage is not None
                try:
                    done: Done = link.recv()
                except (EOFError, OSError):  # its end of the link is gone
                    process.join()
                    why = f"its process ended with {process.exitcode}"
                    done = Done(
                        stage, error="" if stopped else why, interrupted=stopped
                    )
                    del helpers[link]
                else:
                    helpers[link] = (process, None)
                if done.folder:
                    complete[stage] = done.folder
                else:
                    failed.add(stage)
                yield done
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for link, (process, _) in helpers.items():
            link.close()
        for process, _ in helpers.values():
            process.join(timeout=30)
            if process.is_alive():
                process.terminate()


def _helper(
    link: Connection, make_work: Callable[..., Work], arguments: dict[str, Any]
) -> None:
    """A process that does what comes through its link until that is closed."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # the terminal's; the parent sends its own
    work: Work | None = None
    try:
        while True:
            stage, needed = link.recv()
            work = work or make_work(**arguments)
            link.send(_done(work, stage, needed))
    except (EOFError, OSError):
        return


def _done(work: Work, stage: Stage, needed: Mapping[str, str]) -> Done:
    started = time.monotonic()
    try:
        folder = work(stage, needed)
    except (Interrupted, KeyboardInterrupt):
        return Done(stage, interrupted=True)
    except (TrainingError, StoreError, OSError) as error:
        return Done(stage, error=str(error))
    except Exception:  # noqa: BLE001  a bug in one stage leaves the others; it is told with its place
        return Done(stage, error=traceback.format_exc())
    return Done(stage, folder, seconds=time.monotonic() - started)
