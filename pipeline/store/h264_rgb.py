"""The codec of frames as packets of one H.264 stream per video. PyAV is imported by the first row.

A packet is a frame. Key packets come at fixed rows, with the parameter sets in front, and
nothing behind one refers to what is before it: decoding begins at any of them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from motion_shards.choices import X264_PRESETS

from .codec import WHOLE, Window
from .errors import LayoutError
from .fields import shown
from .h264_packets import Crops, decoded_pictures
from .json_value import Json

MAX_KEYINT = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class H264Rgb:
    """A frame as one packet of H.264, 4:2:0, BT.601, limited range.

    Row r of a video is a key packet where r is a multiple of `keyint`; each other frame
    refers to the frame before it and to no other.
    """

    crf: int = 20
    preset: str = "veryfast"
    keyint: int = 12

    name: ClassVar[str] = "h264_rgb"
    modality: ClassVar[str] = "rgb"

    def __post_init__(self) -> None:
        for value, name, most in (
            (self.crf, "crf", 51),
            (self.keyint, "keyint", MAX_KEYINT),
        ):
            if type(value) is not int or not 1 <= value <= most:
                raise LayoutError(f"{name}: expected 1 to {most}, got {shown(value)}")
        if self.preset not in X264_PRESETS:
            raise LayoutError(
                f"preset: expected one of x264's, got {shown(self.preset)}"
            )

    def to_dict(self) -> dict[str, Json]:
        return {
            "name": self.name,
            "crf": self.crf,
            "preset": self.preset,
            "keyint": self.keyint,
        }

    def encode(self, block: np.ndarray) -> list[np.ndarray]:
        """Refuse: a packet depends on all frames before it.

        Raises:
            LayoutError: always; `pipeline.extract.coded_frames.CodedFrames` makes rows.
        """
        raise LayoutError(f"rgb: expected packets of {self.name}, got {block.shape}")

    def decode(
        self,
        row: np.ndarray,
        height: int,
        width: int,
        window: Window = WHOLE,
    ) -> np.ndarray:
        """The frame of a key packet; see `decode_rows` for the others."""
        return self.decode_rows([(0, row)], [0], height, width, window)[0]

    def clipped(self, block: np.ndarray) -> int:
        return 0

    def key_row(self, row: int) -> int:
        """The key packet from which a row of a video is decoded; both count from 0."""
        return row - row % self.keyint

    def runs(self, wanted: range) -> Iterator[range]:
        """Rows to decode for the wanted rows of a video: each run begins at a key packet."""
        run = range(0)
        for row in wanted:
            key = self.key_row(row)
            if run and key <= run.stop:
                run = range(run.start, row + 1)
                continue
            if run:
                yield run
            run = range(key, row + 1)
        if run:
            yield run

    def pieces(self, rows: int, most: int) -> Iterator[range]:
        """All rows of a video in pieces of about `most`, each from a key packet on."""
        piece = max(self.key_row(most), self.keyint)
        for begin in range(0, rows, piece):
            yield range(begin, min(begin + piece, rows))

    def decode_rows(
        self,
        rows: Iterable[tuple[int, np.ndarray]],
        wanted: range | list[int],
        height: int,
        width: int,
        window: Window,
    ) -> np.ndarray:
        """Decode packets in order and return the windows of the wanted ones.

        Args:
            rows: (row of the video, packet), those of `runs`.
            wanted: rows of the video, ascending, all among `rows`.
            height, width: of the video, px.

        Returns:
            (wanted, h, w, 3) uint8.

        Raises:
            LayoutError: a packet is damaged, of another size, or not at its row.
        """
        crops = Crops(len(wanted), height, width, window)
        pending = iter(wanted)
        following = next(pending, None)
        pictures = decoded_pictures(rows, height, width, keyint=self.keyint)
        for row, picture in pictures:
            if row == following:
                crops.add(picture)
                following = next(pending, None)
        return crops.frames()
