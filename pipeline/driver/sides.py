"""Sides of videos in drawn splits: those of a store stay as they are when it is extracted again."""

from collections.abc import Collection, Mapping
from pathlib import Path

from pipeline.adapters.holdout import SEEDED, holdout_options
from pipeline.adapters.videos import DataSet
from pipeline.errors import PlanError
from pipeline.store.errors import LayoutError, StoreNotFound
from pipeline.store.files import current_manifest, read_index, require_index
from pipeline.store.manifest import Manifest
from pipeline.store.remote_path import Location


def read_sides(
    out: Location, manifest: Manifest, names: Collection[str]
) -> dict[str, dict[str, str]]:
    """Video -> split -> train or test, of the splits of these names.

    Raises:
        LayoutError: the index is damaged.
    """
    require_index(out, manifest)
    return {
        record.id: {name: part for name, part in record.splits.items() if name in names}
        for record in read_index(out)
    }


def stored_sides(out: Path, name: str) -> Mapping[str, str]:
    """Video -> train or test in a split of the store in a folder; empty without it.

    Raises:
        LayoutError: the store has grown, and its index, which alone has the sides, is
            damaged. The split of one that has not grown is drawn again as it was.
    """
    try:
        manifest = current_manifest(out)
    except (LayoutError, StoreNotFound):
        return {}
    if name not in manifest.splits:
        return {}
    try:
        sides = read_sides(out, manifest, {name})
        return {video: of[name] for video, of in sides.items() if of}
    except LayoutError as error:
        if not manifest.earlier:
            return {}
        raise LayoutError(
            f"{error}: it alone says which videos of {name} are test videos, as the store"
            " has grown: extract without --holdout, or copy the index from another copy"
        ) from None


def undrawn(dataset: DataSet, out: Path) -> list[str]:
    """Lines about drawn splits of the store in a folder that a data set has not: its new
    videos would be on neither side."""
    try:
        splits = current_manifest(out).splits
    except (LayoutError, StoreNotFound):
        return []
    return [
        f"{name}: new videos are neither train nor test videos of it; --holdout"
        f" {share} --seed {seed} gives them a side, and leaves the others on theirs"
        for name, kind in splits.items()
        if kind == SEEDED and name not in dataset.splits
        for share, seed in holdout_options(name)
    ]


def require_sides(dataset: DataSet, out: Path) -> None:
    """Check that no video changes its side in a drawn split that the store has.

    Raises:
        PlanError: one does.
        LayoutError: as of `stored_sides`.
    """
    for name in (name for name, kind in dataset.splits.items() if kind == SEEDED):
        sides = stored_sides(out, name)
        for video in dataset.videos:
            now = video.splits.get(name)
            before = sides.get(video.id, now)
            if before != now:
                raise PlanError(
                    f"{name}: expected {video.id} on its side in the store, {before}, got"
                    f" {now}: load the data set with before=stored_sides(STORE, NAME)"
                )
