"""The `pipeline` command: parses, calls one function, prints what comes back."""

import json
import signal
from pathlib import Path
from typing import Any

import click

DATASETS = ("hmdb51", "ucf101", "thumos14", "folder", "list", "demo")
MODALITIES = ("rgb", "flow", "mv")
ExistingFolder = click.Path(exists=True, file_okay=False, path_type=Path)
AnyPath = click.Path(path_type=Path)


class Cli(click.Group):
    """Shows our own errors as one line. Bugs keep their traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.filename and error.strerror:
                line = f"{error.filename}: {error.strerror}"
            elif isinstance(error, _our_errors()):
                line = str(error)
            else:
                raise
            raise click.ClickException(line) from error


def _our_errors() -> tuple[type[BaseException], ...]:
    # here, because --help must not wait for numpy and h5py
    from pipeline.adapters.errors import DatasetError
    from pipeline.extract.errors import VideoError
    from pipeline.flow.errors import FlowError
    from pipeline.plan import PlanError
    from pipeline.publish import SourceChanged
    from pipeline.retries import ExtractionError
    from pipeline.store.errors import StoreError

    return (
        DatasetError,
        ExtractionError,
        FlowError,
        OSError,
        PlanError,
        SourceChanged,
        StoreError,
        VideoError,
    )


class CommaList(click.ParamType):
    """`a,b,c`, optionally held to a set of words."""

    name = "a,b,c"

    def __init__(self, words: tuple[str, ...] = ()) -> None:
        self._words = words

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        names = tuple(dict.fromkeys(n.strip() for n in value.split(",") if n.strip()))
        strange = [name for name in names if self._words and name not in self._words]
        if strange or (self._words and not names):
            self.fail(
                f"expected some of {', '.join(self._words)}, got {value!r}", param, ctx
            )
        return names


@click.group(cls=Cli)
@click.version_option(package_name="motion-shards")
def main() -> None:
    """Turn videos into training-ready shards of RGB, optical flow and motion vectors."""


def dataset_options(command: Any) -> Any:
    """The options that say which videos."""
    for option in reversed(
        (
            click.option(
                "--dataset",
                type=click.Choice(DATASETS),
                required=True,
                help="How the folder is organised.",
            ),
            click.option(
                "--videos",
                type=AnyPath,
                help="The data set as unpacked; for `list`, the folder its paths start "
                "from. [default: $VIDEO_DATA/videos/DATASET]",
            ),
            click.option(
                "--splits",
                type=AnyPath,
                help="Split lists; for `list`, the list file. "
                "[default: $VIDEO_DATA/splits/DATASET]",
            ),
            click.option(
                "--holdout",
                type=click.FloatRange(0, 1, min_open=True, max_open=True),
                help="Share of the groups for a test part of your own, where there are "
                "no official lists.",
            ),
            click.option("--seed", default=0, show_default=True, help="Of --holdout."),
            click.option(
                "--limit",
                type=click.IntRange(1),
                help="At most so many videos, spread over the classes.",
            ),
            click.option(
                "--classes", type=CommaList(), default="", help="Only these classes."
            ),
        )
    ):
        command = option(command)
    return command


@main.command()
@dataset_options
@click.option(
    "--out",
    type=AnyPath,
    help="The store to make or continue. [default: $VIDEO_DATA/stores/DATASET]",
)
@click.option(
    "--modalities",
    type=CommaList(MODALITIES),
    default="rgb,flow,mv",
    show_default=True,
    help="What to extract; may be added to a store later.",
)
@click.option(
    "--short-side",
    type=click.IntRange(8, 4096),
    default=256,
    show_default=True,
    help="Shorter side of the stored frames, px.",
)
@click.option(
    "--fps",
    type=click.FloatRange(0, min_open=True),
    help="Frames per second to store. [default: every frame]",
)
@click.option(
    "--flow-profile",
    type=click.Choice(("default", "fast", "opencv")),
    default="default",
    show_default=True,
    help="How carefully TV-L1 is solved.",
)
@click.option(
    "--flow-device",
    type=click.Choice(("auto", "cpu", "opencv", "cuda")),
    default="auto",
    show_default=True,
    help="Who computes flow; opencv is the reference, and slow.",
)
@click.option(
    "--flow-codec",
    type=click.Choice(("companded", "tsn")),
    default="companded",
    show_default=True,
    help="How flow is coded to 8 bits: finely near zero, or linear as TSN did.",
)
@click.option(
    "--mv-source",
    type=click.Choice(("canonical", "original")),
    default="canonical",
    show_default=True,
    help="Vectors of one common H.264 encoding, or of the files as they are.",
)
@click.option(
    "--mv-crf",
    type=click.IntRange(0, 51),
    help="Quality of the canonical encoding. [default: 18; demo: its own]",
)
@click.option(
    "--mv-preset",
    default="veryfast",
    show_default=True,
    help="x264 preset of the canonical encoding.",
)
@click.option(
    "--workers",
    type=click.IntRange(0),
    help="Processes, or tasks on a cluster; 0: in this process. [default: all cores]",
)
@click.option(
    "--ray",
    default="auto",
    show_default=True,
    metavar="auto|off|local|ADDRESS",
    help="auto joins a running cluster and else uses processes of this machine.",
)
@click.option("--scratch", type=ExistingFolder, help="Local disk for half-done shards.")
@click.option(
    "--hang-seconds",
    type=click.FloatRange(1),
    default=60.0,
    show_default=True,
    help="A video without a new frame for so long is given up.",
)
@click.option("--dry-run", is_flag=True, help="Plan and estimate; change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def extract(
    dataset: str,
    videos: Path | None,
    splits: Path | None,
    holdout: float | None,
    seed: int,
    limit: int | None,
    classes: tuple[str, ...],
    out: Path | None,
    modalities: tuple[str, ...],
    short_side: int,
    fps: float | None,
    flow_profile: str,
    flow_device: str,
    flow_codec: str,
    mv_source: str,
    mv_crf: int | None,
    mv_preset: str,
    workers: int | None,
    ray: str,
    scratch: Path | None,
    hang_seconds: float,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make what is missing of a store of a data set.

    Exit codes: 0 all videos stored; 3 finished, but some are quarantined; 1 failed;
    2 wrong usage; 130 interrupted, and the same command goes on.
    """
    if fps is not None and mv_source == "original" and "mv" in modalities:
        raise click.UsageError(
            "--fps cannot go with --mv-source original: its intervals are not the stream's"
        )
    from pipeline import extraction  # here, because its imports take a second
    from pipeline.adapters import load, report
    from pipeline.plan import StoreSettings
    from pipeline.progress import watcher
    from pipeline.store import places

    if mv_crf is None:
        mv_crf = _usual_crf(dataset)
    found = load(
        dataset,
        videos=videos,
        splits=splits,
        holdout=holdout,
        seed=seed,
        limit=limit,
        classes=classes,
    )
    click.echo(report.text(found), err=as_json)
    settings = StoreSettings(
        short_side=short_side,
        frames_per_second=fps,
        flow_profile=flow_profile,
        flow_codec=flow_codec,
        mv_source=mv_source,
        mv_crf=mv_crf,
        mv_preset=mv_preset,
    ).record(modalities)
    execution = extraction.Execution(
        ray=ray,
        workers=workers,
        backend=flow_device,
        scratch=scratch,
        hang_seconds=hang_seconds,
    )
    out = out or places.store_folder(dataset)
    if dry_run:
        planned = extraction.dry_run(found, settings, out=out, execution=execution)
        text = planned.text(workers=execution.num_workers())
        click.echo(json.dumps(planned.to_dict()) if as_json else text)
        return
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    try:
        with watcher() as watch:
            summary = extraction.extract(
                found, settings, out=out, execution=execution, watch=watch
            )
    except KeyboardInterrupt:
        click.echo(
            f"interrupted; what is finished is safe in {out}: "
            "the same command goes on from there",
            err=True,
        )
        raise SystemExit(130) from None
    click.echo(json.dumps(summary.to_dict()) if as_json else summary.text())
    raise SystemExit(summary.exit_code)


