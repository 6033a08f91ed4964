"""Videos + settings -> shard plans and their fingerprint. Pure and deterministic.

A store is planned once. Its videos (names and sizes), its cuts and its settings lie in
`_plan.json`; a later run must ask for the same, and may only add modalities.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate
from math import ceil
from pathlib import Path
from typing import Any, Self

from pipeline.errors import PlanError
from pipeline.extract.settings import ExtractSettings
from pipeline.shard.plan import PlannedVideo, ShardPlan
from pipeline.store import Json
from pipeline.store.file_names import PLAN
from pipeline.store.manifest import State, state_of
from pipeline.store.schema import LAYOUT_VERSION

SHARD_FRAMES = 18_000
"""About 450 MB of RGB at 340x256, or ten minutes of TV-L1 on one core."""
SMALL_SHARD_FRAMES = 1_800
"""A minute of TV-L1 on one core: about what an interruption of a small job may cost."""
SMALL_JOB_SHARDS = 64
"""Largest number of small shards; those of larger jobs grow."""
SPREAD_SHARDS, SPREAD_VIDEOS = 8, 4
"""A small data set still gets up to 8 shards (of 4 videos and more), so that it spreads."""


@dataclass(frozen=True, kw_only=True)
class StorePlan:
    """Contents of a store that is to be built, and their division into shards."""

    dataset: str
    videos: tuple[PlannedVideo, ...]
    """Shard k holds videos[ends[k-1]:ends[k]]. Sorted by id in each generation: at first,
    and in what each growth has added."""
    ends: tuple[int, ...]
    earlier: tuple[int, ...] = ()
    """Number of shards before each time that the store grew."""
    settings: ExtractSettings
    unusable: Mapping[str, str] = field(default_factory=dict)
    """Files that could not be read when the store was planned, so that they are not among the
    videos -> reason; folders end in `/`. Not part of the fingerprint."""

    @property
    def shards(self) -> int:
        return len(self.ends)

    @property
    def modalities(self) -> tuple[str, ...]:
        return self.settings.modalities

    @cached_property
    def states(self) -> tuple[State, ...]:
        """The store before each growth, oldest first, and as it is planned now."""
        from xxhash import xxh3_128

        common = repr(sorted(self.settings.common_record().items())).encode()
        states: list[State] = []
        for shards in (*self.earlier, self.shards):
            first = states[-1].shards if states else 0
            begin = self.ends[first - 1] if first else 0
            state = xxh3_128(states[-1].fingerprint.encode() if states else b"")
            for video in self.videos[begin : self.ends[shards - 1]]:
                line = f"{video.id}\0{video.path}\0{video.size_bytes}\n"
                state.update(line.encode())
            state.update(repr((self.dataset, self.ends[first:shards])).encode())
            state.update(common)
            states.append(State(shards, state.hexdigest()))
        return tuple(states)

    @property
    def fingerprint(self) -> str:
        """Hash of videos, cuts and common settings: equal for all modalities of a store.

        Of a store that has grown: of its fingerprint before, and of what was added.
        """
        return self.states[-1].fingerprint

    def fingerprint_of(self, shard: int) -> str:
        """The fingerprint of the first state that has a shard, as its commits have it."""
        return state_of(self.states, shard).fingerprint

    def at(self, fingerprint: str) -> "StorePlan | None":
        """The plan of an earlier state, or this one; None for any other fingerprint."""
        for state in self.states:
            if state.fingerprint == fingerprint:
                return replace(
                    self,
                    videos=self.videos[: self.ends[state.shards - 1]],
                    ends=self.ends[: state.shards],
                    earlier=tuple(n for n in self.earlier if n < state.shards),
                )
        return None

    def shard_videos(self, shard: int) -> tuple[PlannedVideo, ...]:
        """The videos of one shard, in their stored order."""
        return self.videos[self.ends[shard - 1] if shard else 0 : self.ends[shard]]

    def shard_plan(
        self, shard: int, modalities: Sequence[str], *, folder: Path
    ) -> ShardPlan:
        """The work on one shard, as a worker gets it."""
        return ShardPlan(
            shard=shard,
            folder=str(folder),
            videos=self.shard_videos(shard),
            settings=self.settings.only(modalities),
            fingerprint=self.fingerprint_of(shard),
        )

    def to_dict(self) -> dict[str, Json]:
        """The content of `_plan.json`."""
        return {
            "layout_version": LAYOUT_VERSION,
            "dataset": self.dataset,
            "fingerprint": self.fingerprint,
            "settings": self.settings.to_record(),
            "ends": list(self.ends),
            "earlier": list(self.earlier),
            "unusable": dict(self.unusable),
            "videos": [list(video) for video in self.videos],
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Read back what `to_dict` wrote.

        Raises:
            PlanError: another layout version, or not a plan.
        """
        version = value.get("layout_version")
        if version != LAYOUT_VERSION:
            raise PlanError(
                f"{PLAN}: expected layout version {LAYOUT_VERSION}, got {version}"
            )
        try:
            return cls(
                dataset=value["dataset"],
                videos=tuple(PlannedVideo(*video) for video in value["videos"]),
                ends=tuple(value["ends"]),
                earlier=tuple(value["earlier"]),
                settings=ExtractSettings.from_record(value["settings"]),
                unusable=value["unusable"],
            )
        except ValueError as error:
            raise PlanError(f"{PLAN}: {error}") from error
        except (KeyError, TypeError) as error:
            raise PlanError(
                f"{PLAN}: expected a plan, got {error!r} while reading it"
            ) from error


def new_plan(
    dataset: str,
    videos: Sequence[PlannedVideo],
    settings: ExtractSettings,
    *,
    bytes_per_frame: float,
    unusable: Mapping[str, str] | None = None,
) -> StorePlan:
    """Cut the videos, in the order of their ids, into shards of about equal work.

    Args:
        videos: at least one.
        bytes_per_frame: of the source files; it turns sizes into estimated frames.
        unusable: what cannot be read, and why.
    """
    ordered = sorted(videos)
    frames = [max(video.size_bytes / bytes_per_frame, 1.0) for video in ordered]
    return StorePlan(
        dataset=dataset,
        videos=tuple(ordered),
        ends=tuple(shard_ends(frames)),
        settings=settings,
        unusable=unusable or {},
    )


def shard_ends(frames: Sequence[float]) -> list[int]:
    """Ends of shards: between videos only, so a long video may have one to itself.

    Returns:
        Increasing positions; the last one is len(frames).
    """
    total = sum(frames)
    spread = min(SPREAD_SHARDS, max(len(frames) // SPREAD_VIDEOS, 1))
    per_shard = min(max(total / SMALL_JOB_SHARDS, SMALL_SHARD_FRAMES), SHARD_FRAMES)
    shards = max(ceil(total / per_shard), spread)
    upto = list(accumulate(frames))
    ends: list[int] = []
    for shard in range(1, shards):
        end = bisect_left(upto, total * shard / shards) + 1
        if end < len(frames) and end > (ends[-1] if ends else 0):
            ends.append(end)
    return [*ends, len(frames)]
