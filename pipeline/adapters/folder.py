"""A folder with a subfolder per class -> labelled videos.

    folder/jump/a.mp4, folder/jump/indoors/b.mp4, folder/run/c.mp4

Splits and groups, if any, come from lists: `trainlist_dev.txt` and `testlist_dev.txt`
(any name behind `list`), TSN's pairs, or a CSV.
"""

from collections.abc import Iterable
from pathlib import Path

from . import checks, split_lists
from .errors import DatasetError
from .matching import Match, Matcher, class_key, elsewhere_findings, match_findings
from .own_lists import OwnLists, none_listed_message, read_own_lists
from .rows import Row, videos_of
from .scan import File, Scan, scan, unwrapped
from .ucf101 import NAME, group
from .videos import DataSet, Finding

NO_LISTS = OwnLists({}, (), (), (), {})


def read(
    folder: Path, splits: Path | None = None, found: Scan | None = None
) -> DataSet:
    """All videos of a folder; the first subfolder is the class.

    Videos that lie directly in the folder have no label, unless lists give them one.
    Where all lies in one subfolder that itself has subfolders, those are the classes.
    Every video is a group of its own, but for names like UCF101's (`v_YoYo_g07_c04`)
    and groups given by a CSV. Videos that the lists do not name are kept, in no split.

    Args:
        splits: a folder of lists, or one list. Default: the pairs of lists that lie
            directly in `folder`, if any; lists there that are no pairs, or name none
            of the videos, are reported and not used.
        found: what the folder holds, where that is known; it is not wrapped in others.

    Raises:
        DatasetNotFound: no folder, no video in it, no lists where `splits` says.
        DatasetError: lists in `splits` that name none of the videos; any that
            contradict the folders.
    """
    given = folder
    if found is None:
        folder, found = unwrapped(folder, scan(folder), levels=1)
    if not found.files:
        raise checks.no_videos_error(f"expected videos in {folder}", found)
    source, strays = (splits, []) if splits else _lists_beside((folder, given))
    listing = NO_LISTS
    if source:
        listing = read_own_lists(source, Matcher(found.files), _folder_class)
        if not listing.videos:
            text = none_listed_message(source, listing, folder, found.files[0].path)
            if splits:
                raise DatasetError(text)
            strays, listing = [text], NO_LISTS
    rows = [_row(file, listing) for file in found.files]
    seen = {name for row in rows for name in row.class_names}
    order = [name for name in listing.classes if name in seen]
    classes, videos = videos_of(rows, [*order, *sorted(seen - set(order))])
    return DataSet(
        name="folder",
        folder=folder,
        classes=classes,
        videos=videos,
        splits=dict.fromkeys(listing.splits, "lists"),
        unusable=found.unusable,
        findings=(
            *(Finding("stray list", f"lists not used: {text}") for text in strays),
            *_unlabelled(rows),
            *missing_from_lists(listing),
            *(_unlisted(rows, listing) if listing.splits else ()),
            *validation_lists(listing),
            *spelling_findings(listing),
            *found.findings,
            *checks.not_videos(folder, found.others, listing.used),
        ),
        facts=lists_read(listing),
    )


def missing_from_lists(listing: OwnLists) -> tuple[Finding, ...]:
    """Finding: listed videos that are not in the folder."""
    total = len(listing.missing) + len(listing.videos)
    text = f"listed videos that are missing, out of {total:,}"
    return Finding.of("missing", text, listing.missing)


def named_group(file: File) -> str:
    """Group (scene) of a file named as UCF101's are; empty for other names."""
    return group(file.stem) if NAME.fullmatch(file.stem) else ""


def unlabelled_in_lists(rows: Iterable[Row]) -> tuple[Finding, ...]:
    """Finding: videos whose label in the lists is empty or -1."""
    names = [row.file.path for row in rows if not row.class_names]
    text = "videos without a label, as the lists give them none"
    return Finding.of("unlabelled", text, names)


def validation_lists(listing: OwnLists) -> tuple[Finding, ...]:
    """Finding: videos of validation lists, which are in no part of the split."""
    text = "videos of validation lists, in no split, as there are test lists"
    return Finding.of("validation", text, listing.unused)


def spelling_findings(listing: OwnLists) -> tuple[Finding, ...]:
    """Findings about names in lists that differ from those of their files."""
    matches = {video.name: video.match for video in listing.videos.values()}.items()
    return (*match_findings(matches), *elsewhere_findings(matches))


def lists_read(listing: OwnLists) -> tuple[str, ...]:
    """Line that names the lists that were read; none without lists."""
    names = ", ".join(
        f"{path.name} ({how})" if how else path.name
        for path, how in listing.used.items()
    )
    return (f"lists read: {names}",) if names else ()


def _lists_beside(places: Iterable[Path]) -> tuple[Path | None, list[str]]:
    """The folder with pairs of lists, and the reasons why other lists are not used."""
    strays: dict[str, None] = {}
    for place in places:
        try:
            if split_lists.find_pairs(place):
                return place, []
        except DatasetError as error:
            strays[str(error)] = None
    return None, list(strays)


def _folder_class(entry: split_lists.Entry, match: Match | None) -> str | None:
    path = match.file.path if match else entry.name
    top, slash, _ = path.partition("/")
    return top if slash else None


def _row(file: File, listing: OwnLists) -> Row:
    top, slash, _ = file.path.partition("/")
    place = top if slash else None
    entry = listing.videos.get(file.path)
    listed = entry.class_names if entry else ()
    if listed and place and class_key(place) not in map(class_key, listed):
        raise DatasetError(
            f"{file.path}: lies in the folder of class {place!r}, but the lists say"
            f" {', '.join(map(repr, listed))}"
        )
    return Row(
        file=file,
        class_names=listed or ((place,) if place else ()),
        splits=entry.splits if entry else {},
        group=(entry.group if entry else "") or named_group(file),
    )


def _unlabelled(rows: Iterable[Row]) -> tuple[Finding, ...]:
    names = [row.file.path for row in rows if not row.class_names]
    text = "videos without a label, as they lie in no class folder"
    return Finding.of("unlabelled", text, names)


def _unlisted(rows: Iterable[Row], listing: OwnLists) -> tuple[Finding, ...]:
    known = set(listing.unused)
    names = [
        row.file.path for row in rows if not row.splits and row.file.path not in known
    ]
    return Finding.of("unlisted", "videos in no split of the lists", names)
