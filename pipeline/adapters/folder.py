"""A folder with a subfolder per class -> labelled videos.

    folder/jump/a.mp4, folder/jump/indoors/b.mp4, folder/run/c.mp4

Splits and groups, if any, come from lists: `trainlist_dev.txt` and `testlist_dev.txt`
(any name behind `list`), TSN's pairs, or a CSV.
"""

from collections.abc import Iterable
from pathlib import Path

from . import checks, lists
from .errors import DatasetError
from .listing import Listing, read_listing
from .matching import Match, Matcher, match_findings
from .rows import Row, videos_of
from .scan import File, scan, unwrapped
from .ucf101 import NAME, group
from .videos import DataSet, Finding


def read(folder: Path, splits: Path | None = None) -> DataSet:
    """All videos of a folder; the first subfolder is the class.

    Videos that lie directly in the folder have no label, unless lists give them one.
    Where all lies in one subfolder that itself has subfolders, those are the classes.
    Every video is a group of its own, but for names like UCF101's (`v_YoYo_g07_c04`)
    and groups given by a CSV. Videos that the lists do not name are kept, in no split.

    Args:
        splits: a folder of lists, or one list. Default: the pairs of lists that lie
            directly in `folder`, if any.

    Raises:
        DatasetNotFound: no folder, no video in it, no lists where `splits` says.
        DatasetError: lists that name none of the videos, or contradict the folders.
    """
    given = folder
    folder, found = unwrapped(folder, scan(folder), levels=1)
    if not found.files:
        raise checks.none_found(f"expected videos in {folder}", found)
    own = [place for place in (folder, given) if lists.find_pairs(place)]
    source = splits or next(iter(own), None)
    listing = Listing({}, (), (), (), ())
    if source:
        listing = read_listing(source, Matcher(found.files), _folder_class)
        if not listing.videos:
            raise DatasetError(
                f"{source}: none of the {len(listing.missing):,} videos that these lists"
                f" name is in {folder}: expected {listing.missing[0]}"
            )
    rows = [_row(file, listing) for file in found.files]
    seen = {name for row in rows for name in row.class_names}
    order = [name for name in listing.classes if name in seen]
    classes, videos = videos_of(rows, [*order, *sorted(seen - set(order))])
    said = {each.name: each.match for each in listing.videos.values()}
    return DataSet(
        name="folder",
        folder=folder,
        classes=classes,
        videos=videos,
        splits=dict.fromkeys(listing.splits, "lists"),
        unusable=found.unusable,
        findings=(
            *_unlabelled(rows),
            *missing_from_lists(listing),
            *(_unlisted(rows) if listing.splits else ()),
            *match_findings(said.items()),
            *found.findings,
            *checks.not_videos(folder, found.others, listing.used),
        ),
        facts=lists_read(listing),
    )


def missing_from_lists(listing: Listing) -> tuple[Finding, ...]:
    """Videos that lists of one's own name, but that are not there."""
    total = len(listing.missing) + len(listing.videos)
    text = f"of the {total:,} videos listed, the folder lacks"
    return Finding.of("missing", text, listing.missing)


def lists_read(listing: Listing) -> tuple[str, ...]:
    """A line that names the lists, so that nobody uses some unknowingly."""
    names = ", ".join(path.name for path in listing.used)
    return (f"lists read: {names}",) if names else ()


def _folder_class(entry: lists.Entry, match: Match | None) -> str | None:
    path = match.file.path if match else entry.name
    top, slash, _ = path.partition("/")
    return top if slash else None


def _row(file: File, listing: Listing) -> Row:
    top, slash, _ = file.path.partition("/")
    place = top if slash else None
    said = listing.videos.get(file.path)
    listed = said.class_name if said else None
    if listed and place and listed != place:
        raise DatasetError(
            f"{file.path}: lies in the folder of class {place!r}, but the lists say"
            f" {listed!r}"
        )
    name = listed or place
    own_group = group(file.stem) if NAME.fullmatch(file.stem) else ""
    return Row(
        file=file,
        class_names=(name,) if name else (),
        splits=said.splits if said else {},
        group=(said.group if said else "") or own_group,
    )


def _unlabelled(rows: Iterable[Row]) -> tuple[Finding, ...]:
    names = [row.file.path for row in rows if not row.class_names]
    text = "videos without a label, as they lie in no class folder"
    return Finding.of("unlabelled", text, names)


def _unlisted(rows: Iterable[Row]) -> tuple[Finding, ...]:
    names = [row.file.path for row in rows if not row.splits]
    return Finding.of("unlisted", "videos in no split of the lists", names)
