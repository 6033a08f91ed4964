"""Lines of a text list -> names, frame counts and labels, in all common spellings.

    jump/a.mp4 3              name, label
    jump/a.mp4 164 3          name, frames, label               (TSN, MMAction2)
    jump/a 0 164 3            name, start, frames, label        (MMAction2)
    "jump/a b.mp4", high jump name, label in words; with commas, tabs, semicolons
    3 jump/a.mp4              label, name

Which of these a list is, the files decide: the way to read it that finds most of them.
"""

import csv
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import islice, takewhile
from pathlib import Path
from typing import NamedTuple

from motion_shards.plain_text import counted

from . import split_lists
from .errors import DatasetError
from .file_types import LISTED_SUFFIXES
from .matching import Matcher

SAMPLE = 1_000
"""Lines that decide how a list is read."""
MOST_VALUES = 8
FEW_FRAMES = 8
"""A list whose videos all have fewer frames means labels."""
MEANINGS = {
    0: "name",
    1: "name, label",
    2: "name, frames, label",
    3: "name, start, frames, label",
}
SEVERAL = "several labels of a video are written in a CSV with a column 'labels'"
_NAME_AND_MORE = re.compile(
    r"(.*?(?:{}))(?=\s|$)(.*)".format("|".join(map(re.escape, LISTED_SUFFIXES))),
    re.IGNORECASE,
)


class ListLine(NamedTuple):
    """A line, taken apart."""

    name: str
    numbers: tuple[int, ...] = ()
    word: str = ""
    """A label that is no number."""

    @property
    def values(self) -> int:
        return len(self.numbers) + bool(self.word)


Reading = Callable[[str], ListLine | None]
"""One way to read a line; None where the line is not of that kind."""


def read_text_list(path: Path, matcher: Matcher) -> tuple[list[split_lists.Entry], str]:
    """The lines of a list, and how they were read ("name, frames, label").

    Raises:
        DatasetError: a line of another kind than the others, or one that cannot be
            meant, with its place and what would be right.
    """
    lines = list(split_lists.lines(path))
    reading = _best([line for _, line in lines], matcher)
    found: list[tuple[ListLine, str]] = []
    for number, line in lines:
        where = f"{path}:{number}"
        spelled = reading(line)
        if spelled is None or not spelled.name:
            raise DatasetError(
                f"{where}: expected a name and its label like the lines before,"
                f" got {line!r}"
            )
        if spelled.numbers and not spelled.word and matcher.find(line):
            spelled = ListLine(line)  # the number belongs to the name of a file
        found.append((spelled, where))
    _require_one_spelling(lines, found, reading, matcher)
    values = _require_alike(found)
    entries = [_entry(spelled, where) for spelled, where in found]
    meaning = MEANINGS[values]
    if found and reading in (_swapped, *_SWAPPED.values()):
        meaning = "label, name"
    return entries, meaning


def _best(lines: Sequence[str], matcher: Matcher) -> Reading:
    """The way of reading that finds most files; of equal ones the plainest."""
    step = -(-len(lines) // SAMPLE) or 1
    sample = lines[::step]
    readings: list[Reading] = [_blanks, _words, _swapped]
    for delimiter in ("\t", ",", ";"):
        if any(delimiter in line for line in sample):
            readings += [_DELIMITED[delimiter], _SWAPPED[delimiter]]
    best, most = readings[0], (0, 0, 0)
    for reading in readings:
        score = _score(map(reading, sample), matcher)
        if score > most:
            best, most = reading, score
        if most[1] == len(sample):
            break
    return best


def _score(
    spelled: Iterable[ListLine | None], matcher: Matcher
) -> tuple[int, int, int]:
    """(files found, those found at the named path, lines with a label if none is found)."""
    found = near = labelled = 0
    for line in spelled:
        if line is None or not line.name:
            continue
        match = matcher.find(line.name, anywhere=True)
        found += match is not None
        near += match is not None and match.how != "place" and not match.others
        labelled += match is not None and line.values > 0
    return found, near, 0 if near else labelled


def _blanks(line: str) -> ListLine:
    """Integers at the end do not belong to the name; other blanks may."""
    name = line.strip()
    numbers: list[int] = []
    while len(numbers) < MOST_VALUES:
        parts = name.rsplit(None, 1)
        if len(parts) < 2 or not split_lists.INTEGER.fullmatch(parts[1]):
            break
        name = parts[0]
        numbers.insert(0, int(parts[1]))
    return ListLine(_unquoted(name), tuple(numbers))


def _words(line: str) -> ListLine | None:
    """A name up to its suffix (or in quotes, or without blanks), then a label in words."""
    line = line.strip()
    quoted = re.fullmatch(r"""(["'])([^"']+)\1(?:\s+(.*))?""", line)
    if quoted:
        return _with_values(quoted[2], (quoted[3] or "").split(), join=" ")
    match = _NAME_AND_MORE.fullmatch(line)
    if match:
        return _with_values(match[1], match[2].split(), join=" ")
    name, *rest = line.split()
    return _with_values(name, rest, join=" ")


def _swapped(line: str) -> ListLine | None:
    label, *rest = line.split(None, 1)
    return _with_values(_unquoted(rest[0]), [label], join=" ") if rest else None


def _delimited(line: str, delimiter: str, *, swapped: bool = False) -> ListLine | None:
    try:
        cells = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True))
    except (csv.Error, StopIteration):
        return None
    cells = [cell.strip() for cell in cells]
    while cells and not cells[-1]:
        cells.pop()
    if not cells or (swapped and len(cells) != 2):
        return None
    name, *rest = reversed(cells) if swapped else cells
    return _with_values(_unquoted(name), rest, join=None)


