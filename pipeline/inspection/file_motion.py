"""Motion of one file as a summary, as an npz file and as a picture."""

from pathlib import Path
from typing import Any

import numpy as np

from motion_shards.output_path import Output
from motion_shards.plain_text import counted, printable
from pipeline.extract.one_file import Flow, Vectors
from pipeline.store import CELL_PX
from pipeline.store.png import write_png
from pipeline.store.replacement import replacing

from .panels import Moment, draw
from .preview import full_colour_px


def summary(name: str, motion: Vectors | Flow) -> str:
    """Facts about the motion of a file, a line each."""
    info = motion.info
    field, valid = _field(motion)
    rows, columns = field.shape[1:3]
    lines = [
        f"{name}: {info.codec}, {info.source_width}x{info.source_height}",
        f"frames     {len(motion.seconds):,} at {info.fps:g} per second",
    ]
    if isinstance(motion, Vectors):
        lines.append(
            f"grid       {columns}x{rows} cells of {CELL_PX}x{CELL_PX} px over "
            f"{info.width}x{info.height} px"
        )
        share = f"{valid.mean():.1%}" if len(valid) else "none"
        lines.append(
            f"known      {share} of {counted(len(valid), 'interval')} ({motion.source})"
        )
    else:
        lines.append(f"grid       {columns}x{rows} px (profile {motion.profile})")
    if valid.any():
        across, down = field[valid].mean(axis=(0, 1, 2), dtype=np.float64) + 0
        length = np.hypot(field[valid][..., 0], field[valid][..., 1]).mean()
        lines.append(
            f"mean       {across:+.2f} px right, {down:+.2f} px down, length "
            f"{length:.2f} px per frame"
        )
    return "\n".join(map(printable, lines))


def save(
    out: Output, name: str, motion: Vectors | Flow, *, dtype: str = "float32"
) -> Path:
    """Write the arrays to an npz file, whole or not at all.

    Args:
        out: a file, or a folder, where the file has the stem of the video's.
        name: the video's file.
        dtype: of `mv` or `flow`: float32 or float16.

    Returns:
        The path that was written: `mv` (T-1, M, N, 2) and `mv_valid` (T-1,), or `flow`
        (T-1, H, W, 2), in px from frame k to k+1, right and down; `seconds` (T,),
        `picture_types` (T,) ASCII codes; `fps`, `height`, `width`, `codec`, and `source`
        of vectors or `profile` of flow.

    Raises:
        OSError: it cannot be written.
    """
    path = out.file(Path(name).stem, ".npz")
    info = motion.info
    arrays: dict[str, Any] = {
        "seconds": motion.seconds,
        "picture_types": motion.picture_types,
        "fps": np.float64(info.fps),
        "height": np.int64(info.height),
        "width": np.int64(info.width),
        "codec": np.str_(info.codec),
    }
    if isinstance(motion, Vectors):
        arrays |= {"mv": motion.mv.astype(dtype), "mv_valid": motion.mv_valid}
        arrays |= {"source": np.str_(motion.source)}
        write = np.savez_compressed  # most of its bytes are zeros
    else:
        arrays |= {"flow": motion.flow.astype(dtype, copy=False)}
        arrays |= {"profile": np.str_(motion.profile)}
        write = np.savez
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        write(file, **arrays)
    return path


def draw_liveliest(out: Output, name: str, motion: Vectors | Flow) -> Path | None:
    """Draw the interval with most motion as a PNG file; None where no motion is known.

    Args:
        out, name: as of `save`.

    Raises:
        OSError: it cannot be written.
    """
    field, valid = _field(motion)
    if not valid.any():
        return None
    lengths = [
        np.abs(row).mean() if ok else -1.0 for row, ok in zip(field, valid, strict=True)
    ]
    k = int(np.argmax(lengths))
    what = "mv" if isinstance(motion, Vectors) else "flow"
    moment = Moment(interval=k, seconds=float(motion.seconds[k]), **{what: field[k]})
    picture = draw(moment, bound_px=full_colour_px(moment), heading=printable(name))
    path = out.file(Path(name).stem, ".png")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_png(path, picture)
    return path


def _field(motion: Vectors | Flow) -> tuple[np.ndarray, np.ndarray]:
    """(T-1, ..., 2) motion, and (T-1,) whether it is known."""
    if isinstance(motion, Vectors):
        return motion.mv, motion.mv_valid
    return motion.flow, np.ones(len(motion.flow), bool)
