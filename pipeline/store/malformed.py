"""Errors of one line for files and texts that are not of this layout."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .errors import LayoutError, OtherLayout
from .fields import shown
from .schema import LAYOUT_VERSION

NOT_AS_EXPECTED = (KeyError, TypeError, ValueError, AttributeError, RecursionError)
"""Errors raised by reading a text of another shape."""
MAX_REASON = 300
"""Characters: a text may be quoted, and be of any length."""


def require_version(version: Any, where: str) -> None:
    """
    Raises:
        OtherLayout: this is not the layout that the code reads and writes.
    """
    if version != LAYOUT_VERSION:
        raise OtherLayout(
            f"{where}: expected layout {LAYOUT_VERSION}, got {shown(version)}"
        )


@contextmanager
def complaints(where: str, what: str) -> Iterator[None]:
    """Turn any fault in the text of a file into an error of one line."""
    try:
        yield
    except LayoutError:
        raise
    except NOT_AS_EXPECTED as error:
        raise complaint(where, what, error) from None


def complaint(where: str, what: str, error: Exception) -> LayoutError:
    said = (
        f"it lacks {error}"
        if isinstance(error, KeyError)
        else " ".join(str(error).split())
    )
    return LayoutError(
        f"{where}: expected {what}, got text that is not: {said[:MAX_REASON]}"
    )
