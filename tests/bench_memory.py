"""Peak memory of the process that runs a shard, on a generated long video. Run by hand:

    python tests/bench_memory.py --minutes 30

Prints one JSON line per case: rgb and mv at full size, all three at short side 64.
Each case runs in a fresh process that never imports torch or ray.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # tests/ has folders of these names

from pipeline.driver.plan import new_plan
from pipeline.extract.settings import ExtractSettings
from pipeline.shard.build import build_shard
from pipeline.shard.plan import PlannedVideo
from pipeline.shard.task import Task

CASES = {
    "rgb,mv at 256 px": (256, "rgb,mv"),
    "rgb,flow,mv at 64 px": (64, "rgb,flow,mv"),
}


def draw(path: Path, *, frames: int, width: int = 320, height: int = 240) -> None:
    """A drifting texture, so that every modality has something to do."""
    rng = np.random.default_rng(0)
    texture = rng.integers(0, 255, (height // 8, width // 8, 3), np.uint8)
    texture = texture.repeat(8, axis=0).repeat(8, axis=1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"preset": "ultrafast", "crf": "28", "threads": "1"}
        for number in range(frames):
            shown = np.roll(texture, (number % height, 2 * number % width), axis=(0, 1))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(shown)))
        container.mux(stream.encode())


def measure(path: Path, short_side: int, modalities: str) -> dict[str, object]:
    """Build a shard of one video here; what it took."""
    names = modalities.split(",")
    settings = ExtractSettings(short_side=short_side, enlarge=True).only(names)
    video = PlannedVideo("long", path.name, path.stat().st_size)
    plan = new_plan("folder", [video], settings, bytes_per_frame=1000)
    began, before = time.monotonic(), peak_mb()
    with tempfile.TemporaryDirectory() as scratch:
        report = build_shard(
            Task(plan=plan.shard_plan(0, names, folder=path.parent)),
            scratch=Path(scratch),
        )
    assert not report.bad, report.bad
    return {
        "frames": report.records[names[0]][0].frames,
        "peak_mb": peak_mb(),
        "peak_mb_before": before,
        "seconds": round(time.monotonic() - began, 1),
        "torch": "torch" in sys.modules,
    }


def peak_mb() -> int:
    """Of this process. On Linux an exec keeps the parent's peak, so ask the kernel."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text().splitlines()
        return next(int(x.split()[1]) for x in lines if x.startswith("VmHWM")) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def peak_of_a_fresh_process(path: Path, short_side: int, modalities: str) -> dict:
    """`measure` in a process of its own."""
    command = [
        sys.executable,
        __file__,
        "--one",
        str(path),
        str(short_side),
        modalities,
    ]
    return json.loads(subprocess.check_output(command, text=True))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--one", nargs=3)
    given = parser.parse_args()
    if given.one:
        path, short_side, modalities = given.one
        print(json.dumps(measure(Path(path), int(short_side), modalities)))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "long.mp4")
        draw(path, frames=round(given.minutes * 60 * 25))
        for name, (short_side, modalities) in CASES.items():
            result = peak_of_a_fresh_process(path, short_side, modalities)
            print(json.dumps({"case": name, "minutes": given.minutes} | result))


if __name__ == "__main__":
    main()
