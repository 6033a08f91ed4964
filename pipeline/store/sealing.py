"""Checksums that a text carries of itself, so that any change of it is noticed.

`checksum` is the xxh3-128 of the whole text with the 32 digits of `checksum` as zeros.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .errors import LayoutError
from .replacement import replacing

CHECKSUM = "checksum"
UNSEALED = "0" * 32
_PLACE = re.compile(rb'(?:\A\{|\n )"checksum": "([0-9a-f]{32})"')
"""The checksum as a key of the outermost object; keys of inner ones are indented more."""


def sealed(text: bytes) -> bytes:
    """A text with its checksum in the place of `UNSEALED`."""
    from xxhash import xxh3_128_hexdigest

    place = checksum_place(text)
    digits = xxh3_128_hexdigest(text).encode()
    return text[:place] + digits + text[place + len(digits) :]


def checksum_place(text: bytes) -> int:
    """Position at which the digits of the checksum begin."""
    match = _PLACE.search(text)
    assert match is not None
    return match.start(1)


def has_seal(text: bytes) -> bool:
    """Whether a text carries a checksum, right or wrong."""
    return _PLACE.search(text) is not None


def require_seal(text: bytes, where: str, what: str = "a text") -> None:
    """
    Raises:
        LayoutError: the text has no checksum, or was changed since it was written.
    """
    from xxhash import xxh3_128

    match = _PLACE.search(text)
    if match is None:
        raise LayoutError(f"{where}: expected {what} with its checksum, got none")
    state = xxh3_128(memoryview(text)[: match.start(1)])
    state.update(UNSEALED.encode())
    state.update(memoryview(text)[match.end(1) :])
    if (found := state.hexdigest()) != match[1].decode():
        raise LayoutError(
            f"{where}: expected {what} as it was written (checksum "
            f"{match[1].decode()}), got a changed one ({found})"
        )


def sealed_text(value: Mapping[str, Any], *, allow_nan: bool = False) -> bytes:
    """JSON that carries its checksum; the same value, the same bytes."""
    text = json.dumps(
        {**value, CHECKSUM: UNSEALED}, sort_keys=True, indent=1, allow_nan=allow_nan
    )
    return sealed(text.encode() + b"\n")


def write_sealed(path: Path, value: Mapping[str, Any]) -> None:
    """Replace a file by JSON that carries its checksum.

    Raises:
        OSError: the file cannot be written; the old one is still there.
    """
    text = sealed_text(value)
    with replacing(path) as file:
        file.write(text)
