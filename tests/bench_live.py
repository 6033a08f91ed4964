"""Memory and delay of `training predict` on a stream that loops clips for an hour.

python tests/bench_live.py MODEL CLIPS [--seconds 3600] [--protocol rtsp|udp|http]
                                       [--speed 1] [--every 60] [--options "..."]

CLIPS is a folder of videos, which are encoded as one H.264 stream and served on the loopback
address, or a video. --options are those of `training predict`. Prints, every so often, the
resident memory of the process in MiB and the windows so far, and the summary.
"""

import argparse
import contextlib
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import av
import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).parent / "training" / "recognition"))
from live_servers import HOST, Clip, HttpServer, RtspServer, UdpServer, free_port

SERVERS = {"rtsp": RtspServer, "udp": UdpServer, "http": HttpServer}
VIDEOS = (".mp4", ".avi", ".mkv", ".webm", ".mov", ".ts")
LONGEST = 3000
"""Frames of the loop."""


def frames(source: Path, *, height: int, width: int) -> Iterator[np.ndarray]:
    """The frames of all videos, (height, width, 3) uint8."""
    files = [source] if source.is_file() else sorted(source.rglob("*"))
    for path in files:
        if path.suffix.lower() in VIDEOS:
            with av.open(str(path)) as container:
                for frame in container.decode(video=0):
                    rgb = frame.to_ndarray(format="rgb24")
                    yield cv2.resize(rgb, (width, height))


def resident(pid: int) -> float:
    """Resident memory of a process, MiB."""
    lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    return next(int(x.split()[1]) for x in lines if x.startswith("VmRSS:")) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--protocol", choices=SERVERS, default="rtsp")
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--every", type=float, default=60)
    parser.add_argument("--size", default="320x240")
    parser.add_argument("--options", default="")
    asked = parser.parse_args()
    width, height = map(int, asked.size.split("x"))
    some = [
        frame
        for frame, _ in zip(
            frames(asked.clips, height=height, width=width),
            range(LONGEST),
            strict=False,
        )
    ]
    clip = Clip(np.stack(some), options={"g": "50", "preset": "veryfast"})
    port = free_port()
    with SERVERS[asked.protocol](clip, port, speed=asked.speed):
        command = [sys.executable, "-c", "from motion_shards.entry import training"]
        command[-1] += "; training()"
        command += ["predict", str(asked.model), f"{asked.protocol}://{HOST}:{port}/x"]
        command += ["--json", "--windows", "--seconds", str(asked.seconds)]
        child = subprocess.Popen(
            [*command, *shlex.split(asked.options)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        last, count = "", 0

        def read() -> None:
            nonlocal last, count
            for line in child.stdout or ():
                last, count = line, count + 1

        reader = Thread(target=read, daemon=True)
        reader.start()
        began = time.monotonic()
        while child.poll() is None:
            with contextlib.suppress(OSError, StopIteration):
                print(
                    f"{time.monotonic() - began:8.0f} s  {resident(child.pid):8.1f} MiB  "
                    f"{count:8,} windows",
                    flush=True,
                )
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(asked.every)
        reader.join(5)
    if not last:  # its own line says why
        sys.exit(child.returncode or 1)
    print(json.dumps(json.loads(last)["summary"], indent=1))


if __name__ == "__main__":
    main()
