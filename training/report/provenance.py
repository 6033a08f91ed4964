"""Provenance of the numbers of a report: store, versions, machine, trainings."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import motion_shards
from motion_shards.plain_text import counted
from pipeline.store import Json

from ..run_files.json_dataclasses import to_json
from ..run_files.reproduction import Reproduction
from ..run_files.results import TrainingSummary
from ..run_files.run_config import StartedOn
from .page import Page
from .records import RunRecord, by_recipe, range_text
from .text import split_text

NOT_RECORDED = "not recorded"
"""Text for what runs of earlier versions lack."""
SHOWN = 3
"""Different values that are listed."""

Settings = Mapping[str, Mapping[str, Json]]


def provenance_part(
    page: Page, state: Reproduction, records: Sequence[RunRecord]
) -> None:
    """The section on store, software, machine and trainings.

    Args:
        records: of all runs of the report, those without scores included.
    """
    if not records:
        return
    page.heading("Provenance")
    page.text(
        "From the records of the runs (`recipe.json` and `results.json` of each). What"
        f" runs of earlier versions lack is `{NOT_RECORDED}`."
    )
    page.table(("", "of these runs"), list(_facts(state, records)))
    page.table(
        (
            "recipe",
            "runs",
            "learned from",
            "held out",
            "test",
            "epochs",
            "M parameters",
            "seconds of training",
        ),
        [_training_row(name, own) for name, own in by_recipe(records).items()],
        caption="Videos and training of each recipe. Seconds are those of a run's epochs,"
        " without validation and scoring: the median of its runs, and the fastest and"
        " slowest",
    )


def provenance_numbers(
    state: Reproduction, records: Sequence[RunRecord]
) -> dict[str, Json]:
    """The provenance run by run, for programs."""
    return {
        "written_by": motion_shards.__version__,
        "command": state.command,
        "stores": [store._asdict() for store in _stores(records)],
        "runs": [
            {
                "run": record.folder.name,
                "recipe": record.name,
                "seed": record.recipe.run.seed,
                "split": record.recipe.run.split.name,
                "store": record.recipe.run.store.fingerprint,
                "precision": record.recipe.run.precision,
                "videos": {
                    "train": record.results.videos.train,
                    "held_out": record.results.videos.held_out,
                    "test": record.results.videos.test,
                },
                "training": to_json(record.results.training),
                "machine": {
                    name: value
                    for name, value in to_json(record.recipe.machine).items()
                    if name not in _FOLDERS
                },
            }
            for record in records
        ],
    }


_FOLDERS = ("store", "teacher", "first", "second", "motion", "temporal", "streams")
"""Fields of `StartedOn` that are folders of one machine."""


class _Store(NamedTuple):
    dataset: str
    fingerprint: str | None
    classes: int
    settings: dict[str, Mapping[str, Json]]
    """"common" and modalities, as far as a run needed them."""


def _stores(records: Sequence[RunRecord]) -> list[_Store]:
    """Each store once."""
    found: dict[str | None, _Store] = {}
    for record in records:
        store = record.recipe.run.store
        one = found.setdefault(
            store.fingerprint,
            _Store(store.dataset, store.fingerprint, len(store.classes), {}),
        )
        for name, settings in (store.settings or {}).items():
            if isinstance(settings, Mapping):
                one.settings[name] = settings
    return list(found.values())


def _facts(
    state: Reproduction, records: Sequence[RunRecord]
) -> Iterable[tuple[str, str]]:
    """Rows: what, and its value; of several values all, or the first ones."""
    machines = [record.recipe.machine for record in records]

    def of_machines(text: Callable[[StartedOn], str | None]) -> str:
        return _several(text(machine) for machine in machines)

    runs = [record.recipe.run for record in records]
    stores = _stores(records)
    names = _several(Path(machine.store or "").name for machine in machines)
    yield "store", state.store or names
    yield "data set", _several(run.store.dataset for run in runs)
    yield "store fingerprint", _several(run.store.fingerprint for run in runs)
    for name, describe in _DESCRIBED.items():
        yield name, _several(describe(store.settings) for store in stores)
    yield "split", _several(split_text(run.split) for run in runs)
    yield "precision", _several(run.precision for run in runs)
    for name, title in _TITLES.items():
        yield title, _several(_version(machine, name) for machine in machines)
    yield "commit of the source", of_machines(lambda m: m.commit)
    yield "processor", of_machines(lambda m: m.processor)
    yield (
        "cores",
        of_machines(lambda m: None if m.cores is None else f"{m.cores:g} usable"),
    )
    yield "device", of_machines(_device)
    yield "command", f"`{state.command}`" if state.command else of_machines(_command)
    seconds = [t.seconds for record in records if (t := record.results.training)]
    total = f"{sum(seconds):,.0f} s" if seconds else NOT_RECORDED
    yield "all training", f"{total} in {counted(len(seconds), 'run')}"
    yield "report written by", f"motion-shards {motion_shards.__version__}"


_TITLES = {
    "motion-shards": "motion-shards",
    "python": "Python",
    "torch": "PyTorch",
    "numpy": "NumPy",
    "av": "PyAV",
    "ffmpeg": "FFmpeg",
}


def _several(values: Iterable[str | None]) -> str:
    """Different values in their order, the missing ones in words."""
    found = list(dict.fromkeys(value or NOT_RECORDED for value in values))
    more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return "; ".join(found[:SHOWN]) + more


def _version(machine: StartedOn, name: str) -> str | None:
    found = (machine.versions or {}).get(name)
    return found or (machine.torch if name == "torch" else None)


def _device(machine: StartedOn) -> str | None:
    if machine.device != "cpu" or machine.threads is None:
        return machine.device
    return f"CPU, {counted(machine.threads, 'thread')}"


def _command(machine: StartedOn) -> str | None:
    return f"`{machine.command}`" if machine.command else None


def frames_text(settings: Settings) -> str | None:
    """The extraction of frames: short side 120 px, every frame; jpeg_rgb quality 95."""
    common = settings.get("common")
    if not common:
        return None
    short = common.get("short_side")
    parts = [f"short side {short} px" if short else "size of the videos"]
    rate = common.get("frames_per_second")
    if layout := common.get("imported_frames"):
        parts = [f"imported as they were ({layout})"]
    parts.append(f"{rate} frames per second" if rate else "every frame")
    return "; ".join(filter(None, (", ".join(parts), _codec(settings.get("rgb")))))


def flow_text(settings: Settings) -> str | None:
    """The extraction of flow: profile fast; jpeg_flow bound_px 20.0, curve sqrt, quality 85."""
    flow = settings.get("flow")
    if not flow:
        return "not used" if settings else None
    profile = flow.get("profile")
    made = f"profile {profile}" if profile else "imported, made elsewhere"
    return "; ".join(filter(None, (made, _codec(flow))))


def vectors_text(settings: Settings) -> str | None:
    """The extraction of vectors: canonical: crf 40, keyint 12, preset veryfast; quarter_pel."""
    vectors = settings.get("mv")
    if not vectors:
        return "not used" if settings else None
    encoder = ", ".join(
        f"{name} {value}"
        for name, value in sorted(vectors.items())
        if name not in ("codec", "source") and value is not None
    )
    source = ": ".join(filter(None, (str(vectors.get("source")), encoder)))
    return "; ".join(filter(None, (source, _codec(vectors))))


_DESCRIBED: Mapping[str, Callable[[Settings], str | None]] = {
    "frames": frames_text,
    "flow (TV-L1)": flow_text,
    "motion vectors": vectors_text,
}
"""Row of the table -> its text, from the settings of a store."""


def _codec(of_modality: Mapping[str, Json] | None) -> str:
    given = (of_modality or {}).get("codec")
    codec = dict(given) if isinstance(given, Mapping) else {}
    name = str(codec.pop("name", ""))
    numbers = ", ".join(f"{key} {value}" for key, value in sorted(codec.items()))
    return f"{name} {numbers}".strip()


def _training_row(name: str, records: Sequence[RunRecord]) -> tuple[str, ...]:
    videos = [record.results.videos for record in records]
    trained = [t for record in records if (t := record.results.training)]
    return (
        name,
        str(len(records)),
        range_text([one.train for one in videos]),
        range_text([one.held_out for one in videos]),
        range_text([one.test for one in videos]),
        range_text([one.epochs for one in trained]) if trained else "",
        range_text([one.parameters / 1e6 for one in trained], ".2f") if trained else "",
        _seconds(trained),
    )


def _seconds(trained: Sequence[TrainingSummary]) -> str:
    """ "41 (39 to 44)", or "41" of one run; empty where nothing was trained."""
    if not trained:
        return ""
    seconds = [one.seconds for one in trained]
    middle, spread = f"{median(seconds):,.0f}", range_text(seconds)
    return middle if middle == spread else f"{middle} ({spread})"
