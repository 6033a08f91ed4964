"""TV-L1 on one core against OpenCV's: is it the same answer, and in what time.

    pipeline bench flow

CPU time, one thread, the solvers in turn on each pair of frames, so that whatever else
the machine does falls on all of them alike. Only the ratios mean something elsewhere, and
only together with the processor they were measured on.
"""

import platform
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, median

import av
import cv2
import llvmlite.binding
import numba
import numpy as np

from motion_shards.cores import processor_name
from pipeline.flow import PROFILES, FlowSolver, flow_solver
from pipeline.kernels.compiled import config

SIZE = (256, 340)
"""Height and width of the frames that are timed: 320 x 240 video at short side 256."""


def run(
    *,
    pairs: int = 12,
    clips_folder: Path | None = None,
    profiles: Sequence[str] = tuple(PROFILES),
    middlebury: bool = True,
) -> dict:
    """Compare the cpu back end with OpenCV; OpenCV takes seconds per pair.

    Args:
        pairs: how many pairs of frames.
        clips_folder: real clips (ucf101/, hmdb51/) and flow/middlebury; without it, an
            image drawn and moved by a known flow.
        profiles: of the cpu back end. OpenCV is timed with its own defaults, and asked
            for the same answer with the profile's numbers.
        middlebury: also the error on Middlebury's pairs, two minutes more.

    Returns:
        What `table` prints: machine, versions, and per profile the difference to OpenCV
        in px, CPU milliseconds per pair, and how many times faster than OpenCV.
    """
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        frames = real_pairs(clips_folder, pairs) if clips_folder else drawn_pairs(pairs)
        result = _machine() | {
            "frames": "real clips" if clips_folder else "drawn",
            "pairs": len(frames),
            "size": list(SIZE),
        }
        result |= _compare(frames, profiles)
        if clips_folder and middlebury:
            _add_middlebury(result, clips_folder / "flow" / "middlebury")
    finally:
        cv2.setNumThreads(before)
    return result


def table(result: dict) -> str:
    """The result of `run` as text."""
    height, width = result["size"]
    versions = ", ".join(f"{name} {it}" for name, it in result["versions"].items())
    rows = [
        ["", "ms/pair", "x OpenCV", "median x", "px apart", "worst", "Middlebury px"],
        ["OpenCV", f"{result['opencv_ms']:.1f}", "1", "1", "", "", _error(result)],
    ]
    for name, row in result["profiles"].items():
        rows.append(
            [
                name,
                f"{row['ms']:.1f}",
                f"{row['times_opencv']:.1f}",
                f"{row['times_opencv_median']:.1f}",
                f"{row['difference_px']:.4f}",
                f"{row['largest_difference_px']:.4f}",
                _error(row),
            ]
        )
    lines = [
        f"{result['pairs']} pairs of {width}x{height} px, {result['frames']}",
        f"{result['processor']}, vectors of up to {result['vector_bits']} bits",
        f"compiled for {result['compiled_for']}, one thread; {versions}",
        "",
        *aligned(rows),
        "",
        "x OpenCV: ratio of the sums of CPU time, and median of the pairs' ratios",
        "px apart: mean difference to OpenCV with the same numbers; of the worst pair",
    ]
    if "middlebury_px" in result:
        columns = [result, *result["profiles"].values()]
        rows = [["end-point error, px", "OpenCV", *result["profiles"]]]
        for pair in result["middlebury_px"]:
            rows.append([pair, *(f"{c['middlebury_px'][pair]:.4f}" for c in columns)])
        lines += ["", *aligned(rows)]
    return "\n".join(lines)


def end_point_errors(solver: FlowSolver, folder: Path) -> dict[str, float]:
    """Mean end-point error in px on each pair of Middlebury's training set.

    Source: Baker et al., "A Database and Evaluation Methodology for Optical Flow", IJCV
    2011. Pixels whose flow is not known are left out.
    """
    errors = {}
    for pair in sorted(folder.iterdir()):
        frames = [
            np.asarray(cv2.imread(str(pair / name), cv2.IMREAD_GRAYSCALE))
            for name in ("frame10.png", "frame11.png")
        ]
        truth = cv2.readOpticalFlow(str(pair / "flow10.flo"))
        known = (np.abs(truth) < 1e8).all(axis=-1)
        difference = (solver.flow(np.stack(frames))[0] - truth)[known]
        errors[pair.name] = float(np.hypot(difference[:, 0], difference[:, 1]).mean())
    return errors


def aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            [row[0].ljust(widths[0])]
            + [cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True)]
        )
        for row in rows
    ]


def _error(row: dict) -> str:
    errors = row.get("middlebury_px")
    return f"{mean(errors.values()):.4f}" if errors else ""


