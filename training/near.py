"""What somebody may have meant by a name that is not there."""

from collections.abc import Iterable
from difflib import get_close_matches


def near(name: str, known: Iterable[str]) -> str:
    """A question to put behind an error message; empty where nothing comes near."""
    cutoff = 0.5 if len(name) < 4 else 0.6  # one letter of two is half
    found = get_close_matches(name, list(known), n=2, cutoff=cutoff)
    return f": did you mean {' or '.join(found)}?" if found else ""
