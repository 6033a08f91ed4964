"""The folder that a model is written to: free or replaced, whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from motion_shards.new_folders import with_parents

from ..errors import RunError, WriteError
from ..recognition.contract import CARD, Contract
from ..run_files.names import CONTRACT
from ..run_files.reading import read_json
from ..run_files.writing import not_written

MODEL = {"version": int, "trained?": (str, None), "files?": ({str: str}, None)}
"""The part of a contract that says which model it is of, in all versions."""


def require_free(folder: Path, contract: Contract, *, force: bool) -> None:
    """Check that a model may be written to a folder.

    Args:
        contract: of the model.
        force: replace another model.

    Raises:
        RunError: it has another model, or something else.
    """
    if not os.path.lexists(folder):
        return
    if folder.is_symlink() or not folder.is_dir():
        raise RunError(f"{folder}: expected a folder for the model, got something else")
    names = sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_symlink() or not path.is_dir()
    )
    if not names:
        return
    if CONTRACT not in names:
        raise RunError(
            f"{folder}: expected a new folder, or one with a model, but it has {names[0]}"
        )
    there = read_json(folder / CONTRACT, MODEL)
    known = {CONTRACT, CARD, *(there.get("files") or {})}
    if strange := [name for name in names if name not in known]:
        raise RunError(
            f"{folder}: expected a model that can be replaced, but {strange[0]} is no file"
            " of it"
        )
    if there.get("trained") != contract.trained and not force:
        raise RunError(
            f"{folder}: expected no model or an export of the same run, got another model"
            " (--force replaces it)"
        )


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A folder to write to that takes the place of `folder` at the end.

    After an error nothing of it is left, and what was there before still is.

    Raises:
        WriteError: it cannot be written.
    """
    with ExitStack() as parents:
        try:
            parents.enter_context(with_parents(folder))
            partial = Path(
                tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent)
            )
        except OSError as error:
            raise not_written(folder, error) from error
        try:
            yield partial
            partial.chmod(0o777 & ~_umask())
            _exchange(partial, folder)
        except WriteError as error:  # of a file that will be in `folder`
            said = str(error).replace(str(partial), str(folder), 1)
            raise WriteError(said) from error
        except OSError as error:
            raise not_written(folder, error) from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def _exchange(partial: Path, folder: Path) -> None:
    """Put a folder where another one may be, which is removed."""
    if not folder.exists():
        partial.rename(folder)
        return
    before = partial.with_name(f"{partial.name}.before")
    folder.rename(before)
    try:
        partial.rename(folder)
    except OSError:
        before.rename(folder)
        raise
    shutil.rmtree(before)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
