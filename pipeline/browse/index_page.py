"""The overview of a store: figures, classes, lengths, oddities, sources, settings."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from motion_shards import __version__
from motion_shards.markup import escape
from motion_shards.plain_text import counted, size_text
from pipeline.inspection.video_table import VideoRow
from pipeline.store import LAYOUT_VERSION, Store

from .charts import histogram
from .drawing import picture_name
from .listing import Shown
from .oddities import ODDITIES
from .pages import document, legend, number
from .parts import (
    MOST_ROWS,
    count_table,
    fact_list,
    section,
    side_by_side,
    table_of,
)
from .script import INDEX_SCRIPT
from .sheet_page import ALL, Sheet, card_style
from .summary import CodingAudit, Summary, stored_bytes

MOST_LEFT_OUT = 1000
"""Videos that are left out, by name."""
PARTS = (("train", "train"), ("test", "test"), ("rest", "not used"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Contents of the page."""

    store: Store
    summary: Summary
    shown: Sequence[Shown]
    sheets: Sequence[Sheet]
    coding: CodingAudit
    left_out: Sequence[VideoRow]
    """Quarantined and unavailable videos."""


def index_page(view: Overview) -> str:
    """The whole page."""
    store = view.store
    sections = [
        ("classes", "classes", _classes(view)),
        ("sheets", "sheets", _sheets(view)),
        ("oddities", "oddities", _oddities(view)),
        ("left-out", "left out", _left_out(view)),
        ("sources", "sources", side_by_side(_lengths(view.summary), _sources(view))),
        ("settings", "settings", side_by_side(_settings(store), _provenance(view))),
    ]
    links = [(f"#{name}", text) for name, text, markup in sections if markup]
    if view.sheets and view.sheets[0].file == ALL:
        links.append((ALL, "all videos"))
    body = "".join(
        f'<div id="{name}">{markup}</div>\n' for name, _, markup in sections if markup
    )
    return document(store.dataset, _head(view) + body, INDEX_SCRIPT, links=links)


def _head(view: Overview) -> str:
    store, summary = view.store, view.summary
    sizes = stored_bytes(store)
    total = sum(sizes.values())
    hours = summary.seconds / 3600
    each = ", ".join(f"{name} {size_text(size)}" for name, size in sizes.items())
    parts = sum(row.state == "quarantined" for row in view.left_out)
    figures = [
        (
            "videos",
            number(summary.videos),
            f"{number(parts)} quarantined" if parts else "",
        ),
        ("classes", number(len(store.classes)), counted(len(summary.groups), "group")),
        ("hours", number(hours, 2), f"{number(summary.frames)} frames"),
        ("stored", size_text(total), each),
    ]
    if hours > 0:
        figures.append(("per hour of video", size_text(total / hours), ""))
    if summary.intervals:
        share = summary.known / summary.intervals
        figures.append(("known vectors", f"{share:.1%}", "of all intervals"))
    rows = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}"
        + (f"<small>{escape(more)}</small>" if more else "")
        + "</dd></div>"
        for name, value, more in figures
    )
    what = ", ".join(store.modalities)
    sampled = ""
    if len(view.shown) < summary.videos:
        sampled = (
            f" Pictures of {number(len(view.shown))} of them, a sample of every class."
        )
    return (
        f'<div class="head"><div><h1>{escape(store.dataset)}</h1>'
        f"<p>{escape(what)} of {counted(summary.videos, 'video')}.{sampled}<br>"
        "Point at a picture, or move to it with the Tab key, and it plays.</p></div>"
        f'{legend("")}</div><dl class="numbers">{rows}</dl>\n'
    )


