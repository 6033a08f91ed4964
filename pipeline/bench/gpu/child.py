"""The process of one stage: runs it and sends its rows, a line of JSON each.

    python -m pipeline.bench.gpu.child MODULE:FUNCTION SETTINGS DESCRIPTOR PARENT

Light: what a stage needs is imported by the stage, under its time limit.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import TextIO

from motion_shards.errors import MotionShardsError
from motion_shards.interruption import as_ctrl_c
from motion_shards.plain_text import first_line
from motion_shards.processes import follow_parent

from .rows import Row, to_json
from .settings import Settings


def main() -> None:
    name, settings, descriptor, parent = sys.argv[1:]
    follow_parent(int(parent))
    os.set_inheritable(int(descriptor), False)
    with os.fdopen(int(descriptor), "w", encoding="utf-8") as pipe, as_ctrl_c():
        _run(name, Settings.from_text(settings), pipe)


def _run(name: str, settings: Settings, pipe: TextIO) -> None:
    """Send every row, then "done" or the error's line."""

    def send(**message: object) -> None:
        pipe.write(json.dumps(message) + "\n")
        pipe.flush()

    try:
        for row in _function(name)(settings):
            send(row=to_json(row))
    except MotionShardsError as error:
        send(failed=str(error))
    except Exception as error:
        send(failed=f"{type(error).__name__}: {first_line(error)}")
        raise
    else:
        send(done=True)


def _function(name: str) -> Callable[[Settings], Iterator[Row]]:
    module, function = name.split(":")
    found: Callable[[Settings], Iterator[Row]] = getattr(
        import_module(module), function
    )
    return found


if __name__ == "__main__":
    main()
