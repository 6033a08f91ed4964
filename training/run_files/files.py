"""The small files of a run: their names, and reading and writing them. No torch.

Whoever reads a run's JSON reads it here: types, bounds, depth and size are checked once,
and what is wrong is told with its place.
"""

import json
import math
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from pipeline.store import MODALITIES, replacing

from ..errors import RunError, WriteError

RECIPE, METRICS, RESULTS = "recipe.json", "metrics.jsonl", "results.json"
CHECKPOINT, WEIGHTS, SCORES = "checkpoint.pt", "model.pt", "scores_{part}.npz"
CHECKPOINT_BEFORE = "checkpoint_before.pt"
CROPS = "crops{crops}_"
"""Before the name of a file that is of other crops than the recipe's."""
LEARNED_FROM = "learned_from.json"
"""Ids of the training videos, for whoever must not fit weights on them."""
REPRODUCTION, FIGURES = "reproduction.json", "figures.npz"
LOGS = "_logs"
"""Who writes the run, or did."""

KINDS = {"str": "a text", "dict": "an object", "list": "a list"}
JSON_BYTES, LINES_BYTES = 64 << 20, 1 << 30
DEPTH = 64
"""Levels of objects and lists in each other."""


class Within(NamedTuple):
    """A number between two bounds, in a shape."""

    low: float
    high: float
    whole: bool = False

    def fits(self, value: Any) -> bool:
        kind = int if self.whole else (int, float)
        return (
            isinstance(value, kind)
            and not isinstance(value, bool)
            and self.low <= value <= self.high
        )

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        return f"{kind} from {self.low:g} to {self.high:g}"


SHARE, DIFFERENCE = Within(0, 1), Within(-1, 1)
COUNT, SEED = Within(0, 1 << 53, True), Within(-(1 << 63), (1 << 64) - 1, True)
NUMBER, RATE = Within(-1e300, 1e300), Within(1e-9, 1e300)
INTERVAL = {"mean": SHARE, "low": SHARE, "high": SHARE}

SPLIT = {"name": str, "kind": str, "videos": str}
STORE = {"dataset": str, "classes": [str], "settings?": dict, "fingerprint?": str}
DECIDED = {
    "kind": str,
    "recipe": {"name": str, "settings": dict},
    "model": (None, dict),
    "modalities": [MODALITIES],
    "store": STORE,
    "split": SPLIT,
    "seed": SEED,
    "precision": str,
}
"""What recipe.json says under "run", for every kind of run."""
PART = {
    "videos": COUNT,
    "top1": INTERVAL,
    "mean_class": SHARE,
    "per_class": {str: {"accuracy": SHARE, "videos": COUNT}},
    "loss?": NUMBER,
    "top5?": INTERVAL,
    "map?": INTERVAL,
}
"""What the results say of one part of the videos."""
TRAINING = {
    "epochs": COUNT,
    "seconds": NUMBER,
    "seconds_per_epoch": NUMBER,
    "share_of_waiting": NUMBER,
    "parameters": COUNT,
}
OTHER = {"run": str, "what": str, "test": {"top1": INTERVAL, "mean_class": SHARE}}
COMPLETE = {
    "what": str,
    "split": SPLIT,
    "videos": {
        "train": COUNT,
        "held_out": COUNT,
        "test": COUNT,
        "left_out": {str: str},
        "untaught": [str],
        "untested?": [str],
        "torn?": [str],
        "held_out_rule?": str,
        "held_out_by_video": [str],
    },
    "training?": TRAINING,
    "held_out?": PART,
    "test?": PART,
    "others?": {str: {"held_out?": PART, "test?": PART}},
    "teacher?": OTHER,
    "scratch?": OTHER
    | {
        "difference": {"mean": DIFFERENCE, "low": DIFFERENCE, "high": DIFFERENCE},
        "videos_compared": COUNT,
    },
    "fusion?": {"weights?": ([NUMBER], {str: [NUMBER]})},
    "flow?": {"end_point_error_px": NUMBER, "of_no_motion_px": NUMBER},
    "files?": {str: str},
}
"""What results.json says, as far as anything reads it."""
LINE = {"kind": str, "epoch": COUNT, "step": COUNT}
EPOCH_LINE = LINE | {"seconds": NUMBER, "waited": NUMBER}
TOLD = {
    "title?": str,
    "paper?": str,
    "size?": str,
    "seeds?": [SEED],
    "store?": str,
    "split?": str,
    "held_out?": (None, NUMBER),
    "recipe_of?": {str: str},
    "not_run?": {str: str},
    "runs": {str: str},
    "seconds?": {str: NUMBER},
    "total?": COUNT,
    "done?": COUNT,
    "command?": str,
    "speeds?": (
        None,
        {
            "device": str,
            "batch_size": COUNT,
            "rows": [
                {
                    "system": str,
                    "per_second": NUMBER,
                    "parameters": NUMBER,
                    "multiply_adds": NUMBER,
                }
            ],
            "reading?": {str: {"frames_per_second": RATE, "device": str, "how": str}},
            "systems?": [{"system": str, "total": NUMBER, "stages": {str: NUMBER}}],
        },
    ),
}
"""What reproduction.json says."""


