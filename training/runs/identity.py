"""Everything that decides a run's result: recipe.json under "run"."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.store import Json, Store, StoredVideo

from ..data.splits import held_out_videos, resolve_split
from ..data.variants import Variant
from ..errors import RunError
from ..models.user_files import used_files
from ..run_files.names import RESULTS, WEIGHTS
from ..run_files.run_config import (
    RecipeSettings,
    RunConfig,
    SplitFacts,
    StoreFacts,
    VariantStore,
    VideosHash,
)
from ..run_files.settings_json import as_json
from .context import HoldsOut, StoreJob, holding
from .record import Run


def store_facts(store: Store, modalities: Sequence[str]) -> StoreFacts:
    """The store, as far as it decides a result."""
    settings = {"common": store.settings.get("common", {})}
    for modality in modalities:
        codec = dict(store.manifest.modalities[modality].codec)
        settings[modality] = {**store.settings.get(modality, {}), "codec": codec}
    return StoreFacts(
        dataset=store.dataset,
        fingerprint=store.fingerprint,
        classes=tuple(store.classes),
        settings=as_json(settings),
    )


def split_facts(store: Store, split: str) -> SplitFacts:
    """A split: its name, where it comes from, and a hash of its parts.

    Raises:
        DataError: the store has no such split.
    """
    state = hashlib.sha256()
    for video in store.videos():
        if split in video.splits:
            line = (video.id, video.splits[split], video.labels, video.group)
            state.update(repr(line).encode("utf-8", "surrogateescape"))
    name = resolve_split(store, split)
    return SplitFacts(name=name, kind=store.splits[name], videos=state.hexdigest())


def held_out_facts(recipe: HoldsOut, job: StoreJob) -> VideosHash:
    """The videos that are held out of the training part."""
    chosen = held_out_videos(
        job.store, split=job.split, **holding(recipe, job), seed=job.seed
    )
    return _ids(chosen.ids)


def variant_facts(
    variants: Sequence[Variant], videos: Sequence[StoredVideo], *, sees: str
) -> tuple[VariantStore, ...] | None:
    """The variants of a training, as far as they decide its result; None without one.

    Args:
        videos: of the training part.
        sees: the modality that varies.
    """
    found = [
        VariantStore(
            store=store_facts(variant.store, [sees]),
            videos_to_train_on=_ids([v.id for v in videos if v.id in variant.ids]),
        )
        for variant in variants
    ]
    return tuple(found) or None


def run_config(
    kind: str,
    recipe: Any,
    job: StoreJob,
    *,
    model: Mapping[str, Json] | None,
    modalities: Sequence[str],
    held_out: Collection[str] | None = None,
) -> RunConfig:
    """Everything that decides the result of a job on a store.

    Args:
        kind: of the job.
        recipe: its settings, a dataclass.
        model: the network as it will be built again; None where there is not one.
        held_out: ids; None are those that recipe and job say.
    """
    return RunConfig(
        kind=kind,
        recipe=RecipeSettings(name=job.name, settings=as_json(recipe)),
        model=model,
        modalities=tuple(modalities),
        store=store_facts(job.store, modalities),
        split=split_facts(job.store, job.split),
        videos_held_out=held_out_facts(recipe, job)
        if held_out is None
        else _ids(held_out),
        seed=job.seed,
        precision=job.machine.precision,
        code=used_files(recipe) or None,
    )


def fingerprint_of(run: Run) -> str:
    """SHA-256 of a run's weights, 64 hexadecimal digits."""
    with run.path(WEIGHTS).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def run_of(runs: Path, base: str, wanted: RunConfig) -> Path:
    """Choose the folder of a run for which none was given.

    The newest complete run that is equal; else one that was begun; else a new folder
    named `base`, or `base-2` and so on where other runs have the name.
    """
    equal = [run for run in runs_in(runs) if _same(run, wanted)]
    complete = [run for run in equal if run.results() is not None]
    if complete:
        newest = max(complete, key=lambda run: run.path(RESULTS).stat().st_mtime_ns)
        return newest.folder
    if equal:
        return equal[0].folder
    folder, count = runs / base, 1
    while not (run := Run(folder)).is_new:
        if _same(run, wanted):  # begun by another process since the folders were listed
            break
        count += 1
        folder = runs / f"{base}-{count}"
    return folder


def runs_in(folder: Path) -> list[Run]:
    """The runs that lie directly in a folder, by name."""
    if not folder.is_dir():
        return []
    found = [Run(path) for path in sorted(folder.iterdir()) if path.is_dir()]
    return [run for run in found if run.is_run]


def _ids(videos: Collection[str]) -> VideosHash:
    text = "\n".join(sorted(videos)).encode("utf-8", "surrogateescape")
    return VideosHash(count=len(videos), ids=hashlib.sha256(text).hexdigest())


def _same(run: Run, wanted: RunConfig) -> bool:
    try:
        return run.is_of(wanted)
    except RunError:  # a folder of something else
        return False
