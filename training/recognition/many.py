"""Many files -> predictions, in this process or in several."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from motion_shards.errors import MotionShardsError
from motion_shards.pool import process_pool

from .answers import Prediction
from .recognizer import Recognizer


class Failure(NamedTuple):
    """A file that could not be recognised."""

    source: str
    reason: str
    """One line that names the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A model, the way to open it, and the kind of answer."""

    model: Path
    options: Mapping[str, Any]
    """Options of `Recognizer`."""
    windows: Mapping[str, Any] | None = None
    """Options of `Recognizer.windows`; None: answers for whole videos."""

    def recognizer(self) -> Recognizer:
        """Open the model."""
        return Recognizer(self.model, **self.options)


def predictions(
    files: Sequence[Path],
    asked: Asked,
    *,
    jobs: int = 1,
    recognizer: Recognizer | None = None,
    progress: Callable[[Path, float], None] | None = None,
) -> Iterator[Prediction | Failure]:
    """Recognise files, in their order; one that fails does not stop the others.

    Args:
        jobs: number of processes; 1 is this one.
        recognizer: the one that is asked for, where this process has it already.
        progress: receives a file and the seconds of it that were seen, if this process
            recognises it.

    Raises:
        RunError, CheckpointError, MachineError: the model cannot be used.
    """
    if jobs == 1:
        recognizer = recognizer or asked.recognizer()
        for path in files:
            seen = None if progress is None else partial(progress, path)
            yield _answer(recognizer, path, asked, seen)
        return
    left = deque(files)
    while left:
        yield from _in_pool(left, asked, jobs)


def _in_pool(
    left: "deque[Path]", asked: Asked, jobs: int
) -> Iterator[Prediction | Failure]:
    """Recognise until all is done or a process dies; the rest stays in `left`.

    A process that dies takes the pool along: the files that were in work are tried again,
    one after the other, and the one that ends its process is named.
    """
    waiting: deque[tuple[Path, Future[Prediction | Failure]]] = deque()
    with process_pool(min(jobs, len(left)), _begin, asked) as pool:
        try:
            while left or waiting:
                while left and len(waiting) < 2 * jobs:
                    waiting.append((left[0], pool.submit(_work, left[0])))
                    left.popleft()  # now, as a pool that has died takes no file
                yield waiting[0][1].result()
                waiting.popleft()
        except BrokenProcessPool:
            pass  # `waiting` has the files
    suspects = deque(path for path, _ in waiting)
    if suspects and jobs == 1:
        path = suspects.popleft()
        left.extendleft(reversed(suspects))
        yield Failure(str(path), f"{path}: its process died")
    while suspects and jobs > 1:
        yield from _in_pool(suspects, asked, 1)


_state: dict[str, Any] = {}


def _begin(asked: Asked) -> None:
    _state["asked"] = asked


def _work(path: Path) -> Prediction | Failure:
    asked: Asked = _state["asked"]
    if "recognizer" not in _state:
        _state["recognizer"] = asked.recognizer()
    return _answer(_state["recognizer"], path, asked)


def _answer(
    recognizer: Recognizer,
    path: Path,
    asked: Asked,
    progress: Callable[[float], None] | None = None,
) -> Prediction | Failure:
    try:
        if asked.windows is None:
            return recognizer(path, progress=progress)
        return recognizer.windows(path, **asked.windows, progress=progress)
    except (MotionShardsError, OSError) as error:
        reason = str(error)
        if isinstance(error, OSError) and error.strerror:
            reason = f"{path}: {error.strerror}"
        return Failure(str(path), reason)
