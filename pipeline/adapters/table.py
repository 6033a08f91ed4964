"""A CSV list of videos with a header -> its rows.

    path,label,split,group
    clips/a.mp4,jump,train,alice
    "clips/b, 2.mp4",run,test,bob

Columns `path` (or video, file, filename, name) and, as there are: `label` (or class),
`group`, `split` or several named like `split1`, `split_2`, `split:mine`. Commas, tabs
or semicolons; the header decides.
"""

import csv
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from . import lists
from .errors import DatasetError

PATH_COLUMNS = ("path", "video", "file", "filename", "video_path", "name")
LABEL_COLUMNS = ("label", "class", "class_name", "category")
SPLIT_COLUMN = re.compile(r"(?:split|subset)[ _:-]*(.*)")
PARTS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("test", "testing"), "test"),
    **dict.fromkeys(("val", "valid", "validation"), "val"),
    **dict.fromkeys(("", "-", "none", "unused"), None),
}
"""What may stand in a column of a split."""


class TableRow(NamedTuple):
    """A row of a list."""

    entry: lists.Entry
    """With the label as its number where it is an integer."""
    class_name: str | None
    """The label where it is a word."""
    splits: Mapping[str, str]
    group: str
    """Empty where there is no such column, or nothing in it."""


def read_table(path: Path) -> list[TableRow]:
    """The rows of a CSV list.

    `val` counts as test in a split that has no test videos, and as unused in others.

    Raises:
        DatasetError: no header, another number of cells, a path that leads outside,
            a video twice, an unknown word in a column of a split.
    """
    text = "\n".join(line for _, line in lists.raw_lines(path))
    header_text = text.partition("\n")[0]
    delimiter = max(",\t;", key=header_text.count)
    reader = csv.reader(text.split("\n"), delimiter=delimiter, strict=True)
    rows: list[TableRow] = []
    try:
        header = _header(next(reader), path)
        for cells in reader:
            where = f"{path}:{reader.line_num}"
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                raise DatasetError(
                    f"{where}: expected {len(header)} cells as in the header,"
                    f" got {len(cells)}"
                )
            cells = [cell.strip() for cell in cells]
            rows.append(_row(dict(zip(header, cells, strict=True)), where))
    except csv.Error as error:
        raise DatasetError(f"{path}:{reader.line_num}: {error}") from error
    if not rows:
        raise DatasetError(f"{path}: expected rows below the header, found none")
    lists.check_once(row.entry for row in rows)
    return _without_val(rows)


def _header(cells: list[str], path: Path) -> list[str]:
    """Columns by our names: "path", "label", "group", "split <name>", others as they are."""
    header = []
    for cell in cells:
        name = cell.strip().lower()
        split = SPLIT_COLUMN.fullmatch(name)
        if name in PATH_COLUMNS:
            name = "path"
        elif name in LABEL_COLUMNS:
            name = "label"
        elif split:
            name = "split " + (split[1] or "1")
        if name in header:
            raise DatasetError(f"{path}:1: expected one column {name!r}, got two")
        header.append(name)
    if "path" not in header:
        raise DatasetError(
            f"{path}:1: expected a header with a column 'path', got {','.join(cells)!r}"
        )
    return header


def _row(cells: dict[str, str], where: str) -> TableRow:
    if not cells["path"]:
        raise DatasetError(f"{where}: expected a path, got nothing")
    label = cells.get("label", "")
    number = int(label) if re.fullmatch(r"\d+", label) else None
    splits = {}
    for column, word in cells.items():
        if column.startswith("split "):
            if word.lower() not in PARTS:
                raise DatasetError(
                    f"{where}: expected train, test, val or nothing in column"
                    f" {column!r}, got {word!r}"
                )
            part = PARTS[word.lower()]
            if part:
                splits[column.removeprefix("split ")] = part
    name = lists.check_inside(cells["path"], where)
    entry = lists.Entry(name, () if number is None else (number,), where)
    class_name = label if label and number is None else None
    return TableRow(entry, class_name, splits, cells.get("group", ""))


def _without_val(rows: list[TableRow]) -> list[TableRow]:
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
