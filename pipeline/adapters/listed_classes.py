"""Labels of the user's lists -> names of classes.

Labels may be class names, or numbers with or without a class index next to them.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from motion_shards.near import similar

from . import csv_lists
from .errors import DatasetError


def listed_classes(
    rows: Sequence[csv_lists.ListRow],
    places: Sequence[str | None],
    index: Mapping[int, str] | None,
) -> tuple[list[tuple[str, ...]], list[str]]:
    """Classes of each row, and all classes in order.

    Args:
        places: class by the folder of each row's video, or None.
        index: number -> class of the class index, or None.

    Raises:
        DatasetError: labels contradict the class index, named with their line.
    """
    if any(row.class_names for row in rows):
        return _worded(rows, index)
    if index is None:
        names, classes = _unindexed(rows, places)
    else:
        names = _indexed(rows, places, index)
        classes = [index[number] for number in sorted(index)]
    return [(name,) if name else () for name in names], classes


def _worded(
    rows: Sequence[csv_lists.ListRow], index: Mapping[int, str] | None
) -> tuple[list[tuple[str, ...]], list[str]]:
    """Labels in words; a class called `1` among them is a word too."""
    names = [
        row.class_names
        or (() if row.entry.number is None else (str(row.entry.number),))
        for row in rows
    ]
    used = {name for several in names for name in several}
    known = [index[number] for number in sorted(index)] if index else sorted(used)
    if not used <= set(known):
        for row, several in zip(rows, names, strict=True):
            for name in several:
                if name not in known:
                    close = similar(name, known, most=1)
                    hint = f"; did you mean {close[0]!r}?" if close else ""
                    raise DatasetError(
                        f"{row.entry.where}: expected a class of the class index beside"
                        f" the list, got {name!r}{hint}"
                    )
    return names, known


def _indexed(
    rows: Sequence[csv_lists.ListRow],
    places: Sequence[str | None],
    index: Mapping[int, str],
) -> list[str | None]:
    """Numbers as in the class index; or from 0 on, as TSN's lists have it, where only
    that fits the folders."""
    conflict = ""
    classes = set(index.values())
    for shift in dict.fromkeys((0, min(index))):
        names: list[str | None] = []
        for row, place in zip(rows, places, strict=True):
            known = place if place in classes else None
            number = row.entry.number
            name = known if number is None else index.get(number + shift)
            if number is not None and (name is None or (known and name != known)):
                conflict = conflict or (
                    f"{row.entry.where}: expected the number of a class in the class"
                    f" index (classInd.txt) that agrees with the folder, got {row.entry}"
                )
                break
            names.append(None if row.entry.unlabelled else name)
        else:
            return names
    raise DatasetError(conflict)


def _unindexed(
    rows: Sequence[csv_lists.ListRow], places: Sequence[str | None]
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
        names = [
            None if row.entry.unlabelled else place
            for row, place in zip(rows, places, strict=True)
        ]
        return names, sorted(known, key=lambda name: (order.get(name, 1 << 62), name))
    return (
        [None if row.entry.number is None else str(row.entry.number) for row in rows],
        [str(number) for number in sorted(folders)],
    )
