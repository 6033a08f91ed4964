"""This machine -> what is in order, what is not, and the one line that mends it.

Works on half-installed machines: the standard library is all it imports at the top,
and a library that does not load is a finding.
"""

import importlib
import importlib.metadata
import importlib.util
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from motion_shards import packages
from motion_shards.plain_text import counted, printable

from . import gpu, machine
from .machine import Check
from .requirements import installed, requirements

_REMEDY_WIDTH = 78


@dataclass(frozen=True, slots=True)
class Report:
    """All checks, in the order in which one would mend them."""

    checks: tuple[Check, ...]

    @property
    def healthy(self) -> bool:
        """Whether no check found a problem; warnings do not count."""
        return all(check.state != "problem" for check in self.checks)

    def text(self) -> str:
        """One line per check, and under it what to do, where there is something to do."""
        wide = max(len(check.name) for check in self.checks)
        lines = []
        for check in self.checks:
            margin = " " * (10 + wide)
            lines += textwrap.wrap(
                printable(f"{check.state:8} {check.name:{wide}} {check.found}"),
                width=_REMEDY_WIDTH + 20,
                subsequent_indent=margin,
                break_on_hyphens=False,
            )
            if check.remedy:
                lines.append(f"{margin}-> {printable(check.remedy)}")
        problems = sum(check.state == "problem" for check in self.checks)
        warnings = sum(check.state == "warning" for check in self.checks)
        lines.append(f"{counted(problems, 'problem')}, {counted(warnings, 'warning')}")
        return "\n".join(lines)

    def to_dict(self) -> dict:
        return {
            "healthy": self.healthy,
            "checks": [check._asdict() for check in self.checks],
        }


def doctor() -> Report:
    """Look at everything `pipeline` and `training` need. Takes a few seconds.

    Where there is a GPU, torch is asked and a pair of frames computed on each, which takes
    longer the first time: kernels are compiled.
    """
    return Report(
        (
            _python(),
            *_names(),
            *requirements(),
            *_opencv(),
            *_pyav(),
            *_hdf5(),
            *_numba(),
            *gpu.checks(),
            *_ray(),
            *machine.checks(),
            *_folders(),
        )
    )


def _python() -> Check:
    """The version of Python, which is in order: an older one does not get this far."""
    version = ".".join(map(str, sys.version_info[:3]))
    return Check("python", "ok", f"{version}, {sys.executable}")


def _names() -> Iterator[Check]:
    """Files of the user's that are taken for our packages: by `python -m` and notebooks in
    this folder, or by everything, where they lie on PYTHONPATH."""
    for name in packages.NAMES:
        shadows = [packages.shadow(name)]
        shadows += [
            path.absolute()
            for path in (Path(f"{name}.py"), Path(name, "__init__.py"))
            if path.is_file() and not path.absolute().is_relative_to(packages.ROOT)
        ]
        if found := next(filter(None, shadows), None):
            said = f"{found} shadows the package {name} where its folder comes first"
            remedy = "rename it, or take its folder off PYTHONPATH and work elsewhere"
            yield Check("names", "warning", said, remedy)


def _load(name: str) -> ModuleType | str:
    """The module, or why it does not load."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        return str(error)


def _opencv() -> Iterator[Check]:
    cv2 = _load("cv2")
    if isinstance(cv2, str):
        needs_system = "libGL" in cv2 or "libgthread" in cv2 or "libglib" in cv2
        yield Check(
            "opencv",
            "problem",
            cv2,
            "apt-get install libgl1 libglib2.0-0"
            if needs_system
            else "pip install opencv-contrib-python",
        )
        return
    # All four wheels unpack into one folder, cv2: the last one installed wins.
    others = [
        name
        for name in (
            "opencv-python",
            "opencv-python-headless",
            "opencv-contrib-python-headless",
        )
        if importlib.util.find_spec("cv2") and installed(name)
    ]
    mend = (
        f"pip uninstall -y {' '.join(others)} opencv-contrib-python"
        " && pip install opencv-contrib-python"
    )
    if not hasattr(cv2, "optflow"):
        found = f"{cv2.__version__} without optflow (TV-L1)"
        if others:
            found += f": {', '.join(others)} lies over opencv-contrib-python"
        yield Check("opencv", "problem", found, mend)
    elif others:
        found = f"{cv2.__version__}, but {', '.join(others)} shares its folder"
        yield Check("opencv", "warning", found, mend)
    else:
        yield Check("opencv", "ok", f"{cv2.__version__} with optflow (TV-L1)")


def _pyav() -> Iterator[Check]:
    av = _load("av")
    if isinstance(av, str):
        yield Check("pyav", "problem", av, "pip install av")
        return
    libavcodec = ".".join(map(str, av.library_versions["libavcodec"]))
    missing = []
    for name, mode in (("libx264", "w"), ("h264", "r"), ("mpeg4", "r")):
        try:
            av.codec.Codec(name, mode)
        except ValueError:  # what UnknownCodecError is, in every version of PyAV
            missing.append(name)
    if missing:
        yield Check(
            "pyav",
            "problem",
            f"av {av.__version__}, libavcodec {libavcodec} without {', '.join(missing)}",
            "pip install --force-reinstall --only-binary :all: av",
        )
    else:
        yield Check(
            "pyav",
            "ok",
            f"av {av.__version__}, libavcodec {libavcodec} with libx264, h264, mpeg4",
        )


def _hdf5() -> Iterator[Check]:
    h5py = _load("h5py")
    if isinstance(h5py, str):
        yield Check("hdf5", "problem", h5py, "pip install h5py")
    else:
        found = f"h5py {h5py.__version__}, HDF5 {h5py.version.hdf5_version}"
        yield Check("hdf5", "ok", found)


def _numba() -> Iterator[Check]:
    numba = _load("numba")
    if isinstance(numba, str):
        yield Check("numba", "problem", numba, "pip install numba")
    else:
        yield machine.compile_cache()


def _ray() -> Iterator[Check]:
    """Check Ray without importing it, which takes a second."""
    if importlib.util.find_spec("ray") is None:
        yield Check("ray", "problem", "not installed", 'pip install "ray[default]"')
        return
    version = importlib.metadata.version("ray")
    if importlib.util.find_spec("aiohttp_cors") is None:
        found = f"{version} without its job server"
        yield Check("ray", "warning", found, 'pip install "ray[default]"')
        return
    yield machine.ray_cluster(version)
    yield machine.job_server()
    yield from machine.token_file()


def _folders() -> Iterator[Check]:
    try:
        from pipeline.store.default_folders import data_folder  # loads numpy and h5py
    except ImportError as error:
        yield Check("data folder", "warning", f"not checked: {error}", "")
        return
    yield from machine.folders(data=data_folder())


if __name__ == "__main__":  # where click is missing, the command does not start
    print(doctor().text())
