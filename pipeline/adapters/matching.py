"""Names in lists -> files on disk, whatever their suffix, case or folder."""

import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import NamedTuple

from .kinds import without_suffix
from .scan import File
from .videos import Finding


class Match(NamedTuple):
    """The file a list means."""

    file: File
    how: str
    """"exact", "extension", "case" or "place" (the same name in another folder)."""


class Matcher:
    """Finds files by the names that lists give them."""

    def __init__(self, files: Iterable[File]):
        self._paths: dict[str, File] = {}
        self._stems: dict[str, list[File]] = {}
        self._folded: dict[str, list[File]] = {}
        self._names: dict[str, list[File]] = {}
        for file in files:
            self._paths[file.path] = file
            stem = without_suffix(file.path)
            self._stems.setdefault(stem, []).append(file)
            self._folded.setdefault(_fold(stem), []).append(file)
            self._names.setdefault(_fold(file.stem), []).append(file)

    def find(self, name: str, *, anywhere: bool = False) -> Match | None:
        """The file meant by a name, or None.

        Of several that fit equally well, the first in order of paths.

        Args:
            name: relative to the folder, with or without a suffix.
            anywhere: a file of that name in another folder will do, the one whose
                folders agree best.
        """
        if name in self._paths:
            return Match(self._paths[name], "exact")
        stem = without_suffix(name)
        if stem in self._stems:
            how = "exact" if stem == name else "extension"
            return Match(self._stems[stem][0], how)
        if name in self._stems:
            return Match(self._stems[name][0], "exact")
        folded = _fold(stem)
        if folded in self._folded:
            return Match(self._folded[folded][0], "case")
        if not anywhere:
            return None
        key = PurePosixPath(folded).name
        found = self._names.get(key, [])
        if not found:
            return None
        best = max(found, key=lambda file: _agreement(file.path, stem))
        if best.stem != PurePosixPath(stem).name:
            return Match(best, "case")
        suffix = name.removeprefix(stem)
        other_suffix = suffix and not best.path.endswith(suffix)
        return Match(best, "extension" if other_suffix else "place")


def lost(unusable: Mapping[str, str], missing: Iterable[str]) -> dict[str, str]:
    """Of what cannot be read, all that may be one of the videos that lists miss.

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
    """What to say about names that fit only after a change of suffix or case.

    Args:
        matches: name in the list, what was found for it.
    """
    names: dict[str, list[str]] = {"extension": [], "case": []}
    for name, match in matches:
        if match.how in names:
            names[match.how].append(f"{name} -> {match.file.path}")
    texts = {
        "extension": "videos listed under another extension than on disk",
        "case": "videos listed with other upper and lower case than on disk",
    }
    return [
        finding
        for kind, text in texts.items()
        for finding in Finding.of(kind, text, names[kind])
    ]


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _agreement(path: str, stem: str) -> int:
    """How many folders next to the name are the same."""
    ours, theirs = _fold(path).split("/")[-2::-1], _fold(stem).split("/")[-2::-1]
    count = 0
    for one, other in zip(ours, theirs, strict=False):
        if one != other:
            break
        count += 1
    return count
