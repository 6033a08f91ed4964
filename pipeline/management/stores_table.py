"""A folder of stores -> a table: contents, size, settings and state of each."""

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from itertools import compress, product
from pathlib import Path
from typing import Any

from motion_shards.choices import MODALITIES
from motion_shards.plain_text import printable, size_text
from pipeline.driver.plan import StorePlan
from pipeline.driver.plan_file import read_plan
from pipeline.errors import PlanError
from pipeline.store import Json, Location, RemotePath, StoreError, StoreNotFound
from pipeline.store.errors import AddressError, LayoutError
from pipeline.store.file_names import INDEX, MANIFEST, PLAN
from pipeline.store.files import committed, open_index, read_manifest
from pipeline.store.in_flight import IN_FLIGHT
from pipeline.store.locations import located
from pipeline.store.malformed import NOT_AS_EXPECTED, complaint
from pipeline.store.manifest import Manifest

COLUMNS = (
    "store",
    "data set",
    "modalities",
    "videos",
    "hours",
    "size",
    "settings",
    "fingerprint",
    "state",
)
FINISHED = "finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreLine:
    """One store of the table."""

    store: str
    """Path of its folder, or its address."""
    state: str
    """`finished`, or what is missing or damaged, in a few words."""
    dataset: str = ""
    modalities: Sequence[str] = ()
    videos: int = 0
    """Stored videos; of a store that is not finished, the planned ones."""
    hours: float | None = None
    """Hours of stored video; None where the store is not finished."""
    bytes: int = 0
    """Size of the shard files."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    fingerprint: str = ""

    @property
    def finished(self) -> bool:
        return self.state == FINISHED

    def to_dict(self) -> dict[str, Json]:
        return {**asdict(self), "finished": self.finished}

    def cells(self) -> tuple[str, ...]:
        """The texts of the columns."""
        return tuple(
            printable(text)
            for text in (
                Path(self.store).name or self.store,
                self.dataset,
                " ".join(self.modalities),
                f"{self.videos:,}",
                "" if self.hours is None else f"{self.hours:.3g}",
                size_text(self.bytes),
                settings_text(self.settings) if self.settings else "",
                self.fingerprint[:8],
                self.state,
            )
        )


def list_stores(folder: Location | str) -> list[StoreLine]:
    """The stores that lie directly in a folder or at an address, by name, finished or not.

    A folder that is a store itself is the only line. Shard files are not opened.

    Raises:
        StoreNotFound: no such folder, or one without a store.
        AddressError: an address does not answer, refuses, or cannot be listed.
    """
    folder = located(folder)
    if isinstance(folder, RemotePath):
        return _listed(folder)
    if not folder.is_dir():
        found = "a file" if folder.exists() else "nothing"
        raise StoreNotFound(f"{folder}: expected a folder of stores, got {found}")
    if is_store(folder):
        return [store_line(folder)]
    stores = [path for path in sorted(folder.iterdir()) if is_store(path)]
    if not stores:
        raise StoreNotFound(f"{folder}: expected stores in this folder, found none")
    return [store_line(path) for path in stores]


def _listed(folder: RemotePath) -> list[StoreLine]:
    """The stores at an address, looked at side by side."""
    if is_store(folder):
        return [store_line(folder)]
    try:
        inside = [folder / name for name in sorted(folder.sizes()) if name]
    except FileNotFoundError:
        raise StoreNotFound(
            f"{folder}: expected a store or a folder of stores, got nothing"
        ) from None
    with ThreadPoolExecutor(IN_FLIGHT) as threads:
        stores = list(compress(inside, threads.map(is_store, inside)))
        if not stores:
            raise StoreNotFound(
                f"{folder}: expected stores at this address, found none"
            )
        return list(threads.map(store_line, stores))


def is_store(folder: Location) -> bool:
    """Whether a store was begun in a folder."""
    return (folder / MANIFEST).is_file() or (folder / PLAN).is_file()


def store_line(folder: Location) -> StoreLine:
    """Describe one store; damage is its state."""
    try:
        plan = read_plan(folder)
    except PlanError:
        plan = None
    try:
        manifest = read_manifest(folder)
    except StoreNotFound:
        if plan is None:
            return StoreLine(
                store=str(folder), state="cannot be read: its plan cannot be read"
            )
        return _unfinished(folder, plan)
    except AddressError:
        raise
    except StoreError as error:
        reason = str(error).removeprefix(f"{folder / MANIFEST}: ")
        return StoreLine(store=str(folder), state=f"cannot be read: {reason}")
    return _finished(folder, manifest, plan)


def _finished(
    folder: Location, manifest: Manifest, plan: StorePlan | None
) -> StoreLine:
    state, hours = FINISHED, None
    try:
        hours = round(_hours(folder), 4)
    except LayoutError as error:
        state = f"damaged: {error}"
    if plan and (missing := _missing(folder, plan, manifest)) and state == FINISHED:
        state = f"finished; being extended: {missing}"
    return StoreLine(
        store=str(folder),
        state=state,
        dataset=manifest.dataset,
        modalities=tuple(manifest.modalities),
        videos=manifest.videos,
        hours=hours,
        bytes=sum(
            file.bytes
            for record in manifest.modalities.values()
            for file in record.files
        ),
        settings=manifest.settings,
        fingerprint=manifest.fingerprint,
    )


def _unfinished(folder: Location, plan: StorePlan) -> StoreLine:
    return StoreLine(
        store=str(folder),
        state=f"not finished: {_missing(folder, plan) or 'no manifest'}",
        dataset=plan.dataset,
        modalities=plan.modalities,
        videos=len(plan.videos),
        bytes=_stored_bytes(folder),
        settings=plan.settings.to_record(),
        fingerprint=plan.fingerprint,
    )


def _stored_bytes(folder: Location) -> int:
    """Size of the shard files that are there."""
    if isinstance(folder, Path):
        return sum(path.stat().st_size for path in folder.glob("*.h5"))
    sizes = folder.sizes()
    return sum(size or 0 for name, size in sizes.items() if name.endswith(".h5"))


def _missing(
    folder: Location, plan: StorePlan, manifest: Manifest | None = None
) -> str:
    """Modalities that lack shards, with the number of those that are there.

    Args:
        manifest: of a finished store: its shards are there, also where no commits can
            be listed.
    """
    done = set(committed(folder))
    if manifest is not None:
        done.update(product(manifest.modalities, range(manifest.shards)))
    counts = {
        name: sum(modality == name for modality, _ in done) for name in plan.modalities
    }
    return ", ".join(
        f"{name} {count}/{plan.shards} shards"
        for name, count in counts.items()
        if count < plan.shards
    )


def _hours(folder: Location) -> float:
    """Hours of video in the index. Only frames and rates of its lines are looked at.

    Raises:
        LayoutError: the index is missing, or a line has no such values.
    """
    seconds, number = 0.0, 0
    with open_index(folder) as file:
        try:
            for number, line in enumerate(file, 1):
                video = json.loads(line)
                if video["fps"] > 0:
                    seconds += video["frames"] / video["fps"]
        except NOT_AS_EXPECTED as error:
            raise complaint(f"{folder / INDEX}:{number}", "a video", error) from None
    return seconds / 3600


def settings_text(settings: Mapping[str, Any]) -> str:
    """The settings that distinguish stores, in a few words.

    >>> settings_text({"common": {"short_side": 256, "frames_per_second": None},
    ...                "rgb": {"codec": {"name": "jpeg_rgb", "quality": 95}},
    ...                "mv": {"source": "canonical", "crf": 18}})
    '256 px; rgb jpeg_rgb 95; mv canonical crf 18'
    """
    common = settings.get("common", {})
    parts = [f"{common.get('short_side', '?')} px"]
    if layout := common.get("imported_frames"):
        parts = [f"imported frames ({layout})"]
    if isinstance(rate := common.get("frames_per_second"), int | float):
        parts[0] += f", {rate:g} fps"
    for modality in [name for name in MODALITIES if name in settings]:
        own = settings[modality]
        codec = own.get("codec")
        codec = codec if isinstance(codec, Mapping) else {}
        words = {
            "rgb": (codec.get("name"), codec.get("quality"), codec.get("crf")),
            "flow": (own.get("profile"), codec.get("curve")),
            "mv": (own.get("source"), f"crf {own['crf']}" if "crf" in own else None),
        }.get(modality, ())
        said = " ".join(str(word) for word in words if word is not None)
        parts.append(f"{modality} {said}".rstrip())
    return "; ".join(parts)


def table_lines(rows: Sequence[StoreLine]) -> Iterator[str]:
    """The table as lines of text, its columns as wide as their widest cell."""
    cells = [COLUMNS, *(row.cells() for row in rows)]
    widths = [max(len(row[k]) for row in cells) for k in range(len(COLUMNS))]
    numbers = {COLUMNS.index(name) for name in ("videos", "hours", "size")}
    for row in cells:
        texts = [
            text.rjust(width) if k in numbers else text.ljust(width)
            for k, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(texts).rstrip()
