"""Frames per second of each stage of a system, and of all of them one after another.

    video -> decode -> vectors or flow -> network(s) -> scores

What reads videos is measured by the pipeline's own benchmarks and comes in here as
numbers; networks, and reading a store, are measured here. Nothing is written to disk
while the clock runs. A rate says how many frames of a video one second is enough for;
stages that follow each other add their times, so the total is a harmonic sum. Stages
that overlap (decoding on the CPU while a GPU works) can be faster than that together,
never slower than it by much: that is why the whole is measured too.
"""

import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .protocols import Scorer

WARM_UP, ROUND = 3, 5
"""Calls before the clock starts; calls between two looks at it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How fast one stage is, and under which conditions."""

    stage: str
    """decode, vectors, flow, network rgb, store, ..."""
    frames_per_second: float
    device: str
    """Names the processor, and how many threads where it is a CPU."""
    batch: int | None = None
    """Inputs seen at once; None where there are no batches."""
    how: str = ""
    """The command or the conditions that gave the number."""

    def __post_init__(self) -> None:
        if not self.frames_per_second > 0:
            raise ValueError(
                f"{self.stage}: expected more than 0 frames per second,"
                f" got {self.frames_per_second}"
            )


class Stream(NamedTuple):
    """One network of a system, and how it looks at videos."""

    model: nn.Module
    scorer: Scorer


def harmonic(rates: Sequence[Rate]) -> float:
    """Frames per second of stages that follow each other: 1 / sum of 1 / rate."""
    if not rates:
        raise ValueError("expected at least one stage, got none")
    return 1 / sum(1 / rate.frames_per_second for rate in rates)


def network_rate(stream: Stream, *, frames_per_clip: int, seconds: float = 5.0) -> Rate:
    """The network alone: the same batch again and again, already where it runs.

    Args:
        frames_per_clip: what one clip stands for. Clips that follow each other without
            overlap: their length. Snippets of 2D networks: 1, as in the papers, where
            every frame has a pass of its own; all crops of a snippet belong to it.
    """
    model, scorer = stream
    _, clips = next(scorer.batches())
    model.eval()
    with torch.no_grad():
        rate = _per_second(
            lambda: scorer.forward(model, clips), device=scorer.device, seconds=seconds
        )
    return Rate(
        stage=f"network {scorer.sees}",
        frames_per_second=rate * len(clips) * frames_per_clip,
        device=device_text(scorer.device),
        batch=len(clips),
        how=f"{_inputs(scorer, clips)}, {scorer.precision}",
    )


def store_rate(
    streams: Sequence[Stream], *, frames_per_clip: int, seconds: float = 5.0
) -> Rate:
    """Reading the clips of all streams from the store, cutting and normalising them."""
    reading = [_endless(stream.scorer) for stream in streams]
    size = _clips_at_once(streams)

    def read() -> None:
        for batches in reading:
            next(batches)

    cpu = torch.device("cpu")
    rate = _per_second(read, device=cpu, seconds=seconds)
    workers = streams[0].scorer.loader.num_workers
    return Rate(
        stage="store",
        frames_per_second=rate * size * frames_per_clip,
        device=device_text(cpu),
        batch=size,
        how=f"workers: {workers}",
    )


def whole_rate(
    streams: Sequence[Stream], *, frames_per_clip: int, seconds: float = 5.0
) -> Rate:
    """From the store through all networks, measured as one; loading may overlap."""
    reading = [_endless(stream.scorer) for stream in streams]
    size = _clips_at_once(streams)

    def work() -> None:
        for (model, scorer), batches in zip(streams, reading, strict=True):
            scorer.forward(model, next(batches))

    for model, _ in streams:
        model.eval()
    device = streams[0].scorer.device
    with torch.no_grad():
        rate = _per_second(work, device=device, seconds=seconds)
    workers = streams[0].scorer.loader.num_workers
    return Rate(
        stage="store to scores",
        frames_per_second=rate * size * frames_per_clip,
        device=device_text(device),
        batch=size,
        how=f"workers: {workers}, networks: {len(streams)}",
    )


