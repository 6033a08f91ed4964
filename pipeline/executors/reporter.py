"""The interface through which a run reports how far it is."""

from collections.abc import Iterable
from typing import Protocol

from pipeline.shard.task import ShardProgress, ShardReport


class ProgressReporter(Protocol):
    """Receiver of the progress of a run."""

    def say(self, text: str) -> None: ...

    def start(self, *, videos: int) -> None: ...

    def running(self, shards: Iterable[ShardProgress]) -> None: ...

    def published(self, *, videos: int, frames: int, stored_bytes: int) -> None: ...


class SilentReporter:
    """Reports nothing: for tests and for use from Python."""

    def say(self, text: str) -> None:
        pass

    def start(self, *, videos: int) -> None:
        pass

    def running(self, shards: Iterable[ShardProgress]) -> None:
        pass

    def published(self, *, videos: int, frames: int, stored_bytes: int) -> None:
        pass


SILENT = SilentReporter()


def report_published(report: ShardReport, reporter: ProgressReporter) -> None:
    """Name the videos that a published shard leaves out, and count what it holds."""
    paths = {video.id: video.path for video in report.plan.videos}
    for name, reason in report.bad.items():
        reporter.say(f"quarantined {paths[name]}: {reason}")
    for name, reason in report.unavailable.items():
        reporter.say(f"unavailable {paths[name]}: {reason}")
    reporter.published(
        videos=len(report.plan.videos),
        frames=report.frames,
        stored_bytes=sum(file.bytes for file in report.delivered.values()),
    )
