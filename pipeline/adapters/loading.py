"""Load a data set by name: find its folders, read it with its adapter, check and narrow it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from motion_shards.choices import DATASETS
from pipeline.store import default_folders

from . import balance, checks, hmdb51, thumos14, ucf101, video_list
from . import folder as folder_adapter
from .errors import DatasetError, DatasetNotFound
from .holdout import with_holdout
from .naming import dataset_name
from .scan import File, Scan
from .subset import limited, select_classes
from .videos import DataSet


class Adapter(Protocol):
    """A module that reads one data set with the lists it comes with."""

    SOURCE: str
    """Address to get the data set from, for messages."""

    def read(self, folder: Path, splits: Path, found: Scan | None = None, /) -> DataSet:
        """The videos of a folder with the lists of another.

        Args:
            found: what the folder holds, where that is known.

        Raises:
            DatasetError: as one line.
        """

    def find_lists(self, folder: Path, /) -> Path | None:
        """The folder of lists in a folder of videos or next to it; None without one."""


ADAPTERS: Mapping[str, Adapter] = {
    "hmdb51": hmdb51,
    "ucf101": ucf101,
    "thumos14": thumos14,
}
"""Adapters of `OFFICIAL_DATASETS`."""


def load(
    name: str,
    *,
    called: str | None = None,
    videos: Path | None = None,
    splits: Path | None = None,
    holdout: float | None = None,
    seed: int = 0,
    before: Mapping[str, str] = MappingProxyType({}),
    limit: int | None = None,
    classes: Sequence[str] = (),
    on_progress: Callable[[int, int], None] | None = None,
) -> DataSet:
    """Read a data set with its adapter; keep the classes and the number of videos asked for.

    Lists and file names are read, and the content of files of equal size; nothing is
    decoded.

    Args:
        name: one of `DATASETS`.
        called: name of a `folder` or `list` data set, instead of that of its folder.
        videos: folder of the videos. Default: `videos/NAME` of the data folder.
        splits: folder of the lists, or one list. Default: `splits/NAME` of the data
            folder where `videos` has its default, too; else lists that lie with the
            videos; else `splits/NAME` again.
        holdout: share of the groups that become test videos of an additional split.
        seed: random seed of that split. The demo's clips have a seed of their own.
        before: as of `with_holdout`: the sides that videos have in the store.
        limit: maximum number of videos, spread evenly over the classes.
        classes: only these.
        on_progress: called with the number of clips drawn and of all, by the demo.

    Raises:
        DatasetError: as one line; see the adapters.
    """
    if name not in DATASETS:
        raise DatasetError(
            f"expected a data set among {', '.join(DATASETS)}, got {name!r}"
        )
    own_name = dataset_name(name, videos=videos, called=called)
    usual = own_name if videos is None else called or name
    place = (
        videos if videos is not None else default_folders.videos_folder(usual)
    ).absolute()
    if name == "demo":
        from .demo import dataset as demo  # draws clips: needs numpy, OpenCV and PyAV

        dataset = demo.load(
            place, limit=limit, classes=classes, on_progress=on_progress
        )
    else:
        dataset = _read(name, place, splits, usual, by_default=videos is None)
        if classes:
            dataset = select_classes(dataset, classes)
        if limit is not None:
            dataset = limited(dataset, limit)
    if holdout is not None:
        dataset = with_holdout(dataset, holdout, seed=seed, before=before)
    findings = (
        *balance.trainable(dataset),
        *dataset.findings,
        *balance.alike_classes(dataset),
        *balance.split_findings(dataset),
        *checks.duplicates(dataset.folder, dataset.videos),
    )
    return replace(dataset, name=own_name, findings=findings)


def relist(name: str, *, folder: Path, files: Sequence[File], splits: Path) -> DataSet:
    """Known video files with lists, as `load` reads them; no video is looked at.

    Args:
        name: one of `DATASETS` other than demo.
        folder: for messages.
        files: in any order.
        splits: folder of the lists, or one list.

    Raises:
        DatasetError: as of `load`.
    """
    _require_lists(name, splits)
    found = Scan(tuple(sorted(files)), (), (), {})
    if name in ("folder", "list"):
        dataset = (folder_adapter if name == "folder" else video_list).read(
            folder, splits, found
        )
    elif name in ADAPTERS:
        dataset = ADAPTERS[name].read(folder, splits, found)
    else:
        raise DatasetError(f"{name}: expected a data set with lists")
    findings = (
        *balance.trainable(dataset),
        *dataset.findings,
        *balance.split_findings(dataset),
    )
    return replace(dataset, findings=findings)


def _require_lists(name: str, splits: Path) -> None:
    """
    Raises:
        DatasetNotFound: nothing is there, or a file where a folder is expected.
    """
    if not splits.exists():
        what = "a list" if name in ("folder", "list") else f"the lists of {name}"
        raise DatasetNotFound(f"expected {what} (--splits), found nothing: {splits}")
    if name in ADAPTERS and not splits.is_dir():
        raise DatasetNotFound(
            f"expected the folder of {name}'s lists (--splits), found a file: {splits}"
        )


def _read(
    name: str, place: Path, splits: Path | None, usual_name: str, *, by_default: bool
) -> DataSet:
    if splits is not None and (name not in ADAPTERS or not splits.exists()):
        _require_lists(name, splits)
    usual = default_folders.splits_folder(usual_name)
    usual_lists = usual if usual.is_dir() else None
    if name in ("folder", "list"):
        if splits is None and by_default:
            splits = usual_lists
        return (folder_adapter if name == "folder" else video_list).read(place, splits)
    adapter = ADAPTERS[name]
    if not place.is_dir():
        came = "a file" if place.exists() else "nothing"
        raise DatasetNotFound(
            f"expected the folder of {name}'s videos (--videos), found {came}: {place};"
            f" get them from {adapter.SOURCE}"
        )
    if splits is not None:
        _require_lists(name, splits)
    if splits is None:
        with_videos = adapter.find_lists(place)
        choices = (
            (usual_lists, with_videos) if by_default else (with_videos, usual_lists)
        )
        splits = next((choice for choice in choices if choice), None)
    if splits is None:
        raise DatasetNotFound(
            f"expected the lists of {name} (--splits) in {place} or {usual}, found none;"
            f" get them from {adapter.SOURCE}"
        )
    return adapter.read(place, splits)
