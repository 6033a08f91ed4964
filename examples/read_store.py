"""Read every modality of a store with h5py, numpy, xxhash and a JPEG decoder alone.

    python examples/read_store.py STORE

The layout is described in storage_layout.md. Every row is compared with its hash, so a
file whose bytes rotted stops the program instead of giving other pixels. In a project of
your own you would rather use `pipeline.store.Store`, which also reads parts of a video,
and checks index and manifest, too.
"""

import json
import sys
from itertools import pairwise
from pathlib import Path

import cv2
import h5py
import numpy as np
import xxhash


def read(folder: Path, video: dict, modality: str) -> np.ndarray:
    """All entries of one modality; `video` is a line of index.jsonl."""
    shard, first, rows = video["rows"][modality]
    manifest = json.loads((folder / "manifest.json").read_text())
    name = f"{modality}-{shard:05d}-of-{manifest['shards']:05d}.h5"
    with h5py.File(folder / name, "r", locking=False) as file:  # it never changes
        codec = json.loads(file.attrs["codec"])
        ends = file["offsets"][first : first + rows + 1]
        hashes = file["row_hashes"][first : first + rows]
        stored = [file["data"][a:b] for a, b in pairwise(ends)]
    for row, expected in zip(stored, hashes, strict=True):
        if xxhash.xxh3_64_intdigest(row.data) != expected:
            raise ValueError(f"{name}: a row of {video['id']} has changed")
    height, width = video["height"], video["width"]
    tall, wide = -(-height // 8), -(-width // 8)  # in cells of 8 px
    if modality == "rgb":
        frames = [cv2.imdecode(row, cv2.IMREAD_COLOR_RGB) for row in stored]
        return np.array(frames, np.uint8).reshape(rows, height, width, 3)
    if modality == "mv":
        return np.array(stored, np.float32).reshape(rows, tall, wide, 2) / 4
    levels = np.array([cv2.imdecode(row, cv2.IMREAD_GRAYSCALE) for row in stored])
    planes = levels.reshape(rows, 2, 8 * tall, 8 * wide)[:, :, :height, :width]
    share = np.clip((np.moveaxis(planes, 1, 3) - 128.0) / 127, -1, 1)
    share *= np.abs(share) if codec["curve"] == "sqrt" else 1
    return (codec["bound_px"] * share).astype(np.float32)


if __name__ == "__main__":
    store = Path(sys.argv[1])
    for line in (store / "index.jsonl").read_text().splitlines():
        video = json.loads(line)
        for modality in video["rows"]:
            array = read(store, video, modality)
            print(video["id"], video["labels"], modality, array.shape, array.dtype)
