"""Variants of a store: the same videos and frames, with one modality in another coding.

Motion vectors depend on the encoder: its quality, its preset, the distance of its intra
frames. A network that learns from several encodings of the same videos depends less on the
one that it is used with.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from motion_shards.plain_text import counted, first_names
from pipeline.store import Store, StoredVideo

from ..errors import DataError
from .frames import Frames
from .splits import require_modalities

FPS_APART = 1e-3
"""Share by which frame rates may differ, as containers round them."""


@dataclass(frozen=True, slots=True)
class Variant:
    """Another store of videos of a training."""

    name: str
    """The name of its folder, numbered where two have the same."""
    frames: Frames
    ids: frozenset[str]
    """Videos of the training's store that are there, too, with the varied modality."""

    @property
    def store(self) -> Store:
        return self.frames.store

    def missing(self, videos: Iterable[StoredVideo]) -> list[str]:
        """Ids of the videos that it lacks."""
        return [video.id for video in videos if video.id not in self.ids]


def random_store(
    rng: np.random.Generator, variants: Sequence[Variant], video: StoredVideo
) -> int:
    """A store that has the video, each equally likely.

    Returns:
        0 for the training's own, k for the k-th variant.
    """
    having = [k for k, variant in enumerate(variants, 1) if video.id in variant.ids]
    return [0, *having][int(rng.integers(1 + len(having)))]


def open_variants(
    frames: Frames,
    stores: Sequence[Store],
    *,
    train: Sequence[StoredVideo],
    scored: Sequence[StoredVideo],
    modality: str,
) -> tuple[Variant, ...]:
    """The variants of a training's store, checked.

    A variant may lack some of the videos: their clips come from the other stores.

    Args:
        frames: of the training's store.
        stores: the variants.
        train, scored: videos of the training's store.
        modality: the one that varies.

    Raises:
        DataError: two stores are the same, or a variant is of another data set, classes,
            or frames, lacks the modality, or has no video to train on.
    """
    own, found = frames.store, list[Variant]()
    names = [own.folder.resolve().name]
    for number, store in enumerate(stores):
        if store.dataset != own.dataset:
            raise DataError(
                f"{store.folder}: expected a variant of the data set {own.dataset}, as"
                f" {own.folder}, got {store.dataset}"
            )
        if store.classes != own.classes:
            raise DataError(
                f"{store.folder}: expected the {counted(len(own.classes), 'class')} of"
                f" {own.folder} ({first_names(own.classes)}), got"
                f" {len(store.classes)} ({first_names(store.classes)})"
            )
        require_modalities(store, [modality])
        for other in (own, *stores[:number]):
            _require_different(store, other, modality)
        ids = _shared(store, own, (*train, *scored), modality)
        if not any(video.id in ids for video in train):
            raise DataError(
                f"{store.folder}: expected videos of {own.folder} to train on with"
                f" {modality}, got none ({first_names([v.id for v in train])} are missing)"
            )
        names.append(_unused(store.folder.resolve().name, names))
        found.append(Variant(names[-1], frames.of_store(store), ids))
    return tuple(found)


def missing_notice(
    variant: Variant, videos: Sequence[StoredVideo], *, of: str
) -> str | None:
    """A line about videos that a variant lacks; None where it has all.

    Args:
        of: what they are for, in words: "to train on".
    """
    missing = variant.missing(videos)
    if not missing:
        return None
    return (
        f"{variant.store.folder}: without {len(missing)} of {len(videos)} videos {of}"
        f" ({first_names(missing)})"
    )


def _require_different(store: Store, other: Store, modality: str) -> None:
    if store.folder.resolve() == other.folder.resolve():
        raise DataError(f"{store.folder}: expected each store once, got it twice")
    if _coding(store, modality) == _coding(other, modality):
        raise DataError(
            f"{store.folder}: expected a variant with {modality} of other settings than"
            f" {other.folder}, got the same"
        )


def _coding(store: Store, modality: str) -> tuple[object, ...]:
    """Equal for stores that have the same values of a modality."""
    codec = dict(store.manifest.modalities[modality].codec)
    return store.fingerprint, store.settings.get(modality), codec


def _shared(
    store: Store, own: Store, videos: Sequence[StoredVideo], modality: str
) -> frozenset[str]:
    """Ids of the videos that a variant has.

    Raises:
        DataError: one has other frames or another class.
    """
    there = {video.id: video for video in store.videos()}
    ids = []
    for video in videos:
        other = there.get(video.id)
        if other is None or modality not in other.modalities:
            continue
        if differs := _difference(video, other):
            raise DataError(
                f"{store.folder}: expected the frames of {own.folder}, got {video.id} of"
                f" {differs}"
            )
        ids.append(video.id)
    return frozenset(ids)


def _difference(video: StoredVideo, other: StoredVideo) -> str:
    """The first difference between a video and its variant in words; empty without one."""
    size, there = (f"{one.width}x{one.height} px" for one in (video, other))
    if video.frames != other.frames:
        return f"{counted(other.frames, 'frame')} instead of {video.frames}"
    if size != there:
        return f"{there} instead of {size}"
    if abs(video.fps - other.fps) > FPS_APART * video.fps:
        return f"{other.fps:g} frames per second instead of {video.fps:g}"
    if video.labels != other.labels:
        names = (first_names(one.class_names) or "none" for one in (other, video))
        return "the class {} instead of {}".format(*names)
    return ""


def _unused(name: str, names: Sequence[str]) -> str:
    """The name, or name-2 and so on where it is in use."""
    found, count = name, 1
    while found in names:
        count += 1
        found = f"{name}-{count}"
    return found
