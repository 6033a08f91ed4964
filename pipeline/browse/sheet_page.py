"""Sheets: pages of cards of videos, with filters and a view of one video."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from motion_shards.markup import escape
from motion_shards.plain_text import counted, printable
from pipeline.store import Store

from .folder import INDEX
from .listing import Shown, listing
from .oddities import ODDITIES
from .pages import document, embedded, legend
from .script import SHEET_SCRIPT

ALL = "all.html"
MOST_VIDEOS = 16_000
"""Videos of a sheet: 4 MB of text, in 48 cards at a time."""
CARD_REM = {1: 10, 2: 16, 3: 22}
"""Least width of a card with a number of panels."""
UNLABELLED = "no class"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A page of videos, of one class or of all."""

    file: str
    title: str
    label: int | None
    """Class; None of all videos, and of those without a class."""
    shown: Sequence[Shown]


def sheets_of(store: Store, shown: Sequence[Shown]) -> list[Sheet]:
    """The sheets of the classes, large classes in several; all videos first, if few enough."""
    sheets = []
    if len(shown) <= MOST_VIDEOS:
        sheets.append(Sheet(file=ALL, title="all videos", label=None, shown=shown))
    by_label: dict[int | None, list[Shown]] = {}
    for each in shown:
        for label in dict.fromkeys(each.video.labels) or (None,):
            by_label.setdefault(label, []).append(each)
    for label in (*range(len(store.classes)), None):
        if label in by_label:
            sheets += _parts(store, label, by_label[label])
    return sheets


def _parts(store: Store, label: int | None, shown: list[Shown]) -> Iterator[Sheet]:
    name = UNLABELLED if label is None else store.classes[label]
    for part, first in enumerate(range(0, len(shown), MOST_VIDEOS), 1):
        several = len(shown) > MOST_VIDEOS
        yield Sheet(
            file=class_file(label, part),
            title=f"{name}, part {part}" if several else name,
            label=label,
            shown=shown[first : first + MOST_VIDEOS],
        )


def class_file(label: int | None, part: int = 1) -> str:
    """Address of the sheet of a class, from the folder of the index."""
    number = 0 if label is None else label + 1
    return f"class/{number:04}.html" if part == 1 else f"class/{number:04}-{part}.html"


def sheet_page(store: Store, sheets: Sequence[Sheet], at: int) -> str:
    """The page of one of the sheets."""
    sheet = sheets[at]
    up = "../" * sheet.file.count("/")
    mixed = sheet.file == ALL
    title = store.dataset if mixed else f"{store.dataset}: {sheet.title}"
    links = [(f"{up}{INDEX}", "overview")]
    if sheets[0].file == ALL and not mixed:
        links.append((f"{up}{ALL}", "all videos"))
    if not mixed:
        for to, arrow in ((at - 1, "\u2190 {}"), (at + 1, "{} \u2192")):
            if 0 <= to < len(sheets) and sheets[to].file != ALL:
                links.append((up + sheets[to].file, arrow.format(sheets[to].title)))
    heading = sheet.title[:1].upper() + sheet.title[1:] if mixed else sheet.title
    panels = ", ".join(store.modalities)
    several = " side by side" if len(store.modalities) > 1 else ""
    what = f"{counted(len(sheet.shown), 'video')}: {panels}{several}"
    data = listing(store, sheet.shown, media=f"{up}media/", mixed=mixed)
    return document(
        title,
        f'<div class="head"><div><h1>{escape(heading)}</h1><p>{escape(what)}.'
        f" Open a picture for more about its video.</p></div>{legend(up)}</div>\n"
        + _filters(store, sheet, mixed=mixed)
        + _turner("above")
        + f'<div class="cards" style="{card_style(store, sheet.shown)}"></div>\n'
        '<p class="none" hidden>No video fits these filters.</p>\n'
        + _turner("below")
        + "<noscript><p>This page needs JavaScript to show its videos.</p></noscript>\n"
        + '<p class="soft keys">Keys: <kbd>/</kbd> search, arrows move,'
        " <kbd>Enter</kbd> opens a video.</p>\n" + _dialog(store) + embedded(data),
        SHEET_SCRIPT,
        links=links,
    )


