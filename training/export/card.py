"""A run -> its model card: README.md of the model folder."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from motion_shards.plain_text import counted, printable
from pipeline.store import Json

from ..catalogue import paper_of
from ..papers.citations import CITATIONS
from ..recognition.contract import Contract, Stream
from ..recognition.network_runs import NetworkRun
from ..report.provenance import flow_text, frames_text, vectors_text
from ..report.text import accuracy_line, class_lines, split_text
from ..run_files.results import Results, TrainingSummary
from ..run_files.run_config import StartedOn
from ..runs.record import Run

WIDTH = 90


def card(
    run: Run,
    contract: Contract,
    networks: Sequence[NetworkRun],
    *,
    checks: Sequence[str] = (),
    speeds: Sequence[str],
) -> str:
    """The text of a model card, in Markdown.

    Args:
        networks: the runs of its streams.
        checks: lines on the files of other formats.
        speeds: lines on the time that the networks take.
    """
    results = run.results()
    assert results is not None  # only complete runs have a contract
    parts = (
        _head(run, contract, results),
        _section("Input", _input(contract, networks)),
        _section("Data", _data(run, results)),
        _section("Accuracy", _accuracy(results)),
        _section("Training", _training(run, networks, results)),
        _section("Files", _files(checks)),
        _section("Speed", _speed(speeds)),
        _section("Limits", _limits(run, contract, results)),
        _section("Licence", [LICENCE]),
        _section("Citation", _citation(run)),
    )
    return "\n".join(parts)


LICENCE = (
    "None is given. Weights that were learned from a data set may be bound by its terms."
    " Whoever publishes this model names a licence here."
)
RULES = {
    "previous": "the last known field is repeated",
    "zero": "nothing moves",
}


def _section(title: str, lines: Sequence[str] | Iterator[str]) -> str:
    return f"## {title}\n\n{_wrapped(lines)}\n"


def _wrapped(lines: Sequence[str] | Iterator[str]) -> str:
    """Lines of prose and lists at one width; indented ones and tables as they are."""
    found = []
    for line in map(printable, lines):
        if line.startswith(("    ", "|")) or not line:
            found.append(line)
        else:
            inner = "  " if line.startswith("- ") else ""
            line = " ".join(line.split())
            found.append(textwrap.fill(line, WIDTH, subsequent_indent=inner))
    return "\n".join(found)


def _head(run: Run, contract: Contract, results: Results) -> str:
    config = run.config()
    what = (
        f"Recognises {counted(len(config.store.classes), 'class')} of actions in"
        f" videos: {results.what}."
    )
    if config.joint:
        others = " and ".join(config.joint)
        what += (
            f" It was trained together with {others}; this is the head of"
            f" {config.store.dataset}."
        )
    return f"# {printable(contract.name)}\n\n{_wrapped([what])}\n"


def _input(contract: Contract, networks: Sequence[NetworkRun]) -> Iterator[str]:
    settings: Mapping[str, Any] = contract.extract
    yield f"- Videos: {frames_text(settings)}."
    if "mv" in settings:
        yield f"- Motion vectors: {vectors_text(settings)}."
    if "flow" in settings:
        yield f"- Optical flow (TV-L1): {flow_text(settings)}."
    for stream, network in zip(contract.streams, networks, strict=True):
        yield f"- {_stream_text(stream, network)}"
    if fusion := contract.fusion:
        if fusion.layers:
            yield f"- The streams are combined by learned layers ({fusion.layers})."
        if fusion.weights:
            shares = ", ".join(
                f"{stream.name} {weight / sum(fusion.weights):.2f}"
                for stream, weight in zip(contract.streams, fusion.weights, strict=True)
            )
            yield f"- Weights of the streams, of {fusion.on} scores: {shares}."
        elif fusion.class_weights:
            yield "- Each class has its own weights of the streams, in contract.json."
    yield ""
    yield "contract.json has all settings; `training predict` follows them."


def _stream_text(stream: Stream, network: NetworkRun) -> str:
    config, clip, protocol = network.run.config(), network.clip, network.protocol
    model = config.model or {}
    net = str(model.get("net"))
    if isinstance(estimator := model.get("estimator"), dict):
        net = f"{estimator.get('estimator')} and {net}"
    results = network.run.results()
    if results and results.training:
        net += f", {results.training.parameters:,} parameters"
    unit = "cells" if stream.sees == "mv" and clip.cells else "px"
    height, width = clip.size_of(stream.sees)
    stride = f", every {clip.stride}th" if clip.stride > 1 else ""
    entries = counted(clip.length, "frame" if stream.sees == "rgb" else "interval")
    number = "consecutive clips"
    if protocol.clips is not None:
        number = counted(protocol.clips, "clip")
    text = (
        f"{stream.name}: {stream.sees}, {net}; clips of {entries}{stride} of"
        f" {height} x {width} {unit}; {number} of a video,"
        f" {counted(protocol.crops, 'crop')} of each, mean of the"
        f" {protocol.aggregate}"
    )
    if stream.sees == "mv":
        text += f"; where vectors are not known, {RULES[clip.fill]}"
    return text + "."


def _data(run: Run, results: Results) -> Iterator[str]:
    config, videos = run.config(), results.videos
    yield (
        f"{config.store.dataset}, {split_text(config.split)}, seed {config.seed}:"
        f" {counted(videos.train, 'video')} to train on, {videos.held_out} held out to"
        f" choose by, {videos.test} to test."
    )
    if videos.untaught:
        yield f"Classes without a training video: {', '.join(videos.untaught)}."


def _accuracy(results: Results) -> Iterator[str]:
    yield (
        "In brackets are 95 % intervals over groups of videos; how much another seed would"
        " change is not in them."
    )
    yield ""
    for name, part in (("held out", results.held_out), ("test", results.test)):
        if part:
            yield f"    {accuracy_line(name, part).strip()}"
    teachers = results.teachers or ((results.teacher,) if results.teacher else ())
    for other in teachers:
        yield f"    {accuracy_line('teacher', other.test).strip()}"
    if results.scratch:
        yield f"    {accuracy_line('without', results.scratch.test).strip()}"
    variants = results.variants.stores if results.variants else {}
    for name, variant in variants.items():
        if variant.test:
            yield f"    {accuracy_line(name, variant.test).strip()}"
    if results.test:
        yield ""
        yield "Test videos of each class that were recognised:"
        yield ""
        yield from class_lines(results.test.per_class)


def _training(
    run: Run, networks: Sequence[NetworkRun], results: Results
) -> Iterator[str]:
    shown = {one.run.folder: (one.run, one.run.results()) for one in networks}
    shown.setdefault(run.folder, (run, results))
    for each, found in shown.values():
        config, machine = each.config(), each.machine()
        text = f"- {config.recipe.name} ({config.kind})"
        if machine.changes:
            text += f" with {', '.join(machine.changes)}"
        if found and found.teacher:
            text += f", taught by {found.teacher.what}"
        if found and found.training:
            text += f": {_duration(found.training)}"
        text += _machine_text(machine)
        optim = config.recipe.settings.get("optim")
        if isinstance(optim, dict):
            text += f"; {_settings_text(config.recipe.settings, optim)}"
        yield text + "."
    yield ""
    yield "The names are those of `training recipes NAME`, which lists every setting."


def _duration(training: TrainingSummary) -> str:
    hours = training.seconds / 3600
    time = (
        f"{hours:.1f} hours" if hours >= 1 else f"{training.seconds / 60:.1f} minutes"
    )
    return f"{counted(training.epochs, 'epoch')} in {time}"


def _machine_text(machine: StartedOn) -> str:
    where = machine.device if machine.device != "cpu" else machine.processor or "a CPU"
    version = f", torch {machine.torch}" if machine.torch else ""
    return f" on {where}{version}" if where else ""


def _settings_text(settings: Mapping[str, Json], optim: Mapping[str, Json]) -> str:
    return (
        f"{optim.get('name')}, learning rate {optim.get('learning_rate')}, schedule"
        f" {optim.get('schedule')}, batches of {settings.get('batch_size')}"
    )


def _files(checks: Sequence[str]) -> Iterator[str]:
    yield "contract.json has the SHA-256 of every file."
    if checks:
        yield ""
        yield from (f"- {line}." for line in checks)


def _speed(lines: Sequence[str]) -> Iterator[str]:
    yield from (f"- {line}." for line in lines)
    yield ""
    yield (
        "`training bench predict` measures the whole way from file to answer, most of which"
        " is decoding."
    )


def _limits(run: Run, contract: Contract, results: Results) -> Iterator[str]:
    dataset, seen = run.config().store.dataset, {one.sees for one in contract.streams}
    yield (
        f"- Every video gets one of the classes of {dataset}, also one that shows none of"
        " them: probabilities are not calibrated."
    )
    yield (
        f"- The accuracy is that of {dataset}'s own test videos. Videos of another camera,"
        " frame rate or length differ from them."
    )
    if "mv" in seen:
        vectors = contract.extract.get("mv")
        source = vectors.get("source") if isinstance(vectors, dict) else None
        if source == "original":
            yield (
                "- It learned from motion vectors as the files had them. Vectors of another"
                " encoder, or of other settings of it, are other numbers."
            )
        else:
            yield (
                "- It learned from motion vectors of videos that were encoded again in one"
                " way. They bear a weaker trace of each file's own encoder still: where"
                " classes were encoded in different ways, a network can tell them apart by"
                " that (`pipeline audit`)."
            )
        yield (
            f"- A video needs {contract.min_known_share:.0%} of intervals with known vectors."
        )
    if "flow" in seen:
        yield "- Its optical flow is computed first, which takes most of the time."
    if results.test is None:
        yield "- It was evaluated on no test video."
    elif results.test.groups is None or results.test.groups < 20:
        yield (
            f"- It was tested on {counted(results.test.videos, 'video')}: small differences"
            " in accuracy mean nothing."
        )


def _citation(run: Run) -> Iterator[str]:
    name = run.config().recipe.name
    paper = paper_of(name) or paper_of(name.rpartition("_")[0])
    if paper in CITATIONS:
        yield f"The recipe is a system of: {CITATIONS[paper]}."
    else:
        yield "The recipe is of no paper."
    yield "Trained and exported with motion-shards (CITATION.cff)."
