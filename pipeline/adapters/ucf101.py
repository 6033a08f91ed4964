"""UCF101 as distributed, or a part of it -> labelled videos with its three splits.

    UCF-101/ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi     or all in one folder
    ucfTrainTestlist/classInd.txt, trainlist01.txt, testlist01.txt, ...

K. Soomro, A. R. Zamir, M. Shah, "UCF101: A Dataset of 101 Human Actions Classes From
Videos in The Wild", 2012, arXiv:1212.0402.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from . import official_lists, split_lists
from .class_index import class_index, find_class_index
from .errors import DatasetError
from .file_types import without_suffix
from .scan import Scan
from .videos import DataSet

SOURCE = "https://www.crcv.ucf.edu/data/UCF101.php"
VIDEOS, CLASSES = 13_320, 101
OFFICIAL = {"1": (9537, 3783), "2": (9586, 3734), "3": (9624, 3696)}
"""Split -> train and test videos of the lists as distributed."""
NAME = re.compile(r"v_(\w+)_g\d+_c\d+")
"""A video's name; the class in it may differ in case from the class's own name."""


def read(folder: Path, splits: Path, found: Scan | None = None) -> DataSet:
    """UCF101 with the lists that lie in `splits` or its `ucfTrainTestlist`.

    Files are found by name, whatever folder they lie in, with any suffix. A group is
    one scene of one class, `v_YoYo_g07`: the official splits never tear it apart.
    Lists that are not the official ones in full (a part of them, other names) work
    too, and are not called official.

    Args:
        found: what the folder holds, where that is known.

    Raises:
        DatasetError: lists of another data set, contradictory or doubled lines, lists
            that name none of the videos found.
    """
    return official_lists.dataset(
        "ucf101",
        title="UCF101",
        source=SOURCE,
        folder=folder,
        lists=read_lists(splits),
        found=found,
        group=lambda stem, _: group(stem),
    )


def find_lists(folder: Path) -> Path | None:
    """The folder of lists, in the folder of videos or next to it; None without one."""
    for place in (
        folder,
        folder / "ucfTrainTestlist",
        folder.parent / "ucfTrainTestlist",
    ):
        if place.is_dir() and find_class_index(place) and split_lists.find_pairs(place):
            return place
    return None


def group(stem: str) -> str:
    """The scene of a clip.

    >>> group("v_YoYo_g07_c04")
    'v_YoYo_g07'
    """
    return stem.rpartition("_c")[0] or stem


def read_lists(folder: Path) -> official_lists.OfficialLists:
    """Class index and all pairs of lists.

    Raises:
        DatasetError: as of `read`.
    """
    if (folder / "ucfTrainTestlist").is_dir():
        folder = folder / "ucfTrainTestlist"
    index_path, pairs = find_class_index(folder), split_lists.find_pairs(folder)
    if index_path is None or not pairs:
        raise DatasetError(
            f"{folder}: expected UCF101's classInd.txt, trainlist01.txt and"
            f" testlist01.txt, found {split_lists.lists_of(folder)}"
        )
    index = class_index(index_path)
    classes: dict[str, str] = {}
    splits: dict[str, dict[str, str]] = {}
    for pair in pairs:
        for part, path in (("train", pair.train), ("test", pair.test)):
            for entry, class_name in _labelled(path, index) if path else ():
                classes[entry.name] = class_name
                parts = splits.setdefault(entry.name, {})
                if parts.setdefault(pair.split, part) != part:
                    raise DatasetError(
                        f"{entry.where}: {entry.name} is in {pair.train.name} too"
                    )
    kinds = {}
    for pair in pairs:
        parts_of = Counter(parts.get(pair.split) for parts in splits.values())
        complete = OFFICIAL.get(pair.split) == (parts_of["train"], parts_of["test"])
        kinds[pair.split] = "official" if complete else "lists"
    facts = []
    if "lists" in kinds.values():
        facts.append(
            "the lists are a part of UCF101's or others: they name"
            f" {len(classes):,} videos of {len(index)} classes,"
            f" UCF101 has {VIDEOS:,} of {CLASSES}"
        )
    return official_lists.OfficialLists(
        folder=folder,
        classes=[index[number] for number in sorted(index)],
        videos={
            name: official_lists.OfficialEntry(classes[name], splits[name])
            for name in classes
        },
        splits=kinds,
        facts=facts,
    )


def _labelled(
    path: Path, index: Mapping[int, str]
) -> Iterator[tuple[split_lists.Entry, str]]:
    """The lines of a list with their classes, by number, folder and name."""
    known = {name.casefold(): name for name in index.values()}
    entries = split_lists.entries(path)
    split_lists.check_once(entries)
    for entry in entries:
        stem = without_suffix(PurePosixPath(entry.name).name)
        match = NAME.fullmatch(stem)
        if not match or len(entry.numbers) > 1:
            raise DatasetError(
                f"{entry.where}: expected a video of UCF101 like"
                f" v_YoYo_g01_c01.avi, got {entry}"
            )
        class_name = known.get(match[1].casefold())
        folder = PurePosixPath(entry.name).parent.name or class_name
        numbered = index.get(entry.number) if entry.number is not None else class_name
        if class_name is None or {folder, numbered} != {class_name}:
            raise DatasetError(
                f"{entry.where}: expected a class of classInd.txt, the same in"
                f" folder, name and number, got {entry}"
            )
        yield entry, class_name