def _classes(view: Overview) -> str:
    store, summary = view.store, view.summary
    files = {
        sheet.label: sheet.file for sheet in reversed(view.sheets) if sheet.file != ALL
    }
    labels = [label for label in range(len(store.classes))]
    shown: list[int | None] = [*labels]
    if summary.classes[None]:
        shown.append(None)
    if not shown:
        return ""
    most = max(summary.classes.values(), default=0) or 1
    lists: list[str] = []
    for split in store.splits or ("",):
        rows = []
        for label in shown:
            name = escape("no class" if label is None else store.classes[label])
            linked = f'<a href="{files[label]}">{name}</a>' if label in files else name
            count = summary.classes[label]
            counts = [summary.parts[split, label, part] for part in ("train", "test")]
            counts.append(count - sum(counts))
            said = ", ".join(
                f"{value:,} {word}"
                for value, (_, word) in zip(counts, PARTS, strict=True)
                if value
            )
            bars = "".join(
                f'<i class="{kind}" style="width:{100 * value / most:.2f}%"></i>'
                for value, (kind, _) in zip(counts, PARTS, strict=True)
                if value
            )
            rows.append(
                f'<li title="{name}: {said}"><span class="name">{linked}</span>'
                f'<span class="bar" aria-hidden="true">{bars}</span>'
                f'<span class="count">{count:,}</span></li>'
            )
        hidden = " hidden" if lists else ""
        lists.append(
            f'<ol class="bars" data-split="{escape(split)}"{hidden}>{"".join(rows)}</ol>'
            + _split_key(view, split, hidden)
        )
    chooser = ""
    if len(store.splits) > 1:
        options = "".join(
            f'<option value="{escape(name)}">split {escape(name)}</option>'
            for name in store.splits
        )
        chooser = (
            '<div class="key"><select id="histogram-split" aria-label="Split"'
            f' autocomplete="off">{options}</select></div>'
        )
    return section("Classes and splits", "", chooser + "".join(lists))


def _split_key(view: Overview, split: str, hidden: str) -> str:
    summary = view.summary
    if not split:
        return '<p class="key">This store has no splits.</p>'
    counts = [summary.split_parts[split, part] for part in ("train", "test")]
    counts.append(summary.videos - sum(counts))
    keys = "".join(
        f'<span><i class="{kind}"></i>{value:,} {word}</span>'
        for value, (kind, word) in zip(counts, PARTS, strict=True)
        if value
    )
    origin = escape(view.store.splits[split])
    return (
        f'<div class="key" data-split="{escape(split)}"{hidden}>{keys}'
        f"<span>split {escape(split)} ({origin})</span></div>"
    )


