"""Text from outside (names, reasons, titles) -> text that is safe to print.

A name may hold line ends, terminal escapes or marks that turn the direction of
writing. Printed raw it could write a line of its own or move the cursor.
"""

import re
from collections.abc import Sequence

_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # C0 controls, DEL, C1 controls
    "\u2028\u2029"  # separators of lines and paragraphs
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # direction of writing
    "\ud800-\udfff]"  # lone surrogates, which no encoding has
)
_UNSAFE_IN_LINES = re.compile(r"(?![\t\n])" + _UNSAFE.pattern)
_BYTES = re.compile("[\udc80-\udcff]+")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def first_line(error: BaseException) -> str:
    """The first line of an error's text, or its type where it has no text."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def error_text(error: BaseException) -> str:
    """An error's text; of an error of the system its file and its reason.

    >>> error_text(FileNotFoundError(2, "No such file or directory", "a.mp4"))
    'a.mp4: No such file or directory'
    """
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: " * bool(error.filename) + error.strerror
    return str(error)


def printable(text: object) -> str:
    r"""Text on one line: what could move a cursor or end the line is an escape.

    Ordinary characters of all scripts stay. Names of files that Python could not decode
    (PEP 383) are shown as UTF-8, and bytes that are not even that as escapes.

    >>> printable("日本\n\x1b[2J"), printable("a\u202eb"), printable("\udce6\udc97\udca5\udcff")
    ('日本\\n\\x1b[2J', 'a\\u202eb', '日\\xff')
    """
    return _UNSAFE.sub(_escape, _decoded(str(text)))


def counted(number: int, noun: str) -> str:
    """A number and its noun.

    >>> counted(1, "class"), counted(0, "video"), counted(1200, "class")
    ('1 class', '0 videos', '1,200 classes')
    """
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{number:,} {noun if number == 1 else plural}"


def first_names(names: Sequence[str], most: int = 3, *, count: bool = False) -> str:
    """The first names of a list, with a mark for the rest.

    Args:
        count: end in the number of names that are left out, not in dots.

    >>> first_names("abc"), first_names("abcde"), first_names("abcde", 2, count=True)
    ('a, b, c', 'a, b, c, ...', 'a, b and 3 more')
    """
    shown, left = ", ".join(names[:most]), len(names) - most
    if left <= 0:
        return shown
    return f"{shown} and {left:,} more" if count else f"{shown}, ..."


def size_text(size: float) -> str:
    """A number of bytes in decimal units, three digits.

    >>> size_text(812), size_text(57_271), size_text(1.25e12)
    ('812 bytes', '57.3 KB', '1.25 TB')
    """
    for unit in ("bytes", "KB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB" if size < 999.5 else f"{size:,.0f} TB"


def room_text(needed: int, free: int) -> str:
    """The error of a disk that lacks space; both in bytes.

    >>> room_text(7_242_484, 3_129_344)
    'no space left: expected 7.24 MB free, got 3.13 MB'
    """
    return f"no space left: expected {size_text(needed)} free, got {size_text(free)}"


def printable_lines(text: object) -> str:
    r"""Text whose line ends are its own (a traceback, a log): all else as `printable`.

    Tabs stay, too; codes that only colour text are dropped.

    >>> printable_lines("\x1b[31mred\x1b[0m\r\n\x1b[2J")
    'red\n\\x1b[2J'
    """
    plain = _COLOURS.sub("", _decoded(str(text))).replace("\r\n", "\n")
    return _UNSAFE_IN_LINES.sub(_escape, plain)


def _decoded(text: str) -> str:
    """With the bytes that a file name's surrogates stand for read as UTF-8."""
    return _BYTES.sub(
        lambda found: (
            found[0]
            .encode("utf-8", "surrogateescape")
            .decode("utf-8", "backslashreplace")
        ),
        text,
    )


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape", "surrogatepass").decode("ascii")


def time_left(seconds: float) -> str:
    """`about 12 minutes left`."""
    if seconds < 15:
        return "a few seconds left"
    if seconds < 90:
        return f"about {max(round(seconds, -1), 20):.0f} seconds left"
    return f"about {in_words(seconds)} left"


def in_words(seconds: float) -> str:
    """A length of time: `40 seconds`, `12 minutes`, `1.5 hours`, `3 days`."""
    for unit, name, more in (
        (86_400.0, "days", 2.0),
        (3_600.0, "hours", 1.5),
        (60.0, "minutes", 1.5),
    ):
        if seconds >= more * unit:
            digits = 1 if name == "hours" and seconds < 10 * unit else 0
            number = f"{seconds / unit:,.{digits}f}".removesuffix(".0")
            return f"{number} {name}"
    return "1 second" if round(seconds) == 1 else f"{seconds:.0f} seconds"
