"""TV-L1 on a GPU: is it the same answer, and how fast.

    pipeline bench flow --device cuda --check

Wall time of batches under way two at a time, coded flow back on the host, as extraction
uses it. Compared with plain torch on the same GPU and with OpenCV on one core here.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pipeline.flow import PROFILES, flow_solver, gpu_solver
from pipeline.flow.batches import BatchSolver, Coding, Ticket, consecutive
from pipeline.flow.cuda.solver import CudaSolver
from pipeline.flow.profiles import profile_named

from . import flow
from .flow_checks import checks

BATCHES = (1, 8, 32, 64, 128, 256)

SECONDS = 2.0
"""Length of each measurement."""

FLOPS = 60
"""Float operations of an iteration on a pixel, 2 divisions and 2 roots among them."""

CODING = Coding("companded", 20.0)

TORCH_PAIRS = 16


def run(
    *,
    pairs: int = 12,
    clips_folder: Path | None = None,
    profiles: Sequence[str] = tuple(PROFILES),
    check: bool = False,
    gpu: int | None = None,
) -> dict:
    """Measure a GPU, after checking it if asked to.

    Args:
        pairs: of frames, for the checks, and in turn for the timing.
        clips_folder: as for `flow.run`.
        profiles: those to be timed; all are checked.
        gpu: its number; None: the first.

    Returns:
        What `table` prints. `passed` is there if checked.

    Raises:
        FlowError: no GPU that can be used.
    """
    solvers = {
        name: gpu_solver(profile=name, device=gpu) for name in {*profiles, *PROFILES}
    }
    frames = (
        flow.real_pairs(clips_folder, pairs)
        if clips_folder
        else flow.drawn_pairs(pairs)
    )
    middlebury = clips_folder / "flow" / "middlebury" if clips_folder else None
    if middlebury and not middlebury.is_dir():
        middlebury = None
    result: dict[str, Any] = {
        "device": solvers["default"].device,
        "frames": "real clips" if clips_folder else "drawn",
        "pairs": pairs,
        "size": list(flow.SIZE),
    }
    if check:
        found = list(checks(solvers.__getitem__, frames, middlebury))
        result["checks"] = [it._asdict() | {"passed": it.passed} for it in found]
        result["passed"] = all(it.passed for it in found)
    clip = np.concatenate(frames)
    result["compile_seconds"] = _compile_seconds(gpu)
    result["opencv_pairs_per_second"] = _opencv_speed(frames)
    result["profiles"] = {
        name: _measured(solvers[name], clip, gpu) for name in profiles
    }
    return result


def table(result: dict) -> str:
    """The result of `run` as text."""
    height, width = result["size"]
    lines = [
        f"{result['device']}, {width}x{height} px, {result['frames']}",
        "compiled in {cold:.1f} s, loaded in {warm:.1f} s".format(
            **result["compile_seconds"]
        ),
        f"OpenCV on one core: {result['opencv_pairs_per_second']:.2f} pairs/s",
    ]
    if "checks" in result:
        rows = [["check", "found", "at most", ""]]
        for it in result["checks"]:
            verdict = "ok" if it["passed"] else "WRONG"
            rows.append(
                [it["name"], f"{it['value']:.4g}", f"{it['most']:.4g}", verdict]
            )
        lines += ["", *flow.aligned(rows)]
    rows = [["pairs/s in batches of", *map(str, BATCHES), "x torch", "x OpenCV"]]
    rows[0] += ["Tflop/s", "of peak", "GB/s", "of peak"]
    for name, row in result["profiles"].items():
        speeds = [row["pairs_per_second"].get(str(it)) for it in BATCHES]
        rows.append([name, *("" if it is None else f"{it:.0f}" for it in speeds)])
        for key, digits in (
            ("times_torch", 1),
            ("times_opencv", 0),
            ("tflops", 1),
            ("share_of_flops", 2),
            ("gigabytes_per_second", 0),
            ("share_of_bytes", 2),
        ):
            value = row.get(key)
            rows[-1].append("" if value is None else f"{value:.{digits}f}")
    lines += ["", *flow.aligned(rows), ""]
    lines.append("flop and bytes: of the iterations alone, overlaps of tiles included")
    return "\n".join(lines)


def pairs_per_second(
    solver: BatchSolver, clip: np.ndarray, batch: int, *, seconds: float = SECONDS
) -> float:
    """Speed in batches of `batch` consecutive frames, two under way, coded.

    The first two batches are not counted: the launches are recorded then.
    """
    frames = clip[np.arange(batch + 1) % len(clip)]
    pairs = consecutive(batch + 1)
    waiting: list[Ticket] = []

    def batches() -> Iterator[None]:
        while True:
            waiting.append(solver.launch(frames, pairs, CODING))
            if len(waiting) == 2:
                solver.collect(waiting.pop(0))
                yield

    running = batches()
    for _ in range(3):
        next(running)
    start, done = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        next(running)
        done += batch
    elapsed = time.perf_counter() - start
    for ticket in waiting:
        solver.collect(ticket)
    return done / elapsed


def _measured(solver: CudaSolver, clip: np.ndarray, gpu: int | None) -> dict:
    most = solver.most(*flow.SIZE)
    sizes = [it for it in BATCHES if it <= most] or [most]
    speeds = {str(it): pairs_per_second(solver, clip, it) for it in sizes}
    best = max(speeds.values())
    row: dict = {"pairs_per_second": speeds, "best_pairs_per_second": best}
    profile = profile_named(solver.profile)
    if profile.epsilon == 0:  # else nobody knows how many iterations there were
        work = solver.work(*flow.SIZE)
        flops, moved = solver.limits()
        row["tflops"] = best * work.computed * FLOPS / 1e12
        row["share_of_flops"] = best * work.computed * FLOPS / flops
        row["gigabytes_per_second"] = best * work.moved_bytes / 1e9
        row["share_of_bytes"] = best * work.moved_bytes / moved
        torch_speed = _torch_speed(clip, solver.profile, gpu)
        row["torch_pairs_per_second"] = torch_speed
        row["times_torch"] = best / torch_speed
    return row


def _torch_speed(clip: np.ndarray, profile: str, gpu: int | None) -> float:
    """Pairs per second of plain torch on the same GPU."""
    import torch  # a second, and only here

    from .flow_torch import eager_flow

    device = torch.device("cuda", gpu or 0)
    places = np.arange(TORCH_PAIRS + 1) % len(clip)
    frames = torch.as_tensor(clip[places], device=device).float()
    with torch.inference_mode():
        for _ in range(2):  # the first one is to get warm
            torch.cuda.synchronize(device)
            start = time.perf_counter()
            eager_flow(frames[:-1], frames[1:], profile_named(profile))
            torch.cuda.synchronize(device)
            elapsed = time.perf_counter() - start
    torch.cuda.empty_cache()
    return TORCH_PAIRS / elapsed


def _opencv_speed(frames: list[np.ndarray]) -> float:
    """Pairs per CPU second of OpenCV's own TV-L1 on one core."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        solver = flow_solver("opencv", profile="opencv")
        chosen = frames[:4]
        start = time.process_time()
        for pair in chosen:
            solver.flow(pair)
        return len(chosen) / (time.process_time() - start)
    finally:
        cv2.setNumThreads(before)


START = """
import sys, time
start = time.perf_counter()
from pipeline.flow import gpu_solver
gpu_solver(profile="default", device=int(sys.argv[1]))
print(time.perf_counter() - start)
"""


def _compile_seconds(gpu: int | None) -> dict[str, float]:
    """Seconds to make a solver in a new process, the first and the second time."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"}
        environment["XDG_CACHE_HOME"] = folder
        command = [sys.executable, "-c", START, str(gpu or 0)]
        cold, warm = (
            float(subprocess.check_output(command, env=environment, text=True))
            for _ in range(2)
        )
    return {"cold": cold, "warm": warm}
