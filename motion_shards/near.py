"""Similar names, for messages about a name that does not exist."""

from collections.abc import Iterable
from difflib import get_close_matches


def similar(name: str, known: Iterable[str], *, most: int = 2) -> list[str]:
    """The known names most similar to `name`, best first; at most `most`."""
    cutoff = 0.5 if len(name) < 4 else 0.6  # one letter of two is half
    return get_close_matches(name, list(known), n=most, cutoff=cutoff)


def near(name: str, known: Iterable[str]) -> str:
    """The end of an error message, ": did you mean a or b?"; empty without similar names."""
    found = similar(name, known)
    return f": did you mean {' or '.join(found)}?" if found else ""