def read_bytes(path: Path, *, most: int = JSON_BYTES) -> bytes:
    """A whole file.

    Raises:
        RunError: there is no such file, it is larger than any of its kind, or it cannot
            be read.
    """
    with reading(path):
        if not stat.S_ISREG(path.stat().st_mode):
            raise RunError(f"{path}: expected a file, got something else")
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > most:
                raise RunError(
                    f"{path}: expected at most {most >> 20} MB, got {size >> 20} MB"
                )
            return file.read(most)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns what the system says of a file that cannot be read into one line.

    Raises:
        RunError: it is not there, or cannot be read.
    """
    try:
        yield
    except FileNotFoundError:
        raise RunError(f"{path}: expected a file of a run, but it is missing") from None
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {_reason(error)}") from error


def read_json(path: Path, shape: Any = object) -> Any:
    """A file of a run.

    Args:
        shape: what it must be like; see `check`.

    Raises:
        RunError: it is not JSON, or of another shape; the place is named. Or it cannot
            be read.
    """
    return parsed(read_bytes(path), shape, where=str(path))


def parsed(text: bytes, shape: Any = object, *, where: str) -> Any:
    """JSON of a shape.

    Raises:
        RunError: it is not, or of another shape.
    """
    if not text.strip():
        raise RunError(f"{where}: expected JSON, got an empty file")
    try:
        value = json.loads(text)
    except RecursionError:
        raise RunError(f"{where}: expected at most {DEPTH} levels, got more") from None
    except ValueError as error:
        raise RunError(f"{where}: expected JSON, got {error}") from None
    _check_depth(value, where)
    check(value, shape, where=where)
    return value


def check(value: Any, shape: Any, *, where: str) -> None:
    """Check the shape of a JSON value.

    Args:
        shape: a type; `Within`; a text, or None; [of items]; {key: of its value}, where
            a key that ends with "?" may be missing and others are let be; {str: of all
            values}; a tuple of several of these.

    Raises:
        RunError: the first place that is wrong is named.
    """
    if wrong := _wrong(value, shape, ""):
        place, expected, got = wrong
        raise RunError(
            f"{where}: {place + ': ' * bool(place)}expected {expected}, {got}"
        )


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl; a last one cut off by a kill does not count.

    Raises:
        RunError: another line was damaged; it is named.
    """
    if not path.exists():
        return []
    whole = read_bytes(path, most=LINES_BYTES).rpartition(b"\n")[0]
    found = []
    for number, text in enumerate(whole.split(b"\n") if whole else (), 1):
        where = f"{path}:{number}"
        line = parsed(text, LINE, where=where)
        if line["kind"] == "epoch":
            check(line, EPOCH_LINE, where=where)
        found.append(line)
    return found


