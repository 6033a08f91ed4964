"""The files of one shard's videos -> its shard files, as `pipeline import` builds them."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar
from uuid import uuid4

import numpy as np
from xxhash import xxh3_128

from pipeline.extract.errors import DecodeError, Unavailable, VideoError
from pipeline.extract.video import VideoInfo
from pipeline.shard.plan import PlannedVideo, ShardPlan
from pipeline.shard.sources import require_folder
from pipeline.shard.task import ShardReport
from pipeline.store.encoding import Encoded, encoded, given
from pipeline.store.encoding import Levels as StoredLevels
from pipeline.store.file_names import ARRIVING, shard_file
from pipeline.store.jpeg_codecs import JpegFlow
from pipeline.store.shard import Entry, ShardWriter
from pipeline.store.shard_file import file_record

from .jpeg_files import is_row, picture
from .levels import Levels
from .trees import Trees, VideoFiles, video_files

Item = TypeVar("Item")
BLOCK = 16
"""Frames or intervals that are encoded at once."""
UNKNOWN_TYPE = ord("?")
EXTREMES = (0, 255)
"""Levels at which values beyond the bound are clipped."""


class Built(NamedTuple):
    """The files of a shard in the store's `_tmp`."""

    report: ShardReport
    kept: int
    """Frames whose JPEG was taken as it is."""
    recoded: int
    """Frames that were decoded and encoded again."""


@dataclass(frozen=True)
class ShardImport:
    """Builds shards of imported frames, in this process or another one."""

    trees: Trees
    out: Path

    def __call__(self, plan: ShardPlan) -> Built:
        """Write the files of a shard to the store's `_tmp`.

        A video with files that are missing or do not fit is left out and named in the
        report; so is one whose files cannot be read now.

        Raises:
            OSError: the store cannot be written, or a tree is gone.
        """
        report = ShardReport(plan=plan)
        kept = recoded = 0
        with ExitStack() as stack:
            writers = {}
            for modality in plan.modalities:
                path = self.out / ARRIVING / f"{uuid4().hex}.h5"
                report.files[modality], report.records[modality] = path, []
                writer = ShardWriter(
                    path, modality=modality, codec=plan.codec(modality)
                )
                writers[modality] = stack.enter_context(writer)
            for video in plan.videos:
                reading = _Video(self.trees, plan, video)
                try:
                    _store(reading, writers, report)
                except VideoError as error:
                    for root in self.trees.kinds.values():
                        require_folder(root)
                    waits = isinstance(error, Unavailable)
                    left_out = report.unavailable if waits else report.bad
                    left_out[video.id] = str(error)
                else:
                    kept, recoded = kept + reading.kept, recoded + reading.recoded
        for modality, path in report.files.items():
            with path.open("rb") as written:
                os.fsync(written.fileno())
            name = shard_file(modality, plan.shard)
            record = file_record(path, modality=modality)
            report.delivered[modality] = record._replace(file=name)
        return Built(report, kept, recoded)


def _store(
    reading: "_Video", writers: Mapping[str, ShardWriter], report: ShardReport
) -> None:
    """Write one video, or nothing of it."""
    video = reading.planned
    height, width = reading.begin()
    with ExitStack() as stack:
        entries: dict[str, Entry] = {
            modality: stack.enter_context(
                writer.video(video.id, height=height, width=width)
            )
            for modality, writer in writers.items()
        }
        for modality, entry in entries.items():
            for block in reading.rows(modality):
                entry.append_encoded(block)
            entry.append_frames(reading.seconds, reading.picture_types)
        xxh3 = reading.hash()
    info = VideoInfo(
        height=height,
        width=width,
        fps=reading.fps,
        codec="jpeg",
        source_height=height,
        source_width=width,
    )
    report.add(video, entries, info, xxh3=xxh3)


