"""Folders on scratch for shards that are being built, and removal of abandoned ones."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from motion_shards.processes import has_ended, process_mark

SCRATCH_PREFIX = "motion-shards"


@contextmanager
def work_folder(scratch: Path | None) -> Iterator[Path]:
    """A new folder of this process on scratch, removed at the end.

    Folders that killed processes have left there are removed before.

    Args:
        scratch: a folder on a disk of this machine; its folder for temporary files
            where None.

    Raises:
        OSError: it cannot be made.
    """
    folder = scratch_folder(scratch)
    sweep(folder)
    name = f"{SCRATCH_PREFIX}-{process_mark()}-"
    with tempfile.TemporaryDirectory(prefix=name, dir=folder) as work:
        yield Path(work)


def scratch_folder(scratch: Path | None) -> Path:
    """The folder given, or the one for temporary files."""
    return scratch or Path(tempfile.gettempdir())


def sweep(folder: Path) -> None:
    """Remove what dead processes left on scratch.

    Only of processes that would be seen here if they lived: a folder may be shared by
    containers or machines, in which the same number is another process.
    """
    for path in folder.glob(f"{SCRATCH_PREFIX}-*"):
        owner = path.name.removeprefix(f"{SCRATCH_PREFIX}-").rpartition("-")[0]
        if has_ended(owner):
            shutil.rmtree(path, ignore_errors=True)
