"""Lists of one's own (pairs, one list, a CSV) + the files found -> who is what.

Labels may be class names, or numbers with or without a `classInd.txt` beside them.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from . import lists, table
from .errors import DatasetError, DatasetNotFound
from .matching import Match, Matcher

Folder = Callable[[lists.Entry, Match | None], str | None]
"""The class that the place of a video speaks for, or None."""


class Said(NamedTuple):
    """What the lists say of one video."""

    match: Match
    name: str
    """In the list."""
    class_name: str | None
    splits: Mapping[str, str]
    group: str


class Listing(NamedTuple):
    """Lists, read and held against the files."""

    videos: Mapping[str, Said]
    """By path of the file."""
    missing: Sequence[str]
    """Names without a file."""
    classes: Sequence[str]
    """In order of their numbers, or sorted."""
    splits: Sequence[str]
    used: Collection[Path]
    """The files read."""


def read_listing(source: Path, matcher: Matcher, folder_class: Folder) -> Listing:
    """Reads a CSV, a list, or a folder of either.

    In a folder: the pairs of train and test lists; else its one CSV; else its one list.

    Raises:
        DatasetNotFound: no such file, no list in the folder.
        DatasetError: contradictions, named with their line.
    """
    rows, used = _rows(source)
    index_path = lists.find_class_index(next(iter(used)).parent)
    index = lists.class_index(index_path) if index_path else None
    matches = [matcher.find(row.entry.name, anywhere=True) for row in rows]
    places = [
        folder_class(row.entry, match) for row, match in zip(rows, matches, strict=True)
    ]
    names, classes = _class_names(rows, places, index)
    videos: dict[str, Said] = {}
    missing = []
    for row, match, class_name in zip(rows, matches, names, strict=True):
        if match is None:
            missing.append(row.entry.name)
            continue
        said = Said(match, row.entry.name, class_name, row.splits, row.group)
        before = videos.get(match.file.path)
        videos[match.file.path] = _joined(before, said, row) if before else said
    return Listing(
        videos=videos,
        missing=sorted(set(missing)),
        classes=classes,
        splits=sorted({split for row in rows for split in row.splits}),
        used=[*used, *([index_path] if index_path else [])],
    )


def _rows(source: Path) -> tuple[list[table.TableRow], list[Path]]:
    if source.is_dir():
        if (source / "ucfTrainTestlist").is_dir():
            source = source / "ucfTrainTestlist"
        pairs = lists.find_pairs(source)
        if pairs:
            rows, used = [], []
            for pair in pairs:
                for part, path in (("train", pair.train), ("test", pair.test)):
                    if path:
                        used.append(path)
                        rows += _list_rows(path, {pair.split: part})
            return rows, used
        source = _only_list(source)
    if source.suffix.lower() in (".csv", ".tsv"):
        return table.read_table(source), [source]
    return _list_rows(source, {}), [source]


def _only_list(folder: Path) -> Path:
    for suffixes in ((".csv", ".tsv"), (".txt",)):
        found = sorted(
            path
            for path in folder.iterdir()
            if path.suffix.lower() in suffixes
            and not path.name.lower().startswith(("classind", "readme", "."))
        )
        if len(found) > 1:
            names = ", ".join(path.name for path in found)
            raise DatasetError(f"{folder}: expected one list, got {names}: name one")
        if found:
            return found[0]
    raise DatasetNotFound(
        f"{folder}: expected lists like trainlist01.txt and testlist01.txt, or a CSV"
        f" with a column 'path', found {lists.whose(folder)}"
    )


def _list_rows(path: Path, splits: Mapping[str, str]) -> list[table.TableRow]:
    entries = lists.entries(path)
    if not entries:
        raise DatasetError(f"{path}: expected names of videos, found none")
    lists.check_once(entries)
    return [table.TableRow(entry, None, splits, "") for entry in entries]


def _joined(before: Said, said: Said, row: table.TableRow) -> Said:
    """One video in several lists: other splits, the same class."""
    if not row.splits or before.splits.keys() & row.splits.keys():
        raise DatasetError(
            f"{row.entry.where}: {said.match.file.path} came before, as {before.name!r}"
        )
    if before.class_name and said.class_name and before.class_name != said.class_name:
        raise DatasetError(
            f"{row.entry.where}: {row.entry.name} is {said.class_name} here and"
            f" {before.class_name} in another list"
        )
    return before._replace(
        class_name=before.class_name or said.class_name,
        splits={**before.splits, **said.splits},
    )


def _class_names(
    rows: Sequence[table.TableRow],
    places: Sequence[str | None],
    index: Mapping[int, str] | None,
) -> tuple[list[str | None], list[str]]:
    """Class of each row, and all classes in order."""
    if any(row.class_name for row in rows):
        return _worded(rows, index)
    if index is None:
        return _unindexed(rows, places)
    names = _indexed(rows, places, index)
    return names, [index[number] for number in sorted(index)]


def _worded(
    rows: Sequence[table.TableRow], index: Mapping[int, str] | None
) -> tuple[list[str | None], list[str]]:
    """Labels in words; a class called `1` among them is a word too."""
    names = [
        row.class_name or (str(row.entry.number) if row.entry.numbers else None)
        for row in rows
    ]
    known = [index[number] for number in sorted(index)] if index else None
    for row, name in zip(rows, names, strict=True):
        if name and known and name not in known:
            raise DatasetError(
                f"{row.entry.where}: expected a class of classInd.txt, got {name!r}"
            )
    return names, known or sorted({name for name in names if name})


def _indexed(
    rows: Sequence[table.TableRow],
    places: Sequence[str | None],
    index: Mapping[int, str],
) -> list[str | None]:
    """Numbers as in the class index; or from 0 on, as TSN's lists have it, where only
    that fits the folders."""
    conflict = ""
    for shift in (0, min(index)):
        names = []
        for row, place in zip(rows, places, strict=True):
            known = place if place in index.values() else None
            name = (
                known
                if row.entry.number is None
                else index.get(row.entry.number + shift)
            )
            if row.entry.number is not None and name is None or known and name != known:
                conflict = conflict or (
                    f"{row.entry.where}: expected the number of a class in classInd.txt"
                    f" that agrees with the folder, got {row.entry}"
                )
                break
            names.append(name)
        else:
            return names
    raise DatasetError(conflict)


def _unindexed(
    rows: Sequence[table.TableRow], places: Sequence[str | None]
) -> tuple[list[str | None], list[str]]:
    """Folders name the classes where folders and numbers pair up, else the numbers do."""
    numbers: dict[str | None, set[int]] = defaultdict(set)
    folders: dict[int, set[str | None]] = defaultdict(set)
    for row, place in zip(rows, places, strict=True):
        if row.entry.number is not None:
            numbers[place].add(row.entry.number)
            folders[row.entry.number].add(place)
    paired = None not in numbers and len(numbers) == len(folders)
    paired = paired and all(len(partners) == 1 for partners in folders.values())
    if paired:
        order = {place: min(found) for place, found in numbers.items()}
        known = {place for place in places if place}
        return list(places), sorted(
            known, key=lambda name: (order.get(name, 1 << 62), name)
        )
    return (
        [None if row.entry.number is None else str(row.entry.number) for row in rows],
        [str(number) for number in sorted(folders)],
    )
