"""Other lists for a store: labels, splits, groups and segments; no row is touched."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from pipeline.adapters.holdout import holdout_name, with_holdout
from pipeline.adapters.loading import ADAPTERS, relist
from pipeline.adapters.scan import File
from pipeline.adapters.videos import DataSet, Video
from pipeline.driver.publish import clear_arriving, prepare
from pipeline.driver.resume import require_files
from pipeline.store import Location, StoredVideo, hold
from pipeline.store.index import IndexRecord
from pipeline.store.manifest import Manifest

from .destination import opened
from .errors import ManagementError
from .outcome import Outcome
from .selection import Part, select
from .source import Source
from .texts import record_of, write_texts
from .whole_store import copy_whole


def relisted(
    source: Path | str,
    *,
    splits: Path | None = None,
    kind: str | None = None,
    holdout: float | None = None,
    seed: int = 0,
) -> DataSet:
    """The videos of a store as other lists describe them. Writes nothing.

    Args:
        splits: a folder of lists, or one list, in a format of `kind`. None: labels and
            splits stay, and `holdout` adds a split.
        kind: a kind of data set that has lists. Default: that of the store where it is a
            known data set, else `list`.
        holdout: share of the groups that become test videos of one split more. One of the
            same share and seed, which a store that has grown may have, keeps its sides.
        seed: random seed of that split.

    Raises:
        StoreError: no store, or a damaged one.
        DatasetError: lists that cannot be read, or name none of the videos.
        ManagementError: nothing is asked for, or two videos have one path.
    """
    store = Source(source)
    if splits is None and holdout is None:
        raise ManagementError(
            "expected lists (--splits) or a share held out (--holdout)"
        )
    dataset = select(store, Part(), store.store.modalities).dataset
    _require_paths(dataset, store.folder)
    if splits is not None:
        dataset = relist(
            kind or (dataset.name if dataset.name in ADAPTERS else "list"),
            folder=store.folder_name,
            files=[File(video.path, video.size_bytes) for video in dataset.videos],
            splits=splits,
        )
    if holdout is not None:
        name = holdout_name(holdout, seed)
        before = {
            video.id: video.splits[name]
            for video in dataset.videos
            if name in video.splits
        }
        dataset = with_holdout(dataset, holdout, seed=seed, before=before)
    return dataset


def relabel(
    source: Path | str, dataset: DataSet, out: Path | str | None = None
) -> Outcome:
    """Give a store the classes, labels, splits, groups and segments of a data set.

    Videos that the data set does not name stay in the store, without a label. Splits of
    other names stay, and so does a group where the data set has none for the video.

    Args:
        dataset: as of `relisted`.
        out: a new store, in a folder or at s3://..., whose shard files are links to those
            of the old one where the disk allows it, else copies. None: index and manifest
            of the store itself are replaced; readers find the old or the new ones.

    Raises:
        StoreError: no store, a damaged one, or another run writes it.
        ManagementError: `out` holds something else.
    """
    store = Source(source)
    change = _Relabelling(store, dataset)
    if out is not None:
        modalities = store.store.modalities
        with opened(out) as there:
            return copy_whole(
                store, modalities, there, link=True, describe=change.described
            )
    folder = store.folder
    if not isinstance(folder, Path):
        raise ManagementError(
            f"{folder}: expected the place of a new store (--out) for one at an address, "
            "got none"
        )
    prepare(folder)
    with hold(folder) as lease:
        clear_arriving(folder)
        store = Source(source)  # as another run may have left it
        change = _Relabelling(store, dataset)
        require_files(folder)
        lease.require()
        manifest = write_texts(
            folder,
            *change.described(store.store.videos(), store.manifest),
            old=store.manifest,
        )
    return Outcome.of(folder, manifest, copied=0, action="relabelled")


class _Relabelling:
    """The change from a store's index and manifest to those of other lists."""

    def __init__(self, source: Source, dataset: DataSet) -> None:
        self._dataset = dataset
        self._listed = {video.path: video for video in dataset.videos}
        self._modalities = source.store.modalities

    def described(
        self, videos: Iterable[StoredVideo], manifest: Manifest
    ) -> tuple[Iterator[IndexRecord], Manifest]:
        """Lines of the index and manifest with the new labels."""
        dataset = self._dataset
        kept = {n: k for n, k in manifest.splits.items() if n not in dataset.splits}
        manifest = replace(
            manifest, classes=dataset.classes, splits={**kept, **dataset.splits}
        )
        return (self._record(video, set(kept)) for video in videos), manifest

    def _record(self, video: StoredVideo, kept: set[str]) -> IndexRecord:
        listed = self._listed.get(video.path)
        splits = {n: part for n, part in video.splits.items() if n in kept}
        if listed is None:
            return record_of(
                video, self._modalities, labels=(), segments=(), splits=splits
            )
        return record_of(
            video,
            self._modalities,
            labels=listed.labels,
            splits={**splits, **listed.splits},
            group=_group(listed, video),
            segments=tuple(
                (s.label, s.start_seconds, s.stop_seconds) for s in listed.segments
            ),
        )


def _group(listed: Video, stored: StoredVideo) -> str:
    """The group that the lists give; the stored one where they give none."""
    return stored.group if listed.group == listed.id else listed.group


def _require_paths(dataset: DataSet, store: Location) -> None:
    """
    Raises:
        ManagementError: two videos have one path, so that lists could mean either.
    """
    found: dict[str, Video] = {}
    for video in dataset.videos:
        other = found.setdefault(video.path, video)
        if other is not video:
            raise ManagementError(
                f"{store}: expected videos of different paths, got {video.path} "
                f"for {other.id} and {video.id}"
            )
