"""Runs that end at each step before they have a plan: `python stop_early.py FOLDER OUT HOW`.

HOW is kill (SIGKILL) or fail (the disk is full). Prints a line per step: what was about to
be done, and what the next run, with no fault, made of the folder.
"""

import errno
import os
import shutil
import signal
import sys
from pathlib import Path

from small_videos import SETTINGS, data_set

from pipeline.driver.extraction import extract
from pipeline.executors.choose import Execution

STEPS = {"open", "os.mkdir", "os.link", "os.rename", "os.remove", "os.scandir"}


def stop_at(step: int, out: Path, how: str, said: int) -> None:
    """Let this process end when it does so many things in a folder."""
    count = 0

    def hook(event: str, given: tuple) -> None:
        nonlocal count
        if event not in STEPS or not str(given[0]).startswith(str(out)):
            return
        count += 1
        if count == step:
            if (out / "_plan.json").exists():
                os._exit(0)
            name = Path(os.fsdecode(given[0])).name
            os.write(said, f"{event} {name}".encode())
            if how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(given[0]))

    sys.addaudithook(hook)


def run(folder: Path, out: Path) -> None:
    here = Execution(workers=0)
    extract(data_set(folder), SETTINGS.only(["rgb"]), out=out, execution=here)


def main(folder: Path, out: Path, how: str) -> None:
    step, said = 0, "begin"
    while said:
        step += 1
        shutil.rmtree(out, ignore_errors=True)
        reading, writing = os.pipe()
        if not (child := os.fork()):
            stop_at(step, out, how, writing)
            try:
                run(folder, out)
            except OSError:
                os._exit(1)
            os._exit(0)
        os.waitpid(child, 0)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            said = pipe.read().decode()
        if said:
            run(folder, out)
            left = sorted(path.name for path in out.glob("**/.*"))
            print(said, (out / "manifest.json").exists(), *left)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
