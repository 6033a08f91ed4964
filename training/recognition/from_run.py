"""A complete run -> the contract of its model, and its networks."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Literal

from pipeline.store import Json, Store, StoreError

from ..errors import RunError
from ..run_files.json_dataclasses import to_json
from ..run_files.names import RECIPE, RESULTS
from ..run_files.settings_json import differences
from ..runs.record import Run
from .contract import VERSION, Contract, Fusion, Stream, input_shape
from .network_runs import NetworkRun, needed_runs, network_runs

if TYPE_CHECKING:
    from torch import nn


def contract_of(run: Run) -> tuple[Contract, tuple[str, ...]]:
    """The contract of the model that a complete run is, without files, and its classes.

    Raises:
        RunError: the run is not complete, recognises nothing, or the runs that it fuses
            are gone or cannot stand in one model; one line.
    """
    networks, config = network_runs(run), run.config()
    classes = config.store.classes
    fusion = _fusion(run) if len(networks) > 1 else None
    found = Contract(
        version=VERSION,
        name=f"{config.recipe.name} of {config.store.dataset}",
        extract=_extraction(networks),
        mirror_safe=any(_is_mirror_safe(one) for one in networks),
        streams=tuple(map(_stream, networks)),
        fusion=fusion,
        trained=_trained(run, networks, fusion),
    )
    if fusion and not fusion.fits(streams=len(networks), classes=len(classes)):
        raise RunError(
            f"{run.path(RESULTS)}: expected weights of {len(networks)} streams and"
            f" {len(classes)} classes"
        )
    return found, classes


def networks_of(run: Run) -> "list[tuple[str, nn.Module]]":
    """Name and network of each stream of a complete run, ready for evaluation.

    They take (B, C, T, H, W) and give (B, K) logits, or (B, d) features where the contract
    says so.

    Raises:
        RunError: see `contract_of`.
        CheckpointError: weights are something else.
    """
    from ..models.taps import PooledFeatures
    from ..runs.trained import trained_model

    found: list[tuple[str, nn.Module]] = []
    for one in network_runs(run):
        model = trained_model(one.run)[0]
        if one.tap is not None:
            model = PooledFeatures(model, one.tap).eval()
        found.append((one.name, model))
    return found


def _stream(network: NetworkRun) -> Stream:
    output: Literal["logits", "features"] = "features" if network.tap else "logits"
    return Stream(
        name=network.name,
        sees=network.sees,
        clip=_all_fields(network.clip),
        protocol=_all_fields(network.protocol),
        input_shape=input_shape(network.sees, network.clip),
        output=output,
    )


def _all_fields(value: Any) -> dict[str, Json]:
    """The fields of settings as JSON, with those that have their default."""
    return {f.name: to_json(getattr(value, f.name)) for f in fields(value)}


def _extraction(networks: Sequence[NetworkRun]) -> dict[str, Json]:
    """The settings of the extraction of what the networks see.

    Raises:
        RunError: a run has none, or two runs have different ones.
    """
    from pipeline.extract.settings import ExtractSettings

    found: dict[str, Json] = {}
    for one in networks:
        settings: Mapping[str, Json] = one.run.config().store.settings or {}
        for part in ("common", one.sees):
            if part not in settings:
                raise RunError(
                    f"{one.run.path(RECIPE)}: expected the settings of the extraction of"
                    f" {one.sees}, but they were not recorded"
                )
            value = found.setdefault(part, settings[part])
            if differ := differences(value, settings[part], part):
                raise RunError(
                    f"{one.run.folder}: expected streams of one extraction, but their"
                    f" stores differ in {differ[0]}"
                )
    try:
        ExtractSettings.from_record(found)
    except ValueError as error:
        raise RunError(f"{networks[0].run.path(RECIPE)}: store: {error}") from None
    return found


def _trained(run: Run, networks: Sequence[NetworkRun], fusion: Fusion | None) -> str:
    """SHA-256 of all that was learned: hashes of weights, and weights of a fusion."""
    runs = [*(one.run for one in networks), run]
    files = [results.files for each in runs if (results := each.results())]
    return hashlib.sha256(repr((files, fusion)).encode()).hexdigest()


def _is_mirror_safe(network: NetworkRun) -> bool:
    """Whether a mirrored video is known to keep its class.

    The store says it, where it is still there; a run that was evaluated on mirrored crops
    had such a store.
    """
    if network.protocol.crops == 10:
        return True
    folder = (network.run.machine().store or "").split(", ")[0]
    try:
        store = Store(folder) if folder else None
    except (StoreError, OSError):
        return False
    if store is None or store.fingerprint != network.run.config().store.fingerprint:
        return False
    return store.mirror_safe


def _fusion(run: Run) -> Fusion:
    """The combination of the streams of a run."""
    config = run.config()
    if config.kind == "collaborate":
        return _collaborative(run, weights=(0.5, 0.5))
    results, on = run.results(), run.setting("on")
    found = results.fusion if results else None
    if found is None or on not in ("logits", "softmax", "clipped"):
        raise RunError(f"{run.path(RESULTS)}: expected the weights of a fusion")
    if run.setting("how") == "attention":
        return Fusion(on="softmax", layers="attention")
    if isinstance(found.weights, Mapping):
        try:
            rows = tuple(tuple(found.weights[name]) for name in config.store.classes)
        except KeyError as error:
            raise RunError(
                f"{run.path(RESULTS)}: expected weights of the class {error}"
            ) from None
        fusion = Fusion(on=on, class_weights=rows)
    else:
        fusion = Fusion(on=on, weights=found.weights)
    streams = needed_runs(run)
    if len(streams) > 1:
        return fusion
    # Scores of a collaboration are fused in the order of their files: motion, spatial.
    weights = fusion.weights and fusion.weights[::-1]
    rows_of = fusion.class_weights and tuple(r[::-1] for r in fusion.class_weights)
    return _collaborative(streams[0], weights=weights, class_weights=rows_of, on=on)


def _collaborative(
    run: Run,
    *,
    weights: tuple[float, ...] | None,
    class_weights: tuple[tuple[float, ...], ...] | None = None,
    on: Literal["logits", "softmax", "clipped"] = "softmax",
) -> Fusion:
    learning = run.setting("learning")
    rounds = learning.get("rounds") if isinstance(learning, dict) else None
    if not isinstance(rounds, int):
        raise RunError(f"{run.path(RECIPE)}: expected learning with rounds")
    return Fusion(
        on=on,
        weights=weights,
        class_weights=class_weights,
        layers="collaborative",
        rounds=rounds,
    )
