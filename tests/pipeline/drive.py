"""A driver process of its own for the fault tests: `python drive.py FOLDER OUT ...`."""

import argparse
import subprocess
import sys
from functools import partial
from pathlib import Path

from small_videos import RGB_MV, crashing, data_set, marked, slow

from pipeline.commands.progress import LineReporter
from pipeline.driver.extraction import extract
from pipeline.errors import ExtractionError
from pipeline.executors.choose import Execution


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--workers", type=int, default=2, help="-1: as many as fit")
    parser.add_argument("--scratch", type=Path)
    parser.add_argument("--slow-seconds", type=float)
    parser.add_argument("--crash-on")
    parser.add_argument("--ray", default="off")
    parser.add_argument("--marks", type=Path, help="for the names of Ray's nodes")
    parser.add_argument("--grow", help="after a failure, let this disk grow and go on")
    given = parser.parse_args()
    decoder = None
    if given.slow_seconds is not None:
        decoder = partial(slow, seconds=given.slow_seconds)
    if given.crash_on:
        decoder = partial(crashing, victim=given.crash_on)
    if given.marks:
        decoder = partial(marked, seconds=given.slow_seconds, marks=given.marks)
    run = partial(
        extract,
        data_set(given.folder),
        RGB_MV,
        out=given.out,
        execution=Execution(
            ray=given.ray,
            workers=given.workers if given.workers >= 0 else None,
            scratch=given.scratch,
            open_video=decoder,
        ),
        reporter=LineReporter(sys.stderr),
    )
    if given.grow is None:
        return run().exit_code
    try:
        run()
    except ExtractionError as error:
        print("ENDED", error)
    print("FINISHED", (given.out / "manifest.json").exists())
    subprocess.run(["mount", "-o", "remount,size=80m", given.grow], check=True)
    return run().exit_code


if __name__ == "__main__":
    raise SystemExit(main())
