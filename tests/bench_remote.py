"""Random clips of a store: local, over a web server with delays, and from a cache.

    python tests/bench_remote.py STORE [--delay-ms 20]

The server is a process of its own on the loopback address that waits before every answer.
It counts requests and bytes.
"""

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import cv2
import numpy as np

from pipeline.store import Store, StoredVideo, side_by_side

sys.path.insert(0, str(Path(__file__).parent))
from web_server import WebServer

FRAMES = 16


def serve(folder: Path, delay_seconds: float, pipe: Connection) -> None:
    server = WebServer(folder)
    pipe.send(server.address)
    while pipe.recv() is not None:
        requests = [r for r in server.requests if not r.name.endswith(".json")]
        pipe.send((len(requests), sum(r.end - r.begin for r in requests)))
        server.reset()
        server.delay_seconds = delay_seconds
    server.close()


def clips_of(store: Store, count: int, seed: int) -> list[tuple[StoredVideo, int]]:
    random = np.random.default_rng(seed)
    long = [video for video in store.videos() if video.frames >= FRAMES]
    drawn = (long[int(random.integers(len(long)))] for _ in range(count))
    return [(v, int(random.integers(v.frames - FRAMES + 1))) for v in drawn]


def speed(
    store: Store,
    clips: Sequence[tuple[StoredVideo, int]],
    *,
    at_once: bool = False,
    decode: bool = True,
) -> float:
    """Clips of rgb per second."""

    def read(clip: tuple[StoredVideo, int]) -> int:
        video, start = clip
        if not decode:
            rows = video.rows["rgb"]
            first = rows.first + start
            shard = store.shard("rgb", rows.shard)
            return shard.stored(first, first + FRAMES)[0].size
        return store.read(video.id, "rgb", start=start, stop=start + FRAMES).size

    began = time.perf_counter()
    if at_once:
        side_by_side(store, read, clips)
    else:
        for clip in clips:
            read(clip)
    return len(clips) / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path)
    parser.add_argument("--clips", type=int, default=400)
    parser.add_argument("--delay-ms", type=float, default=20.0)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    ours, theirs = multiprocessing.Pipe()
    folder = given.store.resolve()
    process = multiprocessing.Process(
        target=serve, args=(folder.parent, given.delay_ms / 1000, theirs), daemon=True
    )
    process.start()
    address = f"{ours.recv()}/{folder.name}"

    def counted() -> tuple[int, int]:
        ours.send("count")
        requests: tuple[int, int] = ours.recv()
        return requests

    counted()
    local = Store(folder)
    clips = clips_of(local, given.clips, seed=0)
    speed(local, clips)  # into the page cache
    print(f"{os.cpu_count()} cores, {given.delay_ms:g} ms before every answer")
    print(f"local disk              {speed(local, clips):8.1f} clips/s")
    remote = Store(address)
    speed(remote, clips_of(local, 200, seed=1), at_once=True)  # all shards are open
    counted()
    print(f"address, 16 in flight   {speed(remote, clips, at_once=True):8.1f} clips/s")
    requests, num_bytes = counted()
    print(
        f"  {requests / len(clips):.2f} requests, {num_bytes / len(clips):,.0f} bytes a clip"
    )
    rows = speed(remote, clips, at_once=True, decode=False)
    print(f"  without decoding      {rows:8.1f} clips/s")
    some = clips[: len(clips) // 8]
    print(f"address, one by one     {speed(remote, some):8.1f} clips/s")
    with tempfile.TemporaryDirectory() as cache:
        cached = Store(address, cache=cache)
        counted()
        print(
            f"cache, first epoch      {speed(cached, clips, at_once=True):8.1f} clips/s"
        )
        requests, num_bytes = counted()
        print(f"  {requests} requests, {num_bytes:,} bytes in all")
        print(f"cache, second epoch     {speed(cached, clips):8.1f} clips/s")
        print(f"  {counted()[0]} requests")
        print(f"local disk, again       {speed(local, clips):8.1f} clips/s")
    ours.send(None)
    process.join()


if __name__ == "__main__":
    main()
