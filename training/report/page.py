"""A report as parts, and the parts as markdown. `html` has the other dress."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from motion_shards.plain_text import printable


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of text. Cells with numbers are aligned to the right."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    marks: tuple[str, ...] = ()
    """One class of a row each, for its colour: good, fair, poor, or empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A picture as SVG, with a text alternative."""

    svg: str
    caption: str
    name: str
    """Name of its file in the folder of the markdown."""


Part = Heading | Text | Table | Figure


@dataclass(slots=True, kw_only=True)
class Page:
    """Contents of a report, from top to bottom."""

    title: str
    parts: list[Part] = field(default_factory=list)

    def heading(self, text: str) -> None:
        self.parts.append(Heading(text=text))

    def text(self, text: str) -> None:
        self.parts.append(Text(text=text))

    def table(
        self,
        head: Sequence[str],
        rows: Sequence[Sequence[str]],
        *,
        caption: str = "",
        marks: Sequence[str] = (),
    ) -> None:
        self.parts.append(
            Table(
                head=tuple(head),
                rows=tuple(tuple(row) for row in rows),
                caption=caption,
                marks=tuple(marks),
            )
        )

    def figure(self, svg: str, *, caption: str, name: str) -> None:
        self.parts.append(Figure(svg=svg, caption=caption, name=name))


LONGEST_NUMBER = 40
"""Characters of a number with its interval and remarks."""


def markdown(page: Page, *, figures: str = "figures") -> str:
    """The page as text. Pictures are named as files in the folder `figures`."""
    blocks = [f"# {_plain(page.title)}"]
    for part in page.parts:
        match part:
            case Heading():
                blocks.append(f"## {_plain(part.text)}")
            case Text():
                blocks.append(_plain(part.text))
            case Table():
                blocks.append(_table(part))
            case Figure():
                caption = _plain(part.caption)
                blocks.append(f"![{caption}]({figures}/{part.name}.svg)")
                blocks.append(f"*{caption}*")
    return "\n\n".join(blocks) + "\n"


def pictures(page: Page) -> dict[str, str]:
    """File name -> SVG, for the markdown's folder."""
    return {f"{p.name}.svg": p.svg for p in page.parts if isinstance(p, Figure)}


def is_number(cell: str) -> bool:
    """Whether a cell is set to the right, on one line: long ones are not."""
    starts = bool(cell) and (cell[0].isdigit() or cell[0] in "+-−—" or cell == "n/a")
    return starts and len(cell) <= LONGEST_NUMBER


def _table(table: Table) -> str:
    right = [
        all(is_number(row[i]) for row in table.rows if row[i])
        and any(row[i] for row in table.rows)
        for i in range(len(table.head))
    ]
    lines = [
        _line(table.head),
        _line(tuple("---:" if is_right else "---" for is_right in right)),
        *(_line(row) for row in table.rows),
    ]
    return "\n".join([f"**{_plain(table.caption)}**\n"] * bool(table.caption) + lines)


_MARKUP = re.compile(
    r"[\\*<]|~~|(?<!\w)_|_(?!\w)|!(?=\[)|\](?=[(\[])|&(?=#?\w+;)|:(?=//)"
)


def _plain(text: str) -> str:
    """Text on one line, escaped: no markup but pairs of backquotes, which make code."""
    parts = printable(text).split("`")
    if len(parts) % 2 == 0:  # an odd backquote is a backquote
        return _MARKUP.sub(r"\\\g<0>", "`".join(parts)).replace("`", "\\`")
    for i in range(0, len(parts), 2):
        parts[i] = _MARKUP.sub(r"\\\g<0>", parts[i])
    return "`".join(parts)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_plain(cell).replace("|", "\\|") for cell in cells) + " |"
