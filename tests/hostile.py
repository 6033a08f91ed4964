"""Names that try to write lines of their own, move the cursor or turn the writing."""

import unicodedata

FORGED = "forged: all is well"
CLASSES = (f"a\n{FORGED}", "b\x1b[2J\x1b]0;title\x07", "c\u202e\u2066\x9b[red]日本")
"""Of classes, videos, folders; the last one has markup and ordinary letters, too."""


def assert_harmless(text: str) -> None:
    """No control character but line ends, and no line that a name wrote."""
    raw = [
        c
        for c in text
        if unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs") or c in BIDI
    ]
    assert set(raw) <= {"\n"}, text
    assert not [line for line in text.split("\n") if line.startswith(FORGED)], text


BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