def write_bytes(path: Path, data: bytes | memoryview) -> None:
    """Write a file of a run, whole or not at all.

    Raises:
        WriteError: it cannot be written; the one before is still there.
    """
    try:
        with replacing(path) as file:
            file.write(data)
    except OSError as error:
        raise not_written(path, error) from error


def write_json(path: Path, value: Any) -> None:
    """Write a file of a run, whole or not at all; see `write_bytes`."""
    text = json.dumps(value, indent=1, sort_keys=True) + "\n"
    write_bytes(path, text.encode())


def write_text(path: Path, text: str) -> None:
    """Write a text for people, whole or not at all; see `write_bytes`."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def open_rows(path: Path, *, anew: bool) -> IO[bytes]:
    """A file of a run to write in place; a link there is not followed.

    Args:
        anew: without what stands there.

    Raises:
        WriteError: it cannot be opened.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return open(os.open(path, flags | os.O_TRUNC * anew, 0o666), "r+b")
    except OSError as error:
        raise not_written(path, error) from error


def append(path: Path, text: str) -> None:
    """Add to a file of a run; a link there is not followed.

    Raises:
        WriteError: it cannot be written.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    flags |= os.O_NONBLOCK  # or a pipe would have us wait for its reader
    try:
        with open(os.open(path, flags, 0o666), "ab") as file:
            file.write(text.encode())
    except OSError as error:
        raise not_written(path, error) from error


def not_written(path: Path, error: OSError) -> WriteError:
    """The one line for a file that could not be written."""
    return WriteError(f"{path}: cannot be written: {_reason(error)}")


def _reason(error: OSError) -> str:
    reason = error.strerror or str(error)
    return reason[:1].lower() + reason[1:]


def _check_depth(value: Any, where: str) -> None:
    level = [value]
    for _ in range(DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return
    raise RunError(f"{where}: expected at most {DEPTH} levels, got more")


Wrong = tuple[str, str, str]
"""Place, what was expected there, and what came."""


def _wrong(value: Any, shape: Any, place: str) -> Wrong | None:
    match shape:
        case tuple() if not isinstance(shape, Within):
            return _none_of(value, shape, place)
        case dict():
            return _wrong_object(value, shape, place)
        case list():
            return _wrong_list(value, shape[0], place)
        case Within():
            fits, expected = shape.fits(value), str(shape)
        case type():
            fits = isinstance(value, shape)
            expected = KINDS.get(shape.__name__, shape.__name__)
        case _:
            fits, expected = value == shape, json.dumps(shape)
    return None if fits else (place, expected, _got(value))


def _none_of(value: Any, shapes: Sequence[Any], place: str) -> Wrong | None:
    found = [_wrong(value, shape, place) for shape in shapes]
    if not all(found):
        return None
    deeper = [one for one in found if one and one[0] != place]
    if deeper:
        return deeper[0]
    return place, " or ".join(one[1] for one in found if one), _got(value)


def _wrong_object(value: Any, shape: Mapping[Any, Any], place: str) -> Wrong | None:
    if not isinstance(value, dict):
        return place, "an object", _got(value)
    for name, inner in shape.items():
        if name is str:
            pairs = [(key, inner) for key in value]
        elif name.removesuffix("?") in value:
            pairs = [(name.removesuffix("?"), inner)]
        elif name.endswith("?"):
            continue
        else:
            return place, f"{name} in it", "but it is missing"
        for key, one in pairs:
            shown = f"{place}.{key}" if place else key
            if wrong := _wrong(value[key], one, shown):
                return wrong
    return None


def _wrong_list(value: Any, shape: Any, place: str) -> Wrong | None:
    if not isinstance(value, list):
        return place, "a list", _got(value)
    for number, item in enumerate(value):
        if wrong := _wrong(item, shape, f"{place}[{number}]"):
            return wrong
    return None


def _got(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return f"got {value}"
    if isinstance(value, (dict, list)):
        return f"got {'an object' if isinstance(value, dict) else 'a list'}"
    text = str(value) if isinstance(value, int) and abs(value) > 1e15 else None
    text = text or json.dumps(value)
    return f"got {text if len(text) <= 60 else text[:57] + '...'}"
