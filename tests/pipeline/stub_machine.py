"""A machine with the stub driver for programs that run in processes of their own.

The real bindings find the stub where the system looks for libraries, and machine code for
the kernels lies in the cache already: the stub takes anything.
"""

from pathlib import Path

from stub_gpu import build

from pipeline.flow.cuda.cached import _fingerprint
from pipeline.flow.cuda.iterate import iterate_kernel
from pipeline.flow.cuda.schedule import kernels_of
from pipeline.flow.cuda.tiles import LARGE, SMALL

CAPABILITY = "90"


def environment(folder: Path) -> dict[str, str]:
    """Variables for processes with the stub, which is built in a folder."""
    cache = folder / "cache"
    code = cache / "motion-shards" / f"gpu-kernels-{_fingerprint()}-sm_{CAPABILITY}"
    code.mkdir(parents=True, mode=0o700)
    for shape in (LARGE, SMALL):
        for stopping in (False, True):
            for kernel in kernels_of(iterate_kernel(shape, stopping=stopping)):
                name = f"{kernel.name}-{kernel.threads}-{kernel.shared_bytes}"
                (code / name).write_bytes(b"of no use to the stub")
    return {
        "LD_LIBRARY_PATH": str(build(folder).parent),
        "STUB_CAPABILITY": CAPABILITY,
        "XDG_CACHE_HOME": str(cache),
    }
