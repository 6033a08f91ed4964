"""The installed package's requirements -> which of them are met."""

import importlib.metadata
from collections.abc import Iterator

from packaging.requirements import Requirement

from .machine import Check

PACKAGE = "motion-shards"


def requirements() -> Iterator[Check]:
    """Every requirement of the installed package against what is installed.

    Those of extras, and those for other systems, are left out.
    """
    try:
        texts = importlib.metadata.requires(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        yield Check(
            "libraries", "problem", f"{PACKAGE} is not installed", "pip install -e ."
        )
        return
    found = []
    for wanted in map(Requirement, texts):
        if wanted.marker and not wanted.marker.evaluate({"extra": ""}):
            continue
        extras = f"[{','.join(sorted(wanted.extras))}]" if wanted.extras else ""
        remedy = f'pip install "{wanted.name}{extras}{wanted.specifier}"'
        if not installed(wanted.name):
            yield Check(wanted.name, "problem", "not installed", remedy)
            continue
        version = importlib.metadata.version(wanted.name)
        if wanted.specifier.contains(version, prereleases=True):
            found.append(f"{wanted.name} {version}")
        else:
            said = f"{version}, expected {wanted.specifier}"
            yield Check(wanted.name, "problem", said, remedy)
    yield Check("libraries", "ok", ", ".join(found) or "none")


def installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
