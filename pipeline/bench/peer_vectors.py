"""The other side of `bench vectors`, run in an environment of its own.

    python peer_vectors.py vectors|both|dump FILE... < paths, one a line

Imports nothing of ours: its environment has motion-vector-extractor, numpy and OpenCV.
Prints one JSON object: frames and CPU seconds of the second of two passes. `dump` writes
the vectors of all frames to FILE instead.
"""

import json
import sys
import time

import numpy as np
from mvextractor.videocap import VideoCap


def passed(paths: list[str], *, pixels: bool, vectors: list | None = None) -> int:
    frames = 0
    for path in paths:
        capture = VideoCap()
        if not capture.open(path):
            raise OSError(f"{path}: cannot be opened")
        capture.set_decode_frames(pixels)
        while True:
            found, _, motion, _ = capture.read()
            if not found:
                break
            frames += 1
            if vectors is not None:
                vectors.append(np.array(motion).reshape(-1, 10))
        capture.release()
    return frames


def main() -> None:
    mode, paths = sys.argv[1], sys.stdin.read().splitlines()
    if mode == "dump":
        found: list[np.ndarray] = []
        passed(paths, pixels=False, vectors=found)
        counts = np.array([len(one) for one in found])
        np.savez(sys.argv[2], counts=counts, vectors=np.concatenate(found))
        return
    passed(paths, pixels=mode == "both")
    start = time.process_time()
    frames = passed(paths, pixels=mode == "both")
    seconds = time.process_time() - start
    print(json.dumps({"frames": frames, "seconds": seconds}))


if __name__ == "__main__":
    main()
