"""A video of a store -> a folder of JPEG files, as dense_flow, denseflow and MARS write it."""

from pathlib import Path

from pipeline.store import Store, StoredVideo

from .layouts import FIRST, LAYOUTS, file_of
from .levels import Levels
from .outcome import Written
from .pictures import fields, frames
from .unfinished import new_folder


def write_frames(
    store: Store,
    video: StoredVideo,
    target: Path,
    *,
    work: Path,
    modalities: tuple[str, ...],
    layout: str,
    bound_px: float,
    quality: int,
) -> Written:
    """Write the frames and the flow of a video; the folder appears when it is whole.

    Args:
        target: the folder.
        work: a folder of the same disk for what is not finished.

    Raises:
        StoreError: the store is damaged.
        OSError: the folder cannot be written.
    """
    names = LAYOUTS[layout]
    levels = Levels(bound_px=bound_px, floor=names.floor)
    files = size = values = clipped = 0
    with new_folder(target, work) as part:

        def write(name: str, content: bytes) -> None:
            nonlocal files, size
            (part / name).write_bytes(content)
            files, size = files + 1, size + len(content)

        if "rgb" in modalities:
            for number, content in enumerate(
                frames(store, video, quality=quality), FIRST
            ):
                write(file_of(names.image, number), content)
        if "flow" in modalities:
            for number, field in enumerate(
                fields(store, video, levels, quality=quality), FIRST
            ):
                write(file_of(names.flow_x, number), field.x)
                write(file_of(names.flow_y, number), field.y)
                values += 2 * video.height * video.width
                clipped += field.clipped
        if names.done:
            (part / names.done).touch()
    return Written(files=files, bytes=size, values=values, clipped=clipped)
