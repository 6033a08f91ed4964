"""HMDB51 as distributed, or a part of it -> labelled videos with its three splits.

    hmdb51_org/brush_hair/April_09_brush_hair_u_nm_np1_ba_goo_0.avi
    testTrainMulti_7030_splits/brush_hair_test_split1.txt       name.avi 1

In the lists 1 is train, 2 is test, and 0 is used for neither in this split.

H. Kuehne, H. Jhuang, E. Garrote, T. Poggio, T. Serre, "HMDB: A Large Video Database for
Human Motion Recognition", ICCV 2011.
"""

from collections import Counter, defaultdict
from pathlib import Path

from . import official_lists, split_lists
from .errors import DatasetError
from .file_types import without_suffix
from .scan import Scan
from .videos import DataSet

SOURCE = "https://serre-lab.clps.brown.edu/resource/hmdb-a-large-human-motion-database"
VIDEOS, CLASSES = 6_766, 51
TRAIN, TEST = 70, 30
"""Videos of a class in each official split."""
PARTS = {0: None, 1: "train", 2: "test"}


def read(folder: Path, splits: Path, found: Scan | None = None) -> DataSet:
    """HMDB51 with the lists that lie in `splits` or its `testTrainMulti_7030_splits`.

    A group is a source film: what stands before the class in a file's name. The
    official splits keep the clips of a film and class together, but not of a film.

    Args:
        found: what the folder holds, where that is known.

    Raises:
        DatasetError: lists of another data set, contradictory or doubled lines, lists
            that name none of the videos found.
    """
    return official_lists.dataset(
        "hmdb51",
        title="HMDB51",
        source=SOURCE,
        folder=folder,
        lists=read_lists(splits),
        found=found,
        group=film,
    )


def find_lists(folder: Path) -> Path | None:
    """The folder of lists, in the folder of videos or next to it; None without one."""
    name = "testTrainMulti_7030_splits"
    for place in (folder, folder / name, folder.parent / name):
        if any(place.glob("*_test_split1.txt")):
            return place
    return None


def film(stem: str, class_name: str) -> str:
    """The source film of a clip.

    >>> film("Kill_Bill_kick_ball_kick_f_cm_np1_ri_med_0", "kick")
    'Kill_Bill_kick_ball'
    """
    return stem.rpartition(f"_{class_name}_")[0] or stem


def read_lists(folder: Path) -> official_lists.OfficialLists:
    """All lists `<class>_test_split<number>.txt` of a folder.

    Raises:
        DatasetError: as of `read`.
    """
    if (folder / "testTrainMulti_7030_splits").is_dir():
        folder = folder / "testTrainMulti_7030_splits"
    paths: dict[str, dict[str, Path]] = defaultdict(dict)
    for path in sorted(folder.iterdir()):
        if match := split_lists.HMDB51.fullmatch(path.name):
            paths[match[1]][match[2]] = path
    if not paths:
        raise DatasetError(
            f"{folder}: expected HMDB51's lists like brush_hair_test_split1.txt,"
            f" found {split_lists.lists_of(folder)}"
        )
    numbers = sorted({number for of_class in paths.values() for number in of_class})
    videos: dict[str, official_lists.OfficialEntry] = {}
    for class_name in sorted(paths):
        for number in numbers:
            if number not in paths[class_name]:
                raise DatasetError(
                    f"{folder}: expected {class_name}_test_split{number}.txt, found none"
                )
            for entry, part in _parts(paths[class_name][number], class_name):
                listed = videos.setdefault(
                    entry.name, official_lists.OfficialEntry(class_name, {})
                )
                if listed.class_name != class_name:
                    raise DatasetError(
                        f"{entry.where}: {entry.name} is also in {listed.class_name}"
                    )
                if part:
                    videos[entry.name] = listed._replace(
                        splits={**listed.splits, number: part}
                    )
    kinds = {number: _kind(videos, number) for number in numbers}
    facts = []
    if "lists" in kinds.values():
        facts.append(
            "the lists are a part of HMDB51's or others: they name"
            f" {len(videos):,} videos of {len(paths)} classes,"
            f" HMDB51 has {VIDEOS:,} of {CLASSES}"
        )
    return official_lists.OfficialLists(
        folder=folder,
        classes=sorted(paths),
        videos=videos,
        splits=kinds,
        facts=facts,
    )


def _parts(path: Path, class_name: str) -> list[tuple[split_lists.Entry, str | None]]:
    entries = split_lists.entries(path)
    split_lists.check_once(entries)
    for entry in entries:
        if len(entry.numbers) != 1 or entry.number not in PARTS:
            raise DatasetError(
                f"{entry.where}: expected a name and 0 (unused), 1 (train) or 2 (test),"
                f" got {entry}"
            )
        if f"_{class_name}_" not in without_suffix(entry.name):
            raise DatasetError(
                f"{entry.where}: expected a video of class {class_name},"
                f" got {entry.name!r}"
            )
    return [(entry, PARTS[entry.number or 0]) for entry in entries]


def _kind(videos: dict[str, official_lists.OfficialEntry], number: str) -> str:
    counts: Counter[tuple[str, str | None]] = Counter(
        (listed.class_name, listed.splits.get(number)) for listed in videos.values()
    )
    classes = {listed.class_name for listed in videos.values()}
    complete = len(classes) == CLASSES and all(
        (counts[name, "train"], counts[name, "test"]) == (TRAIN, TEST)
        for name in classes
    )
    return "official" if complete else "lists"
