"""The user's lists (pairs, one list, a CSV) + the files found -> listed videos."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from . import csv_lists, split_lists
from .class_index import class_index, find_class_index, is_class_index
from .errors import DatasetError, DatasetNotFound
from .file_types import without_listed_suffix
from .json_lists import read_records
from .listed_classes import listed_classes
from .matching import Match, Matcher, class_key, folder_keys
from .text_lists import read_text_list

Folder = Callable[[split_lists.Entry, Match | None], str | None]
"""(line of a list, match) -> class by the video's folder, or None."""


class ListedVideo(NamedTuple):
    """Class names, splits and group of a video in the user's lists."""

    match: Match
    name: str
    """In the list."""
    class_names: tuple[str, ...]
    splits: Mapping[str, str]
    group: str


class OwnLists(NamedTuple):
    """The user's lists, matched with the files."""

    videos: Mapping[str, ListedVideo]
    """Listed videos by path of the file."""
    missing: Sequence[str]
    """Names without a file."""
    classes: Sequence[str]
    """In order of their numbers, or sorted."""
    splits: Sequence[str]
    used: Mapping[Path, str]
    """The files read -> how their lines were read, or nothing."""
    unused: Sequence[str] = ()
    """Videos of validation lists that come with test lists: in no part of a split."""


def read_own_lists(source: Path, matcher: Matcher, folder_class: Folder) -> OwnLists:
    """Reads a CSV, a JSON list, a list, or a folder of these.

    In a folder: the pairs of train and test lists; else its one CSV or JSON list; else
    its one list.

    Raises:
        DatasetNotFound: no such file, no list in the folder.
        DatasetError: contradictions, named with their line.
    """
    rows, used = _rows(source, matcher)
    index_path = find_class_index(next(iter(used)).parent, more=True)
    if index_path in used:
        index_path = None
    index = class_index(index_path) if index_path else None
    matches = _matches(rows, matcher)
    places = [
        folder_class(row.entry, match) for row, match in zip(rows, matches, strict=True)
    ]
    names, classes = listed_classes(rows, places, index)
    videos: dict[str, ListedVideo] = {}
    missing = []
    for row, match, class_names in zip(rows, matches, names, strict=True):
        if match is None:
            missing.append(row.entry.name)
            continue
        video = ListedVideo(match, row.entry.name, class_names, row.splits, row.group)
        before = videos.get(match.file.path)
        videos[match.file.path] = _joined(before, video, row) if before else video
    unused = {
        match.file.path
        for row, match in zip(rows, matches, strict=True)
        if match and row.unused and not videos[match.file.path].splits
    }
    return OwnLists(
        videos=videos,
        missing=sorted(set(missing)),
        classes=classes,
        splits=sorted({split for row in rows for split in row.splits}),
        used={**used, **({index_path: ""} if index_path else {})},
        unused=sorted(unused),
    )


def none_listed_message(
    source: Path, listing: OwnLists, folder: Path, found: str
) -> str:
    """A line for lists that name none of the videos, with what may be wrong."""
    name = listing.missing[0]
    hint = ""
    if split_lists.is_absolute(name):
        hint = "; names are looked up below the folder of videos, by their end"
    elif listing.classes and any(
        without_listed_suffix(each) != each for each in listing.classes
    ):
        hint = "; are the columns of names and labels swapped?"
    return (
        f"{source}: none of the {len(listing.missing):,} videos that these lists name is"
        f" in {folder}: expected {name}, found {found}{hint}"
    )


def _rows(
    source: Path, matcher: Matcher
) -> tuple[list[csv_lists.ListRow], dict[Path, str]]:
    """Rows, and the files read with how their lines were read."""
    if source.is_dir():
        if (source / "ucfTrainTestlist").is_dir():
            source = source / "ucfTrainTestlist"
        suffixes = (*split_lists.TEXT_LISTS, *split_lists.TABLES, *split_lists.RECORDS)
        pairs = split_lists.find_pairs(source, suffixes)
        if pairs:
            rows: list[csv_lists.ListRow] = []
            used: dict[Path, str] = {}
            for pair in pairs:
                for part, path in pair.parts():
                    read, used[path] = _list_rows(path, matcher)
                    split = {pair.split: part} if part != "val" else {}
                    rows += [
                        row._replace(splits=row.splits or split, unused=part == "val")
                        for row in read
                    ]
            return rows, used
        source = _only_list(source)
    rows, how = _list_rows(source, matcher)
    return rows, {source: how}


