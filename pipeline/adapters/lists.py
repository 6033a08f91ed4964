"""Split lists as distributed -> names, labels and the line each came from.

Knows UCF101's lists (`classInd.txt`, `trainlist01.txt`, `testlist01.txt`) and TSN's
(`name [frames] label`). Line ends may be CRLF, lines may end in blanks.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from .errors import DatasetError, DatasetNotFound

ROLE = re.compile(
    r"(?<![a-z])(?:(?:train|test|val)list|(?:train(?:ing)?|test(?:ing)?|val(?:idation)?)(?![a-z]))",
    re.IGNORECASE,
)
"""The word in a file name that says which part of a split it lists."""


class Entry(NamedTuple):
    """A line of a list."""

    name: str
    """As written: relative, with forward slashes, perhaps without a suffix."""
    numbers: tuple[int, ...]
    """The integers behind the name, two at most."""
    where: str
    """ "trainlist01.txt:17", for messages."""

    @property
    def number(self) -> int | None:
        """The label of a list: the last integer."""
        return self.numbers[-1] if self.numbers else None

    def __str__(self) -> str:
        return " ".join([repr(self.name), *map(str, self.numbers)])


class ListPair(NamedTuple):
    """The lists of one split."""

    split: str
    """What tells them from the other pairs: "1" of trainlist01.txt, "dev"."""
    train: Path
    test: Path | None


def raw_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbers (from 1) and texts of all lines, without line ends or byte order mark.

    Raises:
        DatasetNotFound: no such file.
        DatasetError: not text in UTF-8.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DatasetNotFound(
            f"expected a list file: {path}: {error.strerror}"
        ) from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        byte = content[error.start]
        raise DatasetError(
            f"{path}:{number}: expected text in UTF-8, got byte {byte:#04x}"
        ) from error
    yield from enumerate(re.split(r"\r\n|\n|\r", text), 1)


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbers and texts of the lines that are not empty, blanks cut off.

    Raises:
        DatasetError: as of `raw_lines`.
    """
    for number, line in raw_lines(path):
        if line.strip():
            yield number, line.strip()


def check_inside(name: str, where: str) -> str:
    """The name, if it stays inside the folder of videos.

    Raises:
        DatasetError: absolute, with `..`, or with a NUL.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise DatasetError(
            f"{where}: expected a name inside the folder of videos, got {name!r}"
        )
    return str(path)


def entries(path: Path) -> list[Entry]:
    """The lines `name`, `name label` or `name frames label` of a list.

    Names may hold blanks. Integers at the end of a line do not belong to the name.

    Raises:
        DatasetError: a name that leads outside, a name without anything but integers.
    """
    found = []
    for number, line in lines(path):
        where = f"{path}:{number}"
        match = re.fullmatch(r"(.*?\S)(?:\s+(-?\d+))?(?:\s+(-?\d+))?", line)
        if not match:
            raise DatasetError(f"{where}: expected 'name label', got {line!r}")
        name, *numbers = match.groups()
        found.append(
            Entry(check_inside(name, where), tuple(int(n) for n in numbers if n), where)
        )
    return found


def class_index(path: Path) -> dict[int, str]:
    """Number -> class of a file like `classInd.txt`: `1 ApplyEyeMakeup`.

    Raises:
        DatasetError: another form, or a number or class twice.
    """
    classes: dict[int, str] = {}
    for number, line in lines(path):
        where = f"{path}:{number}"
        key, _, name = line.partition(" ")
        if not key.isdigit() or not name.strip():
            raise DatasetError(f"{where}: expected '1 ClassName', got {line!r}")
        if int(key) in classes or name.strip() in classes.values():
            raise DatasetError(f"{where}: {line!r}: this number or class came before")
        classes[int(key)] = name.strip()
    if not classes:
        raise DatasetError(f"{path}: expected lines like '1 ClassName', got none")
    return classes


def find_class_index(folder: Path) -> Path | None:
    """`classInd.txt`, or the one file `classInd*.txt` of a folder.

    Raises:
        DatasetError: several, none of them `classInd.txt`.
    """
    found = sorted(folder.glob("[cC]lassInd*.txt"))
    exact = [path for path in found if path.name.lower() == "classind.txt"]
    if len(found) > 1 and not exact:
        names = ", ".join(path.name for path in found)
        raise DatasetError(f"{folder}: expected one classInd.txt, got {names}")
    return next(iter(exact or found), None)


def find_pairs(folder: Path) -> list[ListPair]:
    """Pairs of train and test lists that lie in a folder, in order of their names.

    `trainlist01.txt` + `testlist01.txt` is split "1"; `..._dev.txt` is "dev";
    TSN's `ucf101_train_split_2_videos.txt` + `ucf101_val_split_2_videos.txt` is "2".
    A `val` list stands for the test list where there is no test list.

    Raises:
        DatasetError: two lists for the same part of a split, a test list alone.
    """
    found: dict[str, dict[str, Path]] = {}
    for path in sorted(folder.glob("*.txt")):
        match = ROLE.search(path.stem)
        if not match:
            continue
        role = next(
            word for word in ("train", "test", "val") if word in match[0].lower()
        )
        split = _split_name(path.stem[: match.start()], path.stem[match.end() :])
        other = found.setdefault(split, {}).setdefault(role, path)
        if other != path:
            raise DatasetError(
                f"{folder}: split {split}: expected one {role} list,"
                f" got {other.name} and {path.name}"
            )
    pairs = []
    for split, roles in sorted(found.items()):
        if "train" not in roles:
            alone = next(iter(roles.values()))
            raise DatasetError(f"{alone}: expected a train list beside it, found none")
        pairs.append(
            ListPair(split, roles["train"], roles.get("test") or roles.get("val"))
        )
    return pairs


def whose(folder: Path) -> str:
    """Which data set the files of a folder look like lists of, in words for a message."""
    if any(folder.rglob("*_test_split[0-9].txt")):
        return "lists of HMDB51"
    if any(folder.rglob("trainlist*.txt")):
        return "lists like UCF101's"
    if any(folder.rglob("*_test.txt")) or any(folder.rglob("*_val.txt")):
        return "annotations like THUMOS14's"
    return "no list that is known"


def check_once(names: Iterable[Entry]) -> None:
    """Refuse a list that names a video twice.

    Raises:
        DatasetError: with both places.
    """
    first: dict[str, str] = {}
    for entry in names:
        if entry.name in first:
            raise DatasetError(
                f"{entry.where}: {entry.name!r} came before, at {first[entry.name]}"
            )
        first[entry.name] = entry.where


def _split_name(before: str, after: str) -> str:
    numbered = re.search(r"split[_-]?(\d+)", before + " " + after, re.IGNORECASE)
    if numbered:
        return str(int(numbered[1]))
    rest = after.strip("_- .")
    if rest.isdigit():
        return str(int(rest))
    return rest or before.strip("_- .") or "1"
