"""One attempt at a shard, wherever it runs: build, deliver, clean up, say what became of it."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from pipeline.build import ShardReport, Task, build_shard
from pipeline.isolate import ChildError
from pipeline.progress import ShardProgress
from pipeline.publish import deliver

SCRATCH_PREFIX = "motion-shards"
LOGS = "_logs"
"""What runs say about themselves; no reader looks there."""


class Failure(NamedTuple):
    """An attempt that brought nothing. The videos are not to blame for it, so far."""

    task: Task
    kind: str
    """lost (the worker died), stalled, error (a bug) or environment (disk, I/O)."""
    text: str


Outcome = ShardReport | Failure


def attempt(
    task: Task,
    *,
    store: Path,
    scratch: Path | None,
    on_progress: Callable[[ShardProgress], None] = lambda progress: None,
) -> Outcome:
    """Build one shard on scratch and copy it into the store's `_tmp`.

    Args:
        scratch: a folder on a disk of this machine; its folder for temporary files
            where None.

    Raises:
        A bug, with its own type: whoever runs attempts decides what it costs.
    """
    with _attempts_file(store, task.plan.shard).open("a") as marks:
        marks.write("x")  # before anything can crash
    folder = scratch or Path(tempfile.gettempdir())
    sweep(folder)
    name = f"{SCRATCH_PREFIX}-{os.getpid()}-"
    try:
        with tempfile.TemporaryDirectory(prefix=name, dir=folder) as work:
            report = build_shard(task, scratch=Path(work), on_progress=on_progress)
            return deliver(report, store)
    except OSError as error:
        return Failure(task, "environment", str(error))
    except ChildError as error:
        return Failure(task, "error", str(error))


def attempts(store: Path, shard: int) -> int:
    """How many attempts at a shard were begun since it was last published."""
    path = _attempts_file(store, shard)
    return path.stat().st_size if path.exists() else 0


def forget_attempts(store: Path, shard: int) -> None:
    """The shard is published."""
    _attempts_file(store, shard).unlink(missing_ok=True)


def _attempts_file(store: Path, shard: int) -> Path:
    return store / LOGS / f"attempts-{shard:05d}"


def sweep(folder: Path) -> None:
    """Remove what attempts of dead processes of this machine left on scratch."""
    for path in folder.glob(f"{SCRATCH_PREFIX}-*"):
        owner = path.name.removeprefix(f"{SCRATCH_PREFIX}-").partition("-")[0]
        if owner.isdigit() and not _alive(int(owner)):
            shutil.rmtree(path, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    state = Path(f"/proc/{pid}/stat")  # a process that nobody waits for is dead too
    return not (
        state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z"
    )
