"""Writes the videos whose motion we know."""

from pathlib import Path

import av
import numpy as np

MOVES = (2, 1)  # pixels per frame: right, down


def write_video(path: Path, frames: np.ndarray, *, rate: int = 25, **options) -> Path:
    """Encode (T, H, W, 3) RGB frames with x264; every frame refers to the one before."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.options = {
            "crf": "10",
            "bf": "0",
            "refs": "1",
            "g": "100",
            "sc_threshold": "0",
            "threads": "1",
            "x264-params": "mbtree=0",
        } | {key: str(value) for key, value in options.items()}
        for frame in frames:
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24"))
            )
        container.mux(stream.encode())
    return path
