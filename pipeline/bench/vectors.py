"""Motion vectors of a file on one core, against the PyPI package motion-vector-extractor.

    python3 -m venv /tmp/peer && /tmp/peer/bin/pip install motion-vector-extractor
    pipeline bench vectors --peer-python /tmp/peer/bin/python

The package has an environment of its own, because it brings an OpenCV that would take the
place of ours. It gives lists of vectors and BGR; we give a grid of 8 px cells that says
which entries are valid, and RGB. CPU time, in turn, after a pass to warm up. Only the
ratios mean something on another machine.
"""

import json
import subprocess
import tempfile
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from pipeline.extract.opening import open_video, probe
from pipeline.extract.settings import ExtractSettings
from pipeline.extract.side_data import side_data
from pipeline.extract.video import open_extraction

from .clips import clip_sets, cpu_seconds, in_turn, lines_of, machine, ratio, summary

MODES = {"vectors": ("mv",), "both": ("rgb", "mv")}
"""Mode of the benchmark -> our modalities."""

COLUMNS = (
    "source",
    "w",
    "h",
    "src_x",
    "src_y",
    "dst_x",
    "dst_y",
    "motion_x",
    "motion_y",
    "motion_scale",
)
"""Columns of motion-vector-extractor's lists."""

FIELDS = np.dtype(
    {
        "names": COLUMNS,
        "formats": ["i4", "u1", "u1", "i2", "i2", "i2", "i2", "i4", "i4", "u2"],
        "offsets": [0, 4, 5, 6, 8, 10, 12, 24, 28, 32],
        "itemsize": 40,
    }
)
"""AVMotionVector (libavutil/motion_vector.h)."""


def run(
    *,
    clips_folder: Path | None = None,
    peer_python: Path | None = None,
    rounds: int = 7,
    clips: int = 12,
) -> dict:
    """Compare the speed of extracting vectors, alone and with RGB.

    Args:
        clips_folder: real clips (ucf101/, ucf101_h264/); without it, drawn ones.
        peer_python: of an environment that has motion-vector-extractor; without it,
            only our own speed is measured.
        rounds: timed, after one to warm up.
        clips: in each set.

    Returns:
        What `table` prints.

    Raises:
        AssertionError: fewer than all frames of a stream without B-frames have the same
            vectors on both sides, field by field.
    """
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with tempfile.TemporaryDirectory() as folder:
            scratch = Path(folder)
            sets = clip_sets(clips_folder, clips=clips, scratch=scratch, small=True)
            rows = {}
            for name, paths in sets.items():
                rows[name] = _compare(paths, peer_python, rounds, scratch)
                if "H.264" in name and rows[name].get("equal_frames", 1) < 1:
                    raise AssertionError(f"{name}: expected equal vectors")
    finally:
        cv2.setNumThreads(threads)
    return machine() | {"rounds": rounds, "sets": rows}


def table(result: dict) -> str:
    """The result of `run` as text."""
    lines = lines_of(result)
    head = ("mv", "peer mv", "x", "mv+rgb", "peer", "x", "equal")
    lines.append(f"{'frames per second':<30}" + "".join(f"{it:>9}" for it in head))
    for name, row in result["sets"].items():
        cells = []
        for mode in MODES:
            speeds = row["speeds"]
            cells.append(f"{speeds[f'ours {mode}']['fps']:.0f}")
            peer = speeds.get(f"peer {mode}")
            cells.append(f"{peer['fps']:.0f}" if peer else "")
            cells.append(f"{row['times_peer'][mode]:.2f}" if peer else "")
        cells.append(f"{row['equal_frames']:.1%}" if "equal_frames" in row else "")
        lines.append(f"{name:<30}" + "".join(f"{cell:>9}" for cell in cells))
    lines += [
        "",
        "mv: grid of 8 px cells with validity; peer: motion-vector-extractor, its lists",
        f"x: how many times as fast, median of {result['rounds']} rounds in turn",
        "equal: frames whose vectors are equal in every field. The peer decodes frames in",
        "parallel, which changes exported vectors of streams with B-frames from run to run",
    ]
    return "\n".join(lines)


def _compare(paths: list[Path], peer: Path | None, rounds: int, scratch: Path) -> dict:
    row: dict = {"clips": len(paths)}
    headers = [probe(path) for path in paths]
    sides = [min(header.height, header.width) for header in headers]
    frames = _own_pass(paths, sides, "vectors")
    if peer is not None:
        row["equal_frames"] = _equal_frames(paths, peer, scratch)
    contestants = {}
    for mode in MODES:
        own = partial(_own_pass, paths, sides, mode)
        contestants[f"ours {mode}"] = partial(cpu_seconds, own)
        if peer is not None:
            contestants[f"peer {mode}"] = partial(_peer_seconds, paths, peer, mode)
    seconds = in_turn(contestants, rounds=rounds)
    row |= {"frames": frames, "speeds": summary(seconds, frames=frames)}
    if peer is not None:
        row["times_peer"] = {
            mode: ratio(seconds[f"ours {mode}"], seconds[f"peer {mode}"])
            for mode in MODES
        }
    return row


def _own_pass(paths: list[Path], sides: list[int], mode: str) -> int:
    """Extract every clip at its own size; the number of frames."""
    frames = 0
    for path, side in zip(paths, sides, strict=True):
        settings = ExtractSettings(
            modalities=MODES[mode],
            mv_source="original",
            short_side=side,
            enlarge=True,
        )
        with open_extraction(path, settings) as extraction:
            frames += sum(len(block.seconds) for block in extraction)
    return frames


def _peer_seconds(paths: list[Path], peer: Path, mode: str) -> float:
    """CPU seconds of one pass of the package, without its start."""
    return json.loads(_peer(paths, peer, mode))["seconds"]


def _peer(paths: list[Path], peer: Path, *arguments: str) -> str:
    worker = Path(__file__).with_name("peer_vectors.py")
    ran = subprocess.run(
        [peer, worker, *arguments],
        input="\n".join(str(path) for path in paths),
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        last = ran.stderr.strip().splitlines()[-1:] or ["no word"]
        raise OSError(
            f"{peer}: expected motion-vector-extractor to run, got: {last[0]}"
        )
    return ran.stdout


def _equal_frames(paths: list[Path], peer: Path, scratch: Path) -> float:
    """Share of the frames whose vectors are equal in every field."""
    file = scratch / "peer.npz"
    _peer(paths, peer, "dump", str(file))
    with np.load(file) as dumped:
        theirs = np.split(dumped["vectors"], np.cumsum(dumped["counts"])[:-1])
    ours = []
    for path in paths:
        with open_video(path, vectors=True) as video:
            for picture in video.pictures():
                records = np.frombuffer(
                    side_data(picture.frame, "MOTION_VECTORS"), FIELDS
                )
                ours.append(np.stack([records[name] for name in COLUMNS], axis=-1))
    if len(ours) != len(theirs):
        raise AssertionError(f"expected {len(ours)} frames, got {len(theirs)}")
    pairs = zip(ours, theirs, strict=True)
    return float(np.mean([np.array_equal(one, other) for one, other in pairs]))