def card_style(store: Store, shown: Sequence[Shown]) -> str:
    """Width of a card and shape of its pictures, as declarations."""
    panels = len(store.modalities)
    sizes = Counter((each.video.width, each.video.height) for each in shown)
    width, height = sizes.most_common(1)[0][0] if sizes else (4, 3)
    ratio = min(max(panels * width / height, 0.75), 12)
    return f"--ratio:{ratio:.4g};--card:{CARD_REM[panels]}rem"


def _turner(where: str) -> str:
    count = (
        '<span id="count" class="grow" role="status"></span>'
        if where == "above"
        else ""
    )
    return (
        f'<div class="{where} pages">{count}'
        '<span class="page-number"></span>'
        '<button type="button" data-turn="-1">\u2190 Previous</button>'
        '<button type="button" data-turn="1">Next \u2192</button></div>\n'
    )


def _filters(store: Store, sheet: Sheet, *, mixed: bool) -> str:
    search = (
        '<input type="search" name="text" placeholder="id, class or group"'
        ' aria-label="Search" autocomplete="off" spellcheck="false">'
    )
    parts = [search]
    if mixed and (store.classes or any(not each.video.labels for each in sheet.shown)):
        having = {label for each in sheet.shown for label in each.video.labels}
        options = [
            (str(label + 1), name)
            for label, name in enumerate(store.classes)
            if label in having
        ]
        if any(not each.video.labels for each in sheet.shown):
            options.append(("0", UNLABELLED))
        parts.append(_select("class", "Class", "all classes", options))
    if store.splits:
        names = [printable(name) for name in store.splits]
        options = [
            (json.dumps([name, part], separators=(",", ":")), f"{prefix}{said}")
            for name in names
            for prefix in [f"split {name}: " if len(names) > 1 else ""]
            for part, said in (("train", "train"), ("test", "test"), ("", "not used"))
        ]
        parts.append(_select("split", "Split", "all splits", options))
    counts = Counter(name for each in sheet.shown for name in each.odd)
    options = [
        (oddity.name, f"{oddity.title} ({counts[oddity.name]:,})")
        for oddity in ODDITIES
        if counts[oddity.name]
    ]
    if options:
        odd = sum(bool(each.odd) for each in sheet.shown)
        options.insert(0, ("any", f"any oddity ({odd:,})"))
        parts.append(_select("odd", "Oddity", "odd or not", options))
    orders = [("longest", "longest first"), ("shortest", "shortest first")]
    if set(store.modalities) & {"flow", "mv"}:
        orders.append(("motion", "most motion first"))
    if "flow" in store.modalities:
        orders.append(("clipped", "most clipped first"))
    if "mv" in store.modalities:
        orders.append(("vectors", "fewest vectors first"))
    parts.append(_select("order", "Order", "by id", orders, default="id"))
    parts.append('<button type="reset">Reset</button>')
    parts.append(
        '<label><input type="checkbox" id="play-all" autocomplete="off"> Play all</label>'
    )
    return f'<form class="filters">{"".join(parts)}</form>\n'


def _select(
    name: str,
    label: str,
    first: str,
    options: Sequence[tuple[str, str]],
    *,
    default: str = "",
) -> str:
    rows = "".join(
        f'<option value="{escape(value)}">{escape(text)}</option>'
        for value, text in [(default, first), *options]
    )
    return (
        f'<select name="{name}" aria-label="{label}" autocomplete="off">{rows}</select>'
    )


def _dialog(store: Store) -> str:
    heads = "".join(f"<span>{name}</span>" for name in store.modalities)
    return (
        '<dialog aria-labelledby="title"><header><h2 id="title"></h2>'
        '<button type="button" id="close" aria-label="Close">\u2715</button></header>'
        f'<div class="columns" aria-hidden="true">{heads}</div><div id="stage"></div>'
        '<div class="controls"><button type="button" id="pause" autofocus>Pause</button>'
        '<select id="speed" aria-label="Speed" autocomplete="off">'
        '<option value="1">speed \u00d7 1</option><option value="0.5">speed \u00d7 1/2</option>'
        '<option value="0.25">speed \u00d7 1/4</option></select><span class="grow"></span>'
        '<button type="button" id="before">\u2190 Previous</button>'
        '<button type="button" id="after">Next \u2192</button></div>'
        '<dl class="facts"></dl></dialog>\n'
    )
