"""The installed package's requirements -> which of them are met: all, and extra by extra."""

import importlib.metadata
from collections.abc import Iterator

from packaging.requirements import Requirement

from motion_shards.extras import EXTRAS, PACKAGE, Extra

from .machine import Check


def requirements() -> Iterator[Check]:
    """Every requirement of the installed package against what is installed, and a check
    for each extra; those for other systems are left out."""
    try:
        texts = importlib.metadata.requires(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        yield Check(
            "libraries", "problem", f"{PACKAGE} is not installed", "pip install -e ."
        )
        return
    wanted = [each for each in map(Requirement, texts) if each.name != PACKAGE]
    found = []
    for each in wanted:
        if not _applies(each, ""):
            continue
        if not installed(each.name):
            yield Check(each.name, "problem", "not installed", _remedy(each))
        elif old := _unfit(each):
            yield old
        else:
            found.append(_found(each))
    yield Check("libraries", "ok", ", ".join(found) or "none")
    for extra in EXTRAS:
        own = [each for each in wanted if not _applies(each, "")]
        yield from _extra(extra, [each for each in own if _applies(each, extra.name)])


def _extra(extra: Extra, wanted: list[Requirement]) -> Iterator[Check]:
    """One check of an extra, and one for each library of another version.

    An extra that is not installed is in order; one that is there by half is not.
    """
    name = f"[{extra.name}]"
    there = [each for each in wanted if _complete(each)]
    if not there:
        if wanted:
            found = f"not installed, for {extra.purpose}: {extra.install}"
            yield Check(name, "ok", found)
        return
    yield from filter(None, map(_unfit, there))
    found = ", ".join(_found(each) for each in there if not _unfit(each)) or "none"
    if missing := ", ".join(each.name for each in wanted if each not in there):
        yield Check(name, "warning", f"{found}, without {missing}", extra.install)
    else:
        yield Check(name, "ok", found)


def _applies(wanted: Requirement, extra: str) -> bool:
    """Whether a requirement is one of this system, with an extra or without ("")."""
    return wanted.marker is None or wanted.marker.evaluate({"extra": extra})


def _complete(wanted: Requirement) -> bool:
    """Whether a library is installed with what its extras bring, as in ray[train]."""
    if not installed(wanted.name):
        return False
    more = map(Requirement, importlib.metadata.requires(wanted.name) or [])
    return all(
        installed(each.name)
        for each in more
        if not _applies(each, "")
        if any(_applies(each, extra) for extra in wanted.extras)
    )


def _found(wanted: Requirement) -> str:
    return f"{wanted.name} {importlib.metadata.version(wanted.name)}"


def _remedy(wanted: Requirement) -> str:
    extras = f"[{','.join(sorted(wanted.extras))}]" if wanted.extras else ""
    return f'pip install "{wanted.name}{extras}{wanted.specifier}"'


def _unfit(wanted: Requirement) -> Check | None:
    """The problem of an installed library whose version is another one."""
    version = importlib.metadata.version(wanted.name)
    if wanted.specifier.contains(version, prereleases=True):
        return None
    said = f"{version}, expected {wanted.specifier}"
    return Check(wanted.name, "problem", said, _remedy(wanted))


def installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
