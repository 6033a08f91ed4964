"""Work on many videos by several processes, with the results in order."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import TypeVar

from motion_shards.pool import process_pool
from pipeline.store import LayoutError

from .errors import ExchangeError

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], *, jobs: int
) -> Generator[tuple[Item, Result | str], None, None]:
    """Call a function for each video, or part of one.

    Closed early, or interrupted, its processes are ended at once.

    Args:
        work: picklable. Where it raises a LayoutError, the text stands for the result.
        jobs: processes; with one it is this process.

    Raises:
        ExchangeError: a process died.
        Exception: another error of `work`.
    """
    if jobs == 1:
        for item in items:
            yield item, _result(work, item)
        return
    waiting: deque[tuple[Item, Future[Result | str]]] = deque()
    left = iter(items)
    try:
        with process_pool(jobs) as pool:
            while True:
                for item in islice(left, 2 * jobs - len(waiting)):
                    waiting.append((item, pool.submit(_result, work, item)))
                if not waiting:
                    return
                item, future = waiting.popleft()
                yield item, future.result()
    except BrokenProcessPool:
        raise ExchangeError(
            "a process died (killed, or out of memory): run the same command again, "
            "with fewer --jobs if there was too little memory"
        ) from None


def _result(work: Callable[[Item], Result], item: Item) -> Result | str:
    try:
        return work(item)
    except LayoutError as error:
        return str(error)
