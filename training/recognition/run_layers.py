"""The layers of a fused run, checked against the scores that it has recorded."""

from pathlib import Path

import numpy as np

from ..errors import RunError
from ..run_files.fields import recorded
from ..run_files.names import LEARNED_FROM, RECIPE, SCORES
from ..run_files.reading import read_json
from ..runs.record import Run
from ..scoring.scores import Scores, for_fitting, together
from .combination import combined
from .contract import Contract
from .network_runs import needed_runs

TOLERANCE = 1e-5
"""Largest difference of a probability from the recorded one."""


def layers_of(run: Run, contract: Contract) -> dict[str, np.ndarray]:
    """The weights of the layers that a run's contract names; empty where there are none.

    Layers of an attention are fitted again, to the same numbers: a run keeps none.

    Args:
        contract: of the run.

    Raises:
        RunError: the layers, or the weights in the contract, do not give the scores that
            the run has recorded; or scores that are needed are gone.
        CheckpointError: the weights of a collaboration are something else.
    """
    fusion = contract.fusion
    if fusion is None:
        return {}
    streams = needed_runs(run) if run.config().kind == "fuse" else []
    if fusion.layers == "attention":
        layers = _attention(run, streams)
    elif fusion.layers == "collaborative":
        layers = _saved(streams[0] if streams else run)
    else:
        layers = {}
    if streams:
        _check_scores(run, streams, contract, layers)
    return layers


def _saved(run: Run) -> dict[str, np.ndarray]:
    from ..models.weights import read_weights

    return {name: value.numpy() for name, value in read_weights(run.weights()).items()}


def _attention(run: Run, streams: list[Run]) -> dict[str, np.ndarray]:
    from ..scoring.fusion import AttentionConfig, fit_attention

    config = recorded(
        AttentionConfig,
        run.setting("attention"),
        where=f"{run.path(RECIPE)}: attention",
    )
    paths = [one.path(SCORES.format(part="held_out")) for one in streams]
    known = [for_fitting(each).labelled for each in together(*map(Scores.load, paths))]
    training = set(read_json(run.path(LEARNED_FROM), [str]))
    model = fit_attention(
        known, training=training, config=config, seed=run.config().seed
    )
    return {name: value.numpy() for name, value in model.state_dict().items()}


def _check_scores(
    run: Run, streams: list[Run], contract: Contract, layers: dict[str, np.ndarray]
) -> None:
    """Combine the recorded scores of the streams, and compare with those of the run."""
    name, fusion = SCORES.format(part="test"), contract.fusion
    assert fusion is not None
    paths = [one.path(name) for one in streams]
    if len(streams) == 1:
        stem = Path(name).stem
        paths = [
            streams[0].path(f"{stem}_{part}.npz") for part in ("spatial", "motion")
        ]
    known = together(*map(Scores.load, (*paths, run.path(name))))
    logits = np.stack([one.logits for one in known[:-1]])
    probabilities = np.stack([one.softmax for one in known[:-1]])
    found = combined(logits, probabilities, fusion, layers)
    differ = float(np.abs(found - known[-1].softmax).max())
    if differ > TOLERANCE:
        raise RunError(
            f"{run.folder}: expected streams whose scores make those of the run, but"
            f" probabilities differ by up to {differ:.2g}: the streams have changed since"
        )
