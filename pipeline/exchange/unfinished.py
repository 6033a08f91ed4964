"""Files and folders that take their names when they are whole, or leave no trace."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def new_folder(target: Path, work: Path) -> Iterator[Path]:
    """A folder to fill that becomes `target` at the end.

    Args:
        work: a folder of the same disk; a run that is killed leaves its half there.
    """
    part = work / secrets.token_hex(8)
    part.mkdir()
    try:
        yield part
        target.parent.mkdir(parents=True, exist_ok=True)
        os.rename(part, target)
    except BaseException as error:
        shutil.rmtree(part, ignore_errors=True)
        _name(error, target)
        raise


@contextmanager
def new_file(target: Path, work: Path) -> Iterator[IO[bytes]]:
    """A file to write that becomes `target` at the end, on the disk by then.

    Args:
        work: as for `new_folder`.
    """
    part = work / secrets.token_hex(8)
    try:
        with part.open("xb+") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(part, target)
    except BaseException as error:
        part.unlink(missing_ok=True)
        _name(error, target)
        raise


def _name(error: BaseException, target: Path) -> None:
    """Name the file in an error of writing, such as a full disk."""
    if isinstance(error, OSError) and error.filename is None:
        error.filename = str(target)
