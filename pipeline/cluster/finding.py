"""The result of a check of cluster.yaml."""

from typing import Literal, NamedTuple


class Finding(NamedTuple):
    """One problem, or possible problem, of the file."""

    level: Literal["error", "warning"]
    text: str
    """One line: key, expected value, actual value."""
