"""A page as one HTML file that needs nothing else: no script, no font, no network."""

from motion_shards.markup import escape
from motion_shards.page_frame import colours, head

from .page import Figure, Heading, Page, Table, Text, is_number

COLOURS = colours(
    light="--good: #1a7f37; --fair: #9a6700; --poor: #b42318; --a: #2f6fb5; "
    "--b: #c2571a;",
    dark="--good: #4cc38a; --fair: #e0b341; --poor: #ff8a7a; --a: #6cb0ff; "
    "--b: #ff9d5c;",
)
STYLE = """\
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; }
main { max-width: 78rem; margin: 0 auto; padding: 2.5rem 1.25rem 5rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 1rem; }
h2 { font-size: 1.3rem; margin: 2.75rem 0 .6rem; padding-top: .9rem;
  border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.75rem 0 .4rem; }
p { max-width: 46rem; margin: .5rem 0; }
.scroll { overflow-x: auto; margin: .9rem 0; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums;
  width: 100%; }
caption { text-align: left; color: var(--soft); padding-bottom: .35rem; }
th, td { padding: .35rem .6rem; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; }
th { color: var(--soft); font-weight: 600; border-bottom-width: 2px; }
tbody tr:nth-child(even) { background: var(--band); }
.n { text-align: right; white-space: nowrap; }
tr.good td:last-child { color: var(--good); font-weight: 600; }
tr.fair td:last-child { color: var(--fair); font-weight: 600; }
tr.poor td:last-child { color: var(--poor); font-weight: 600; }
tr.none td { color: var(--soft); }
figure { margin: 1.2rem 0; overflow-x: auto; }
figcaption { color: var(--soft); font-size: .88rem; max-width: 46rem; margin-top: .4rem; }
svg { max-width: 100%; height: auto; }
code { font-size: .88em; background: var(--band); padding: .1em .3em; border-radius: 4px; }
@media print { main { max-width: none; padding: 0; } }
"""


NUMBER, TH, TD = ' class="n"', "th", "td"
PLAIN = "plain"


def html(page: Page) -> str:
    """The whole file."""
    body = "\n".join(_part(part) for part in page.parts)
    return (
        f"{head(page.title, COLOURS + STYLE)}<main>\n<h1>{escape(page.title)}</h1>\n{body}\n"
        "</main>\n</body>\n</html>\n"
    )


def _part(part: Heading | Text | Table | Figure) -> str:
    match part:
        case Heading():
            return f"<h2>{_inline(part.text)}</h2>"
        case Text():
            return f"<p>{_inline(part.text)}</p>"
        case Table():
            return _table(part)
        case Figure():
            return (
                f'<figure role="img" aria-label="{escape(part.caption)}">{part.svg}'
                f"<figcaption>{_inline(part.caption)}</figcaption></figure>"
            )


def _table(table: Table) -> str:
    right = [
        all(is_number(row[i]) for row in table.rows if row[i])
        and any(row[i] for row in table.rows)
        for i in range(len(table.head))
    ]

    def cells(row: tuple[str, ...], tag: str) -> str:
        return "".join(
            f"<{tag}{NUMBER * is_right}>{_inline(cell)}</{tag}>"
            for cell, is_right in zip(row, right, strict=True)
        )

    marks = table.marks or ("",) * len(table.rows)
    rows = "\n".join(
        f'<tr class="{mark or PLAIN}">{cells(row, TD)}</tr>'
        for row, mark in zip(table.rows, marks, strict=True)
    )
    caption = f"<caption>{_inline(table.caption)}</caption>" if table.caption else ""
    return (
        f'<div class="scroll"><table>{caption}\n<thead><tr>{cells(table.head, TH)}'
        f"</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>"
    )


def _inline(text: str) -> str:
    """`code` becomes code; all else is as written."""
    parts = escape(text).split("`")
    if len(parts) % 2 == 0:  # an odd backquote is a backquote
        return escape(text)
    return "".join(
        f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts)
    )
