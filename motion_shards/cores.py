"""The processor: its name, and the cores that affinity and CPU quota leave to this process."""

import os
import platform
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

CONTROL_GROUPS = Path("/sys/fs/cgroup")
OWN_GROUPS = Path("/proc/self/cgroup")
CPU_INFO = Path("/proc/cpuinfo")


def usable_cores() -> float:
    """CPU time available to this process, in cores; less than 1 under a small quota."""
    return min([float(_allowed()), *_quotas()])


def worker_cores() -> int:
    """Number of processes that can run at once; at least 1."""
    return max(int(usable_cores()), 1)


def processor_name() -> str:
    """Model name of the CPU; its architecture where the system names no model."""
    for line in _read(CPU_INFO).splitlines():
        if line.startswith("model name") and (name := line.partition(":")[2].strip()):
            return name
    return platform.processor() or platform.machine()


def _allowed() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quotas() -> Iterator[float]:
    """The quota of each group this process is in, in cores (cgroup v2 and v1)."""
    for line in _read(OWN_GROUPS).splitlines():
        _, controllers, own = line.split(":", 2)
        if not controllers:
            for folder in _upward(CONTROL_GROUPS, own):
                yield from _cores(*_read(folder / "cpu.max").split())
        elif "cpu" in controllers.split(","):
            for folder in _upward(CONTROL_GROUPS / "cpu", own):
                quota = _read(folder / "cpu.cfs_quota_us").strip()
                period = _read(folder / "cpu.cfs_period_us").strip()
                yield from _cores(quota, period)


def _upward(top: Path, own: str) -> Iterator[Path]:
    """The folder of a group and of all groups around it.

    A container may show paths of its host, which are not there: its own group is `top`.
    """
    group = PurePosixPath(own.lstrip("/"))
    for each in (group, *group.parents):
        yield top / each


def _cores(quota: str = "", period: str = "") -> Iterator[float]:
    """None for `max`, for -1 and for what cannot be read."""
    if quota.isdigit() and period.isdigit() and int(quota) and int(period):
        yield int(quota) / int(period)


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
