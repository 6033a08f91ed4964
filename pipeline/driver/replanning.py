"""A plan that was lost or damaged, made again from the data set, manifest and commits."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.errors import PlanError
from pipeline.extract.settings import ExtractSettings
from pipeline.shard.plan import PlannedVideo
from pipeline.store.commit import Commit
from pipeline.store.errors import LayoutError, StoreError
from pipeline.store.files import committed, current_manifest, read_commit
from pipeline.store.manifest import State, state_of

from .plan import StorePlan, new_plan


class Recorded(NamedTuple):
    """The plan as far as manifest and commits record it."""

    fingerprint: str
    settings: Mapping[str, Mapping[str, Any]]
    shards: Mapping[int, frozenset[str]]
    """Shard -> its videos, where a commit has them."""
    earlier: tuple[int, ...] = ()
    """Number of shards before each time that the store grew."""


def recorded(store: Path) -> Recorded | None:
    """Recover what is known of a plan whose file is missing; None where nothing is."""
    commits = list(_readable(store))
    votes = Counter(commit.fingerprint for commit in commits)
    settings: dict[str, Mapping[str, Any]] = {}
    fingerprint = ""
    states: tuple[State, ...] = ()
    try:
        manifest = current_manifest(store)
        fingerprint, settings = manifest.fingerprint, dict(manifest.settings)
        states = manifest.states
    except StoreError:
        pass
    if fingerprint not in votes and votes:
        fingerprint, states = votes.most_common(1)[0][0], ()
    if not fingerprint:
        return None
    states = states or (State(0, fingerprint),)
    own = [
        commit
        for commit in commits
        if commit.fingerprint == state_of(states, commit.shard).fingerprint
    ]
    return Recorded(
        fingerprint,
        settings | {commit.modality: commit.settings for commit in own},
        {commit.shard: _ids(commit) for commit in own},
        tuple(state.shards for state in states[:-1]),
    )


def replanned(
    dataset: str,
    videos: Sequence[PlannedVideo],
    settings: ExtractSettings,
    store: Path,
    *,
    bytes_per_frame: float,
    unusable: Mapping[str, str],
    reason: str,
) -> StorePlan:
    """The plan of a store whose `_plan.json` cannot be read, if it can be found again.

    Args:
        settings: of this run; modalities that the store has beside them keep theirs.
        reason: why the plan cannot be read, in one line.

    Raises:
        PlanError: what was published is of other videos or settings.
    """
    known = recorded(store)
    plan = new_plan(
        dataset, videos, settings, bytes_per_frame=bytes_per_frame, unusable=unusable
    )
    if known is None:
        return plan
    everything = _completed(settings, known)
    if everything is not None:
        plan = replace(plan, settings=everything)
        if plan.fingerprint == known.fingerprint:
            return plan
        cut = _cut(plan.videos, known.shards)
        if cut is not None:
            ordered, ends = cut
            plan = replace(plan, videos=ordered, ends=ends, earlier=known.earlier)
            if plan.fingerprint == known.fingerprint:
                return plan
    raise PlanError(
        f"{reason}; it cannot be made again, as the commits in the store are of other "
        "videos or settings than this run has: run with the videos and arguments of the "
        "run that made the store, or use another --out"
    )


def _completed(settings: ExtractSettings, known: Recorded) -> ExtractSettings | None:
    """The settings of a run with those that a store records; None where these are none."""
    try:
        return ExtractSettings.from_record({**settings.to_record(), **known.settings})
    except ValueError:
        return None


def _readable(store: Path) -> Iterator[Commit]:
    for modality, shard in committed(store):
        try:
            commit = read_commit(store, modality, shard)
        except LayoutError:
            continue
        if commit is not None:
            yield commit


def _ids(commit: Commit) -> frozenset[str]:
    names = (video.id for video in commit.videos)
    return frozenset((*names, *commit.bad, *commit.unavailable))


def _cut(
    videos: Sequence[PlannedVideo], shards: Mapping[int, frozenset[str]]
) -> tuple[tuple[PlannedVideo, ...], tuple[int, ...]] | None:
    """The videos in the order of the shards and the ends of these, if the shards hold all
    of these videos and no others."""
    if sorted(shards) != list(range(len(shards))):
        return None
    by_id = {video.id: video for video in videos}
    ordered: list[PlannedVideo] = []
    ends: list[int] = []
    for shard in range(len(shards)):
        if not shards[shard] or not shards[shard] <= by_id.keys():
            return None
        ordered += sorted(by_id.pop(name) for name in shards[shard])
        ends.append(len(ordered))
    return None if by_id or not ends else (tuple(ordered), tuple(ends))
