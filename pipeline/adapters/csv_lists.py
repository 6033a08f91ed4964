"""A CSV list of videos with a header, or a JSON list of records -> its rows.

    path,label,split,group
    clips/a.mp4,jump,train,alice
    "clips/b, 2.mp4",run,test,bob

Columns `path` (or another of `PATHS`, `NAMES`) and, as there are: `label` (or another of
`LABELS`) or `labels` (several, with `|` between them), `group`, `split` or several named
like `split1`, `split_2`, `split:mine`. Commas, tabs or semicolons; the header decides.
Kinetics' lists are such tables: `label,youtube_id,time_start,time_end,split`.
"""

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from motion_shards.near import similar
from motion_shards.plain_text import first_names

from . import split_lists
from .errors import DatasetError

PATHS = (
    *("path", "file", "filename", "file_name", "video_path", "file_path", "filepath"),
    *("clip_path", "relative_path"),
)
"""Columns of paths; at most one of them."""
NAMES = (
    *("video", "name", "video_name", "clip", "clip_name", "video_id", "youtube_id"),
    *("id", "clip_id", "vid"),
)
"""Columns that name the video where there is no column of paths."""
LABELS = (
    *("template", "label", "class", "class_name", "label_name", "category", "action"),
    *("activity", "tag", "class_id", "label_id", "target"),
)
"""Columns of the class, the first that is there. Something-Something's `template` is
the class, its `label` a sentence."""
GROUPS = ("group", "groups", "subject", "person", "scene")
SPLIT_COLUMN = re.compile(r"(?:split|subset)[ _:-]*(.*)|(?:set|part)")
PARTS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("test", "testing"), "test"),
    **dict.fromkeys(("val", "valid", "validate", "validation"), "val"),
    **dict.fromkeys(("", "-", "none", "unused", "holdout"), None),
}
"""Values of a column of a split."""
DELIMITERS = (",", "\t", ";", "|", " ")


class ListRow(NamedTuple):
    """A row of a list."""

    entry: split_lists.Entry
    """The video, with the label as its number where it is an integer."""
    class_names: tuple[str, ...]
    """The labels where they are words."""
    splits: Mapping[str, str]
    group: str
    """Empty where there is no such column, or nothing in it."""
    unused: bool = False
    """Whether the row is of a validation list that comes with a test list."""


def delimiter_of(header: str) -> str | None:
    """Delimiter of the columns of a header; None if the line is no header."""
    for delimiter in DELIMITERS:
        cells = [cell.strip(" \"'").lower() for cell in header.split(delimiter)]
        known = {*PATHS, *NAMES}.intersection(cells)
        others = {*LABELS, *GROUPS, "labels", *known}.intersection(cells)
        others.update(cell for cell in cells if SPLIT_COLUMN.fullmatch(cell))
        alone = len(cells) == 1 and delimiter != DELIMITERS[0]
        strange = delimiter == " " and len(others) < len(cells)
        if known and not alone and not strange:
            return delimiter
    return None


def read_table(path: Path) -> list[ListRow]:
    """The rows of a CSV list.

    `val` counts as test in a split that has no test videos, and as unused in others.

    Raises:
        DatasetError: no header, another number of cells, a path that leads outside,
            a video twice, an unknown word in a column of a split.
    """
    text = "\n".join(line for _, line in split_lists.raw_lines(path))
    first = text.partition("\n")[0]
    delimiter = delimiter_of(first)
    if delimiter is None:
        raise no_header(path, first)
    reader = csv.reader(
        text.split("\n"), delimiter=delimiter, strict=True, skipinitialspace=True
    )
    rows: list[ListRow] = []
    try:
        header = [cell.strip().lower() for cell in next(reader)]
        places = columns(header, f"{path}:1")
        for cells in reader:
            where = f"{path}:{reader.line_num}"
            if not any(cell.strip() for cell in cells):
                continue
            while len(cells) > len(header) and not cells[-1].strip():
                cells.pop()  # spreadsheets add empty ones
            if len(cells) != len(header):
                raise DatasetError(
                    f"{where}: expected {len(header)} cells as in the header,"
                    f" got {len(cells)}"
                )
            cells = [cell.strip() for cell in cells]
            values = {name: cells[place] for name, place in places.items()}
            labels = values.pop("labels", "").split("|")
            rows.append(row_of(values, where, [label.strip() for label in labels]))
    except csv.Error as error:
        raise DatasetError(f"{path}:{reader.line_num}: {error}") from error
    if not rows:
        raise DatasetError(f"{path}: expected rows below the header, found none")
    return checked(rows)


