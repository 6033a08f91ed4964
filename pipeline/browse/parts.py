"""Parts of the page of a store as markup: sections, tables, lists of facts."""

from collections.abc import Iterable, Sequence

from motion_shards.markup import escape

from .pages import number

MOST_ROWS = 30
"""Most rows of a table of counts; rarer values are summed up."""


def section(title: str, text: str, markup: str) -> str:
    """A section of a page; `markup` follows its text, which is markup, too."""
    said = f"<p>{text}</p>" if text else ""
    return f"<section><h2>{escape(title)}</h2>{said}{markup}</section>\n"


def side_by_side(*parts: str) -> str:
    """Sections side by side, where there is room."""
    return f'<div class="pair">{"".join(parts)}</div>\n'


def fact_list(rows: Iterable[tuple[str, str]]) -> str:
    """Names and values as a list."""
    cells = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows
    )
    return f'<dl class="facts">{cells}</dl>'


def count_table(name: str, counts: Sequence[tuple[str, int]]) -> str:
    """A table of the most frequent values with their numbers of videos."""
    rows = [(escape(value), number(count)) for value, count in counts[:MOST_ROWS]]
    if rest := counts[MOST_ROWS:]:
        rows.append((f"{len(rest):,} others", number(sum(count for _, count in rest))))
    return table_of((name, "videos"), rows)


def table_of(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    right: Sequence[int] | None = None,
) -> str:
    """Rows of markup; the last column is set to the right, or those of `right`."""
    columns = (len(head) - 1,) if right is None else right

    def cells(tag: str, row: Sequence[str]) -> str:
        return "".join(
            f"<{tag}{' class=n' * (i in columns)}>{cell}</{tag}>"
            for i, cell in enumerate(row)
        )

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return (
        f'<div class="scroll"><table><thead><tr>{cells("th", head)}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )
