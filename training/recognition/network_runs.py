"""A complete run -> the runs of single networks that its model consists of."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..data.clip_config import ClipConfig
from ..errors import RunError
from ..run_files.names import RECIPE, RESULTS
from ..run_files.run_config import RunConfig
from ..runs.record import Run
from ..scoring.clip_protocol import ClipProtocol

OF_ONE_NETWORK = ("teach", "distill", "hidden")
"""Kinds of runs that result in one network that recognises classes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkRun:
    """A run of one network, as a stream of a model."""

    name: str
    run: Run
    clip: ClipConfig
    protocol: ClipProtocol
    tap: str | None = None
    """Submodule whose output is the features of the stream; None: the logits count."""

    @property
    def sees(self) -> str:
        """Modality of the network's input."""
        return str(self.run.config().sees)


def network_runs(run: Run) -> list[NetworkRun]:
    """The runs of single networks that a complete run consists of: itself, or its streams.

    Raises:
        RunError: see `contract_of`.
    """
    config, kind = _complete(run), run.config().kind
    named: list[tuple[Run, ClipProtocol, str | None]]
    if kind == "fuse":
        streams = needed_runs(run)
        if len(streams) == 1:  # the two classifiers of a collaboration
            return network_runs(streams[0])
        for one in streams:
            _require_one_network(one)
        named = [(one, run_protocol_of(one), None) for one in streams]
    elif kind == "collaborate":
        machine, tap = run.machine(), str(run.setting("tap"))
        streams = _needed(run, machine.first) + _needed(run, machine.second)
        for one, recorded in zip(streams, config.streams or (), strict=True):
            _require_weights(one, getattr(recorded, "weights", None), of=run)
        snippets = run.setting("snippets")
        if not isinstance(snippets, int):
            raise RunError(f"{run.path(RECIPE)}: expected a number of snippets")
        protocol = ClipProtocol(clips=snippets, aggregate="softmax")
        named = [(one, protocol, tap) for one in streams]
    else:
        _require_one_network(run)
        named = [(run, run_protocol_of(run), None)]
    names = _names([one for one, _, _ in named])
    return [
        NetworkRun(name=name, run=one, clip=_clip(one), protocol=protocol, tap=tap)
        for name, (one, protocol, tap) in zip(names, named, strict=True)
    ]


def needed_runs(run: Run) -> list[Run]:
    """The runs that a fusion combines, in the order of its weights.

    Raises:
        RunError: one is gone.
    """
    return _needed(run, run.machine().streams)


def run_protocol_of(run: Run) -> ClipProtocol:
    """The evaluation protocol of a run's recipe."""
    from ..experiments.evaluate import run_protocol

    return run_protocol(run)


def _clip(run: Run) -> ClipConfig:
    from ..runs.trained import clip_of

    return clip_of(run)


def _complete(run: Run) -> RunConfig:
    config = run.config()
    if run.results() is None:
        raise RunError(
            f"{run.folder}: expected a complete run, but it has no {RESULTS}"
        )
    return config


def _require_one_network(run: Run) -> None:
    kind = _complete(run).kind
    if kind not in OF_ONE_NETWORK or run.config().sees is None:
        raise RunError(
            f"{run.folder}: expected a run of one network that recognises, or a fusion of"
            f" such runs, got one of kind {kind}"
        )


def _needed(run: Run, folders: str | None) -> list[Run]:
    """The runs that a run consists of: in the folders that it names, or next to it."""
    found = []
    for text in (folders or "").split(", "):
        there = Path(text)
        candidates = (there, run.folder.resolve().parent / there.name)
        usable = [path for path in candidates if text and Run(path).is_run]
        if not usable:
            raise RunError(
                f"{run.folder}: expected the run {text or 'of a stream'}, which it"
                " consists of, but it is missing"
            )
        found.append(Run(usable[0]))
    return found


def _require_weights(run: Run, sha256: str | None, *, of: Run) -> None:
    from ..runs.identity import fingerprint_of

    if sha256 is not None and fingerprint_of(run) != sha256:
        raise RunError(
            f"{run.folder}: expected the weights that {of.folder.name} was trained with,"
            " got others"
        )


def _names(runs: Sequence[Run]) -> list[str]:
    """Different names of streams, usable as names of folders: "rgb", "mv"."""
    configs = [run.config() for run in runs]
    for names in (
        [str(config.sees) for config in configs],
        [config.recipe.name for config in configs],
        [f"stream{number}" for number in range(1, len(configs) + 1)],
    ):
        names = [re.sub(r"[^A-Za-z0-9_-]+", "_", name) for name in names]
        if len(set(names)) == len(names):
            break
    return names
