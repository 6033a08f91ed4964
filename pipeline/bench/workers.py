"""Number of workers, and so of cores, that keep one GPU busy.

    pipeline bench workers

A real extraction, shard files and all, by 1, 2, 4, ... processes that share one GPU. Only
the stretch counts in which all of them are at work and have been for a while.
"""

import tempfile
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain, cycle, islice
from pathlib import Path
from typing import NamedTuple

from motion_shards.choices import MODALITIES
from motion_shards.cores import processor_name, worker_cores
from motion_shards.plain_text import counted
from pipeline.driver.plan import new_plan
from pipeline.driver.publish import prepare
from pipeline.executors.attempt import Failure
from pipeline.executors.pool import run_in_pool
from pipeline.executors.reporter import SILENT
from pipeline.executors.threads import coder_count, measured_times, worker_count
from pipeline.executors.workers import local_layout
from pipeline.extract.settings import ExtractSettings
from pipeline.flow.batches import BatchSolver, CpuBatches
from pipeline.flow.solver import flow_solver
from pipeline.shard.calibration import StageTimes
from pipeline.shard.instant import InstantSolver
from pipeline.shard.plan import PlannedVideo, ShardPlan
from pipeline.shard.task import Effort, ShardReport, SolverMaker, Task

from .clips import original_clips
from .flow import aligned

SHARDS_PER_WORKER = 2
CLIPS = 8
"""Different ones; they are read again and again."""


class Span(NamedTuple):
    """Some seconds, by `time.monotonic`."""

    began: float
    ended: float

    @property
    def seconds(self) -> float:
        return max(self.ended - self.began, 0.0)

    def cut(self, other: "Span") -> "Span":
        """The overlap of both."""
        return Span(max(self.began, other.began), min(self.ended, other.ended))


def run(
    *,
    clips_folder: Path | None = None,
    backend: str = "auto",
    workers: Sequence[int] | None = None,
    videos: int = 40,
    modalities: Sequence[str] = MODALITIES,
    short_side: int = 256,
) -> dict:
    """Extract on one GPU with each of several numbers of workers in turn.

    Args:
        clips_folder: real clips; without it, drawn ones.
        backend: auto, cuda, cpu: a batch solver on the processor stands in for a GPU,
            or none: flow costs nothing, so that the cores alone are the bound.
        workers: None: those that an extraction would plan, and fewer.
        videos: per worker.

    Returns:
        What `table` prints.

    Raises:
        FlowError: cuda is asked for and cannot be used.
    """
    settings = ExtractSettings(
        modalities=tuple(modalities), short_side=short_side, enlarge=True
    )
    on_cpu = "cpu" if backend == "none" else backend
    layout = local_layout(backend=on_cpu, workers=1, profile=settings.flow_profile)
    make_solver: SolverMaker | None = None if layout.gpus else cpu_batches
    if backend == "none":
        make_solver = InstantSolver
    result: dict = {
        "processor": processor_name(),
        "cores": worker_cores(),
        "modalities": list(modalities),
        "short_side": short_side,
        "remark": layout.remark,
        "rows": [],
    }
    with tempfile.TemporaryDirectory() as folder:
        result["clips"], clips = original_clips(
            clips_folder, clips=min(CLIPS, videos), scratch=Path(folder)
        )
        times = threads(clips, settings)
        planned = worker_count(times, cores=worker_cores(), gpus=1)
        result["threads"] = times._asdict() | {"planned": planned}
        for count in workers or counts(planned):
            row = extracted(
                clips,
                count,
                videos,
                settings,
                layout.gpus,
                times=times,
                make_solver=make_solver,
            )
            result["device"] = row.pop("device")
            result["rows"].append(row)
    return result


def threads(clips: Sequence[Path], settings: ExtractSettings) -> StageTimes:
    """CPU time of the threads of a worker on this machine, with these clips."""
    return measured_times(Task(plan=_plans(clips, 1, len(clips), settings)[-1]))


def counts(planned: int) -> list[int]:
    """Numbers of workers to measure: 1, 2, 4, ... and the planned one."""
    powers = [1 << k for k in range(planned.bit_length())]
    return [it for it in powers if it < planned] + [planned]


def extracted(
    clips: Sequence[Path],
    workers: int,
    videos: int,
    settings: ExtractSettings,
    gpus: Sequence[str],
    *,
    times: StageTimes,
    make_solver: SolverMaker | None = None,
) -> dict:
    """The rates of one number of workers on the first GPU, and its device.

    Args:
        clips: read again and again.
        videos: per worker.
        times: of the threads of a worker, to choose how many encode.
    """
    coders = coder_count(times, cores=worker_cores(), workers=workers)
    plans = _plans(clips, workers, videos, settings)
    reports = _extracted(plans, workers, coders, gpus[:1], make_solver)
    efforts = [report.effort for report in reports if report.effort]
    device = reports[0].flow_made_with.get("device", "no flow")
    chosen = {"workers": workers, "coders": coders, "device": device}
    return chosen | measured(efforts)


