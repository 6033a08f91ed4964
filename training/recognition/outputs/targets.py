"""Files that outputs are written to: one, or one per video in a folder."""

import errno
import os
import re
from collections.abc import Iterable
from pathlib import Path, PurePath
from urllib.parse import urlsplit

from ...errors import RunError
from ...run_files.writing import not_written
from ..answers import Prediction
from ..live.address import STDIN, without_password
from ..sources import is_live


class Targets:
    """The files of one kind of output."""

    def __init__(self, path: Path, suffix: str) -> None:
        """
        Args:
            path: a file that ends in `suffix`, for a single video, or else a folder,
                where each video has a file of its name.
            suffix: ".srt".

        Raises:
            RunError: a file of another kind.
        """
        self._path, self._suffix = path, suffix
        self._folder = path.is_dir() or path.suffix.lower() != suffix
        self._taken: dict[str, str] = {}
        if self._folder and path.suffix and not path.is_dir():
            raise RunError(
                f"{path}: expected a file NAME{suffix} or a folder, got the name of another"
                " kind of file"
            )

    def check(self, sources: Iterable[str]) -> None:
        """Check, before the work, that each video has a file that can be written.

        Raises:
            RunError: two videos would have the same file.
            WriteError: there is no such folder, or nothing can be written to it.
        """
        paths = [self.claim(source) for source in sources]
        self._taken.clear()
        if paths:
            self.prepare()

    def claim(self, source: str) -> Path:
        """The file of a video.

        Raises:
            RunError: it is that of another video, or the video itself.
        """
        name = file_stem(source) + self._suffix if self._folder else self._path.name
        path = self._path / name if self._folder else self._path
        other = self._taken.setdefault(name.casefold(), source)
        if other != source:
            if not self._folder:
                raise RunError(
                    f"{path}: expected a folder for several videos, got a file"
                )
            raise RunError(
                f"{path}: expected one video of this name, got {shown_source(other)} and"
                f" {shown_source(source)}"
            )
        _require_other(path, source)
        return path

    def prepare(self) -> None:
        """Make the folder, if need be.

        Raises:
            WriteError: that is not possible, or nothing can be written to it.
        """
        try:
            if self._folder:
                self._path.mkdir(parents=True, exist_ok=True)
            _require_writable(self._path if self._folder else self._path.parent)
        except OSError as error:
            raise not_written(self._path, error) from error


def check_page(path: Path, sources: Iterable[str]) -> None:
    """Check, before the work, that a page of videos can be written.

    Raises:
        RunError: it would replace a video.
        WriteError: nothing can be written there.
    """
    for source in sources:
        _require_other(path, source)
    try:
        _require_writable(path.parent)
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    except OSError as error:
        raise not_written(path, error) from error


def local_file(source: str) -> Path | None:
    """The file of a source; None for a stream on standard input, a camera, an address."""
    return None if is_live(source) else Path(source)


def shown_source(source: str) -> str:
    """A source as outputs may show it: of an address without its password."""
    return without_password(source) if is_live(source) else source


def file_stem(source: str) -> str:
    """A name for files about a video, without suffix.

    >>> file_stem("clips/a b.mp4"), file_stem("rtsp://10.0.0.1/yard?x=1"), file_stem("camera:0")
    ('a b', '10.0.0.1_yard', 'camera_0')
    """
    if source == STDIN:
        return "stdin"
    if not is_live(source):
        return PurePath(source).stem or "video"
    if "://" in source:
        found = urlsplit(source)
        host = (found.netloc.rpartition("@")[2]).replace(":", "_")
        source = f"{host}_{found.path.strip('/')}".strip("_")
    return re.sub(r"[^\w.+=-]", "_", source)[:100] or "video"


def video_of(prediction: Prediction) -> Path:
    """The file of a video that is to be read again.

    Raises:
        RunError: it is a stream.
    """
    path = local_file(prediction.source)
    if path is None:
        raise RunError(
            f"{shown_source(prediction.source)}: expected a file to read again, got a"
            " stream"
        )
    return path


def blamed(path: Path, error: OSError) -> OSError:
    """The error of a file that is being written, or that of a video that was read for it."""
    name = error.filename
    if name is not None:
        found = os.fsdecode(name)
        if not found.endswith(".part") and found != str(path):
            return error
    return not_written(path, error)


def _require_other(path: Path, source: str) -> None:
    """
    Raises:
        RunError: `path` is the video itself.
    """
    video = local_file(source)
    try:
        same = video is not None and os.path.samefile(video, path)
    except OSError:  # one of them is not there
        return
    if same:
        raise RunError(f"{path}: expected another file than the video itself")


def _require_writable(folder: Path) -> None:
    """
    Raises:
        OSError: no such folder, or nothing can be written to it.
    """
    if not folder.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
