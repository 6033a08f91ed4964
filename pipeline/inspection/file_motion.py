"""Motion of one file as a summary, as an npz file and as a picture, in one pass over it."""

from pathlib import Path
from typing import IO

import numpy as np

from motion_shards.new_folders import with_parents
from motion_shards.output_path import Output
from motion_shards.plain_text import counted, printable
from pipeline.extract.one_file import MotionBlocks
from pipeline.store import CELL_PX
from pipeline.store.png import write_png
from pipeline.store.replacement import replacing

from .npz_file import Rows, write_npz
from .panels import Moment, draw
from .preview import full_colour_px


class FileMotion:
    """The motion of a file: sums over it and its liveliest interval, not its arrays.

    Memory does not grow with the length of the video, but for 10 bytes per frame.
    """

    def __init__(
        self,
        motion: MotionBlocks,
        *,
        rows: IO[bytes] | None = None,
        dtype: str = "float32",
    ) -> None:
        """Read the whole file.

        Args:
            rows: takes the motion, interval by interval; None: it is not kept.
            dtype: of the numbers in `rows`: float32 or float16.

        Raises:
            VideoError, OSError: while the file is read.
            OSError: `rows` cannot be written.
        """
        self.info, self.field, self.made_by = motion.info, motion.field, motion.made_by
        self._rows, self._dtype = rows, dtype
        self._shape: tuple[int, ...] = ()
        self._sum, self._length, self._values = np.zeros(2), 0.0, 0
        self._liveliest, self._most = -1, 0.0
        self._drawn = np.zeros(0)
        seconds: list[np.ndarray] = []
        types: list[np.ndarray] = []
        valid: list[np.ndarray] = []
        intervals = 0
        for block in motion:
            seconds.append(block.seconds)
            types.append(block.picture_types)
            field = block.arrays[self.field]
            known = block.arrays.get("mv_valid", np.ones(len(field), bool))
            valid.append(known)
            self._add(field, known, first=intervals)
            intervals += len(field)
        self.seconds, self.picture_types, self.valid = map(
            np.concatenate, (seconds, types, valid)
        )

    def _add(self, field: np.ndarray, valid: np.ndarray, *, first: int) -> None:
        """Take consecutive intervals, of which `first` is the number of the first."""
        self._shape = field.shape[1:]
        if self._rows is not None:
            self._rows.write(np.ascontiguousarray(field, self._dtype).data)
        for k, row in enumerate(field):
            if not valid[k]:
                continue
            self._sum += row.sum(axis=(0, 1), dtype=np.float64)
            lengths = np.hypot(row[..., 0], row[..., 1])
            self._length += float(lengths.sum(dtype=np.float64))
            self._values += lengths.size
            moved = float(np.abs(row).mean())
            if self._liveliest < 0 or moved > self._most:
                self._liveliest, self._most = first + k, moved
                self._drawn = row.copy()

    def summary(self, name: str) -> str:
        """Facts about the motion, a line each."""
        info, valid = self.info, self.valid
        rows, columns = self._shape[:2]
        lines = [
            f"{name}: {info.codec}, {info.source_width}x{info.source_height}",
            f"frames     {len(self.seconds):,} at {info.fps:g} per second",
        ]
        if self.field == "mv":
            lines.append(
                f"grid       {columns}x{rows} cells of {CELL_PX}x{CELL_PX} px over "
                f"{info.width}x{info.height} px"
            )
            share = f"{valid.mean():.1%}" if len(valid) else "none"
            lines.append(
                f"known      {share} of {counted(len(valid), 'interval')} ({self.made_by})"
            )
        else:
            lines.append(f"grid       {columns}x{rows} px (profile {self.made_by})")
        if self._values:
            across, down = self._sum / self._values + 0
            lines.append(
                f"mean       {across:+.2f} px right, {down:+.2f} px down, length "
                f"{self._length / self._values:.2f} px per frame"
            )
        return "\n".join(map(printable, lines))

    def save(self, path: Path) -> None:
        """Write the arrays to an npz file, whole or not at all.

        They are `mv` (T-1, M, N, 2) and `mv_valid` (T-1,), or `flow` (T-1, H, W, 2), in px
        from frame k to k+1, right and down; `seconds` (T,), `picture_types` (T,) ASCII
        codes; `fps`, `height`, `width`, `codec`, and `source` of vectors or `profile` of
        flow.

        Raises:
            OSError: it cannot be written.
        """
        assert self._rows is not None
        info = self.info
        rows = Rows(self._rows, (len(self.valid), *self._shape), np.dtype(self._dtype))
        arrays: dict[str, np.ndarray | np.generic | Rows] = {
            "seconds": self.seconds,
            "picture_types": self.picture_types,
            "fps": np.float64(info.fps),
            "height": np.int64(info.height),
            "width": np.int64(info.width),
            "codec": np.str_(info.codec),
            self.field: rows,
        }
        if self.field == "mv":
            arrays |= {"mv_valid": self.valid, "source": np.str_(self.made_by)}
        else:
            arrays |= {"profile": np.str_(self.made_by)}
        with with_parents(path), replacing(path) as file:
            # most bytes of vectors are zeros
            write_npz(file, arrays, compressed=self.field == "mv")

    def draw_liveliest(self, out: Output, name: str) -> Path | None:
        """Draw the interval with most motion as a PNG file; None where no motion is known.

        Args:
            out: a file, or a folder, where the file has the stem of the video's.
            name: the video's file.

        Raises:
            OSError: it cannot be written.
        """
        k = self._liveliest
        if k < 0:
            return None
        moment = Moment(
            interval=k,
            seconds=float(self.seconds[k]),
            flow=self._drawn if self.field == "flow" else None,
            mv=self._drawn if self.field == "mv" else None,
        )
        bound = full_colour_px(moment)
        picture = draw(moment, bound_px=bound, heading=printable(name))
        path = out.file(Path(name).stem, ".png")
        with with_parents(path):
            write_png(path, picture)
        return path
