"""Names in lists -> files on disk, whatever their suffix, case or folder."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import PurePosixPath
from typing import NamedTuple

from .file_types import without_listed_suffix, without_suffix
from .scan import File
from .split_lists import is_absolute
from .videos import Finding


class Match(NamedTuple):
    """The file that an entry of a list refers to."""

    file: File
    how: str
    """"exact", "extension", "case" or "place" (the same name in another folder)."""
    others: tuple[str, ...] = ()
    """Files that the name fits as well."""


class Matcher:
    """Finds files by the names that lists give them."""

    def __init__(self, files: Iterable[File]):
        self._paths: dict[str, File] = {}
        self._stems: dict[str, list[File]] = {}
        self._folded: dict[str, list[File]] = {}
        self._names: dict[str, list[File]] = {}
        folders = set()
        for file in files:
            folders.add(file.path.rpartition("/")[0] + "/")
            self._paths[file.path] = file
            stem = without_suffix(file.path)
            self._stems.setdefault(stem, []).append(file)
            self._folded.setdefault(_fold(stem), []).append(file)
            self._names.setdefault(_fold(file.stem), []).append(file)
        self.folders = {key for folder in folders for key in folder_keys(folder)}
        """`class_key` of every folder that files lie in."""

    def find(
        self, name: str, *, anywhere: bool = False, classes: Collection[str] = ()
    ) -> Match | None:
        """The file that a name refers to, or None.

        Of several that fit equally well, the first in order of paths, with the others.
        The last part after a dot may be a suffix or belong to the name: `jump/take.a` is
        `jump/take.a.mp4` if there is such a file, and else a copy of `jump/take.mp4`.

        Args:
            name: relative to the folder, with or without a suffix, with slashes or
                backslashes; of an absolute one the longest end that fits.
            anywhere: a file of that name in another folder will do, the one whose
                folders agree best.
            classes: of files that fit, the one in a folder called like one of these.
        """
        found = self._find(name, anywhere, classes)
        if found is None and "\\" in name:
            name = name.replace("\\", "/")
            found = self._find(name, anywhere, classes)
        if found is None and is_absolute(name):
            parts = name.split("/")
            ends = ("/".join(parts[start:]) for start in range(1, len(parts)))
            found = next((m for end in ends if (m := self._find(end, False, ()))), None)
        return found

    def _find(
        self, name: str, anywhere: bool, classes: Collection[str]
    ) -> Match | None:
        if name in self._paths:
            return Match(self._paths[name], "exact")
        stems = dict.fromkeys((name, without_listed_suffix(name)))
        for stem in stems:
            if stem in self._stems:
                how = "exact" if stem == name else "extension"
                return _chosen(self._stems[stem], how, classes)
        for stem in map(_fold, stems):
            if stem in self._folded:
                return _chosen(self._folded[stem], "case", classes)
        for stem in stems if anywhere else ():
            found = self._names.get(PurePosixPath(_fold(stem)).name, [])
            if found:
                return self._elsewhere(name, stem, found, classes)
        return None

    def _elsewhere(
        self, name: str, stem: str, found: Sequence[File], classes: Collection[str]
    ) -> Match:
        scores = [_agreement(file.path, stem) for file in found]
        most = max(scores)
        best = [f for f, score in zip(found, scores, strict=True) if score == most]
        exact = [file for file in best if file.stem == PurePosixPath(stem).name]
        if not exact:
            return _chosen(best, "case", classes)
        suffix = name.removeprefix(stem)
        same = [file for file in exact if suffix and file.path.endswith(suffix)]
        how = "place" if same or not suffix else "extension"
        return _chosen(same or exact, how, classes)


def _chosen(files: Sequence[File], how: str, classes: Collection[str]) -> Match:
    """The first of several files, or the one in the folder of a class."""
    keys = set(map(class_key, classes))
    inside = [file for file in files if not keys.isdisjoint(folder_keys(file.path))]
    first, *others = inside or files
    return Match(first, how, tuple(file.path for file in others))


def elsewhere_findings(matches: Iterable[tuple[str, Match]]) -> tuple[Finding, ...]:
    """Finding: videos in another folder than the lists say.

    Args:
        matches: name in the list, and its match.
    """
    names = []
    for name, match in matches:
        listed = name.replace("\\", "/").split("/")[-2:-1]
        found = folder_keys(match.file.path)
        if listed and found and class_key(listed[0]) not in found:
            names.append(f"{name} -> {match.file.path}")
    text = "videos listed in another folder than they are in"
    return Finding.of("elsewhere", text, names)


@lru_cache(maxsize=1 << 16)
def class_key(name: str) -> str:
    """A class name as folders may have it: `Playing harmonica`, `playing_harmonica`.

    >>> class_key("Playing harmonica") == class_key("playing_harmonica")
    True
    """
    return re.sub(r"[\W_]+", "", _fold(name)) or name


def folder_keys(path: str) -> set[str]:
    """`class_key` of every folder in which a file lies."""
    return {class_key(folder) for folder in path.split("/")[:-1] if folder}


def unreadable_listed(
    unusable: Mapping[str, str], missing: Iterable[str]
) -> dict[str, str]:
    """Unreadable files and folders that may hold a listed video that was not found.

    Args:
        unusable: `Scan.unusable`.
        missing: names in lists without a file.
    """
    names = list(missing)
    matcher = Matcher(File(name, 0) for name in unusable if name[-1] != "/")
    found = (matcher.find(name, anywhere=True) for name in names)
    meant = {match.file.path for match in found if match}
    return {
        name: reason
        for name, reason in unusable.items()
        if name in meant or (names and name[-1] == "/")
    }


def match_findings(matches: Iterable[tuple[str, Match]]) -> list[Finding]:
    """Findings about names that match only with another suffix, case or folder.

    Args:
        matches: name in the list, what was found for it.
    """
    names: dict[str, list[str]] = {"extension": [], "case": [], "ambiguous": []}
    for name, match in matches:
        if match.how in names:
            names[match.how].append(f"{name} -> {match.file.path}")
        if match.others:
            others = ", ".join(match.others)
            names["ambiguous"].append(f"{name} -> {match.file.path}, not {others}")
    texts = {
        "extension": "videos listed under another extension than on disk",
        "case": "videos listed with other upper and lower case than on disk",
        "ambiguous": "videos listed under a name of several files, of which the first"
        " is taken",
    }
    return [
        finding
        for kind, text in texts.items()
        for finding in Finding.of(kind, text, names[kind])
    ]


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _agreement(path: str, stem: str) -> int:
    """Number of equal parent folders, counted from the file name up."""
    ours, theirs = _fold(path).split("/")[-2::-1], _fold(stem).split("/")[-2::-1]
    count = 0
    for one, other in zip(ours, theirs, strict=False):
        if one != other:
            break
        count += 1
    return count
