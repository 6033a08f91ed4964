"""A run's folder: recipe.json (configuration), metrics.jsonl (log), results.json (results)."""

import dataclasses
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

from pipeline.store import (
    FolderHeld,
    Json,
    Lease,
    hold,
    is_part,
    remove_parts,
    require_plain_folder,
)

from ..errors import CheckpointError, DamagedFile, RunError
from ..run_files.json_dataclasses import from_json, to_json
from ..run_files.names import (
    CHECKPOINT_BEFORE,
    LOGS,
    METRICS,
    RECIPE,
    RESULTS,
    WEIGHTS,
)
from ..run_files.reading import MetricsLine, read_json, read_lines
from ..run_files.results import Results, read_results
from ..run_files.run_config import RecipeFile, RunConfig, StartedOn
from ..run_files.sealed import checked_seal
from ..run_files.settings_json import differences
from ..run_files.writing import (
    append,
    not_written,
    write_bytes,
    write_sealed,
)

WAIT_SECONDS = 2.0
"""Seconds between two checks of a run that another process writes."""


class Run:
    """The folder of one run. A run is resumed by opening it again.

    What decides the result is in recipe.json under "run" and cannot change; under
    "machine" is where it was started, for people.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self._lease: Lease | None = None

    @classmethod
    def open(cls, folder: Path, config: RunConfig, *, machine: StartedOn) -> "Run":
        """Begin a run, or resume it.

        Raises:
            RunError: the folder holds a run of other settings, or something else.
        """
        run = cls(folder)
        run.begin(config, machine=machine)
        return run

    def begin(self, config: RunConfig, *, machine: StartedOn) -> None:
        """Write recipe.json, unless it is there already: see `open`."""
        self.check(config)
        if not self.is_run:
            _make(self.folder)
            record = RecipeFile(run=config, machine=machine)
            write_sealed(self.path(RECIPE), to_json(record))

    def check(self, config: RunConfig, *, partly: bool = False) -> None:
        """Check that the folder is free for a run, or holds it already.

        Args:
            config: of the run.
            partly: fields of it that are None match any value.

        Raises:
            RunError: it holds a run of other settings, or something else.
        """
        if self.is_run:
            if differ := self.difference(config, partly=partly):
                raise RunError(
                    f"{self.folder}: expected a run of this recipe, but there and here"
                    f" differ in {differ}: choose another --out, or remove the folder"
                )
        elif not self.is_new:
            raise RunError(
                f"{self.folder}: expected a run or an empty folder, got something else"
            )

    def difference(self, config: RunConfig, *, partly: bool = False) -> str:
        """The first setting that differs from those of the run, in words; empty: none does.

        Args:
            partly: fields of `config` that are None match any value.

        Raises:
            RunError: the folder holds no run, or the file was damaged.
        """
        there, wanted = self._recipe()["run"], to_json(config)
        if partly:
            there = {key: there.get(key) for key in wanted}
        differ = differences(there, wanted)
        more = f" (and {len(differ) - 1} more)" if len(differ) > 1 else ""
        return f"{differ[0]}{more}" if differ else ""

    @property
    def is_run(self) -> bool:
        """Whether a run was begun here."""
        return self.path(RECIPE).is_file()

    @property
    def is_new(self) -> bool:
        """Whether the folder is free: empty, or with nothing but the folder of its lease.

        A process that begins a run here may be writing the first file of it.
        """
        if not self.folder.exists():
            return True
        return self.folder.is_dir() and all(
            path.name == LOGS or is_part(path.name) for path in self.folder.iterdir()
        )

    @contextmanager
    def writing(
        self, say: Callable[[str], None] = lambda text: None, *, wait: bool = False
    ) -> Iterator[None]:
        """Keep every other process from writing this run.

        Args:
            say: called with a line when this waits, or checks whether another one still runs.
            wait: if another process writes the run, wait until it has stopped.

        Raises:
            FolderHeld: another process writes it; the message says which, and since when.
            WriteError: nothing can be written there.
        """
        with ExitStack() as stack:
            self._lease = stack.enter_context(self._held(say, wait))
            stack.callback(setattr, self, "_lease", None)
            remove_parts(self.folder)
            yield

    def _held(
        self, say: Callable[[str], None], wait: bool
    ) -> AbstractContextManager[Lease]:
        """A lease that is already held."""
        logs, waits = self.path(LOGS), False
        _make(logs)
        require_plain_folder(logs)
        while True:
            stack = ExitStack()
            try:
                lease = stack.enter_context(hold(self.folder, say=say))
            except FolderHeld as error:
                if not wait:
                    raise
                if not waits:
                    say(f"waits: {error}")
                waits = True
                time.sleep(WAIT_SECONDS)
            except OSError as error:
                raise not_written(logs, error) from error
            else:
                return _left_with(stack, lease)

    def require(self) -> None:
        """Check that no other process has taken the run over, where this one writes it.

        Raises:
            FolderHeld: one has, as after minutes in which this process was suspended.
        """
        if self._lease is not None:
            self._lease.require()

    def path(self, name: str) -> Path:
        return self.folder / name

    def config(self) -> RunConfig:
        """Everything that decides the run's result.

        Raises:
            RunError: the folder holds no run, or the file was damaged.
        """
        return self._config(self._recipe())

    def is_of(self, config: RunConfig) -> bool:
        """Whether everything that decides the result is equal.

        Raises:
            RunError: the folder holds no run, or the file was damaged.
        """
        record = self._recipe()
        self._config(record)
        return bool(record["run"] == to_json(config))

    def machine(self) -> StartedOn:
        """The machine on which it was started."""
        where = f"{self.path(RECIPE)}: machine"
        return from_json(StartedOn, self._recipe()["machine"], where=where)

    def results(self) -> Results | None:
        """The results; None while the run is not complete.

        Raises:
            RunError: the file was damaged.
        """
        return read_results(self.folder) if self.path(RESULTS).exists() else None

    def weights(self, name: str = WEIGHTS) -> Path:
        """Path of the weights of a complete run, to which its results belong.

        Raises:
            RunError: the run is not complete, or has no weights of this name.
            CheckpointError: the file has changed since.
        """
        path, results = self.path(name), self.results()
        if results is None:
            raise RunError(
                f"{self.folder}: expected a complete run, but it has no results"
            )
        expected = (results.files or {}).get(name)
        if expected is None or not path.is_file():
            raise RunError(f"{self.folder}: expected weights, but it has no {name}")
        try:
            found = checked_seal(path)
        except DamagedFile as error:
            told = str(error).removeprefix(f"{path}: ")
            raise CheckpointError(
                f"{path}: expected weights saved by a training: {told}"
            ) from None
        if found != expected:
            raise CheckpointError(
                f"{path}: expected the weights that {RESULTS} is of, got others"
            )
        return path

    def setting(self, name: str) -> Json:
        """One of the recipe's settings, as JSON.

        Raises:
            RunError: the recipe has no such setting.
        """
        settings = self.config().recipe.settings
        if name not in settings:
            raise RunError(f"{self.path(RECIPE)}: expected the setting {name}")
        return settings[name]

    def finish(self, results: Results) -> None:
        """Write the results, and the hashes of all weights: the run is complete."""
        self.require()
        files = {
            path.name: checked_seal(path) for path in self.folder.glob("model*.pt")
        }
        results = dataclasses.replace(results, files=dict(sorted(files.items())))
        write_sealed(self.path(RESULTS), to_json(results))
        self.path(CHECKPOINT_BEFORE).unlink(missing_ok=True)

    def log(self, **values: Any) -> None:
        """Add a line to metrics.jsonl."""
        self.require()
        append(self.path(METRICS), json.dumps(values, sort_keys=True) + "\n")

    def metrics(self) -> list[MetricsLine]:
        """The lines so far, without a last one that a kill has truncated.

        Raises:
            RunError: another line was damaged; it is named.
        """
        return read_lines(self.path(METRICS))

    def forget_after(self, step: int, epoch: int) -> None:
        """Drop the lines of steps and epochs that a resumed training repeats."""
        kept = [
            line
            for line in self.metrics()
            if line["step"] <= step
            and (line["kind"] != "epoch" or line["epoch"] < epoch)
        ]
        text = "".join(json.dumps(m, sort_keys=True) + "\n" for m in kept)
        write_bytes(self.path(METRICS), text.encode())

    def _config(self, record: Mapping[str, Json]) -> RunConfig:
        where = f"{self.path(RECIPE)}: run"
        return from_json(RunConfig, record["run"], where=where)

    def _recipe(self) -> dict[str, dict[str, Json]]:
        path = self.path(RECIPE)
        if not self.is_run:
            raise RunError(
                f"{self.folder}: expected a run, but it has no {RECIPE}"
                " (`training runs FOLDER` lists the runs in a folder)"
            )
        found: dict[str, dict[str, Json]] = read_json(
            path, {"run": dict, "machine": dict}
        )
        return found


@contextmanager
def _left_with(stack: ExitStack, lease: Lease) -> Iterator[Lease]:
    with stack:
        yield lease


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise not_written(folder, error) from error
