"""Stages of a plan in order, in this process or in several.

Two processes with one thread each do more than one process with two threads: the nets
are too small to share.
"""

import multiprocessing
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from graphlib import TopologicalSorter
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, NamedTuple

from motion_shards.plain_text import error_text
from motion_shards.processes import follow_parent
from pipeline.store import StoreError

from ..engine.signals import Stop, handled, stopping
from ..errors import Interrupted, TrainingError

if TYPE_CHECKING:  # a new process loads torch only for a stage that needs it
    from .plan import Stage

Work = Callable[["Stage", Mapping[str, str]], str]
"""Run a stage, given the folders of the runs it needs by role; returns its own."""

Needs = Mapping["Stage", Mapping[str, "Stage"]]
"""Stage -> role -> the stage that fills it."""

WITHOUT = "what it needs is not there"
KILLED = "its process was killed, mostly by the system for lack of memory"
GRACE_SECONDS = 30.0
"""Time for a process that was asked to stop to save its run."""
FOUND_SECONDS = 5.0
"""Time within which a stage ends whose run is found complete."""


class Done(NamedTuple):
    """A finished stage."""

    stage: "Stage"
    folder: str = ""
    error: str = ""
    """The reason of a failure; empty after a success."""
    interrupted: bool = False
    seconds: float = 0.0


def in_this_process(
    stages: "Sequence[Stage]", needs: Needs, work: Work
) -> Iterator[Done]:
    """Run the stages one after the other, up to an interruption."""
    folders: dict[Stage, str] = {}
    for stage in stages:
        needed = needs[stage]
        if not folders.keys() >= set(needed.values()):
            yield Done(stage, error=WITHOUT)
            continue
        done = outcome(
            work, stage, {role: folders[one] for role, one in needed.items()}
        )
        if done.folder:
            folders[stage] = done.folder
        yield done
        if done.interrupted:
            return


def in_processes(
    stages: "Sequence[Stage]", needs: Needs, work: Work, *, processes: int
) -> Iterator[Done]:
    """Run each stage in a process of its own, as soon as the runs it needs are there.

    Of stages that are ready the first one in `stages` begins. A process whose stage ends
    at once, as its run is complete, goes on with another one: to start takes longer. A
    process that is killed takes its own stage with it and no other. SIGINT, SIGTERM and
    SIGHUP reach all processes as SIGTERM, at which a training saves and stops, as it does
    when this process ends; a second signal kills them.

    Args:
        needs: where one of them fails, the stage is left out.
        work: pickled.
        processes: stages at a time.

    Raises:
        Interrupted: a signal came while no stage was running.
    """
    order = TopologicalSorter({stage: needs[stage].values() for stage in stages})
    order.prepare()
    position = {stage: i for i, stage in enumerate(stages)}
    ready: list[Stage] = []
    running: dict[Future[Done], tuple[Stage, ProcessPoolExecutor]] = {}
    idle: list[ProcessPoolExecutor] = []
    folders: dict[Stage, str] = {}
    others = set(multiprocessing.active_children())
    with _passing_signals_on(others) as stop:
        try:
            while order.is_active():
                ready = sorted([*ready, *order.get_ready()], key=position.__getitem__)
                lost = [
                    s for s in ready if not folders.keys() >= set(needs[s].values())
                ]
                for stage in lost if not stop.requested else ():
                    ready.remove(stage)
                    order.done(stage)
                    yield Done(stage, error=WITHOUT)
                if lost and not stop.requested:
                    continue
                while ready and len(running) < processes and not stop.requested:
                    stage = ready.pop(0)
                    needed = {role: folders[one] for role, one in needs[stage].items()}
                    future, pool = _begun(idle, work, stage, needed)
                    running[future] = stage, pool
                if not running:
                    raise Interrupted("stopped between two stages")
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    stage, pool = running.pop(future)
                    done = _result(future, stage, stopped=stop.requested)
                    if done.folder and done.seconds < FOUND_SECONDS:
                        idle.append(pool)
                    else:
                        pool.shutdown(wait=False)
                    order.done(stage)
                    if done.folder:
                        folders[stage] = done.folder
                    yield done
        finally:
            for pool in (*idle, *(pool for _, pool in running.values())):
                pool.shutdown(wait=False)
            _end(_children(others), ask=bool(running) and not stop.requested)


def _begun(
    idle: list[ProcessPoolExecutor],
    work: Work,
    stage: "Stage",
    needed: Mapping[str, str],
) -> tuple[Future[Done], ProcessPoolExecutor]:
    """A stage in an idle process, or in a new one; a pool of one, as a killed process
    breaks its pool."""
    while idle:
        pool = idle.pop()
        with suppress(BrokenProcessPool):
            return pool.submit(outcome, work, stage, needed), pool
    pool = ProcessPoolExecutor(
        max_workers=1,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=follow_parent,  # the terminal's signals come from us, as SIGTERM
    )
    return pool.submit(outcome, work, stage, needed), pool


def _result(future: Future[Done], stage: "Stage", *, stopped: bool) -> Done:
    try:
        return future.result()
    except BrokenProcessPool:
        return Done(stage, error="" if stopped else KILLED, interrupted=stopped)


@contextmanager
def _passing_signals_on(others: set[BaseProcess]) -> Iterator[Stop]:
    """Inside, signals that ask to stop are remembered and reach the children.

    Args:
        others: children that they do not reach.
    """
    stop = Stop()

    def pass_on(number: int, frame: object) -> None:
        again = stop.ask()
        for child in _children(others):
            if again:
                child.kill()
            else:
                child.terminate()

    with handled(stopping(), pass_on):
        yield stop


def _children(others: set[BaseProcess]) -> set[BaseProcess]:
    return set(multiprocessing.active_children()) - others


def _end(children: set[BaseProcess], *, ask: bool) -> None:
    """Wait for children to end, and kill those that do not.

    Args:
        ask: send SIGTERM first.
    """
    for child in children if ask else ():
        child.terminate()
    deadline = time.monotonic() + GRACE_SECONDS
    for child in children:
        child.join(max(deadline - time.monotonic(), 0))
    for child in children:
        if child.is_alive():
            child.kill()
            child.join()


def outcome(work: Work, stage: "Stage", needed: Mapping[str, str]) -> Done:
    """Run a stage in this process; errors of its own are part of the outcome."""
    started = time.monotonic()
    try:
        folder = work(stage, needed)
    except (Interrupted, KeyboardInterrupt):
        return Done(stage, interrupted=True)
    except (TrainingError, StoreError, OSError) as error:
        return Done(stage, error=error_text(error))
    except Exception:  # noqa: BLE001  a bug in one stage does not affect the others
        return Done(stage, error=traceback.format_exc())
    return Done(stage, folder, seconds=time.monotonic() - started)
