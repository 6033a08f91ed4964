"""A simulation of workers that share cores: blocks of frames go through their threads.

It knows no formula of the planner. A thread takes a core for as long as it works on a block, and
waits in a queue where there is none. What is read waits for a full batch; memory ahead is
limited; a worker that delivers its files waits for the disk and does nothing else meanwhile.
"""

import heapq
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from pipeline.shard.calibration import StageTimes

BLOCK, BATCH, AHEAD = 16, 64, 480
"""Frames that are read at a time, of a batch of flow, and between reading and writing."""
DELIVERY = 0.1
"""Time to deliver the files, as a share of all CPU time: with that, one worker alone on two
cores is within a sixth of the three that were measured."""
FRAMES, SHARDS = 960, 2
"""Frames of a shard, the first one of each worker excepted, and shards of a worker."""


class _Work(NamedTuple):
    worker: "_Worker"
    what: str
    frames: int


@dataclass(eq=False)
class _Worker:
    times: StageTimes
    coders: int
    frames: int
    """Of the shard at work."""
    all_frames: int = 0
    read: int = 0
    batched: int = 0
    to_code: int = 0
    to_write: int = 0
    written: int = 0
    shards: int = 0
    ended: float = 0.0
    busy: dict[str, int] = field(default_factory=dict)
    """Threads at work."""

    def ms(self, work: _Work) -> float:
        per_frame = {
            "read": self.times.reading,
            "code": self.times.coding,
            "write": self.times.rest,
            "deliver": DELIVERY * self.times.total,
        }
        return work.frames * per_frame[work.what]

    def begun(self) -> list[_Work]:
        """What its threads take up now."""
        work = []
        there = self.read - self.batched
        if there >= BATCH or (self.read == self.frames and there):
            taken = min(there, BATCH)
            self.batched += taken
            self.to_code += taken
        room = self.read - self.written + BLOCK <= AHEAD
        if self.shards < SHARDS and self.read < self.frames and room:
            work += self._take("read", BLOCK, threads=1)
        while taken := self._take("code", min(BLOCK, self.to_code), self.coders):
            self.to_code -= taken[0].frames
            work += taken
        if taken := self._take("write", min(BLOCK, self.to_write), threads=1):
            self.to_write -= taken[0].frames
            work += taken
        if self.written == self.frames:
            self.written = 0
            work += self._take("deliver", self.frames, threads=1)
        return work

    def _take(self, what: str, frames: int, threads: int) -> list[_Work]:
        if not frames or self.busy.get(what, 0) >= threads:
            return []
        self.busy[what] = self.busy.get(what, 0) + 1
        return [_Work(self, what, frames)]

    def end(self, work: _Work, now: float) -> None:
        self.busy[work.what] -= 1
        if work.what == "read":
            self.read += work.frames
        elif work.what == "code":
            self.to_write += work.frames
        elif work.what == "write":
            self.written += work.frames
        else:
            self.all_frames += self.frames
            self.read, self.batched, self.frames = 0, 0, FRAMES
            self.shards += 1
            self.ended = now


def frames_per_ms(times: StageTimes, *, cores: int, workers: int, coders: int) -> float:
    """Frames per millisecond of all workers, until the first of them has ended."""
    # first shards of different lengths: they do not deliver all at once
    firsts = [-(-FRAMES * (k + 1) // workers // BLOCK) * BLOCK for k in range(workers)]
    all_workers = [_Worker(times, coders, frames) for frames in firsts]
    waiting = deque(work for worker in all_workers for work in worker.begun())
    running: list[tuple[float, int, _Work]] = []
    now, begun, free = 0.0, 0, cores
    while waiting or running:
        while waiting and (free or waiting[0].what == "deliver"):
            work = waiting.popleft()
            begun += 1
            free -= work.what != "deliver"
            heapq.heappush(running, (now + work.worker.ms(work), begun, work))
        now, _, work = heapq.heappop(running)
        free += work.what != "deliver"
        work.worker.end(work, now)
        waiting += work.worker.begun()
    return sum(worker.all_frames / worker.ended for worker in all_workers)