def speed(
    streams: Sequence[Stream],
    *,
    frames_per_clip: int,
    before: Sequence[Rate] = (),
    measured: Rate | None = None,
    seconds: float = 5.0,
) -> dict[str, Any]:
    """A row of a speed table, as JSON.

    Args:
        before: decode, vectors or flow, measured by the pipeline's benchmarks; what
            one benchmark measures together is one stage.
        measured: videos to scores in one go, where somebody has measured it.

    Returns:
        "stages", their harmonic "total", and what was "measured" as a whole: from the
        store to the scores, and from videos if given.
    """
    networks = [
        network_rate(stream, frames_per_clip=frames_per_clip, seconds=seconds)
        for stream in streams
    ]
    wholes = [
        store_rate(streams, frames_per_clip=frames_per_clip, seconds=seconds),
        whole_rate(streams, frames_per_clip=frames_per_clip, seconds=seconds),
        *([measured] if measured else []),
    ]
    stages = [*before, *networks]
    return {
        "frames_per_clip": frames_per_clip,
        "stages": [asdict(rate) for rate in stages],
        "total": harmonic(stages),
        "total_is": f"harmonic sum of {', '.join(rate.stage for rate in stages)}",
        "measured": [asdict(rate) for rate in wholes],
    }


def text(told: Mapping[str, Any]) -> str:
    """A table for people, one line a stage."""
    rows = [*told["stages"], *told["measured"]]
    wide = max(len(row["stage"]) for row in rows)

    def line(row: Mapping[str, Any]) -> str:
        batch = f"batch {row['batch']}, " if row["batch"] else ""
        how = f" ({row['how']})" if row["how"] else ""
        return (
            f"  {row['stage']:<{wide}} {row['frames_per_second']:10.1f}"
            f"  {batch}{row['device']}{how}"
        )

    return "\n".join(
        [
            f"frames per second, {told['frames_per_clip']} of them a clip",
            *map(line, told["stages"]),
            f"  {'total':<{wide}} {told['total']:10.1f}  {told['total_is']}",
            "measured as one:",
            *map(line, told["measured"]),
        ]
    )


def device_text(device: torch.device) -> str:
    """The processor by its name; a CPU with the threads that torch uses."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    name = platform.processor() or platform.machine()
    told = Path("/proc/cpuinfo")
    if told.is_file():
        named = [
            line.partition(":")[2].strip()
            for line in told.read_text().splitlines()
            if line.startswith("model name")
        ]
        name = named[0] if named else name
    return f"{name}, threads: {torch.get_num_threads()}"


def _per_second(
    call: Callable[[], object], *, device: torch.device, seconds: float
) -> float:
    """Calls per second, counted when the device has done them."""

    def done() -> float:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter()

    for _ in range(WARM_UP):
        call()
    count, started = 0, done()
    while True:
        for _ in range(ROUND):
            call()
        count += ROUND
        taken = done() - started
        if taken >= seconds:
            return count / taken


def _endless(scorer: Scorer) -> Iterator[Tensor]:
    """Whole batches of clips, over and over; a last one that is smaller does not count."""
    while True:
        first = None
        for _, clips in scorer.batches():
            first = first or len(clips)
            if len(clips) == first:
                yield clips


def _clips_at_once(streams: Sequence[Stream]) -> int:
    """Clips in a batch, which is the same in all streams.

    Raises:
        ValueError: it is not, so that their rates could not be added.
    """
    sizes = [len(next(stream.scorer.batches())[1]) for stream in streams]
    if not sizes or len(set(sizes)) > 1:
        raise ValueError(f"expected streams with batches of one size, got {sizes}")
    return sizes[0]


def _inputs(scorer: Scorer, clips: Tensor) -> str:
    """What one clip is to the network: "2 x 10 x 224 x 224, 10 crops"."""
    crops = scorer.protocol.crops
    shape = " x ".join(map(str, clips.shape[2:]))
    return shape if crops == 1 else f"{shape}, {crops} crops"
