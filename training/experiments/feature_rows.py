"""Features of clips as rows of a file that grows batch by batch, and can be resumed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from torch import nn

from motion_shards.errors import MotionShardsError

from ..run_files.reading import read_json
from ..run_files.shapes import COUNT
from ..run_files.writing import not_written, open_rows, write_json
from ..runs.autosave import Autosave
from ..runs.progress import ProgressReporter
from ..scoring.protocols import Scorer

ROWS, DONE = "features_{name}.f32", "features_{name}.json"


def rows_on_disk(
    folder: Path,
    name: str,
    scorer: Scorer,
    model: nn.Module,
    tap: str,
    autosave: Autosave,
    reporter: ProgressReporter,
    *,
    title: str,
) -> Path:
    """Compute what is missing of the features of all clips of a scorer.

    Args:
        folder: of the files.
        name: of the features in the files' names.
        tap: a submodule of the model.

    Returns:
        The path of a file of float32, (clips, d), complete.

    Raises:
        Interrupted: a signal came; the same call resumes.
        WriteError: nothing can be written there.
    """
    path = folder / ROWS.format(name=name)
    about = folder / DONE.format(name=name)
    batches, size = _saved(path, about)
    total = len(scorer.loader)
    if batches == total:
        return path
    reporter.say(title)
    reporter.begin(title, total, batches)
    with _named(path), open_rows(path, anew=not batches) as file:
        file.truncate(size)
        file.seek(size)

        def save() -> None:
            file.flush()
            os.fsync(file.fileno())
            write_json(about, {"batches": batches, "bytes": file.tell()})

        try:
            for rows in scorer.snippet_features(model, tap, first=batches):
                file.write(rows.tobytes())
                batches += 1
                reporter.step(batches, "")
                autosave.after_step(save, f"step {batches} of {total} of {title}")
        finally:
            reporter.end()
        save()
    return path


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Let an error of the system that names no file, as of a full disk, name this one."""
    try:
        yield
    except OSError as error:
        if isinstance(error, MotionShardsError) or error.filename is not None:
            raise
        raise not_written(path, error) from error


def _saved(path: Path, about: Path) -> tuple[int, int]:
    """The number of saved batches, and of their bytes."""
    if not path.is_file() or not about.is_file():
        return 0, 0
    told = read_json(about, {"batches": COUNT, "bytes": COUNT})
    if path.stat().st_size < told["bytes"]:
        return 0, 0
    return told["batches"], told["bytes"]
