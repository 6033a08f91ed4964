"""Files that a command writes: under a name that was given, or in a folder."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from .store_address import LocalPath


@dataclass(frozen=True, slots=True)
class Output:
    """A file, or a folder in which a file is named after what it shows."""

    path: Path
    in_folder: bool

    @classmethod
    def at(cls, path: Path) -> "Output":
        """A folder where there is one, else a file."""
        return cls(path, path.is_dir())

    def file(self, stem: str, suffix: str) -> Path:
        """The file to write.

        Args:
            stem: its name in a folder, without suffix.
            suffix: which it gets where it lacks it.

        >>> Output(Path("a"), False).file("clip", ".png"), Output(Path("a"), True).file("clip", ".png")
        (PosixPath('a.png'), PosixPath('a/clip.png'))
        """
        if self.in_folder:
            return self.path / f"{stem}{suffix}"
        if self.path.suffix.lower() == suffix:
            return self.path
        return self.path.with_name(f"{self.path.name}{suffix}")


def names_folder(text: str) -> bool:
    """Whether a path can only be a folder: there is one, or it ends as one.

    >>> names_folder("pictures/"), names_folder("pictures.png")
    (True, False)
    """
    return text.endswith((os.sep, f"{os.sep}.", f"{os.sep}..")) or Path(text).is_dir()


class FileOrFolder(LocalPath):
    """A path to write to, as `Output`: a folder where there is one, or where it ends in /."""

    name = "file|folder"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        if isinstance(value, Output):
            return value
        path = super().convert(value, param, ctx)
        return Output(path, path.is_dir() or names_folder(str(value)))


class NewFile(LocalPath):
    """A path of a file to write; a folder is refused, also one that is not there yet.

    Args:
        suffixes: ends of its name, of which it has one; none: any name.
    """

    name = "file"

    def __init__(self, *suffixes: str) -> None:
        super().__init__()
        self._suffixes = suffixes

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        path = super().convert(value, param, ctx)
        if path.is_dir() or (isinstance(value, str) and names_folder(value)):
            self.fail(f"expected a file, got the folder {value!r}", param, ctx)
        if self._suffixes and path.suffix.lower() not in self._suffixes:
            ends = " or ".join(self._suffixes)
            self.fail(f"expected a name that ends in {ends}, got {value!r}", param, ctx)
        return path
