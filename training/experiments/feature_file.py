"""The file of `training features`: HDF5 or npz, whole or not at all.

HDF5 (.h5, .hdf5), V videos, N clips of one of them, d numbers per clip:

    /classes                    (K,) strings: names of the labels
    /videos/ID/features         (N, d) float32, clips in the order of their starts
    /videos/ID/mean             (d,) float32: the mean of the clips, the video's feature
    /videos/ID/start            (N,) int64: first frame of each clip, from 0
    /videos/ID/stop             (N,) int64: the frame after its last one
    /videos/ID/seconds          (N, 2) float64: when its first and last frame are shown
    /videos/ID                  attributes labels (int64), part ("train", "test" or ""),
                                group, frames, fps
    /                           attribute settings: JSON of everything that decides the
                                numbers

npz: `features` (all clips, d) float32, `mean` (V, d) float32, `ids` (V,), `first` (V + 1,)
int64, where rows first[k] to first[k + 1] are those of video k; `start`, `stop`, `seconds`
of all clips; `labels` (V,) int64, the first label or -1, `relevant` (V, K) bool, all of
them; `part`, `group`, `frames`, `fps` (V,), `classes` (K,), `settings`.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np

from pipeline.store import StoredVideo, replacing

from ..errors import RecipeError, RunError
from ..run_files.writing import not_written

HDF5, NPZ = (".h5", ".hdf5"), (".npz",)


class VideoClips(NamedTuple):
    """The clips of one video."""

    video: StoredVideo
    part: str
    """train or test; empty where it is in no part of the split."""
    start: np.ndarray
    """(N,) int64, first frames."""
    stop: np.ndarray
    """(N,) int64, the frames after the last ones."""
    seconds: np.ndarray
    """(N, 2) float64, when the first and the last frame are shown."""


def check_suffix(path: Path) -> None:
    """Check that a file's name says a format.

    Raises:
        RecipeError: it does not.
    """
    if path.suffix not in (*HDF5, *NPZ):
        raise RecipeError(f"{path}: expected a name that ends in .h5, .hdf5 or .npz")


def settings_of(path: Path) -> Any:
    """The settings of a file of features.

    Raises:
        RunError: it is something else.
    """
    import h5py

    try:
        if path.suffix in NPZ:
            with np.load(path) as file:
                return json.loads(str(file["settings"]))
        with h5py.File(path, "r") as file:
            return json.loads(str(file.attrs["settings"]))
    except (OSError, EOFError, KeyError, ValueError, TypeError, BadZipFile) as error:
        raise RunError(
            f"{path}: expected no file, or features written by `training features`, got"
            " something else"
        ) from error


def write_features(
    path: Path,
    clips: Sequence[VideoClips],
    rows: np.ndarray,
    *,
    classes: Sequence[str],
    settings: Mapping[str, Any],
) -> None:
    """Write a file of features under its final name.

    Args:
        rows: (clips of all videos, d) float32, video by video.

    Raises:
        WriteError: it cannot be written; the one before is still there.
    """
    write = _write_npz if path.suffix in NPZ else _write_hdf5
    text = json.dumps(settings, sort_keys=True)
    try:
        with replacing(path) as file:
            write(file, clips, rows, list(map(_plain, classes)), text)
    except OSError as error:
        raise not_written(path, error) from error


def _write_hdf5(
    target: Any,
    clips: Sequence[VideoClips],
    rows: np.ndarray,
    classes: list[str],
    settings: str,
) -> None:
    import h5py

    first = 0
    with h5py.File(target, "w") as file:
        file.attrs["settings"] = settings
        file.create_dataset("classes", data=classes, dtype=h5py.string_dtype())
        for one in clips:
            video, own = one.video, rows[first : first + len(one.start)]
            first += len(own)
            # As bytes: names of files that are no text are still names here
            name = f"videos/{video.id}".encode("utf-8", "surrogateescape")
            group = file.require_group(name)
            group["features"] = own
            group["mean"] = own.mean(axis=0)
            group["start"], group["stop"] = one.start, one.stop
            group["seconds"] = one.seconds
            group.attrs["labels"] = np.array(video.labels, np.int64)
            group.attrs["part"], group.attrs["group"] = one.part, _plain(video.group)
            group.attrs["frames"], group.attrs["fps"] = video.frames, video.fps


def _write_npz(
    target: Any,
    clips: Sequence[VideoClips],
    rows: np.ndarray,
    classes: list[str],
    settings: str,
) -> None:
    counts = [len(one.start) for one in clips]
    first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    relevant = np.zeros((len(clips), len(classes)), bool)
    for row, one in zip(relevant, clips, strict=True):
        row[list(one.video.labels)] = True
    np.savez(
        target,
        features=rows,
        mean=np.add.reduceat(rows, first[:-1]) / np.array(counts, np.float32)[:, None],
        ids=np.array([one.video.id for one in clips]),
        first=first,
        start=np.concatenate([one.start for one in clips]),
        stop=np.concatenate([one.stop for one in clips]),
        seconds=np.concatenate([one.seconds for one in clips]),
        labels=np.array([(*one.video.labels, -1)[0] for one in clips], np.int64),
        relevant=relevant,
        part=np.array([one.part for one in clips]),
        group=np.array([one.video.group for one in clips]),
        frames=np.array([one.video.frames for one in clips], np.int64),
        fps=np.array([one.video.fps for one in clips]),
        classes=np.array(classes),
        settings=np.array(settings),
    )


def _plain(text: str) -> str:
    """Text that UTF-8 has: bytes of a name that are no text are written out."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
