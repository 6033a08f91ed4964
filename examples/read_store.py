"""Read every modality of a store with numpy, xxhash, zlib and a JPEG decoder alone.

Only frames that are stored as H.264 need PyAV, too.

    python examples/read_store.py STORE

The layout is described in storage_layout.md. Every row is compared with its hash, so a
file whose bytes rotted stops the program instead of giving other pixels. The files are
HDF5, too: `h5py.File(...)["offsets"]` and so on give the same columns. In a project of
your own you would rather use `pipeline.store.Store`, which also reads parts of a video,
and checks index and manifest, too.
"""

import json
import sys
import zlib
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import xxhash

TYPES = {"offsets": "<i8", "row_hashes": "<u8"}


def stored_rows(folder: Path, video: dict, modality: str) -> tuple[list, dict]:
    """The rows of one modality as they are stored, and the codec."""
    shard, first, rows = video["rows"][modality]
    manifest = json.loads((folder / "manifest.json").read_text())
    record = manifest["modalities"][modality]["files"][shard]
    with (folder / record["file"]).open("rb") as file:

        def part(begin: int, size: int) -> bytes:
            file.seek(begin)
            return file.read(size)

        columns = json.loads(part(record["columns_offset"], record["columns_bytes"]))

        def column(name: str, begin: int, count: int) -> np.ndarray:
            content = part(columns[name]["offset"] + 8 * begin, 8 * count)
            return np.frombuffer(content, TYPES[name])

        ends = column("offsets", first, rows + 1)
        hashes = column("row_hashes", first, rows)
        content = part(record["data_offset"] + int(ends[0]), int(ends[-1] - ends[0]))
    found = [content[a:b] for a, b in pairwise(ends - ends[0])]
    for row, expected in zip(found, hashes, strict=True):
        if xxhash.xxh3_64_intdigest(row) != expected:
            raise ValueError(f"{record['file']}: a row of {video['id']} has changed")
    return found, manifest["modalities"][modality]["codec"]


def decoded_packets(stored: list) -> np.ndarray:
    """All frames of one H.264 stream; a part would begin at a multiple of `keyint`."""
    import av

    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_type = "NONE"  # each packet gives its frame at once
    frames = [frame for row in stored for frame in decoder.decode(av.Packet(row))]
    planes = [frame.to_ndarray(format="yuv420p") for frame in frames]
    return np.array([cv2.cvtColor(p, cv2.COLOR_YUV2RGB_I420) for p in planes])


def read(folder: Path, video: dict, modality: str) -> np.ndarray:
    """All entries of one modality; `video` is a line of index.jsonl."""
    stored, codec = stored_rows(folder, video, modality)
    rows, height, width = len(stored), video["height"], video["width"]
    tall, wide = -(-height // 8), -(-width // 8)  # in cells of 8 px
    if modality == "mv":
        planes = [np.frombuffer(zlib.decompress(row, -15), np.uint8) for row in stored]
        low, high = (
            np.array(planes, np.int32).reshape(rows, 2, tall * wide * 2).swapaxes(0, 1)
        )
        zigzag = low + 256 * high
        values = np.where(zigzag % 2, -(zigzag + 1) // 2, zigzag // 2)
        return values.astype(np.float32).reshape(rows, tall, wide, 2) / 4
    if codec["name"] == "h264_rgb":
        return decoded_packets(stored).reshape(rows, height, width, 3)
    kind = cv2.IMREAD_COLOR_RGB if modality == "rgb" else cv2.IMREAD_GRAYSCALE
    images = [cv2.imdecode(np.frombuffer(row, np.uint8), kind) for row in stored]
    if modality == "rgb":
        return np.array(images, np.uint8).reshape(rows, height, width, 3)
    levels = np.array(images, np.uint8).reshape(rows, 2, 8 * tall, 8 * wide)
    planes = levels[:, :, :height, :width]
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
