"""Split lists as distributed -> names, labels and the line each came from.

Knows UCF101's lists (`classInd.txt`, `trainlist01.txt`, `testlist01.txt`) and TSN's
(`name [frames] label`). Line ends may be CRLF, lines may end in blanks.
"""

import codecs
import json
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from motion_shards.plain_text import size_text

from .errors import DatasetError, DatasetNotFound

HMDB51 = re.compile(r"(.+)_test_split(\d+)\.txt")
INTEGER = re.compile(r"-?[0-9]{1,9}")
MAX_LIST_BYTES = 1 << 30
TEXT_LISTS = (".txt", ".list", ".lst")
TABLES = (".csv", ".tsv")
RECORDS = (".json", ".jsonl", ".ndjson")
ROLE = re.compile(
    r"(?<![a-z])(?:(?:train|test|val)list|(?:train(?:ing)?|test(?:ing)?|val(?:idation)?)(?![a-z]))",
    re.IGNORECASE,
)
"""The word in a file name that says which part of a split it lists."""


class Entry(NamedTuple):
    """A line of a list."""

    name: str
    """Name as written: relative, with forward slashes, perhaps without a suffix."""
    numbers: tuple[int, ...]
    """The integers behind the name, two at most."""
    where: str
    """ "trainlist01.txt:17", for messages."""
    word: str = ""
    """A label that is no integer."""
    also: tuple[str, ...] = ()
    """Other names that the same video may have."""

    @property
    def number(self) -> int | None:
        """The label of a list: the last integer, but for -1 (no label)."""
        return self.numbers[-1] if self.numbers and not self.unlabelled else None

    @property
    def unlabelled(self) -> bool:
        """Whether the list says that there is no label."""
        return self.numbers[-1:] == (-1,)

    def __str__(self) -> str:
        return " ".join([repr(self.name), *map(str, self.numbers)])


class ListPair(NamedTuple):
    """The lists of one split."""

    split: str
    """Name of the split: "1" of trainlist01.txt, "dev" of trainlist_dev.txt."""
    train: Path
    test: Path | None
    val: Path | None = None
    """Validation list that comes with a test list: its videos are in no part of the split."""

    def parts(self) -> Iterator[tuple[str, Path]]:
        """ "train", "test" and "val" with their lists, as there are."""
        for part, path in (
            ("train", self.train),
            ("test", self.test),
            ("val", self.val),
        ):
            if path:
                yield part, path


def raw_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbers (from 1) and texts of all lines, without line ends or byte order mark.

    Raises:
        DatasetNotFound: no such file.
        DatasetError: not text in UTF-8.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_LIST_BYTES + 1)
    except OSError as error:
        raise DatasetNotFound(
            f"expected a list file: {path}: {error.strerror}"
        ) from error
    if len(content) > MAX_LIST_BYTES:
        raise DatasetError(
            f"{path}: expected a list file, got over {size_text(MAX_LIST_BYTES)}"
        )
    try:
        if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            text = content.decode("utf-16")  # as spreadsheets save it
        else:
            text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        byte = content[error.start]
        raise DatasetError(
            f"{path}:{number}: expected text in UTF-8, got byte {byte:#04x}"
        ) from error
    yield from enumerate(re.split(r"\r\n|\n|\r", text), 1)


def json_of(path: Path) -> Any:
    """Content of a JSON file.

    Raises:
        DatasetNotFound: no such file.
        DatasetError: not JSON in UTF-8, or nested too deeply.
    """
    text = "\n".join(line for _, line in raw_lines(path))
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise DatasetError(
            f"{path}:{error.lineno}: expected JSON: {error.msg}"
        ) from error
    except (RecursionError, ValueError) as error:
        raise DatasetError(f"{path}: expected a plain JSON list: {error}") from error


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbers and texts of the lines that are not empty, blanks cut off.

    Raises:
        DatasetError: as of `raw_lines`.
    """
    for number, line in raw_lines(path):
        if line.strip():
            yield number, line.strip()


def is_absolute(name: str) -> bool:
    """Whether a name starts at the root of a file system, of Windows or another."""
    return name.startswith(("/", "\\")) or bool(re.match(r"[A-Za-z]:[\\/]", name))


def check_inside(name: str, where: str, *, absolute: bool = False) -> str:
    """The name, if it stays inside the folder of videos.

    Args:
        absolute: may it start at a root? Then it is looked up by its end.

    Raises:
        DatasetError: absolute, with `..`, or with a NUL.
    """
    outside = ".." in re.split(r"[\\/]", name) or "\0" in name
    if outside or (name.startswith("/") and not absolute):
        raise DatasetError(
            f"{where}: expected a name inside the folder of videos, got {name!r}"
        )
    parts = [part for part in name.split("/") if part not in ("", ".")]
    return "/" * name.startswith("/") + "/".join(parts) or "."


def entries(path: Path) -> list[Entry]:
    """The lines `name`, `name label` or `name frames label` of an official list.

    Names may hold blanks, and backslashes for slashes. Integers at the end of a line do
    not belong to the name.

    Raises:
        DatasetError: a name that leads outside.
    """
    found = []
    for number, line in lines(path):
        where = f"{path}:{number}"
        name = line
        numbers: list[int] = []
        while len(numbers) < 2 and len(parts := name.rsplit(None, 1)) == 2:
            if not INTEGER.fullmatch(parts[1]):
                break
            name = parts[0]
            numbers.insert(0, int(parts[1]))
        name = name.replace("\\", "/")
        found.append(Entry(check_inside(name, where), tuple(numbers), where))
    return found


def find_pairs(folder: Path, suffixes: Collection[str] = TEXT_LISTS) -> list[ListPair]:
    """Pairs of train and test lists that lie in a folder, in order of their names.

    `trainlist01.txt` + `testlist01.txt` is split "1"; `..._dev.txt` is "dev";
    TSN's `ucf101_train_split_2_videos.txt` + `ucf101_val_split_2_videos.txt` is "2".
    A `val` list stands for the test list where there is no test list.

    Args:
        suffixes: of the lists.

    Raises:
        DatasetError: two lists for the same part of a split, a test list alone.
    """
    found: dict[str, dict[str, Path]] = {}
    for path in sorted(folder.iterdir()):
        match = ROLE.search(path.stem)
        if not match or path.suffix.lower() not in suffixes or path.name[0] == ".":
            continue
        if HMDB51.fullmatch(path.name):
            raise DatasetError(
                f"{path}: expected lists like trainlist01.txt and testlist01.txt, found"
                " lists in the style of HMDB51: `--dataset hmdb51` reads them"
            )
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
        test, val = roles.get("test"), roles.get("val")
        pairs.append(
            ListPair(split, roles["train"], test or val, val if test else None)
        )
    return pairs


def lists_of(folder: Path) -> str:
    """Description of the lists in a folder by their file names, for a message."""
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
