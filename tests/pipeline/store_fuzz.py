"""A process of its own that reads mutated stores: `python store_fuzz.py STORE WORK KIND SEED COUNT`.

Whatever is raised beside StoreError and PlanError ends it. Prints a JSON line: seconds of
the slowest mutation, and by how many MB the memory of the process has grown.
"""

import json
import os
import random
import resource
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pipeline.driver.plan_file import read_plan
from pipeline.errors import PlanError
from pipeline.inspection.status import info, status
from pipeline.store import LAYOUT, Store, StoreError, verify
from pipeline.store.files import content_hash
from pipeline.store.hashes import columns_hash
from pipeline.store.sealing import write_sealed
from pipeline.store.shard_file import columns_text

VALUES: list[Any] = [
    None,
    True,
    -1,
    0,
    1,
    2**31,
    10**9,
    2**63,
    2**70,
    1.5,
    float("inf"),
    "",
    "x",
    "../../etc/passwd",
    "\x1b[2J\n",
    [],
    {},
    [1],
    [[]],
    {"a": 1},
    "0" * 32,
]
TEXTS = ("manifest.json", "index.jsonl", "_plan.json", "_commits/rgb-00000.json")


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths to everything inside a JSON value."""
    found = [path] if path else []
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, inside in items:
        found += places(inside, (*path, key))
    return found


def mutated(value: Any, chance: random.Random) -> Any:
    """A value with one part replaced, removed, doubled or nested."""
    path = chance.choice(places(value))
    holder = value
    for key in path[:-1]:
        holder = holder[key]
    last = path[-1]
    what = chance.randrange(4)
    if what == 0:
        del holder[last]
    elif what == 1:
        holder[last] = [holder[last]] * chance.choice((1, 2, 1000))
    elif what == 2 and isinstance(holder, dict):
        holder[chance.choice(("more", "checksum", "id", "\x00"))] = holder[last]
    else:
        holder[last] = chance.choice(VALUES)
    return value


def bytes_mutated(content: bytes, chance: random.Random) -> bytes:
    """Bits turned, bytes cut, doubled or filled."""
    data = bytearray(content)
    for _ in range(chance.choice((1, 1, 3, 20))):
        place = chance.randrange(len(data) or 1)
        what = chance.randrange(5)
        if what == 0 and data:
            data[place] ^= 1 << chance.randrange(8)
        elif what == 1:
            data[place : place + 8] = chance.choice((b"\xff" * 8, bytes(8)))
        elif what == 2 and chance.random() < 0.2:
            del data[place:]
        elif what == 3:
            data[place : place + 4] = chance.randbytes(4)
        elif data:
            data[place] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
    return bytes(data)


def mutate_text(store: Path, chance: random.Random) -> None:
    """One text: its bytes, or its values under a new checksum."""
    path = store / chance.choice(TEXTS)
    content = path.read_bytes()
    if chance.random() < 0.3:
        path.write_bytes(bytes_mutated(content, chance))
        return
    if path.name == "index.jsonl":
        lines = [json.loads(line) for line in content.splitlines()]
        lines = mutated(lines, chance)
        text = "\n".join(map(json.dumps, lines if isinstance(lines, list) else []))
        path.write_text(text + "\n")
        manifest = json.loads((store / "manifest.json").read_text())
        manifest["index"] = [content_hash(path)]
        write_sealed(store / "manifest.json", manifest)
        return
    value = mutated(json.loads(content), chance)
    try:
        write_sealed(path, value)
    except ValueError:  # infinity, which JSON does not have
        path.write_text(json.dumps(value))


def mutate_file(store: Path, chance: random.Random) -> None:
    """One HDF5 file: its bytes, or what it holds; manifest and commits agree with it."""
    path = chance.choice(sorted(store.glob("*.h5")))
    if chance.random() < 0.6:
        path.write_bytes(bytes_mutated(path.read_bytes(), chance))
    else:
        try:
            inside(path, chance)
        except (ValueError, TypeError, OSError, KeyError):
            path.write_bytes(bytes_mutated(path.read_bytes(), chance))
    agree(store, path)


def inside(path: Path, chance: random.Random) -> None:
    with h5py.File(path, "a") as file:
        name = chance.choice(sorted(file))
        values = file[name][:]
        what = chance.randrange(6)
        if what == 0:
            del file[name]
        elif what == 1:
            del file[name]
            file.create_dataset(name, data=values[: chance.randrange(len(values) + 1)])
        elif what == 2:
            del file[name]
            size = chance.choice((10**6, 10**10, 2**40))
            file.create_dataset(name, (size,), values.dtype, chunks=(1 << 16,))
        elif what == 3 and name != "index":
            huge = chance.choice((2**62, -(2**62), 10**9, 255, 1))
            values[chance.randrange(len(values))] = np.array(huge).astype(values.dtype)
            file[name][:] = values
        elif what == 4 and name == "index":
            field = chance.choice(values.dtype.names[1:])
            values[field][chance.randrange(len(values))] = chance.choice((-1, 2**62, 7))
            file[name][:] = values
        else:
            key = chance.choice(sorted(file.attrs))
            file.attrs[key] = chance.choice(("", "[" * 10**4, "{}", "[1]", "\x00"))
        if chance.random() < 0.8 and sum(file[n].size for n in file) < 10**7:
            columns = {n: file[n][:] for n in file if n not in ("data", "columns")}
            text = columns_text(file, columns)
            if chance.random() < 0.4:
                text = json.dumps(mutated(json.loads(text), chance)).encode()
            del file["columns"]
            file["columns"] = np.frombuffer(text, np.uint8)


def agree(store: Path, path: Path) -> None:
    manifest = json.loads((store / "manifest.json").read_text())
    modality, shard = path.name[:-3].split("-")
    record = manifest["modalities"][modality]["files"][int(shard)]
    record["bytes"] = path.stat().st_size
    try:
        with h5py.File(path) as file:
            text = file["columns"][:].tobytes()
            record["columns"] = columns_hash(text)
            record["columns_bytes"] = len(text)
            record["columns_offset"] = file["columns"].id.get_offset() or 0
            record["data_offset"] = file["data"].id.get_offset() or 0
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, AttributeError):
        pass
    write_sealed(store / "manifest.json", manifest)
    commit = store / f"_commits/{modality}-{shard}.json"
    value = json.loads(commit.read_text())
    write_sealed(commit, value | record | {"xxh3": content_hash(path)})


def use(store: Path) -> None:
    """Everything that people do with a store of a stranger."""
    for look in (verify, info, status, read_plan, read_all, read_unchecked):
        try:
            look(store)
        except (StoreError, PlanError) as error:
            assert "\n" not in str(error), "more than a line"
            assert len(str(error)) < 2_000, f"a very long line: {str(error)[:150]}"


def read_all(store: Path, check: bool = True) -> None:
    opened = Store(store, check=check)
    for video in opened.videos():
        for name in LAYOUT:
            for part in ({}, {"stop": 1}, {"crop": (0, 0, 1, 1)}):
                try:
                    opened.read(video.id, name, **part)
                except StoreError:
                    pass
        try:
            opened.seconds(video.id)
            opened.picture_types(video.id)
        except StoreError:
            pass


def read_unchecked(store: Path) -> None:
    read_all(store, check=False)


def main() -> None:
    built, work, kind, seed, count = sys.argv[1:]
    mutate: Callable[[Path, random.Random], None] = globals()[f"mutate_{kind}"]
    os.fsync = lambda handle: None  # no power cut expected
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    slowest = 0.0
    for number in range(int(count)):
        store = Path(work) / "store"
        shutil.rmtree(store, ignore_errors=True)
        shutil.copytree(built, store)
        mutate(store, random.Random(f"{seed} {number}"))
        began = time.monotonic()
        use(store)
        slowest = max(slowest, time.monotonic() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    figures = {"slowest": slowest, "grown_mb": (peak - used) / 1024}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
