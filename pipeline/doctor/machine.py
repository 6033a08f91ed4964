"""Cores, memory, folders and caches of this machine -> checks. Standard library only."""

import errno
import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from motion_shards.address import DASHBOARD_PORT, answers, find_cluster, has_token
from motion_shards.cores import usable_cores
from motion_shards.private import trouble

GB = 10**9
FEW_GB = 10
"""Free space below which a folder gets a warning."""
_FLEETING = {
    "tmpfs": "in memory: lost on reboot",
    "ramfs": "in memory: lost on reboot",
    "overlay": "in a container: lost with it unless mounted",
}
_NETWORK = ("nfs", "nfs4", "cifs", "smb3", "lustre", "fuse.sshfs", "beegfs", "ceph")


class Check(NamedTuple):
    """One check and its result."""

    name: str
    state: Literal["ok", "warning", "problem"]
    found: str
    remedy: str = ""
    """One line, to type or to do; empty where all is well."""


def checks() -> Iterator[Check]:
    """Cores, memory, shared memory, open files."""
    yield Check("cores", "ok", f"{usable_cores():g} of {os.cpu_count()} usable")
    yield from _memory()
    yield from _shared_memory()
    yield from _open_files()


def _memory() -> Iterator[Check]:
    table = {
        key: int(kilobytes) * 1024
        for key, kilobytes in re.findall(r"(\w+):\s+(\d+) kB", _read("/proc/meminfo"))
    }
    if not table:
        return
    free, total = table["MemAvailable"], table["MemTotal"]
    limit = _read("/sys/fs/cgroup/memory.max")
    if limit.isdigit():
        used = int(_read("/sys/fs/cgroup/memory.current") or 0)
        total = min(total, int(limit))
        free = min(free, total - used)
    found = f"{free / GB:.1f} GB free of {total / GB:.1f}"
    # a worker stays under 1 GB, training with torch takes about two
    if free < 2 * GB:
        yield Check("memory", "warning", found, "use fewer workers or free memory")
    else:
        yield Check("memory", "ok", found)


def _shared_memory() -> Iterator[Check]:
    """DataLoader workers and Ray's object store live there; containers make it small."""
    folder = Path("/dev/shm")
    if not folder.is_dir():
        return
    usage = shutil.disk_usage(folder)
    found = f"{usage.free / GB:.1f} GB free of {usage.total / GB:.1f} in {folder}"
    if usage.free < GB:
        remedy = "start the container with --shm-size=4g, or train with --workers 0"
        yield Check("shared memory", "warning", found, remedy)
    else:
        yield Check("shared memory", "ok", found)


def _open_files() -> Iterator[Check]:
    try:
        import resource
    except ImportError:  # not a Unix
        return
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= soft < 1024:
        yield Check("open files", "warning", f"limit {soft}", "ulimit -n 4096")
    else:
        yield Check("open files", "ok", f"limit {soft if soft >= 0 else 'none'}")


def folders(*, data: Path) -> Iterator[Check]:
    """The folders of results and of workers' scratch files."""
    yield folder("data folder", data, hint="VIDEO_DATA=/another/folder")
    yield folder("scratch", Path(tempfile.gettempdir()), hint="TMPDIR=/another/folder")


def folder(name: str, path: Path, *, hint: str) -> Check:
    """Free space, kind of file system, and whether files can be made, renamed, locked.

    A folder that does not exist yet is judged by the nearest one that does; nothing is
    left behind in either.
    """
    path = path.absolute()
    there = next(parent for parent in (path, *path.parents) if parent.exists())
    if not there.is_dir():
        return Check(name, "problem", f"{there} is not a folder", hint)
    free = shutil.disk_usage(there).free
    kind = file_system(there)
    found = f"{path}: {free / GB:.0f} GB free, {kind}"
    if there != path:
        found += " (does not exist yet)"
    try:
        found += f", {_try_files(there, network=kind in _NETWORK)}"
    except OSError as error:
        return Check(name, "problem", f"{found}: {error.strerror}", hint)
    if free < FEW_GB * GB:
        return Check(name, "warning", f"{found}: little space", hint)
    if kind in _FLEETING and name == "data folder":
        return Check(name, "warning", f"{found}: {_FLEETING[kind]}", hint)
    return Check(name, "ok", found)


