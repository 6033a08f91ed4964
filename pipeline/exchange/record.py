"""The folder of an export: its record, which identifies the export, and its lease."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.store import hold, remove_parts, replacing, require_plain_folder
from pipeline.store.file_names import ARRIVING, LOGS
from pipeline.store.replacement import name_file

from .errors import ExchangeError

RECORD = "export.json"
MAX_RECORD_BYTES = 1 << 20


@contextmanager
def own_folder(out: Path, record: dict[str, Any]) -> Iterator[Path]:
    """Keep other runs out of a folder, and yield a folder in it for unfinished files.

    Args:
        out: new, empty, or begun by an export with the same record.
        record: what stands in `export.json`.

    Raises:
        ExchangeError: something else is there, or another export.
        FolderHeld: another run writes it.
    """
    _require_same(out, record)
    for name in (LOGS, ARRIVING):
        (out / name).mkdir(parents=True, exist_ok=True)
        require_plain_folder(out / name)
    with hold(out):
        _require_same(out, record)
        with replacing(out / RECORD) as file:
            file.write(json.dumps(record, indent=1, sort_keys=True).encode() + b"\n")
        work = out / ARRIVING
        shutil.rmtree(work)
        work.mkdir()
        remove_parts(out)
        try:
            yield work
        except OSError as error:
            name_file(error, out)
            raise
        shutil.rmtree(work)


def _require_same(out: Path, record: dict[str, Any]) -> None:
    if not os.path.lexists(out):
        return
    if not out.is_dir():
        raise ExchangeError(f"{out}: expected a folder, got something else")
    path = out / RECORD
    if not os.path.lexists(path):
        if any(name not in (LOGS, ARRIVING) for name in os.listdir(out)):
            raise ExchangeError(
                f"{out}: expected an empty folder, a new one, or one that this export "
                "began, got something else"
            )
        return
    try:
        with path.open("rb") as file:
            found = json.loads(file.read(MAX_RECORD_BYTES))
        found.keys()
    except (ValueError, AttributeError, RecursionError):
        raise ExchangeError(f"{path}: expected the record of an export") from None
    wanted = json.loads(json.dumps(record))
    for name in sorted(wanted.keys() | found.keys()):
        if found.get(name) != wanted.get(name):
            raise ExchangeError(
                f"{out}: holds another export: expected {name} {wanted.get(name)}, got "
                f"{str(found.get(name))[:200]} (use another --out)"
            )