def _only_list(folder: Path) -> Path:
    for suffixes in (
        (*split_lists.TABLES, *split_lists.RECORDS),
        split_lists.TEXT_LISTS,
    ):
        found = sorted(
            path
            for path in folder.iterdir()
            if path.suffix.lower() in suffixes
            and not path.name.lower().startswith(("readme", "."))
            and not is_class_index(path)
        )
        if len(found) > 1:
            names = ", ".join(path.name for path in found)
            raise DatasetError(f"{folder}: expected one list, got {names}: name one")
        if found:
            return found[0]
    raise DatasetNotFound(
        f"{folder}: expected lists like trainlist01.txt and testlist01.txt, or a CSV"
        f" with a column 'path' (--splits names it), found {split_lists.lists_of(folder)}"
    )


def _list_rows(path: Path, matcher: Matcher) -> tuple[list[csv_lists.ListRow], str]:
    """The rows of one list, and how its lines were read where they have no header."""
    ending = path.suffix.lower()
    if ending in split_lists.RECORDS:
        return read_records(path), ""
    first = next((line for _, line in split_lists.raw_lines(path)), "")
    delimiter = csv_lists.delimiter_of(first)
    several = delimiter is not None and len(first.split(delimiter)) > 1
    if delimiter is not None and (several or ending in split_lists.TABLES):
        return csv_lists.read_table(path), csv_lists.unread_columns(first, delimiter)
    entries, how = read_text_list(path, matcher)
    if not entries:
        raise DatasetError(f"{path}: expected names of videos, found none")
    found = [matcher.find(entry.name, anywhere=True) is not None for entry in entries]
    if (
        ending in split_lists.TABLES
        and not found[0]
        and (any(found) or not _is_path(entries))
    ):
        raise csv_lists.no_header(path, first)
    split_lists.check_once(entries)
    return [
        csv_lists.ListRow(entry, (entry.word,) if entry.word else (), {}, "")
        for entry in entries
    ], how


def _is_path(entries: Sequence[split_lists.Entry]) -> bool:
    name = entries[0].name
    return "/" in name or without_listed_suffix(name) != name


def _matches(rows: Sequence[csv_lists.ListRow], matcher: Matcher) -> list[Match | None]:
    """The file of each row.

    Raises:
        DatasetError: a name of several files; an absolute name, where no absolute name
            of these lists ends like a file.
    """
    keys = {class_key(name) for row in rows for name in row.class_names}
    for row in rows:
        parent = row.entry.name.replace("\\", "/").split("/")[-2:-1]
        keys.update(map(class_key, parent))
    matches = [_match(row, matcher, keys) for row in rows]
    outside = [row for row in rows if split_lists.is_absolute(row.entry.name)]
    if outside and not any(
        match and split_lists.is_absolute(row.entry.name)
        for row, match in zip(rows, matches, strict=True)
    ):
        entry = outside[0].entry
        raise DatasetError(
            f"{entry.where}: expected a name inside the folder of videos, got"
            f" {entry.name!r}: write it relative to that folder, like jump/a.mp4"
        )
    return matches


def _match(row: csv_lists.ListRow, matcher: Matcher, keys: set[str]) -> Match | None:
    entry = row.entry
    for name in (entry.name, *entry.also):
        match = matcher.find(name, anywhere=True, classes=row.class_names)
        if match is None:
            continue
        own = {class_key(name) for name in row.class_names}
        folders = folder_keys(match.file.path)
        parents = name.replace("\\", "/").split("/")[:-1]
        named = set(map(class_key, parents))
        if folders and not folders & (own | named):
            known = folders & keys
            if parents and (known or class_key(parents[-1]) in matcher.folders):
                continue  # the file of another row, or of none: this one is missing
            if own and known and not parents:
                raise DatasetError(
                    f"{entry.where}: {entry.name!r} is {', '.join(row.class_names)}"
                    f" here, but the file lies in the folder of another class:"
                    f" {match.file.path}; write it with its folder"
                )
        if match.others:
            several = ", ".join((match.file.path, *match.others)[:3])
            raise DatasetError(
                f"{entry.where}: {entry.name!r} fits several files: {several}; write"
                " it with its folder and suffix"
            )
        return match
    return None


def _joined(
    before: ListedVideo, video: ListedVideo, row: csv_lists.ListRow
) -> ListedVideo:
    """One video in several lists: other splits, the same class."""
    same = before.splits.keys() & row.splits.keys()
    if same or (not row.splits and not row.unused):
        raise DatasetError(
            f"{row.entry.where}: {video.match.file.path} came before, as {before.name!r}"
        )
    if (
        before.class_names
        and video.class_names
        and set(before.class_names) != set(video.class_names)
    ):
        raise DatasetError(
            f"{row.entry.where}: {row.entry.name} is {', '.join(video.class_names)} here"
            f" and {', '.join(before.class_names)} in another list"
        )
    return before._replace(
        class_names=before.class_names or video.class_names,
        splits={**before.splits, **video.splits},
    )