def file_system(path: Path) -> str:
    """Kind of the file system by its Linux name: ext4, xfs, nfs4, tmpfs, overlay, ..."""
    best, kind = -1, "unknown file system"
    for line in _read("/proc/self/mounts").splitlines():
        mounted, candidate = line.split()[1:3]
        mounted = re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), mounted)
        # a later mount of the same place hides the earlier one
        if path.resolve().is_relative_to(mounted) and len(mounted) >= best:
            best, kind = len(mounted), candidate
    return kind


def _try_files(there: Path, *, network: bool) -> str:
    """Write, flush, rename over, lock. Readers lock nothing, so locks are a remark."""
    with tempfile.TemporaryDirectory(dir=there, prefix=".doctor-") as work:
        first, second = Path(work, "first"), Path(work, "second")
        second.write_bytes(b"old")
        with first.open("wb") as file:
            file.write(b"new")
            file.flush()
            os.fsync(file.fileno())
        os.replace(first, second)
        if second.read_bytes() != b"new":
            raise OSError(errno.EIO, "a renamed file shows its old content")
        locks = _try_lock(second)
    return "writable" + ("" if locks else ", no file locks (none are needed)")


def _try_lock(path: Path) -> bool:
    try:
        import fcntl
    except ImportError:
        return False
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
    return True


def compile_cache() -> Check:
    """The cache of compiled kernels: NUMBA_CACHE_DIR, or the user's cache folder."""
    named = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    base = Path(named or Path.home() / ".cache")
    hint = "NUMBA_CACHE_DIR=/a/folder/of/your/own"
    check = folder("compile cache", base, hint=hint)
    if check.state == "problem":  # slower, not broken: a temporary folder serves
        return check._replace(state="warning")
    if why := trouble(base / "motion-shards"):
        found = f"{base}: not used, {why}, and compiled code is run"
        return Check("compile cache", "warning", found, hint)
    return check


def ray_cluster(version: str) -> Check:
    """The cluster that `--ray auto` would join, checked by connecting to its port."""
    cluster, why_not = find_cluster()
    if why_not:
        return Check(
            "ray",
            "warning",
            f"{version}; {why_not}",
            "if it still runs, name it with --ray HOST:PORT",
        )
    if cluster is None:
        return Check("ray", "ok", f"{version}, no cluster running here")
    if why := answers(cluster.address, seconds=3):
        return Check(
            "ray",
            "warning",
            f"{version}, no answer at {cluster.text()}: {why}",
            "unset RAY_ADDRESS, start the cluster, or use --ray off",
        )
    return Check("ray", "ok", f"{version}, a cluster runs at {cluster.text()}")


def token_file() -> Iterator[Check]:
    """A warning where other users can read Ray's token, with which they could run code."""
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token")
    try:
        path = path.expanduser()
        mode = path.stat().st_mode & 0o777
    except (OSError, RuntimeError):  # RuntimeError: the user has no home
        return
    if mode & 0o077:
        found = f"{path} is readable by other users (mode {mode:04o})"
        yield Check(
            "ray token", "warning", found, f"chmod 600 {shlex.quote(str(path))}"
        )
    else:
        yield Check("ray token", "ok", f"{path}, readable by this user only")


def job_server() -> Check:
    """The job server of `pipeline submit`, and whether a token is there for it."""
    token = "token present" if has_token() else "no token"
    named = os.environ.get("RAY_API_SERVER_ADDRESS")
    url = named or f"http://127.0.0.1:{DASHBOARD_PORT}"
    why = answers(url, seconds=3)
    if why is None:
        return Check("job server", "ok", f"running at {url}, {token}")
    if named:
        remedy = "start the cluster, or a tunnel: ray dashboard cluster.yaml"
        found = f"no answer at {url} ({why}), {token}"
        return Check("job server", "warning", found, remedy)
    return Check("job server", "ok", f"none here; pipeline submit --address; {token}")


def _read(path: str) -> str:
    """The text of a file of the system, or nothing where there is no such file."""
    try:
        return Path(path).read_text("utf-8").strip()
    except OSError:
        return ""
