"""Folders above a file that is to be written."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def with_parents(path: Path) -> Iterator[None]:
    """Make the folders above a path. After an error those that were made go again, if they
    are empty.

    Raises:
        OSError: they cannot be made.
    """
    made = [folder for folder in path.parents if not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        with suppress(OSError):  # not empty: another program writes there, too
            for folder in made:
                folder.rmdir()
        raise
