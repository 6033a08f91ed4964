"""One attempt at a shard: build, deliver, clean up, and return a report or a failure."""

import errno
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from motion_shards.plain_text import error_text
from pipeline.errors import DeviceGone, NoDevice
from pipeline.shard.build import build_shard
from pipeline.shard.isolate import ChildError
from pipeline.shard.plan import ShardPlan
from pipeline.shard.scratch import work_folder
from pipeline.shard.task import ShardProgress, ShardReport, Task
from pipeline.store.file_names import LOGS

from .deliver import deliver
from .gpus import VARIABLE, shown


class Failure(NamedTuple):
    """An attempt without a result, for a reason that is not in the videos."""

    task: Task
    kind: str
    """lost (the worker died), stalled, error (a bug), environment (disk, I/O), device (the
    GPU cannot be used) or gone (its worker has lost the GPU, and must end)."""
    text: str
    gpu: str = ""
    """The GPU that cannot be used or was lost, by machine and name."""


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
        scratch: a folder on a local disk; None: the folder for temporary files.

    Raises:
        A bug, with its own type: the caller decides what follows from it.
    """
    try:
        for path in _attempts_files(store, task.plan):
            _mark(path)  # before anything can crash
        with work_folder(scratch) as work:
            report = build_shard(task, scratch=work, on_progress=on_progress)
            report.gpu = gpu_id(os.environ.get(VARIABLE)) if task.on_gpu else ""
            return deliver(report, store)
    except OSError as error:
        return Failure(task, "environment", error_text(error))
    except ChildError as error:
        return Failure(task, "error", str(error))
    except NoDevice as error:
        kind = "gone" if isinstance(error, DeviceGone) else "device"
        gpu = gpu_id(os.environ.get(VARIABLE))
        host, _, name = gpu.rpartition(":")
        which = f"{shown(name) if name else 'GPU'} of {host}"
        return Failure(task, kind, f"{which}: {_line(error)}", gpu)


def gpu_id(name: str | None) -> str:
    """A GPU by machine and name, as outcomes have it.

    Args:
        name: the value of CUDA_VISIBLE_DEVICES, with which a process sees one GPU; several
            names, or none, are those of a process that uses the first.
    """
    first = (name or "").partition(",")[0].strip()
    return f"{socket.gethostname()}:{first}"


def attempts(store: Path, plan: ShardPlan) -> int:
    """Number of attempts at a shard since it was last published.

    Where its modalities are built apart, those at the one that was tried most often.
    """
    files = [path for path in _attempts_files(store, plan) if _is_file(path)]
    return max((path.stat().st_size for path in files), default=0)


def forget_attempts(store: Path, plan: ShardPlan | None = None) -> None:
    """These modalities of this shard are published; None: everything is."""
    folder = store / LOGS
    for path in _attempts_files(store, plan) if plan else folder.glob("attempts-*"):
        if not path.is_dir() or path.is_symlink():
            path.unlink(missing_ok=True)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def _mark(path: Path) -> None:
    """Append a byte to a file of attempts; links and folders of its name are left alone."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        handle = os.open(path, flags, 0o666)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            return
        raise
    with open(handle, "ab") as file:
        if stat.S_ISREG(os.fstat(handle).st_mode):
            file.write(b"x")


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _attempts_files(store: Path, plan: ShardPlan) -> list[Path]:
    name = f"attempts-{plan.shard:05d}"
    return [store / LOGS / f"{name}-{modality}" for modality in plan.modalities]
