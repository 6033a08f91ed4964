"""A real extraction by numbers of workers that share the GPU: which of them is the bound."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from motion_shards.cores import worker_cores
from pipeline.bench import workers
from pipeline.bench.clips import original_clips
from pipeline.executors.threads import worker_count
from pipeline.executors.workers import local_layout
from pipeline.extract.settings import ExtractSettings

from .rows import ExtractionSpeed, Row
from .settings import Settings

MODALITIES = (("flow",), ("rgb", "flow", "mv"))
VIDEOS = 16
"""Per worker, of 120 frames: a few seconds of work on a large GPU."""


def extraction(settings: Settings) -> Iterator[Row]:
    """For each set of modalities the usual number of workers first, then others.

    Raises:
        FlowError: the GPU cannot be used.
    """
    gpus = local_layout(backend="cuda", workers=None, profile="default").gpus[:1]
    with tempfile.TemporaryDirectory() as folder:
        _, clips = original_clips(
            settings.clips_folder, clips=workers.CLIPS, scratch=Path(folder)
        )
        for modalities in MODALITIES:
            chosen = ExtractSettings(
                modalities=modalities, short_side=256, enlarge=True
            )
            times = workers.threads(clips, chosen)
            usual = worker_count(times, cores=worker_cores(), gpus=len(gpus))
            for count in counts(usual, worker_cores()):
                row = workers.extracted(clips, count, VIDEOS, chosen, gpus, times=times)
                yield ExtractionSpeed(
                    modalities=", ".join(modalities),
                    workers=count,
                    pairs_per_second=row["pairs_per_second"],
                    busy_share=row["busy_share"],
                    cores=row["cores"],
                    usual=count == usual,
                )


def counts(usual: int, cores: int) -> list[int]:
    """Numbers of workers to measure: the usual one, one, fewer and more."""
    others = (1, usual // 2, min(2 * usual, cores))
    return list(dict.fromkeys([usual, *(it for it in others if it > 0)]))
