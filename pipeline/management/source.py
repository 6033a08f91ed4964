"""A finished store from which another one is made: its state at one moment.

A store may be extended meanwhile: manifest, index and plan of one state are held here,
and published files never change.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path

from pipeline.driver.plan import StorePlan
from pipeline.driver.plan_file import read_plan
from pipeline.errors import PlanError
from pipeline.extract.settings import COMMON, ExtractSettings
from pipeline.store import Location, Store, StoredVideo, VideoNotFound
from pipeline.store.commit import Commit
from pipeline.store.errors import LayoutError
from pipeline.store.file_names import commit_file
from pipeline.store.files import read_commit
from pipeline.store.in_flight import IN_FLIGHT, side_by_side
from pipeline.store.manifest import Manifest
from pipeline.store.open_shards import open_shard
from pipeline.store.shard_reader import ShardReader

from .errors import ManagementError

OPEN_SHARDS = 32
HELD_COMMITS = 96


class Source:
    """A store to copy from.

    Args:
        address: its folder, or an address.
        state: the beginning of a fingerprint that it had before it grew, to read it as
            it was then; classes and labels are those of now. None: as it is.

    Raises:
        ManagementError: it has no such state.
        StoreNotFound: no such folder, or something else, or not finished.
        LayoutError: a store of another layout, or a damaged one.
        AddressError: the address does not answer, or refuses.
    """

    def __init__(self, address: Location | str, *, state: str | None = None) -> None:
        self.store = Store(address)
        self.folder = self.store.folder
        self.manifest = self.store.manifest
        self.commit = lru_cache(HELD_COMMITS)(self._commit)
        self.rows = lru_cache(OPEN_SHARDS)(self._rows)
        if state is not None:
            self.manifest = self._as_it_was(state)

    @property
    def folder_name(self) -> Path:
        """Its folder, as a data set names one; of an address the last part."""
        folder = self.folder
        return folder if isinstance(folder, Path) else Path(folder.name)

    def commits(self, modalities: Sequence[str]) -> Iterator[Commit]:
        """The commits of some modalities, shard after shard of each.

        Raises:
            LayoutError: as of `commit`.
        """
        wanted = [
            (modality, shard)
            for modality in modalities
            for shard in range(self.manifest.shards)
        ]
        for begin in range(0, len(wanted), IN_FLIGHT):
            some = wanted[begin : begin + IN_FLIGHT]
            yield from side_by_side(self.store, lambda each: self.commit(*each), some)

    def videos(self) -> Iterator[StoredVideo]:
        """The stored videos of the state, by id."""
        for video in self.store.videos():
            if any(rows.shard < self.manifest.shards for rows in video.rows.values()):
                yield video

    @cached_property
    def plan(self) -> StorePlan | None:
        """The plan of the state that is copied; None where the store has none."""
        try:
            plan = read_plan(self.folder)
        except PlanError:
            return None
        return plan.at(self.manifest.fingerprint)

    def settings(self, modalities: tuple[str, ...]) -> ExtractSettings:
        """The settings of some modalities.

        Raises:
            ManagementError: the manifest has settings that no extraction has.
        """
        kept = {
            name: record
            for name, record in self.manifest.settings.items()
            if name == COMMON or name in modalities
        }
        try:
            return ExtractSettings.from_record(kept)
        except ValueError as error:
            raise ManagementError(f"{self.folder}: {error}") from None

    def require_modalities(self, wanted: tuple[str, ...]) -> tuple[str, ...]:
        """The modalities that are wanted, all of the store's for none, in their order.

        Raises:
            ManagementError: the store does not have one of them.
        """
        there = self.store.modalities
        if missing := [name for name in wanted if name not in there]:
            raise ManagementError(
                f"{self.folder}: expected modalities among {', '.join(there)}, got "
                f"{', '.join(missing)}"
            )
        return tuple(name for name in there if name in wanted or not wanted)

    def find(self, video_id: str) -> StoredVideo | None:
        """A stored video; None where the store does not hold it."""
        try:
            return self.store.video(video_id)
        except VideoNotFound:
            return None

    @cached_property
    def _left_out(self) -> dict[str, dict[str, tuple[str, bool]]]:
        """Modality -> video that its commits name without rows -> reason, and whether it
        may become available."""
        found: dict[str, dict[str, tuple[str, bool]]] = {}
        for modality in self.store.modalities:
            named = found.setdefault(modality, {})
            for commit in self.commits([modality]):
                named |= {name: (why, False) for name, why in commit.bad.items()}
                named |= {name: (why, True) for name, why in commit.unavailable.items()}
        return found

    def why_left_out(self, video_id: str, modality: str) -> tuple[str, bool]:
        """The reason for which a modality of a video is not stored, and whether it waits
        for its file."""
        return self._left_out[modality].get(
            video_id, ("not in the store copied", False)
        )

    def _as_it_was(self, state: str) -> Manifest:
        """The manifest without the shards that came after a state."""
        manifest = self.store.manifest
        found = [each for each in manifest.states if each.fingerprint.startswith(state)]
        if len(found) != 1 or not state:
            known = ", ".join(each.fingerprint[:8] for each in manifest.states)
            raise ManagementError(
                f"{self.folder}: expected the beginning of one fingerprint among {known}, "
                f"got {state!r}"
            )
        (wanted,) = found
        later = {
            name
            for shard in range(wanted.shards, manifest.shards)
            for modality in manifest.modalities
            for commit in (self.commit(modality, shard),)
            for name in (*commit.bad, *commit.unavailable)
        }
        return replace(
            manifest,
            fingerprint=wanted.fingerprint,
            shards=wanted.shards,
            earlier=tuple(s for s in manifest.earlier if s.shards < wanted.shards),
            modalities={
                name: replace(record, files=record.files[: wanted.shards])
                for name, record in manifest.modalities.items()
            },
            bad={n: why for n, why in manifest.bad.items() if n not in later},
            unavailable={
                n: why for n, why in manifest.unavailable.items() if n not in later
            },
        )

    def _commit(self, modality: str, shard: int) -> Commit:
        """The commit of a shard file.

        Raises:
            LayoutError: there is none, or it is not that of the file in the manifest.
        """
        commit = read_commit(self.folder, modality, shard)
        listed = self.manifest.modalities[modality].files[shard]
        if commit is None or commit.record != listed:
            found = "none" if commit is None else "that of another file"
            raise LayoutError(
                f"{self.folder / commit_file(modality, shard)}: expected the commit of "
                f"{listed.file}, got {found}; `pipeline verify` says what is damaged"
            )
        return commit

    def _rows(self, modality: str, shard: int) -> ShardReader:
        return open_shard(self.folder, self.manifest, True, modality, shard)
