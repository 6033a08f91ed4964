"""The state of a run in one file, and the previous one: read without executing code."""

import io
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import torch

from pipeline.store import replacing

from ..errors import CheckpointError, DamagedFile
from ..run_files.reading import reading
from ..run_files.sealed import checked_seal, seal
from ..run_files.weights import read_saved
from ..run_files.writing import not_written, write_bytes

VERSION = 3

StateDict: TypeAlias = Mapping[str, torch.Tensor]
"""Named tensors of a network."""
Saved: TypeAlias = dict[str, Any]
"""Values by name: tensors, numbers, strings, None, and containers of them."""


def save_weights(path: Path, weights: StateDict) -> None:
    """Write named tensors with the file's hash, atomically.

    Raises:
        WriteError: the file cannot be written; the previous one is still there.
    """
    write_bytes(path, _packed(weights))


def save(path: Path, state: Saved) -> None:
    """Write a checkpoint with the file's hash, atomically.

    The file gets its name after it is complete and on disk, so a killed process
    leaves the previous one, which stays in the same folder under `before`.

    Raises:
        WriteError: the file cannot be written; the previous one is still there.
    """
    data = _packed(state)
    try:
        with replacing(path) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            if path.exists():
                os.replace(path, before(path))
    except OSError as error:
        raise not_written(path, error) from error


def before(path: Path) -> Path:
    """Path of the checkpoint that precedes the one at `path`."""
    return path.with_name(f"{path.stem}_before{path.suffix}")


def newest(path: Path, say: Callable[[str], None] = lambda text: None) -> bool:
    """Whether there is a checkpoint at `path`, after the newest intact one was put there.

    Args:
        say: called with a line where a damaged one is replaced by the previous one.

    Raises:
        CheckpointError: none is intact.
        RunError: one cannot be read.
    """
    with reading(path):
        return _newest(path, say)


def _newest(path: Path, say: Callable[[str], None]) -> bool:
    older = before(path)
    if not path.exists() and not older.exists():
        return False
    try:
        if path.exists():
            checked_seal(path)
            return True
    except DamagedFile as error:
        if not _whole(older):
            beside = " and so is the previous one" if older.exists() else ""
            raise CheckpointError(
                f"{path}: expected a checkpoint of a training:"
                f" {str(error).removeprefix(f'{path}: ')}{beside}: remove"
                f" {path.parent} to begin again"
            ) from None
        say(f"{error}: resuming from the previous checkpoint")
    if not _whole(older):
        raise CheckpointError(
            f"{older}: expected a checkpoint of a training, got a damaged file: remove"
            f" {path.parent} to begin again"
        )
    os.replace(older, path)
    return True


def load(path: Path) -> Saved:
    """Read a checkpoint that `save` wrote.

    Raises:
        CheckpointError: the file is damaged, or something else.
    """
    state = read_saved(path, what="a checkpoint of a training")
    if not isinstance(state, dict) or state.get("version") != VERSION:
        raise CheckpointError(
            f"{path}: expected a checkpoint of version {VERSION}, got"
            f" {state.get('version') if isinstance(state, dict) else type(state).__name__}"
        )
    return state


@contextmanager
def of_this_run(path: Path) -> Iterator[None]:
    """Turn the errors of loading a foreign state into one line.

    Raises:
        CheckpointError: the checkpoint is not one of this run.
    """
    try:
        yield
    except (RuntimeError, LookupError, TypeError, ValueError, AttributeError) as error:
        told = str(error).strip().splitlines() or [type(error).__name__]
        raise CheckpointError(
            f"{path}: expected a checkpoint of this run, got another: {told[-1].strip()}"
        ) from None


def random_state() -> dict[str, torch.Tensor]:
    """The generators that networks draw from (dropout); clips have their own."""
    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def restore_random_state(state: StateDict) -> None:
    """Restore the random generators of a checkpoint."""
    torch.set_rng_state(state["cpu"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])


def _packed(state: StateDict | Saved) -> memoryview:
    data = io.BytesIO()
    torch.save(state, data)
    seal(data)
    return data.getbuffer()


def _whole(path: Path) -> bool:
    try:
        checked_seal(path)
    except (DamagedFile, FileNotFoundError):
        return False
    return True
