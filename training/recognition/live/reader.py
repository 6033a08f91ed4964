"""A thread that reads ahead, up to a number of bytes."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

LOOK_SECONDS = 0.2
"""Time between two checks whether to end; signals are handled in between."""
CLOSE_SECONDS = 1.0
"""Time for the thread to end. One that waits for FFmpeg ends later, with its time limit."""


class Arrival(NamedTuple, Generic[T]):
    """Something that was read."""

    item: T
    when: float
    """Seconds of `time.monotonic`."""


class Reader(Generic[T]):
    """An iterator that a thread advances while the caller works on earlier items.

    Where the queue is full the thread waits. It is a daemon: one that hangs in a library
    does not keep the process alive.
    """

    def __init__(
        self,
        items: Iterator[T],
        *,
        size: Callable[[T], int],
        most_bytes: int,
        stop: Callable[[], None] = lambda: None,
    ) -> None:
        """
        Args:
            size: bytes of an item.
            most_bytes: of the items that wait; one item may always wait.
            stop: called to end whatever the iterator waits for.
        """
        self._items, self._size, self._most = items, size, most_bytes
        self._stop = stop
        self._queue: deque[Arrival[T]] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._ended = self._closed = False
        self._until: float | None = None
        """Time after which no call waits for the thread any longer."""
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def take(self, *, all_of_them: bool) -> list[Arrival[T]]:
        """The next item, or all that wait; none at the end.

        Raises:
            BaseException: the iterator raised it, behind the items taken before.
        """
        with self._changed:
            while not (self._queue or self._ended or self._too_late()):
                self._changed.wait(LOOK_SECONDS)
            count = len(self._queue) if all_of_them else min(len(self._queue), 1)
            taken = [self._queue.popleft() for _ in range(count)]
            self._bytes -= sum(self._size(each.item) for each in taken)
            self._changed.notify()
        if not taken and self._error is not None:
            raise self._error
        return taken

    def hurry(self) -> None:
        """Wait for the thread no longer than `CLOSE_SECONDS` from now on.

        Takes no lock: a signal's handler may call it.
        """
        self._until = time.monotonic() + CLOSE_SECONDS

    def _too_late(self) -> bool:
        return self._until is not None and time.monotonic() > self._until

    def close(self) -> None:
        """End the thread, if it can be ended now."""
        self._stop()
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        try:
            for item in self._items:
                if not self._put(Arrival(item, time.monotonic())):
                    break
        except BaseException as error:  # noqa: BLE001 the other thread raises it
            self._error = error
        finally:
            close = getattr(self._items, "close", None)  # of a generator: its files
            if close is not None:
                close()
        with self._changed:
            self._ended = True
            self._changed.notify()

    def _put(self, arrival: Arrival[T]) -> bool:
        size = self._size(arrival.item)
        with self._changed:
            while self._queue and self._bytes + size > self._most and not self._closed:
                self._changed.wait(LOOK_SECONDS)
            if self._closed:
                return False
            self._queue.append(arrival)
            self._bytes += size
            self._changed.notify()
        return True
