"""Damage, progress and contents of a store: `verify`, `status`, `info`."""

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from motion_shards.plain_text import counted, first_names, printable, size_text
from pipeline.driver.addressed import addressed
from pipeline.driver.missing import DAMAGED
from pipeline.driver.plan_file import read_plan
from pipeline.store import Json, Store, StoredVideo, VideoNotFound
from pipeline.store.errors import LayoutError
from pipeline.store.file_names import LOGS, MANIFEST
from pipeline.store.files import read_commit, write_json
from pipeline.store.lease import holder_of
from pipeline.store.lease_place import LeaseInfo
from pipeline.store.lookup import no_video, without_suffix
from pipeline.store.remote_folder import RemoteFolder
from pipeline.store.remote_lease import ObjectLeases
from pipeline.store.replacement import require_plain_folder
from pipeline.store.verify import Damage
from pipeline.store.verify import verify as damage_of

from .video_table import left_out_rows, split_videos


def verify(
    store: Path | str, *, decode: bool = False, mark: bool = False
) -> list[Damage]:
    """Find damaged files.

    Args:
        mark: note them in the store, so that the next run builds them again. Nothing is
            written otherwise.

    Raises:
        StoreError: no store, or one whose manifest cannot be read; or an address that is
            to be marked, and cannot be written.
    """
    remote = RemoteFolder(store) if mark and isinstance(store, str) else None
    damage = damage_of(store, decode=decode)
    if damage and remote is not None:
        names = sorted({entry.file for entry in damage})
        remote.put(DAMAGED, json.dumps(names, indent=1).encode())
    elif damage and mark and isinstance(store, Path):
        if not os.path.lexists(store / LOGS):
            (store / LOGS).mkdir()
        require_plain_folder(store / LOGS)
        write_json(store / DAMAGED, sorted({entry.file for entry in damage}))
    return damage


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Progress and state of a store."""

    store: Path | str
    videos: int
    shards: int
    done: Mapping[str, int]
    """Modality -> published shards."""
    bytes: Mapping[str, int]
    bad: Mapping[str, str]
    unavailable: Mapping[str, str]
    unreadable: frozenset[str]
    """Those of the bad that were never planned, as they could not be read."""
    paths: Mapping[str, str]
    """Id -> path in the folder of videos, of those that are not stored."""
    finished: bool
    holder: LeaseInfo | None
    """The run that writes it, or was killed while writing it."""

    @property
    def running(self) -> bool:
        """A run is writing it now, as far as can be seen."""
        return self.holder is not None and self.holder.running

    def to_dict(self) -> dict[str, Json]:
        return {
            "store": str(self.store),
            "videos": self.videos,
            "shards": self.shards,
            "done": dict(self.done),
            "bytes": dict(self.bytes),
            "bad": dict(self.bad),
            "unavailable": dict(self.unavailable),
            "unreadable": sorted(self.unreadable),
            "finished": self.finished,
            "running": self.running,
            "holder": self.holder.to_dict() if self.holder else None,
        }

    def text(self) -> str:
        finished = "finished" if self.finished else "not finished"
        lines = [f"{self.store}: {counted(self.videos, 'video')} planned, {finished}"]
        if self.holder:
            what = "being written by" if self.running else "left behind by"
            lines.append(f"  {what} {self.holder.text()}")
        lines += [
            f"  {name}: {self.done[name]}/{self.shards} shards, {size_text(size)}"
            for name, size in self.bytes.items()
        ]
        for name, why in self.bad.items():
            state = "unreadable" if name in self.unreadable else "quarantined"
            lines.append(f"  {state} {self.paths.get(name, name)}: {why}")
        lines += [
            f"  unavailable {self.paths.get(name, name)}: {why}"
            for name, why in self.unavailable.items()
        ]
        return "\n".join(map(printable, lines))


def status(store: Path | str) -> Status:
    """Read plan and commits of a store, finished or not.

    Args:
        store: its folder, or an address that can be written.

    Raises:
        PlanError: not a store, or one that came without its plan.
        AddressError: no answer, or a refusal.
    """
    if isinstance(store, str):
        with addressed(store) as there:
            mirrored = status(there.folder)
        holder = holder_of(ObjectLeases(RemoteFolder(store)))
        return replace(mirrored, store=store, holder=holder)
    plan = read_plan(store)
    done = dict.fromkeys(plan.modalities, 0)
    sizes = dict.fromkeys(plan.modalities, 0)
    bad = dict(plan.unusable)
    unavailable: dict[str, str] = {}
    for shard in range(plan.shards):
        for modality in plan.modalities:
            try:
                commit = read_commit(store, modality, shard)
            except LayoutError:  # as good as missing: the next run builds it again
                continue
            if commit is not None and commit.fingerprint == plan.fingerprint_of(shard):
                done[modality] += 1
                sizes[modality] += commit.bytes
                bad |= commit.bad
                unavailable |= commit.unavailable
    return Status(
        store=store,
        videos=len(plan.videos),
        shards=plan.shards,
        done=done,
        bytes=sizes,
        bad=bad,
        unavailable=unavailable,
        unreadable=frozenset(plan.unusable),
        paths={
            video.id: video.path
            for video in plan.videos
            if video.id in bad or video.id in unavailable
        },
        finished=(store / MANIFEST).exists()
        and all(count == plan.shards for count in done.values()),
        holder=holder_of(store),
    )


TITLES = {
    "known_share": "share of intervals with known motion vectors",
    "without_known_vectors": "videos without known motion vectors",
    "cut_short": "truncated videos",
    "split_videos": "videos of the splits",
    "missing_bytes": "bytes missing at the end",
    "clipped_share": "share of flow values clipped by the codec",
    "first_and_last_second": "first and last second",
    "mv_valid": "known motion vectors",
    "grown_from": "earlier fingerprints",
}
"""Facts whose names need words, as `lines` shows them."""


def info(folder: Path | str, video_id: str | None = None) -> dict[str, Json]:
    """Facts of a store, or of one video (by its id, or the end of it if that is enough).

    Raises:
        StoreError: no store, no such video, or several that end so.
    """
    store = Store(folder)
    if video_id is None:
        return {"store": str(folder), **_store_facts(store)}
    return _video_facts(store, store.video(full_id(store, video_id)))


def _store_facts(store: Store) -> dict[str, Json]:
    videos = store.videos()
    states = Counter(row.state for row in left_out_rows(store))
    return {
        "dataset": store.dataset,
        "videos": len(videos),
        "quarantined": states["quarantined"],
        "unavailable": states["unavailable"],
        "unreadable": states["unreadable"],
        "frames": sum(video.frames for video in videos),
        "hours": round(sum(v.frames / v.fps for v in videos if v.fps) / 3600, 3),
        "sizes": dict(Counter(f"{v.width}x{v.height}" for v in videos).most_common()),
        "known_share": known_share(videos),
        "without_known_vectors": (
            sum(v.known_share == 0 for v in videos)
            if "mv" in store.modalities
            else None
        ),
        "damaged": sum(v.damaged > 0 for v in videos),
        "cut_short": sum(v.missing_bytes > 0 for v in videos),
        "classes": list(store.classes),
        "splits": dict(store.splits),
        "split_videos": split_videos(store),
        "modalities": {
            name: {
                "bytes": sum(file.bytes for file in record.files),
                "codec": dict(record.codec),
            }
            for name, record in store.manifest.modalities.items()
        },
        "settings": dict(store.settings),
        "shards": store.manifest.shards,
        "fingerprint": store.fingerprint,
        **_growth(store),
    }


VIDEO_FACTS = (
    *("id", "path", "labels", "class_names", "splits", "group", "segments"),
    *("frames", "height", "width", "fps", "modalities", "codec"),
    *("source_height", "source_width", "pixel_aspect", "rotation"),
    *("damaged", "missing_bytes", "clipped_share", "known_share", "xxh3"),
)
"""Facts of a video that are those of `StoredVideo`."""


def _video_facts(store: Store, video: StoredVideo) -> dict[str, Json]:
    seconds = store.seconds(video.id)
    facts = {name: getattr(video, name) for name in VIDEO_FACTS}
    pictures = bytes(store.picture_types(video.id)).decode("ascii")
    facts["first_and_last_second"] = [float(seconds[0]), float(seconds[-1])]
    facts["pictures"] = {kind: pictures.count(kind) for kind in sorted(set(pictures))}
    if "mv" in video.modalities:
        valid = store.read(video.id, "mv_valid")
        facts["mv_valid"] = f"{int(valid.sum())} of {len(valid)} intervals"
    return facts


def _growth(store: Store) -> dict[str, Json]:
    """Fingerprints of the store before it grew, with the shards that it had."""
    return {
        "grown_from": {
            state.fingerprint: counted(state.shards, "shard")
            for state in store.manifest.earlier
        }
    }


def known_share(videos: Iterable[StoredVideo]) -> float | None:
    """Share of all intervals of some videos with known vectors; None without mv."""
    known, intervals = 0.0, 0
    for video in videos:
        if video.known_share is not None:
            known += video.known_share * (video.frames - 1)
            intervals += video.frames - 1
    return round(known / intervals, 4) if intervals else None


def full_id(store: Store, wanted: str) -> str:
    """The id of a video named by its id, by its path, or by the end of one of these.

    Raises:
        VideoNotFound: no video has this name, or several end in it.
    """
    ids = store.ids()
    if wanted in ids:
        return wanted
    ends = [name for name in ids if name.endswith(f"/{wanted}")]
    if not ends and (stem := without_suffix(wanted)) != wanted:
        alike = [name for name in ids if f"/{name}".endswith(f"/{stem}")]
        paths = {name: f"/{store.video(name).path}" for name in alike}
        ends = [name for name in alike if paths[name].endswith(f"/{wanted}")]
    if not ends:
        raise no_video(store.folder, store.manifest, ids, wanted)
    if len(ends) > 1:
        raise VideoNotFound(
            f"{len(ends)} videos of {store.folder} end in {wanted!r}: {first_names(ends)}"
        )
    return ends[0]


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def lines(facts: Mapping[str, Any], indent: str = "") -> str:
    """Facts as `name: value` lines, nested ones indented; `none` where there is nothing."""
    text = []
    for key, value in facts.items():
        name = TITLES.get(key, key)
        if value is None or value in ({}, [], ()):
            text.append(printable(f"{indent}{name}: none"))
        elif isinstance(value, Mapping):
            text += [f"{indent}{printable(name)}:", lines(value, indent + "  ")]
        elif isinstance(value, (list, tuple)):
            told = ", ".join(map(_short, value))
            text.append(printable(f"{indent}{name}: {told}"))
        else:
            text.append(printable(f"{indent}{name}: {_short(value)}"))
    return "\n".join(line for line in text if line)
