"""The result of a check of cluster.yaml."""

from typing import Literal, NamedTuple


class Finding(NamedTuple):
    """One thing that is wrong, or looks so."""

    level: Literal["error", "warning"]
    text: str
    """One line: where, what was expected, what came."""