def _usual_crf(dataset: str) -> int:
    if dataset != "demo":
        return 18
    from pipeline.adapters.demo import DEMO_MV_CRF

    return DEMO_MV_CRF


@main.command()
@click.argument("store", type=ExistingFolder)
@click.option("--decode", is_flag=True, help="Also decode every row: slow.")
@click.option("--json", "as_json", is_flag=True, help="Print the damage as JSON.")
def verify(store: Path, decode: bool, as_json: bool) -> None:
    """Check every file of a store against its commit and manifest.

    What it finds is noted in the store, if it may be written; the next
    `pipeline extract` of the same store builds exactly that again.
    """
    from pipeline import upkeep

    damage = upkeep.verify(store, decode=decode)
    if as_json:
        click.echo(json.dumps([entry._asdict() for entry in damage]))
    else:
        for entry in damage:
            click.echo(f"{entry.file}: {entry.reason}")
        click.echo(f"{store}: {len(damage) or 'no'} damaged files")
    raise SystemExit(1 if damage else 0)


@main.command()
@click.argument("store", type=ExistingFolder)
@click.option("--json", "as_json", is_flag=True)
def status(store: Path, as_json: bool) -> None:
    """How far a store is: shards per modality, quarantined videos, who is writing."""
    from pipeline import upkeep

    state = upkeep.status(store)
    click.echo(json.dumps(state.to_dict()) if as_json else state.text())


@main.command()
@click.argument("store", type=ExistingFolder)
@click.argument("video", required=False)
@click.option("--json", "as_json", is_flag=True)
def info(store: Path, video: str | None, as_json: bool) -> None:
    """What a store holds, or all that is known of one of its videos."""
    from pipeline import upkeep

    facts = upkeep.info(store, video)
    click.echo(json.dumps(facts) if as_json else upkeep.lines(facts))
