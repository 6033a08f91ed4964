"""A pool of processes that end with this one."""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import active_children, get_context
from typing import Any

from .processes import follow_parent


@contextmanager
def process_pool(
    jobs: int, begin: Callable[..., object] | None = None, *arguments: Any
) -> Iterator[ProcessPoolExecutor]:
    """New processes, not forks, which end when this one does, even if it is killed.

    After an error or an interruption inside the `with` they are ended at once; otherwise
    calls that have begun are waited for, and others are dropped.

    Args:
        jobs: number of processes.
        begin: called with the arguments, first of all, in each of them; picklable.
    """
    others = frozenset(active_children())
    pool = ProcessPoolExecutor(
        jobs, get_context("spawn"), initializer=_begin, initargs=(begin, arguments)
    )
    try:
        yield pool
    except BrokenProcessPool:
        raise
    except BaseException:
        # Waiting for them would let a second Ctrl-C end in an exit that never comes.
        for process in frozenset(active_children()) - others:
            process.kill()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin(begin: Callable[..., object] | None, arguments: tuple[Any, ...]) -> None:
    follow_parent()
    if begin is not None:
        begin(*arguments)
