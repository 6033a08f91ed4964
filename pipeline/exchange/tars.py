"""Videos of a store -> tar shards as the webdataset package reads them.

A sample is a video, or a clip of it: files with one name up to the first dot. The same
store gives the same bytes, whatever the number of processes.
"""

import io
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from xxhash import xxh3_64_intdigest

from pipeline.store import Location, Store, StoredVideo
from pipeline.store.replacement import replacing

from .arrays import write_members
from .errors import ExchangeError
from .levels import Levels
from .lists import facts, write_classes
from .names import path_of
from .outcome import Total, Written
from .parallel import in_order
from .pictures import fields, frames
from .selection import Selection
from .settings import Format
from .unfinished import new_file

BLOCK_BYTES = 512
END_BYTES = 2 * BLOCK_BYTES
"""Two empty blocks end a tar file."""
SHARDS = "shards.json"
"""List of the finished tar files."""


class Piece(NamedTuple):
    """Frames first..stop-1 of a video: a sample."""

    video_id: str
    first: int
    stop: int


class Sample(NamedTuple):
    """A sample as a part of a tar file."""

    content: bytes
    written: Written


@dataclass(frozen=True)
class Samples:
    """The samples of an export, made by whatever process."""

    folder: Location
    form: Format
    selection: Selection

    @cached_property
    def _store(self) -> Store:
        return Store(self.folder)

    def __call__(self, piece: Piece) -> Sample:
        video = self._store.video(piece.video_id)
        files, clipped = self._files(video, piece)
        key = path_of(video.id, dots=False)
        if self.form.clip_frames is not None:
            key = f"{key}/{piece.first:05d}"
        content = b"".join(
            _entry(f"{key}.{name}", content) for name, content in files.items()
        )
        values = 0
        if "flow" in self.form.modalities and "flow" in video.modalities:
            values = 2 * (piece.stop - piece.first - 1) * video.height * video.width
        return Sample(content, Written(len(files), len(content), values, clipped))

    def _files(self, video: StoredVideo, piece: Piece) -> tuple[dict[str, bytes], int]:
        """Extension -> content, and the number of clipped values of flow."""
        form, store = self.form, self._store
        having = [name for name in form.modalities if name in video.modalities]
        first, stop = piece.first, piece.stop
        files: dict[str, bytes] = {}
        clipped = 0
        if "rgb" in having:
            coming = frames(store, video, quality=form.quality, start=first, stop=stop)
            for k, content in enumerate(coming):
                files[f"rgb_{k:05d}.jpg"] = content
        if "flow" in having:
            pictures = fields(
                store,
                video,
                Levels(bound_px=form.bound_px),
                quality=form.quality,
                start=first,
                stop=stop - 1,
            )
            for k, picture in enumerate(pictures):
                files[f"flow_x_{k:05d}.jpg"] = picture.x
                files[f"flow_y_{k:05d}.jpg"] = picture.y
                clipped += picture.clipped
        if "mv" in having:
            packed = io.BytesIO()
            write_members(
                packed, store, video, ("mv", "mv_valid"), first=first, stop=stop - 1
            )
            files["mv.npz"] = packed.getvalue()
        about = facts(self.selection, video) | {
            "first": first,
            "frames": stop - first,
            "video_frames": video.frames,
            "seconds": store.seconds(video.id)[first:stop].tolist(),
        }
        if "flow" in having:
            about["flow_bound_px"] = form.bound_px
        labels = self.selection.labels(video)
        if len(labels) == 1:
            files["cls"] = str(labels[0]).encode()
        files["json"] = json.dumps(about, sort_keys=True).encode()
        return files, clipped


def _entry(name: str, content: bytes) -> bytes:
    """A file as it stands in a tar file: no owner, no date."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    padding = -len(content) % BLOCK_BYTES
    return info.tobuf(tarfile.PAX_FORMAT) + content + bytes(padding)


def pieces(store: Store, selection: Selection, clip_frames: int | None) -> list[Piece]:
    """All samples, in an order that mixes the classes and depends on the names alone."""
    ordered = sorted(
        selection.ids,
        key=lambda name: (
            xxh3_64_intdigest(name.encode("utf-8", "surrogateescape")),
            name,
        ),
    )
    found = []
    for video_id in ordered:
        count = store.video(video_id).frames
        step = clip_frames or count
        found += [
            Piece(video_id, first, min(first + step, count))
            for first in range(0, count, step)
        ]
    return found


class _Shard(NamedTuple):
    """A finished tar file, as it stands in `shards.json`."""

    file: str
    bytes: int
    samples: int
    pieces: int
    """Samples, and those that were left out."""
    bad: Mapping[str, str]


def write_shards(
    store: Store,
    selection: Selection,
    form: Format,
    out: Path,
    work: Path,
    *,
    jobs: int,
    on_progress: Callable[[int, int], None],
) -> Total:
    """Write `shard-00000.tar`, ...; those that an earlier run finished are kept.

    Raises:
        OSError: a file cannot be written.
    """
    write_classes(out, selection.classes)
    shards = _finished(out)
    wanted = pieces(store, selection, form.clip_frames)
    kept = sum(shard.pieces for shard in shards)
    left, total = wanted[kept:], Written()
    results = in_order(Samples(store.folder, form, selection), left, jobs=jobs)
    coming = _Coming(results, kept, len(wanted), on_progress)
    while coming.peek() is not None:
        name = f"shard-{len(shards):05d}.tar"
        samples, taken, bad = 0, 0, {}
        with new_file(out / name, work) as file:
            while (item := coming.peek()) is not None:
                piece, result = item
                if isinstance(result, str):
                    bad[piece.video_id] = result
                elif (
                    samples
                    and file.tell() + len(result.content) + END_BYTES > form.shard_bytes
                ):
                    break
                else:
                    file.write(result.content)
                    total, samples = total.plus(result.written), samples + 1
                taken += 1
                coming.take()
            size = file.write(bytes(END_BYTES)) and file.tell()
        shards.append(_Shard(name, size, samples, taken, bad))
        with replacing(out / SHARDS) as file:
            listed = [shard._asdict() for shard in shards]
            file.write(json.dumps(listed, indent=1).encode() + b"\n")
    before = {piece.video_id for piece in wanted[:kept]}
    before -= {piece.video_id for piece in left}
    bad = {name: why for shard in shards for name, why in shard.bad.items()}
    return Total(before=len(before), written=total, bad=bad)


class _Coming:
    """Results in order; the next one can be inspected before it is taken."""

    def __init__(
        self,
        results: Iterator[tuple[Piece, Sample | str]],
        done: int,
        total: int,
        on_progress: Callable[[int, int], None],
    ) -> None:
        self._results, self._done, self._total = results, done, total
        self._on_progress = on_progress
        self._next = next(results, None)

    def peek(self) -> tuple[Piece, Sample | str] | None:
        return self._next

    def take(self) -> None:
        self._next = next(self._results, None)
        self._done += 1
        self._on_progress(self._done, self._total)


def _finished(out: Path) -> list[_Shard]:
    """The tar files of `shards.json` up to the first that is gone or of another size."""
    try:
        listed = json.loads((out / SHARDS).read_bytes())
        shards = [_Shard(**record) for record in listed]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError, RecursionError):
        raise ExchangeError(
            f"{out / SHARDS}: expected the list of finished tar files, got something "
            "else: remove it to write them again"
        ) from None
    kept = []
    for number, shard in enumerate(shards):
        path = out / f"shard-{number:05d}.tar"
        if not path.is_file() or path.stat().st_size != shard.bytes:
            break
        kept.append(shard)
    return kept