def _sheets(view: Overview) -> str:
    """A card for each class: a video from its middle."""
    cards = []
    for sheet in view.sheets:
        if sheet.file == ALL:
            continue
        readable = [each for each in sheet.shown if each.drawn.error is None]
        if not readable:
            picture = '<span class="missing">no video of it can be read</span>'
            movie = ""
        else:
            cover = readable[len(readable) // 2]
            base = f"media/{picture_name(cover.number)}"
            movie = f' data-movie="{base}.mp4"' if cover.drawn.moves else ""
            picture = f'<img src="{base}.webp" alt="" loading="lazy">'
        cards.append(
            f'<a class="card" href="{sheet.file}"><span class="clip"{movie}>{picture}</span>'
            f'<span class="caption"><b>{escape(sheet.title)}</b>'
            f"<span>{counted(len(sheet.shown), 'video')}</span></span></a>"
        )
    text = ""
    if view.sheets and view.sheets[0].file == ALL:
        text = f'One video of each class. <a href="{ALL}">All videos on one page</a>, with filters.'
    style = card_style(view.store, view.shown)
    markup = (
        '<p class="key"><label><input type="checkbox" id="play-all" autocomplete="off">'
        f' Play all</label></p><div class="cards" style="{style}">{"".join(cards)}</div>'
    )
    return section("Sheets", text, markup)


def _oddities(view: Overview) -> str:
    linked = bool(view.sheets) and view.sheets[0].file == ALL
    rows = []
    for oddity in ODDITIES:
        found = [each for each in view.shown if oddity.name in each.odd]
        if found:
            title = escape(oddity.title)
            if linked:
                title = f'<a href="{ALL}#odd={oddity.name}">{title}</a>'
            rows.append((title, escape(oddity.meaning), number(len(found))))
    if not rows:
        checks = ", ".join(oddity.title for oddity in ODDITIES)
        return section("Oddities", f"None: {escape(checks)}.", "")
    return section("Oddities", "", table_of(("kind", "meaning", "videos"), rows))


def _left_out(view: Overview) -> str:
    if not view.left_out:
        return ""
    rows = [
        (
            f'<span class="mono">{escape(row.path or row.id)}</span>',
            escape(row.state),
            escape(row.reason or ""),
        )
        for row in view.left_out[:MOST_LEFT_OUT]
    ]
    text = f"{counted(len(view.left_out), 'video')} of the data set not in the store."
    if len(view.left_out) > MOST_LEFT_OUT:
        text += f" The first {MOST_LEFT_OUT:,}:"
    table = table_of(("video", "state", "reason"), rows, right=())
    return section("Quarantined and unavailable", text, table)


def _lengths(summary: Summary) -> str:
    if not summary.lengths:
        return ""
    lengths = sorted(summary.lengths)
    middle = lengths[len(lengths) // 2]
    text = f"From {lengths[0]:.2f} to {lengths[-1]:.2f} seconds, median {middle:.2f}."
    sizes = count_table("stored size, px", summary.sizes.most_common())
    rates = count_table("frames per second", summary.rates.most_common())
    return section("Lengths and sizes", text, histogram(lengths) + sizes + rates)


def _sources(view: Overview) -> str:
    audit = view.coding
    rows = [
        (escape(family.name), number(family.classes), number(family.videos))
        for family in audit.families[:MOST_ROWS]
    ]
    if rest := audit.families[MOST_ROWS:]:
        count = sum(family.videos for family in rest)
        rows.append((f"{len(rest):,} others", "", number(count)))
    text = f"{escape(audit.conclusion[:1].upper() + audit.conclusion[1:])}."
    if audit.accuracy is not None:
        text += (
            f" The class is guessed from facts of the coding in {audit.accuracy:.1%} of the"
            f" videos, by chance in {audit.chance:.1%}."
        )
    text += " <code>pipeline audit --store</code> also measures the traces in motion vectors."
    table = table_of(
        ("codec, key frames, B-frames", "classes", "videos"), rows, right=(1, 2)
    )
    return section("Encoders of the sources", text, table)


def _settings(store: Store) -> str:
    rows = [
        (f"{group}: {name}".replace("_", " "), value)
        for group, settings in store.settings.items()
        for name, value in _flat(settings)
    ]
    return section("Settings", "", fact_list(rows))


def _flat(value: Mapping[str, Any], before: str = "") -> Iterable[tuple[str, str]]:
    for name, each in value.items():
        if isinstance(each, Mapping):
            yield from _flat(each, f"{before}{name} ")
        else:
            words = {"None": "none", "True": "yes", "False": "no"}
            yield f"{before}{name}", words.get(str(each), str(each))


def _provenance(view: Overview) -> str:
    store, summary = view.store, view.summary
    rows = [
        ("fingerprint", store.fingerprint),
        ("layout version", str(LAYOUT_VERSION)),
        ("shards", number(store.manifest.shards)),
        ("sources", size_text(summary.source_bytes)),
        (
            "mirrored videos",
            "keep their class" if store.mirror_safe else "may be of another class",
        ),
        *(
            (f"split {name}", f"{origin}: {_split_counts(summary, name)}")
            for name, origin in store.splits.items()
        ),
        ("page made by", f"motion-shards {__version__}"),
    ]
    return section("Provenance", "", fact_list(rows))


def _split_counts(summary: Summary, split: str) -> str:
    train, test = (summary.split_parts[split, part] for part in ("train", "test"))
    return f"{train:,} train, {test:,} test"
