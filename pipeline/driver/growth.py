"""The plan of a store that goes on: with more modalities, with more videos, with the sizes
that files have now. What is stored already stays as it is."""

import shlex
from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from typing import Any

from motion_shards.plain_text import first_names
from pipeline.errors import PlanError
from pipeline.extract.settings import ExtractSettings
from pipeline.shard.plan import PlannedVideo

from .plan import StorePlan, new_plan

OPTIONS = {
    "short_side": "--short-side",
    "enlarge": "--short-side",
    "square_pixels": "--square-pixels",
    "frames_per_second": "--fps",
    "imported_frames": "--layout",
}
"""Option of a common setting; those of a modality are `--flow-profile`, `--mv-crf`, ..."""


def extended(old: StorePlan, new: StorePlan) -> StorePlan:
    """The plan of a store that a run wants to continue, with its modalities added.

    Raises:
        PlanError: the videos or a setting differ; the line names the difference.
    """
    if old.dataset != new.dataset:
        raise PlanError(
            f"the store was planned for data set {old.dataset!r}, got "
            f"{new.dataset!r} (to continue it, add --name "
            f"{shlex.quote(old.dataset)})"
        )
    if sorted(old.videos) != sorted(new.videos):
        raise PlanError(_video_difference(old.videos, new))
    before, asked = old.settings.to_record(), new.settings.to_record()
    for part, wanted in asked.items():
        for name, value in wanted.items():
            stored = before.get(part, wanted).get(name)
            if stored != value:
                option = OPTIONS.get(name, f"--{part}-{name}")
                raise PlanError(
                    f"{option}: the store was made with {_in_words(name, stored)}, this run asks for"
                    f" {_in_words(name, value)}: settings of a store never change (repeat"
                    " the store's own, or use another --out)"
                )
    return replace(old, settings=ExtractSettings.from_record({**asked, **before}))


def _in_words(name: str, value: Any) -> str:
    if name == "enlarge":
        return "small videos enlarged to it" if value else "small videos as they are"
    if name == "square_pixels":
        return "square pixels" if value else "pixels as coded"
    return "every frame" if value is None else str(value)


def grown(
    old: StorePlan,
    videos: Sequence[PlannedVideo],
    *,
    bytes_per_frame: float,
    unusable: Mapping[str, str],
) -> StorePlan:
    """The plan with shards of the videos that it does not have; the same without any.

    The shards that are planned already stay as they are.

    Args:
        videos: all that the store is to have.
        bytes_per_frame: as of `new_plan`.
        unusable: what cannot be read now, and why.
    """
    known = {video.id for video in old.videos}
    added = [video for video in videos if video.id not in known]
    if not added:
        return old
    new = new_plan(old.dataset, added, old.settings, bytes_per_frame=bytes_per_frame)
    return replace(
        old,
        videos=(*old.videos, *new.videos),
        ends=(*old.ends, *(len(old.videos) + end for end in new.ends)),
        earlier=(*old.earlier, old.shards),
        unusable=unusable,
    )


def renewed(
    old: StorePlan, videos: Sequence[PlannedVideo], *, stored: Container[str]
) -> StorePlan:
    """The plan with the sizes that files have now, where nothing of the video is stored.

    A file that was still being copied when it was planned is another one now. Cuts stay.
    """
    now = {video.id: video for video in videos}

    def current(video: PlannedVideo) -> PlannedVideo:
        found = now.get(video.id, video)
        same_name = found.path == video.path
        return found if same_name and video.id not in stored else video

    return replace(old, videos=tuple(current(video) for video in old.videos))


def _video_difference(old: Sequence[PlannedVideo], new: StorePlan) -> str:
    before = {video.id: video for video in old}
    after = {video.id: video for video in new.videos}
    kinds = {
        "gained": [name for name in after if name not in before],
        "lost": [
            name + _why_lost(video.path, new.unusable)
            for name, video in before.items()
            if name not in after
        ],
        "changed": [n for n in after if n in before and after[n] != before[n]],
    }
    said = [
        f"{kind} {len(names)} ({first_names(names)})"
        for kind, names in kinds.items()
        if names
    ]
    return (
        f"the videos are not those the store was planned for: {'; '.join(said)}"
        f" ({_advice(kinds, grows=not new.settings.imported_frames)})"
    )


def _advice(kinds: Mapping[str, Sequence[str]], *, grows: bool) -> str:
    if grows and kinds["gained"] and not kinds["lost"] and not kinds["changed"]:
        return "--grow adds them to the store; or use another --out"
    return "use another --out, or restore the folder"


def _why_lost(path: str, unusable: Mapping[str, str]) -> str:
    for name, reason in unusable.items():
        if path == name or (name[-1] == "/" and path.startswith(name)):
            return f": {name} {reason}"
    return ""