def table(result: dict) -> str:
    """The result of `run` as text."""
    rows = [
        ["workers", "encoders", "pairs/s", "GPU busy", "cores", "of all", "per core"]
    ]
    for row in result["rows"]:
        rows.append(
            [
                str(row["workers"]),
                str(row["coders"]),
                f"{row['pairs_per_second']:.0f}",
                f"{row['busy_share']:.0%}",
                f"{row['cores']:.1f}",
                f"{row['cores'] / result['cores']:.0%}",
                f"{row['pairs_per_second'] / max(row['cores'], 1e-9):.0f}",
            ]
        )
    modalities = ", ".join(result["modalities"])
    lines = [
        f"{result['clips']}, {modalities} at {result['short_side']} px",
        f"flow on {result['device']}; {result['processor']}, {result['cores']} cores",
        *([result["remark"]] if result["remark"] else []),
        _threads_text(result["threads"]),
        "",
        *aligned(rows),
        "",
        "encoders: encoding threads of each worker; of all: cores used, of those there are",
        "GPU busy: share of the time in which at least one worker had a batch under way",
    ]
    return "\n".join(lines)


def measured(efforts: Sequence[Effort]) -> dict:
    """Rates over the stretch in which every worker was at work."""
    firsts: dict[int, float] = {}
    lasts: dict[int, float] = {}
    for effort in efforts:
        worker = effort.process
        firsts[worker] = min(firsts.get(worker, effort.began), effort.began)
        lasts[worker] = max(lasts.get(worker, effort.ended), effort.ended)
    span = Span(max(firsts.values()), min(lasts.values()))
    if span.seconds <= 0:  # so short that one had ended before another began
        span = Span(min(firsts.values()), max(lasts.values()))
    pairs = cores = 0.0
    for effort in efforts:
        own = Span(effort.began, effort.ended)
        share = own.cut(span).seconds / max(own.seconds, 1e-9)
        pairs += effort.pairs * share
        cores += effort.cpu_seconds * share
    busy = [list(_within(span, effort.busy)) for effort in efforts]
    return {
        "seconds": span.seconds,
        "pairs_per_second": pairs / span.seconds,
        "busy_share": busy_seconds(busy) / span.seconds,
        "cores": cores / span.seconds,
    }


def _within(
    span: Span, spans: Iterable[tuple[float, float]]
) -> Iterator[tuple[float, float]]:
    for one in spans:
        cut = Span(*one).cut(span)
        if cut.seconds:
            yield cut


def busy_seconds(spans: Sequence[Sequence[tuple[float, float]]]) -> float:
    """Seconds in which at least one of several solvers had work."""
    total, reached = 0.0, float("-inf")
    for began, ended in sorted(chain.from_iterable(spans)):
        total += max(ended - max(began, reached), 0.0)
        reached = max(reached, ended)
    return total


def _threads_text(times: dict) -> str:
    reading, coding, rest = times["reading"], times["coding"], times["rest"]
    return (
        f"CPU ms per frame of a worker's threads: {reading:.2f} reading, "
        f"{coding:.2f} encoding, {rest:.2f} the rest; "
        f"planned: {counted(times['planned'], 'worker')}"
    )


def cpu_batches(profile: str) -> BatchSolver:
    """Stands in for a GPU where there is none."""
    return CpuBatches(flow_solver("cpu", profile=profile))


def _plans(
    clips: Sequence[Path],
    workers: int,
    videos: int,
    settings: ExtractSettings,
) -> list[ShardPlan]:
    """A short shard for each worker to warm up with, then what is measured."""
    folder = clips[0].parent
    while not all(clip.is_relative_to(folder) for clip in clips):
        folder = folder.parent
    per_shard = max(videos // SHARDS_PER_WORKER, 1)
    sizes = [1] * workers + [per_shard] * workers * SHARDS_PER_WORKER
    endless = cycle(clips)
    plans = []
    for shard, size in enumerate(sizes):
        chosen = tuple(
            PlannedVideo(
                f"{shard:04d}-{k:04d}",
                clip.relative_to(folder).as_posix(),
                clip.stat().st_size,
            )
            for k, clip in enumerate(islice(endless, size))
        )
        whole = new_plan("bench", chosen, settings, bytes_per_frame=1e12)
        plan = whole.shard_plan(0, settings.modalities, folder=folder)
        plans.append(replace(plan, shard=shard, videos=chosen))
    return plans


def _extracted(
    plans: Sequence[ShardPlan],
    workers: int,
    coders: int,
    gpus: Sequence[str],
    make_solver: SolverMaker | None,
) -> list[ShardReport]:
    """The reports of all shards but those that warmed up. Nothing is kept on disk."""
    queue = deque(
        Task(
            plan=plan,
            backend="cuda",
            coders=coders,
            per_gpu=workers,
            make_solver=make_solver,
        )
        for plan in plans
    )
    reports = []
    with _store() as store:
        for outcome in run_in_pool(
            queue,
            store=store,
            scratch=None,
            workers=workers,
            stall_seconds=150.0,
            reporter=SILENT,
            gpus=gpus,
        ):
            if isinstance(outcome, Failure) or outcome.bad:
                raise RuntimeError(f"expected all clips stored, got {outcome}")
            for path in outcome.files.values():
                path.unlink()
            if outcome.plan.shard >= workers:
                reports.append(outcome)
    return reports


@contextmanager
def _store() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder))
        yield Path(folder)