class _Video:
    """The files of a video while they are read, each once and in order."""

    def __init__(self, trees: Trees, plan: ShardPlan, planned: PlannedVideo) -> None:
        self.planned, self._trees, self._plan = planned, trees, plan
        self.fps = float(plan.settings.frames_per_second or 0)
        self.kept = self.recoded = 0
        self._files = VideoFiles((), (), ())
        self._size = (0, 0)
        self._hashes: dict[Path, tuple[int, str]] = {}

    def begin(self) -> tuple[int, int]:
        """Find the files; height and width of the first picture.

        Raises:
            VideoError: files are missing, or the first one cannot be used.
        """
        try:
            self._files = video_files(self._trees, self.planned.path)
        except OSError as error:
            raise _unavailable(error, self.planned.path) from error
        first, grey = next(
            (files[0], grey)
            for files, grey in ((self._files.images, False), (self._files.flow_x, True))
            if files
        )
        self._size = picture(self._read(first), first.name, grey=grey).shape[:2]
        return self._size

    @property
    def frames(self) -> int:
        """Number of stored frames."""
        return len(self._files.images) or len(self._fields()) + 1

    @property
    def seconds(self) -> np.ndarray:
        return np.arange(self.frames) / self.fps

    @property
    def picture_types(self) -> np.ndarray:
        return np.full(self.frames, UNKNOWN_TYPE, np.uint8)

    def rows(self, modality: str) -> Iterator[Encoded]:
        """The rows of a modality, block by block.

        Raises:
            VideoError: a file cannot be used.
        """
        return self._images() if modality == "rgb" else self._flow()

    def _images(self) -> Iterator[Encoded]:
        codec = self._plan.codec("rgb")
        for files in _blocks(self._files.images):
            rows = []
            for file in files:
                content = self._read(file)
                frame = self._picture(content, file, grey=False)
                if is_row(content):
                    rows.append(np.frombuffer(content, np.uint8))
                    self.kept += 1
                else:
                    rows += codec.encode(frame[None])
                    self.recoded += 1
            yield given(rows, codec=codec, size=self._size)

    def _fields(self) -> list[tuple[Path, Path]]:
        """The files of each interval; the first of TSN leads to the first frame."""
        pairs = list(zip(self._files.flow_x, self._files.flow_y, strict=True))
        return pairs if self._trees.names.from_image else pairs[1:]

    def _flow(self) -> Iterator[Encoded]:
        codec = self._plan.codec("flow")
        assert isinstance(codec, JpegFlow)
        table = stored_levels(codec, floor=self._trees.names.floor)
        for pairs in _blocks(self._fields()):
            planes = np.stack(
                [
                    [self._picture(self._read(file), file, grey=True) for file in pair]
                    for pair in pairs
                ]
            )
            clipped = sum(int(np.count_nonzero(planes == end)) for end in EXTREMES)
            levels = StoredLevels(table[planes], clipped)
            yield encoded(levels, codec=codec, size=self._size)

    def hash(self) -> str:
        """xxh3-128 over name, size and xxh3-128 of each file, a line each.

        Raises:
            Unavailable: the files are not of the size that was planned.
        """
        state, total = xxh3_128(), 0
        for file in self._files.all:
            if file not in self._hashes:
                self._read(file)
            size, xxh3 = self._hashes[file]
            state.update(f"{file.name}\t{size}\t{xxh3}\n".encode())
            total += size
        if total != self.planned.size_bytes:
            raise Unavailable(
                f"expected the {self.planned.size_bytes} bytes that were planned, got "
                f"{total}: its files have changed"
            )
        return state.hexdigest()

    def _read(self, file: Path) -> bytes:
        try:
            content = file.read_bytes()
        except OSError as error:
            raise _unavailable(error, file.name) from error
        found = len(content), xxh3_128(content).hexdigest()
        if self._hashes.setdefault(file, found) != found:
            raise Unavailable(f"{file.name}: expected one content, but it has changed")
        return content

    def _picture(self, content: bytes, file: Path, *, grey: bool) -> np.ndarray:
        found = picture(content, file.name, grey=grey)
        if found.shape[:2] != self._size:
            (height, width), (tall, wide) = self._size, found.shape[:2]
            raise DecodeError(
                f"{file.name}: expected {width}x{height} px as the first picture, found "
                f"{wide}x{tall}"
            )
        return found


def stored_levels(codec: JpegFlow, *, floor: bool) -> np.ndarray:
    """(256,) uint8: the level that stands in a row for each level of a file."""
    source = Levels(bound_px=codec.bound_px, floor=floor)
    return codec.levels(source.values(np.arange(256)))


def _blocks(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for begin in range(0, len(items), BLOCK):
        yield items[begin : begin + BLOCK]


def _unavailable(error: OSError, name: str) -> Unavailable:
    return Unavailable(
        f"{name}: expected a readable file, got {error.strerror or error}"
    )
