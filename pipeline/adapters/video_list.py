"""A list of videos -> exactly those, with labels, splits and groups of the list.

The list is a CSV with a header (`csv_lists.py` has an example), a JSON list, a list like
TSN's (`name [frames] label`), or pairs of train and test lists.
"""

from pathlib import Path

from . import checks, split_lists
from .errors import DatasetError, DatasetNotFound
from .folder import (
    lists_read,
    missing_from_lists,
    named_group,
    spelling_findings,
    unlabelled_in_lists,
    validation_lists,
)
from .matching import (
    Match,
    Matcher,
    unreadable_listed,
)
from .own_lists import none_listed_message, read_own_lists
from .rows import Row, videos_of
from .scan import Scan, scan
from .videos import DataSet


def read(
    folder: Path, splits: Path | None = None, found: Scan | None = None
) -> DataSet:
    """The videos that a list names, relative to a folder.

    Labels are class names, or numbers: those of a `classInd.txt` beside the list;
    without one, the folders of the videos name the classes where numbers and folders
    pair up, and the numbers themselves where not. In a list without labels the folders
    of the videos are the classes.

    Args:
        splits: the list, or a folder with one. Default: the one that lies in `folder`.
        found: what the folder holds, where that is known.

    Raises:
        DatasetNotFound: no folder, no video in it, no list.
        DatasetError: contradictory or doubled rows, names that lead outside, a list
            that names none of the videos.
    """
    found = found or scan(folder)
    if not found.files:
        raise checks.no_videos_error(f"expected videos in {folder}", found)
    source = splits or folder
    if not source.exists():
        raise DatasetNotFound(f"expected a list of videos: {source}: no such file")
    listing = read_own_lists(source, Matcher(found.files), _folder_class)
    if not listing.videos:
        raise DatasetError(
            none_listed_message(source, listing, folder, found.files[0].path)
        )
    rows = [
        Row(
            file=video.match.file,
            class_names=video.class_names,
            splits=video.splits,
            group=video.group or named_group(video.match.file),
        )
        for video in listing.videos.values()
    ]
    classes, videos = videos_of(rows, listing.classes)
    unlisted = [file.path for file in found.files if file.path not in listing.videos]
    return DataSet(
        name="list",
        folder=folder,
        classes=classes,
        videos=videos,
        splits=dict.fromkeys(listing.splits, "lists"),
        unusable=unreadable_listed(found.unusable, listing.missing),
        findings=(
            *missing_from_lists(listing),
            *unlabelled_in_lists(rows),
            *validation_lists(listing),
            *checks.unexpected(unlisted, "as the list does not name them"),
            *spelling_findings(listing),
            *found.findings,
            *checks.not_videos(folder, found.others, listing.used),
        ),
        facts=lists_read(listing),
    )


def _folder_class(entry: split_lists.Entry, match: Match | None) -> str | None:
    """The folder a video lies in: by the list, else on disk."""
    for path in (entry.name, match.file.path if match else ""):
        parts = path.split("/")
        if len(parts) > 1:
            return parts[-2]
    return None
