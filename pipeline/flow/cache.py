"""Where compiled kernels are kept, so that a machine compiles once and not each process."""

import contextlib
import fcntl
import hashlib
import os
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite.binding
import numba
import numba.core.config

config: Any = numba.core.config  # its names are made when it is imported

OPTIONS: dict[str, Any] = {
    "fastmath": True,  # sums in vectors: their order depends on the machine
    "nogil": True,
    "error_model": "numpy",
    "boundscheck": False,
}


def compiled(signature: str | None = None, *, cache: bool = True) -> Callable:
    """Decorator: a kernel for numba to compile, kept in `cache_folder`.

    Args:
        signature: the only types it is for; `compile_kernels` compiles them.
        cache: False for the parts of kernels, which are kept with them.
    """

    def decorate(function: Callable) -> Callable:
        before = config.CACHE_DIR
        config.CACHE_DIR = str(cache_folder())  # numba reads it here and not later
        try:
            kernel = numba.njit(cache=cache, **OPTIONS)(function)
        finally:
            config.CACHE_DIR = before
        kernel.only_signature = signature  # type: ignore[attr-defined]
        return kernel

    return decorate


def compile_kernels(*kernels: Any) -> None:
    """Compile what `compiled` has marked, or load it: a few seconds, or a tenth of one.

    Workers that start at once on a new machine would all compile the same. So the first
    does, and the others wait and load.
    """
    folder = cache_folder()
    ready = folder / "ready"
    with contextlib.nullcontext() if ready.exists() else _lock(folder):
        for kernel in kernels:
            if kernel.signatures:
                continue
            try:
                kernel.compile(kernel.only_signature)
            except OSError as error:  # compiled, but not saved: a full disk
                _say(f"{folder}: cannot be written ({error.strerror}), not kept")
            kernel.disable_compile()
        with contextlib.suppress(OSError):
            ready.touch()


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Be alone in a folder. Where files cannot be locked (some NFS), go on: numba
    replaces its files in one step, and a kernel has one signature only, so processes that
    write at once write the same."""
    with open(folder / "lock", "w") as lock:
        with contextlib.suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@cache
def cache_folder() -> Path:
    """The folder of compiled kernels, made if it is not there.

    It is below NUMBA_CACHE_DIR where that is set, else below the user's cache folder
    (XDG_CACHE_HOME, ~/.cache). Its name is made of what compiled code depends on:
    versions, processor and the kernels' source. Where it cannot be written, a temporary
    folder takes its place, and a line on standard error says so.
    """
    name = f"kernels-{_fingerprint()}"
    base = config.CACHE_DIR or os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    wanted = Path(base) / "motion-shards" / name
    try:
        wanted = wanted.expanduser()
        wanted.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=wanted).close()
        return wanted
    except (OSError, RuntimeError) as error:  # RuntimeError: the user has no home
        folder = _temporary_folder(f"motion-shards-{name}")
        reason = error.strerror if isinstance(error, OSError) else error
        _say(f"{wanted}: cannot be written ({reason}), kept in {folder}")
        return folder


def _temporary_folder(name: str) -> Path:
    """A folder that all processes of this user find, and that nobody else can write:
    what lies in it is run."""
    folder = Path(tempfile.gettempdir()) / f"{name}-{os.getuid()}"
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
        if ours and not found.st_mode & 0o077:
            return folder
    return Path(tempfile.mkdtemp(prefix="motion-shards-kernels-"))


def _fingerprint() -> str:
    """16 hex digits over all that a compiled kernel depends on.

    The source of every module here is part of it: numba looks only at the file of the
    function itself, not at those of the functions it calls.
    """
    digest = hashlib.sha256()
    for part in (
        sys.version,
        numba.__version__,
        llvmlite.__version__,
        llvmlite.binding.get_host_cpu_name(),
        llvmlite.binding.get_host_cpu_features().flatten(),
        config.CPU_NAME,  # NUMBA_CPU_NAME and NUMBA_CPU_FEATURES: another processor
        config.CPU_FEATURES,
    ):
        digest.update(f"{part}\n".encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _say(line: str) -> None:
    print(f"compiled kernels: {line}", file=sys.stderr)
