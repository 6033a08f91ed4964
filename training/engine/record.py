"""A run's folder: recipe.json says what it is, metrics.jsonl how it went, results.json how it ended."""

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.store import (
    Lease,
    hold,
    remove_parts,
    replacing,
    require_plain_folder,
)

from ..errors import RunError

RECIPE, METRICS, RESULTS = "recipe.json", "metrics.jsonl", "results.json"
CHECKPOINT, WEIGHTS, SCORES = "checkpoint.pt", "model.pt", "scores_{part}.npz"
CROPS = "crops{crops}_"
"""Before the name of a file that is of other crops than the recipe's."""
LEARNED_FROM = "learned_from.json"
"""Ids of the training videos, for whoever must not fit weights on them."""
LOGS = "_logs"
"""Who writes the run, or did."""


def as_json(value: Any) -> Any:
    """Settings as JSON: a dataclass becomes its fields, with its name under "is"."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {
            f.name: as_json(getattr(value, f.name)) for f in dataclasses.fields(value)
        }
        return {"is": type(value).__name__} | fields
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(item) for item in value]
    return value


def differences(first: Any, second: Any, where: str = "") -> list[str]:
    """Places where two JSON values differ, each as `where: first, second`."""
    if isinstance(first, dict) and isinstance(second, dict):
        found = []
        for key in sorted(first.keys() | second.keys()):
            place = f"{where}.{key}" if where else key
            if key not in first:
                found.append(f"{place}: absent, {_short(second[key])}")
            elif key not in second:
                found.append(f"{place}: {_short(first[key])}, absent")
            else:
                found += differences(first[key], second[key], place)
        return found
    if first != second:
        return [f"{where}: {_short(first)}, {_short(second)}"]
    return []


class Run:
    """The folder of one run. Opening it again is how a run goes on.

    What decides the result stands in recipe.json under "run" and can't change; under
    "machine" is where it was started, for people.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self._lease: Lease | None = None

    @classmethod
    def open(cls, folder: Path, decided: dict, *, machine: dict) -> "Run":
        """Begin a run, or go on with it.

        Args:
            decided: everything that decides the result, as JSON.

        Raises:
            RunError: the folder holds a run of other settings, or something else.
        """
        run = cls(folder)
        run.begin(decided, machine=machine)
        return run

    def begin(self, decided: dict, *, machine: dict) -> None:
        """Write what the run is, unless that stands there already: see `open`."""
        self.check(decided)
        if not self.is_run:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_json(self.path(RECIPE), {"run": decided, "machine": machine})

    def check(self, decided: dict) -> None:
        """Check that the folder is free for a run, or holds it already.

        Args:
            decided: everything that decides the result, or some of it.

        Raises:
            RunError: it holds a run of other settings, or something else.
        """
        if self.is_run:
            there = self.decided()
            differ = differences({key: there.get(key) for key in decided}, decided)
            if differ:
                more = f" (and {len(differ) - 1} more)" if len(differ) > 1 else ""
                raise RunError(
                    f"{self.folder}: expected a run of this recipe, but there and here"
                    f" differ in {differ[0]}{more}: choose another --out, or remove the folder"
                )
        elif not self.is_new:
            raise RunError(
                f"{self.folder}: expected a run or an empty folder, got something else"
            )

    @property
    def is_run(self) -> bool:
        """Whether a run was begun here."""
        return self.path(RECIPE).is_file()

    @property
    def is_new(self) -> bool:
        """Whether nothing is here, but for who was about to begin a run."""
        if not self.folder.exists():
            return True
        return self.folder.is_dir() and all(
            path.name == LOGS for path in self.folder.iterdir()
        )

    @contextmanager
    def writing(self, say: Callable[[str], None] = lambda text: None) -> Iterator[None]:
        """Keep every other process from writing this run.

        Args:
            say: told when it has to be watched whether another one still runs.

        Raises:
            FolderHeld: another process writes it; the line says who, and since when.
        """
        logs = self.path(LOGS)
        logs.mkdir(parents=True, exist_ok=True)
        require_plain_folder(logs)
        with hold(self.folder, say=say) as self._lease:
            try:
                remove_parts(self.folder)
                yield
            finally:
                self._lease = None

    def require(self) -> None:
        """Check that no other process has taken the run over, where this one writes it.

        Raises:
            FolderHeld: one has: this process was asleep for minutes.
        """
        if self._lease is not None:
            self._lease.require()

    def path(self, name: str) -> Path:
        return self.folder / name

    def decided(self) -> dict:
        """What the run is.

        Raises:
            RunError: the folder holds no run.
        """
        return self._recipe()["run"]

    def machine(self) -> dict:
        """Where it was started."""
        return self._recipe()["machine"]

    def results(self) -> dict | None:
        """What came out, None while the run is not complete."""
        path = self.path(RESULTS)
        return read_json(path) if path.exists() else None

    def finish(self, results: dict) -> None:
        """Write the results: the run is complete."""
        self.require()
        write_json(self.path(RESULTS), results)

    def log(self, **values: Any) -> None:
        """Add a line to metrics.jsonl."""
        self.require()
        with open(self.path(METRICS), "a", encoding="utf-8") as file:
            file.write(json.dumps(values, sort_keys=True) + "\n")

    def metrics(self) -> list[dict]:
        """The lines so far; a last one cut off by a kill does not count."""
        path = self.path(METRICS)
        if not path.exists():
            return []
        whole = path.read_text(encoding="utf-8").rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines()]

    def forget_after(self, step: int, epoch: int) -> None:
        """Drop lines of steps, and of ends of epochs, that will come again."""
        kept = [
            line
            for line in self.metrics()
            if line["step"] <= step
            and (line["kind"] != "epoch" or line["epoch"] < epoch)
        ]
        text = "".join(json.dumps(m, sort_keys=True) + "\n" for m in kept)
        _write(self.path(METRICS), text)

    def _recipe(self) -> dict:
        path = self.path(RECIPE)
        if not self.is_run:
            raise RunError(f"{self.folder}: expected a run, but it has no {RECIPE}")
        recipe = read_json(path)
        if not isinstance(recipe, dict) or not {"run", "machine"} <= recipe.keys():
            raise RunError(f"{path}: expected the recipe of a run, got something else")
        return recipe


def read_json(path: Path) -> Any:
    """A file of a run.

    Raises:
        RunError: it is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunError(f"{path}: expected JSON, got {error}") from None


def write_json(path: Path, value: Any) -> None:
    """Write a file of a run, whole or not at all."""
    _write(path, json.dumps(value, indent=1, sort_keys=True) + "\n")


def _write(path: Path, text: str) -> None:
    with replacing(path) as file:
        file.write(text.encode())


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
