"""The videos of a store that a command is about: some classes, a list of names, modalities."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from motion_shards.near import similar
from motion_shards.plain_text import first_names, printable
from pipeline.inspection.status import full_id
from pipeline.store import Store, StoredVideo, VideoNotFound

from .errors import ExchangeError

MAX_LIST_BYTES = 1 << 28


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Some videos of a store, by id."""

    ids: tuple[str, ...]
    classes: tuple[str, ...]
    """Those that were asked for, in the order of the store."""

    def labels(self, video: StoredVideo) -> tuple[int, ...]:
        """Positions of a video's classes in `classes`; of others none."""
        return tuple(
            self.classes.index(name)
            for name in video.class_names
            if name in self.classes
        )


def selected(
    store: Store,
    modalities: Sequence[str],
    *,
    classes: Sequence[str] = (),
    videos: Path | None = None,
) -> Selection:
    """Choose videos of a store that have some of these modalities.

    Args:
        classes: each a class, or several with commas between them as in a CSV; all if
            empty. Upper and lower case may differ.
        videos: a text file, on each line the id or the path of a video, or the end of one.

    Raises:
        ExchangeError: a modality or class that the store does not have, or no video.
        VideoNotFound: a line of the file names no video, or several.
        OSError: the file cannot be read.
    """
    if strange := [name for name in modalities if name not in store.modalities]:
        raise ExchangeError(
            f"{store.folder}: expected modalities among {', '.join(store.modalities)}, "
            f"got {strange[0]}"
        )
    named = tuple(_classes(store, classes)) if classes else store.classes
    wanted = set(_listed(store, videos)) if videos else None
    ids = tuple(
        video.id
        for video in store.videos()
        if (wanted is None or video.id in wanted)
        and (not classes or not set(video.class_names).isdisjoint(named))
        and not set(video.modalities).isdisjoint(modalities)
    )
    if not ids:
        raise ExchangeError(f"{store.folder}: no video of those that were asked for")
    return Selection(ids=ids, classes=named)


def _classes(store: Store, names: Sequence[str]) -> list[str]:
    exact = {name.casefold(): name for name in store.classes}
    exact |= {name: name for name in store.classes}
    chosen = set()
    for text in names:
        alone = text in exact
        for name in [text] if alone else next(csv.reader([text], strict=True), []):
            if not name.strip():
                continue
            found = exact.get(name.strip()) or exact.get(name.strip().casefold())
            if found is None:
                close = similar(name, store.classes, most=1)
                hint = f"; did you mean {close[0]!r}?" if close else ""
                raise ExchangeError(
                    f"classes: {store.folder} has no class {name!r}{hint}"
                )
            chosen.add(found)
    if not chosen:
        raise ExchangeError(
            f"classes: expected some of {first_names(store.classes)}, got none"
        )
    return [name for name in store.classes if name in chosen]


def _listed(store: Store, path: Path) -> Iterator[str]:
    known = frozenset(store.ids())
    with path.open("rb") as file:
        text = file.read(MAX_LIST_BYTES + 1)
    if len(text) > MAX_LIST_BYTES:
        raise ExchangeError(f"{path}: expected a list of videos, got over 256 MiB")
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.decode("utf-8", "surrogateescape").strip("\ufeff \t\r")
        if not line:
            continue
        if "\0" in line:
            raise ExchangeError(
                f"{path}:{number}: expected a video, got {printable(line)[:80]!r}"
            )
        try:
            yield line if line in known else full_id(store, line)
        except VideoNotFound as error:
            raise VideoNotFound(f"{path}:{number}: {error}") from None
