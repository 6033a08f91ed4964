"""A run's folder: recipe.json says what it is, metrics.jsonl how it went, results.json how it ended."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.store import replacing

from ..errors import RunError

RECIPE, METRICS, RESULTS = "recipe.json", "metrics.jsonl", "results.json"
CHECKPOINT, WEIGHTS, SCORES = "checkpoint.pt", "model.pt", "scores_{part}.npz"
CROPS = "crops{crops}_"
"""Before the name of a file that is of other crops than the recipe's."""
LEARNED_FROM = "learned_from.json"
"""Ids of the training videos, for whoever must not fit weights on them."""


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

    @classmethod
    def open(
        cls, folder: Path, decided: dict, *, machine: dict, first: bool = True
    ) -> "Run":
        """Begin a run, or go on with it.

        Args:
            decided: everything that decides the result, as JSON.
            first: of the processes of this run, the one that writes.

        Raises:
            RunError: the folder holds a run of other settings, or something else.
        """
        run = cls(folder)
        if not first:
            return run
        run.check(decided)
        if not run.is_run:
            folder.mkdir(parents=True, exist_ok=True)
            write_json(run.path(RECIPE), {"run": decided, "machine": machine})
        return run

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
        elif self.folder.exists() and (
            not self.folder.is_dir() or any(self.folder.iterdir())
        ):
            raise RunError(
                f"{self.folder}: expected a run or an empty folder, got something else"
            )

    @property
    def is_run(self) -> bool:
        """Whether a run was begun here."""
        return self.path(RECIPE).is_file()

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
        write_json(self.path(RESULTS), results)

    def log(self, **values: Any) -> None:
        """Add a line to metrics.jsonl."""
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
