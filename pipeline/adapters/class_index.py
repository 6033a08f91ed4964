"""Class index: the file next to the lists that maps numbers to class names.

classInd.txt (UCF101)            1 ApplyEyeMakeup
label_map*.txt, classes.txt,     ApplyEyeMakeup                 (counted from 0)
labels.json                      {"ApplyEyeMakeup": "0"} or ["ApplyEyeMakeup"]
"""

import re
from collections.abc import Iterable
from pathlib import Path

from . import split_lists
from .errors import DatasetError

NAMES = re.compile(
    r"label_?map.*\.txt|(?:classes|class_?names|categories)\.txt"
    r"|(?:.*[-_])?labels\.json|.*[-_]labels\.csv|class_to_idx\.json",
    re.IGNORECASE,
)
"""Names of class index files other than `classInd*.txt`."""


def class_index(path: Path) -> dict[int, str]:
    """Number -> class of a file like `classInd.txt`, or of one with names alone.

    Raises:
        DatasetError: another form, or a number or class twice.
    """
    if path.suffix.lower() == ".json":
        pairs = list(_pairs_of_json(path))
    else:
        pairs = list(_pairs_of_text(path))
    classes: dict[int, str] = {}
    names: set[str] = set()
    for number, name, where in pairs:
        if number in classes or name in names:
            raise DatasetError(
                f"{where}: '{number} {name}': this number or class came before"
            )
        classes[number] = name
        names.add(name)
    if not classes:
        raise DatasetError(f"{path}: expected lines like '1 ClassName', got none")
    return classes


def find_class_index(folder: Path, *, more: bool = False) -> Path | None:
    """`classInd.txt`, or the one file `classInd*.txt` of a folder.

    Args:
        more: files named like `NAMES` too, where there is none of these.

    Raises:
        DatasetError: several, none of them `classInd.txt`.
    """
    found = sorted(folder.glob("[cC]lassInd*.txt"))
    exact = [path for path in found if path.name.lower() == "classind.txt"]
    if more and not found:
        found = sorted(path for path in folder.iterdir() if is_class_index(path))
    if len(found) > 1 and not exact:
        names = ", ".join(path.name for path in found)
        raise DatasetError(f"{folder}: expected one classInd.txt, got {names}")
    return next(iter(exact or found), None)


def is_class_index(path: Path) -> bool:
    """Whether a file has the name of a class index."""
    name = path.name.lower()
    return name.startswith("classind") or NAMES.fullmatch(name) is not None


def _pairs_of_text(path: Path) -> Iterable[tuple[int, str, str]]:
    lines = list(split_lists.lines(path))
    numbered = path.name.lower().startswith("classind")
    matches = [re.fullmatch(r"([0-9]{1,9})[\s,;:]+(.*\S)", line) for _, line in lines]
    if not numbered and not all(matches):
        for count, (number, line) in enumerate(lines):
            yield count, line, f"{path}:{number}"
        return
    for (number, line), match in zip(lines, matches, strict=True):
        where = f"{path}:{number}"
        if not match:
            raise DatasetError(f"{where}: expected '1 ClassName', got {line!r}")
        yield int(match[1]), match[2], where


def _pairs_of_json(path: Path) -> Iterable[tuple[int, str, str]]:
    value = split_lists.json_of(path)
    if isinstance(value, list):
        value = (
            {name: number for number, name in enumerate(value)}
            if all(isinstance(name, str) for name in value)
            else None
        )
    if not isinstance(value, dict):
        raise DatasetError(
            f'{path}: expected classes like {{"ClassName": 0}} or ["ClassName"]'
        )
    for name, number in value.items():
        if not re.fullmatch("[0-9]{1,9}", str(number)):
            raise DatasetError(
                f"{path}: expected a number for class {name!r}, got {number!r}"
            )
        yield int(number), name, str(path)
