"""An index of many videos: where its lines lie, so that a line is read when it is asked for.

`index.jsonl` of 650,000 videos has 300 MB and takes half a minute and a gigabyte to hold
as objects. Its ids take a second and a tenth of that.
"""

import json
import os
import re
import weakref
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from operator import ge
from typing import Any, overload

import numpy as np

from .errors import LayoutError
from .file_names import INDEX
from .files import open_index
from .index import IndexRecord
from .malformed import NOT_AS_EXPECTED, complaint
from .remote_path import Location
from .videos import StoredVideo

BLOCK_BYTES = 16 << 20
_ID = re.compile(rb'"id": ?("[^"\\]*(?:\\.[^"\\]*)*")')
"""The quotes of a text inside a text are escaped: this finds keys and nothing else."""


class LongIndex(Sequence[StoredVideo]):
    """The videos of a store by position and by id, none of them held.

    Processes that fork may share it; it can be pickled.

    Args:
        stored_video: makes a video of a line, or None of one that is to be ignored.

    Raises:
        LayoutError: the index is missing, its ids are not in order, or it has no ids.
    """

    def __init__(
        self,
        folder: Location,
        stored_video: Callable[[IndexRecord], StoredVideo | None],
    ) -> None:
        self._folder, self._stored_video = folder, stored_video
        self._shared: dict[Any, Any] = {}
        self._open()
        self.ids, self._starts = _scan(folder)
        falling = map(ge, self.ids, islice(self.ids, 1, None))
        if (
            place := next((k for k, wrong in enumerate(falling) if wrong), None)
        ) is not None:
            first, second = self.ids[place : place + 2]
            raise LayoutError(
                f"{folder}: expected {second!r} once in the index"
                if first == second
                else f"{folder}: expected the index sorted by id, got {second!r} after {first!r}"
            )

    def find(self, video_id: str) -> StoredVideo | None:
        """The video of an id, or None."""
        place = bisect_left(self.ids, video_id)
        if place == len(self.ids) or self.ids[place] != video_id:
            return None
        return self[place]

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, place: int) -> StoredVideo: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[StoredVideo, ...]: ...

    def __getitem__(self, place: int | slice) -> StoredVideo | tuple[StoredVideo, ...]:
        if isinstance(place, slice):
            return tuple(self._line(k) for k in range(len(self))[place])
        return self._line(range(len(self))[place])

    def __iter__(self) -> Iterator[StoredVideo]:
        for first in range(0, len(self), 1024):  # lines at a time
            last = min(first + 1024, len(self))
            lines = self._text(first, last).splitlines()
            for place, line in zip(range(first, last), lines, strict=True):
                yield self._parsed(place, line)

    def __getstate__(self) -> dict[str, object]:
        return {name: v for name, v in self.__dict__.items() if name != "_file"}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._open()

    def _open(self) -> None:
        self._file = open_index(self._folder)
        weakref.finalize(self, self._file.close)

    def _line(self, place: int) -> StoredVideo:
        return self._parsed(place, self._text(place, place + 1))

    def _text(self, first: int, last: int) -> bytes:
        """Lines, by a call that leaves the file's position alone: it is shared."""
        begin, end = int(self._starts[first]), int(self._starts[last])
        return os.pread(self._file.fileno(), end - begin, begin)

    def _parsed(self, place: int, line: bytes) -> StoredVideo:
        try:
            record = IndexRecord.checked(json.loads(line.decode()), self._shared)
        except NOT_AS_EXPECTED as error:
            raise complaint(self._where(place), "a video", error) from None
        video = self._stored_video(record)
        if record.id != self.ids[place] or video is None:
            raise LayoutError(
                f"{self._where(place)}: expected the video {self.ids[place]}, got "
                "another line: if the store was extended, open it again"
            )
        return video

    def _where(self, place: int) -> str:
        return f"{self._folder / INDEX}:{place + 1}"


def _scan(folder: Location) -> tuple[list[str], np.ndarray]:
    """Ids of all lines, and where each line begins, with the end of the last one."""
    ids: list[str] = []
    ends: list[np.ndarray] = [np.zeros(1, np.int64)]
    rest, done = b"", 0
    with open_index(folder) as file:
        for block in chain(iter(lambda: file.read(BLOCK_BYTES), b""), (b"",)):
            text = rest + block
            if not block and text and not text.endswith(b"\n"):
                text += b"\n"
            cut = text.rfind(b"\n") + 1
            lines, rest = text[:cut], text[cut:]
            breaks = np.flatnonzero(np.frombuffer(lines, np.uint8) == ord("\n"))
            ends.append(breaks + (done + 1))
            found = _ID.findall(lines)
            if len(found) == len(breaks):
                ids += json.loads(b"[%b]" % b",".join(found))
            else:  # a split that is called "id", another writer, or damage
                ids += _ids_one_by_one(folder, lines, len(ids))
            done += cut
    return ids, np.concatenate(ends)


def _ids_one_by_one(folder: Location, lines: bytes, before: int) -> list[str]:
    ids = []
    for number, line in enumerate(lines.splitlines(), before + 1):
        try:
            ids.append(str(json.loads(line)["id"]))
        except NOT_AS_EXPECTED as error:
            raise complaint(f"{folder / INDEX}:{number}", "a video", error) from None
    return ids