_DELIMITED: dict[str, Reading] = {
    "\t": lambda line: _delimited(line, "\t"),
    ",": lambda line: _delimited(line, ","),
    ";": lambda line: _delimited(line, ";"),
}
_SWAPPED: dict[str, Reading] = {
    "\t": lambda line: _delimited(line, "\t", swapped=True),
    ",": lambda line: _delimited(line, ",", swapped=True),
    ";": lambda line: _delimited(line, ";", swapped=True),
}


def _with_values(name: str, values: list[str], *, join: str | None) -> ListLine | None:
    """Integers, then at most one label in words (of several words, if they are joined)."""
    numbers = [int(value) for value in takewhile(split_lists.INTEGER.fullmatch, values)]
    values = values[len(numbers) :]
    if len(values) > 1 and join is None:
        return None
    if any(re.fullmatch(r"-?[\d.]+", value) for value in values):
        return None
    if len(numbers) > MOST_VALUES:
        return None
    return ListLine(name, tuple(numbers), (join or "").join(values))


def _unquoted(name: str) -> str:
    if len(name) > 2 and name[0] == name[-1] and name[0] in "\"'":
        return name[1:-1]
    return name


def _require_one_spelling(
    lines: Sequence[tuple[int, str]],
    found: Sequence[tuple[ListLine, str]],
    reading: Reading,
    matcher: Matcher,
) -> None:
    """
    Raises:
        DatasetError: a line names no file as the others do, but one of another spelling.
    """
    plain = reading in (_blanks, _words, _swapped)
    others = [*_DELIMITED.values()] if plain else [_blanks, _words]
    missing = (
        (line, where)
        for (_, line), (spelled, where) in zip(lines, found, strict=True)
        if matcher.find(spelled.name, anywhere=True) is None
    )
    for line, where in islice(missing, SAMPLE):
        for other in others:
            spelled = other(line)
            if not spelled or spelled.name == line:
                continue
            if matcher.find(spelled.name, anywhere=True):
                raise DatasetError(
                    f"{where}: expected a name and its label spelled like in the other"
                    f" lines, got {line!r}"
                )


def _require_alike(found: Sequence[tuple[ListLine, str]]) -> int:
    """Number of values behind each name; lines without any have no label.

    Raises:
        DatasetError: other numbers of values, or values that cannot be right.
    """
    labelled = [(spelled, where) for spelled, where in found if spelled.values]
    if not labelled:
        return 0
    values, first = labelled[0][0].values, labelled[0][1]
    for spelled, where in labelled:
        if spelled.values != values or values not in MEANINGS:
            raise DatasetError(
                f"{where}: expected '{MEANINGS.get(values, 'name, label')}' as in"
                f" {first}, got {counted(spelled.values, 'value')} behind {spelled.name!r};"
                f" {SEVERAL}"
            )
        _require_whole_video(spelled, where)
    counts = [_frames(each) for each, _ in labelled if _frames(each) != -1]
    if counts and max(counts) < FEW_FRAMES:
        raise DatasetError(
            f"{first}: expected 'name, label' or '{MEANINGS[values]}', got"
            f" {counts[0]} for a number of frames; {SEVERAL}"
        )
    return values


def _require_whole_video(spelled: ListLine, where: str) -> None:
    start = (
        spelled.numbers[0] if spelled.values == 3 and len(spelled.numbers) > 1 else 0
    )
    if start not in (0, 1):
        raise DatasetError(
            f"{where}: expected a whole video (start 0 or 1), got one from frame"
            f" {start} on: cut the videos first"
        )
    frames = _frames(spelled)
    if frames < 2 and frames != -1:
        raise DatasetError(
            f"{where}: expected a number of frames (or -1) before the label, got"
            f" {frames}; {SEVERAL}"
        )


def _frames(spelled: ListLine) -> int:
    """Number of frames, the value before the label; -1 if unknown."""
    before = spelled.numbers if spelled.word else spelled.numbers[:-1]
    return before[-1] if before else -1


def _entry(spelled: ListLine, where: str) -> split_lists.Entry:
    numbers = () if spelled.word else spelled.numbers[-1:]
    if numbers and numbers[0] < -1:
        raise DatasetError(
            f"{where}: expected a label of 0 or more, or -1 for none, got {numbers[0]}"
        )
    return split_lists.Entry(
        split_lists.check_inside(spelled.name, where, absolute=True),
        numbers,
        where,
        spelled.word,
    )
