"""The interface through which a run reports how far it is."""

from collections.abc import Iterable
from typing import Protocol

from pipeline.shard.task import ShardProgress


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