def _add_middlebury(result: dict, folder: Path) -> None:
    result["middlebury_px"] = end_point_errors(
        flow_solver("opencv", profile="opencv"), folder
    )
    for name, row in result["profiles"].items():
        row["middlebury_px"] = end_point_errors(
            flow_solver("cpu", profile=name), folder
        )


def _compare(frames: list[np.ndarray], profiles: Sequence[str]) -> dict:
    """The rows of the profiles, and OpenCV's own time. Each solver is warm when timed."""
    references = {name: flow_solver("opencv", profile=name) for name in profiles}
    defaults = flow_solver("opencv", profile="opencv")
    solvers = {name: flow_solver("cpu", profile=name) for name in profiles}
    opencv_seconds: list[float] = []
    seconds: dict[str, list[float]] = {name: [] for name in profiles}
    apart: dict[str, list[float]] = {name: [] for name in profiles}
    for pair in frames:
        flows = {name: solver.flow(pair) for name, solver in solvers.items()}
        early = {name: _seconds(solver, pair) for name, solver in solvers.items()}
        start = time.process_time()
        expected = defaults.flow(pair)
        opencv_seconds.append(time.process_time() - start)
        for name, solver in solvers.items():
            seconds[name].append((early[name] + _seconds(solver, pair)) / 2)
            same = PROFILES[name] == PROFILES["opencv"]
            answer = expected if same else references[name].flow(pair)
            apart[name].append(float(np.abs(flows[name] - answer).mean()))
    rows = {}
    for name in profiles:
        ratios = [a / b for a, b in zip(opencv_seconds, seconds[name], strict=True)]
        rows[name] = {
            "difference_px": mean(apart[name]),
            "largest_difference_px": max(apart[name]),
            "ms": 1e3 * mean(seconds[name]),
            "ms_fastest": 1e3 * min(seconds[name]),
            "ms_slowest": 1e3 * max(seconds[name]),
            "times_opencv": sum(opencv_seconds) / sum(seconds[name]),
            "times_opencv_median": median(ratios),
        }
    return {"opencv_ms": 1e3 * mean(opencv_seconds), "profiles": rows}


def _seconds(solver: FlowSolver, frames: np.ndarray) -> float:
    start = time.process_time()
    solver.flow(frames)
    return time.process_time() - start


def _machine() -> dict:
    features = llvmlite.binding.get_host_cpu_features()
    bits = 512 if features.get("avx512f") else 256 if features.get("avx2") else 128
    return {
        "processor": processor_name(),
        "compiled_for": config.CPU_NAME or llvmlite.binding.get_host_cpu_name(),
        "vector_bits": bits,
        "versions": {
            "python": platform.python_version(),
            "numba": numba.__version__,
            "llvmlite": llvmlite.__version__,
            "numpy": np.__version__,
            "opencv": cv2.__version__,
        },
    }


def real_pairs(folder: Path, pairs: int) -> list[np.ndarray]:
    """(2, H, W) grey frames 10 and 11 of clips spread over ucf101 and hmdb51."""
    clips = sorted(folder.glob("ucf101/**/*.avi")) + sorted(
        folder.glob("hmdb51/**/*.avi")
    )
    if not clips:
        raise FileNotFoundError(f"{folder}: expected ucf101/ or hmdb51/ with AVI files")
    chosen = clips[:: max(1, len(clips) // pairs)][:pairs]
    return [_grey_frames(clip, first=10, count=2) for clip in chosen]


def _grey_frames(clip: Path, *, first: int, count: int) -> np.ndarray:
    frames: list[np.ndarray] = []
    with av.open(str(clip), metadata_errors="ignore") as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number >= first:
                rgb = cv2.resize(frame.to_ndarray(format="rgb24"), SIZE[::-1])
                frames.append(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY))
            if len(frames) == count:
                break
    return np.stack(frames)


def drawn_pairs(pairs: int) -> list[np.ndarray]:
    """(2, H, W) grey frames: smooth noise, and the same moved by a smooth flow."""
    height, width = SIZE
    y, x = np.mgrid[:height, :width].astype(np.float32)
    drawn = []
    for seed in range(pairs):
        noise = np.random.default_rng(seed)
        image = cv2.GaussianBlur(
            noise.uniform(0, 255, SIZE).astype(np.float32), (0, 0), 2
        )
        image = cv2.normalize(image, np.empty_like(image), 0, 255, cv2.NORM_MINMAX)
        flow = cv2.GaussianBlur(
            noise.normal(0, 60, (*SIZE, 2)).astype(np.float32), (0, 0), 20
        )
        moved = cv2.remap(
            image,
            x - flow[..., 0],
            y - flow[..., 1],
            cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REFLECT,
        )
        drawn.append(np.stack([image, moved]).clip(0, 255).round().astype(np.uint8))
    return drawn
