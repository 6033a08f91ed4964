"""Blocks of a video -> the facts about it that stand in an answer."""

from collections.abc import Callable

from pipeline.extract.video import Block, Extraction

from .answers import VideoSummary


class Tally:
    """Counts what a `VideoSummary` says."""

    def __init__(self, progress: Callable[[float], None] | None = None) -> None:
        """
        Args:
            progress: receives the seconds of the video that were seen, after each block.
        """
        self.frames = self.known = self.intervals = self.damaged = 0
        self.last = 0.0
        self._progress = progress

    def send(self, block: Block) -> None:
        """Count the next block."""
        self.frames += len(block.seconds)
        if len(block.seconds):
            self.last = float(block.seconds[-1])
            if self._progress is not None:
                self._progress(self.last)
        valid = block.arrays.get("mv_valid")
        if valid is not None:
            self.known += int(valid.sum())
            self.intervals += len(valid)
        self.damaged = block.damaged

    def summary(self, extraction: Extraction, mv_source: str | None) -> VideoSummary:
        """Facts about all blocks of an extraction.

        Args:
            mv_source: of the motion vectors; None where none are used.
        """
        info = extraction.info
        return VideoSummary(
            frames=self.frames,
            seconds=self.last + 1 / info.fps,
            fps=info.fps,
            height=info.height,
            width=info.width,
            codec=info.codec,
            mv_source=mv_source,
            known_share=self.known / self.intervals if self.intervals else None,
            damaged=self.damaged,
        )
