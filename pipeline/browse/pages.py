"""Common parts of the pages of a store: head, policy, bar, cards' pictures."""

import json
from collections.abc import Iterable

from motion_shards.markup import escape, script_source
from motion_shards.page_frame import head, policy_of
from pipeline.store import Json

from .folder import GENERATOR
from .style import COLOURS, STYLE

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src file: 'self';"
    " media-src file: 'self'; script-src {}; base-uri 'none'; form-action 'none'"
)
"""Content-Security-Policy: pages load their own pictures, and run their own script."""


def document(
    title: str, body: str, script: str, *, links: Iterable[tuple[str, str]]
) -> str:
    """A whole page.

    Args:
        title: text.
        body: markup.
        links: address and text of those in the bar at the top.
    """
    bar = "".join(f'<a href="{escape(to)}">{escape(text)}</a>' for to, text in links)
    meta = f"{policy_of(POLICY.format(script_source(script)))}{GENERATOR}\n"
    return (
        f"{head(title, COLOURS + STYLE, meta=meta)}"
        f'<nav class="top"><div><b>{escape(title)}</b>{bar}</div></nav>\n'
        f"<main>\n{body}\n</main>\n<script>{script}</script>\n</body>\n</html>\n"
    )


def legend(up: str) -> str:
    """The wheel of the colours of motion.

    Args:
        up: address of the folder of the index, as seen from the page.
    """
    return (
        '<div class="legend">'
        f'<img src="{up}media/wheel.webp" alt="" width="60" height="60">'
        "<div>Colours of flow and motion vectors are directions, as on the wheel.<br>"
        "The rim is the length that 99 % of a clip's vectors do not exceed; each video "
        "says it in px per frame.<br>Hatched: vectors are not known.</div></div>\n"
    )


def embedded(value: Json) -> str:
    """JSON in an element that a browser does not run, read by `#videos`."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return f'<script type="application/json" id="videos">{text.replace("<", chr(92) + "u003c")}</script>'


def number(value: float, digits: int = 0) -> str:
    """A number with separators of thousands."""
    return f"{value:,.{digits}f}"