def checked(rows: Sequence[ListRow]) -> list[ListRow]:
    """The rows, if none names a video twice; `val` is settled as test or unused."""
    split_lists.check_once(row.entry for row in rows)
    return _without_val(rows)


def no_header(path: Path, first: str) -> DatasetError:
    """The error of a list whose first line is no header, with what it may have meant."""
    cells = [cell.strip().lower() for cell in re.split("[,;\t|]", first)]
    close = [
        f"{cell!r} for {match[0]!r}"
        for cell in cells
        if (match := similar(cell, PATHS, most=1))
    ]
    hint = f" ({close[0]}?)" if close else ""
    return DatasetError(
        f"{path}:1: expected a header with a column 'path', got {first!r}{hint}"
    )


def columns(header: Sequence[str], where: str) -> dict[str, int]:
    """Canonical column name -> index; columns with other names are left out."""
    places: dict[str, int] = {}

    def place(name: str, column: int) -> None:
        if name in places:
            raise DatasetError(f"{where}: expected one column {name!r}, got two")
        places[name] = column

    for column, name in enumerate(header):
        split = SPLIT_COLUMN.fullmatch(name)
        if name in PATHS:
            place("path", column)
        elif split:
            place("split " + (split[1] or "1"), column)
        elif name in ("labels", "time_start", "time_end"):
            place(name, column)
    for ours, known in (("path", NAMES), ("label", LABELS), ("group", GROUPS)):
        first = next((name for name in known if name in header), None)
        if first and ours not in places:
            if header.count(first) > 1:
                raise DatasetError(f"{where}: expected one column {first!r}, got two")
            places[ours] = header.index(first)
    if "label" in places and "labels" in places:
        raise DatasetError(f"{where}: expected a column 'label' or 'labels', got both")
    return places


def unread_columns(header: str, delimiter: str) -> str:
    """A remark that names the columns that are not read: one may be misspelt."""
    names = [name.strip() for name in next(csv.reader([header], delimiter=delimiter))]
    used = set(columns([name.lower() for name in names], "header").values())
    left = [name for place, name in enumerate(names) if place not in used and name]
    return f"columns not read: {first_names(left, 8)}" if left else ""


def row_of(cells: Mapping[str, str], where: str, labels: Sequence[str] = ()) -> ListRow:
    """A row by our names of columns: path, label, group, `split NAME`.

    Args:
        labels: several, where there is no column of one.

    Raises:
        DatasetError: no path, an unknown word in a split, a label below -1.
    """
    if not cells["path"]:
        raise DatasetError(f"{where}: expected a path, got nothing")
    labels = [label for label in (cells.get("label", ""), *labels) if label]
    numbers: tuple[int, ...] = ()
    if len(labels) == 1 and split_lists.INTEGER.fullmatch(labels[0]):
        numbers = (int(labels.pop()),)
        if numbers[0] < -1:
            raise DatasetError(
                f"{where}: expected a label, or -1 for none, got {numbers[0]}"
            )
    splits = {}
    for column, word in cells.items():
        if column.startswith("split "):
            if word.lower() not in PARTS:
                raise DatasetError(
                    f"{where}: expected train, test, val or nothing as the part in"
                    f" {column}, got {word!r}"
                )
            part = PARTS[word.lower()]
            if part:
                splits[column.removeprefix("split ")] = part
    name = split_lists.check_inside(cells["path"], where, absolute=True)
    name, *also = _timed(name, cells.get("time_start", ""), cells.get("time_end", ""))
    entry = split_lists.Entry(name, numbers, where, also=tuple(also))
    return ListRow(entry, tuple(labels), splits, cells.get("group", ""))


def _timed(name: str, start: str, stop: str) -> list[str]:
    """Names of a stretch of a video in Kinetics: `ID_000010_000020`, or the id alone."""
    try:
        first, last = int(float(start)), int(float(stop))
    except (ValueError, OverflowError):
        return [name]
    return [f"{name}_{first:06d}_{last:06d}", f"{name}_{first}_{last}", name]


def _without_val(rows: Sequence[ListRow]) -> list[ListRow]:
    tested = {
        split for row in rows for split, part in row.splits.items() if part == "test"
    }
    return [
        row._replace(
            splits={
                split: "test" if part == "val" else part
                for split, part in row.splits.items()
                if part != "val" or split not in tested
            }
        )
        for row in rows
    ]
