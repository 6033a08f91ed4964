"""The installed package's requirements -> which of them are met."""

import importlib.metadata
import re
from collections.abc import Iterator

from pipeline.machine import Check

PACKAGE = "motion-shards"
_REQUIREMENT = re.compile(r"([\w.-]+)(?:\[\w+\])?([<>=\d.,]*)$")
"""A name and its bounds, as in `av<19,>=18`; those of an extra have more behind them."""


def requirements() -> Iterator[Check]:
    """Every requirement of the installed package against what is installed."""
    try:
        requirements = importlib.metadata.requires(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        yield Check(
            "libraries", "problem", f"{PACKAGE} is not installed", "pip install -e ."
        )
        return
    found = []
    for requirement in requirements:
        if not (match := _REQUIREMENT.match(requirement)):
            continue  # of an extra
        name, bounds = match.groups()
        remedy = f'pip install "{requirement}"'
        if not installed(name):
            yield Check(name, "problem", "not installed", remedy)
            continue
        version = importlib.metadata.version(name)
        if within(version, bounds):
            found.append(f"{name} {version}")
        else:
            yield Check(name, "problem", f"{version}, expected {bounds}", remedy)
    yield Check("libraries", "ok", ", ".join(found) or "none")


def within(version: str, bounds: str) -> bool:
    """
    >>> within("18.1.0", "<19,>=18")
    True
    """
    numbers = numbers_of(version)
    for bound in filter(None, bounds.split(",")):
        limit = numbers_of(bound.lstrip("<>="))
        if numbers < limit if bound.startswith(">=") else numbers >= limit:
            return False
    return True


def numbers_of(version: str) -> tuple[int, ...]:
    """ "2.15.0+cpu" -> (2, 15, 0)."""
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
