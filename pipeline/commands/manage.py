"""Commands about stores as wholes: stores, copy, remove, merge, relabel."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from motion_shards.choices import DATASETS, MODALITIES
from motion_shards.store_address import StoreAddress

from .options import HOLDOUT_SEED, JSON, AnyPath, CommaList, ExistingFile, holdout

if TYPE_CHECKING:
    from pipeline.management.outcome import Outcome


@click.command()
@click.argument("folder", type=StoreAddress(exists=False), required=False)
@JSON
def stores(folder: Path | str | None, as_json: bool) -> None:
    """List the stores in a folder: contents, size, settings, and state.

    FOLDER holds stores, or is one; an address (s3://..., https://...) may stand for it.
    [default: $VIDEO_DATA/stores]
    """
    from pipeline.management.stores_table import list_stores, table_lines
    from pipeline.store import stores_folder

    rows = list_stores(folder or stores_folder())
    if as_json:
        click.echo(json.dumps([row.to_dict() for row in rows]))
    else:
        click.echo("\n".join(table_lines(rows)))


@click.command()
@click.argument("source", metavar="STORE", type=StoreAddress())
@click.argument("out", metavar="NEW", type=StoreAddress(exists=False))
@click.option(
    "--modalities",
    type=CommaList(MODALITIES),
    help="Comma-separated modalities to copy. [default: all]",
)
@click.option(
    "--classes",
    multiple=True,
    metavar="CLASS,...",
    help="Comma-separated classes whose videos to copy; may be repeated. A name that "
    "contains a comma stands alone or in double quotes. Labels then count over these "
    "classes only. [default: all videos; all classes stay]",
)
@click.option(
    "--splits",
    type=CommaList(),
    metavar="SPLIT,...",
    help="Comma-separated splits whose videos to copy, train and test; the other splits "
    "are left out. [default: all]",
)
@click.option(
    "--videos",
    type=ExistingFile,
    help="Text file of the videos to copy: an id or path, or the end of one, on each "
    "line. [default: all]",
)
@click.option(
    "--state",
    metavar="FINGERPRINT",
    help="Beginning of a fingerprint that the store had before it grew: copy the videos "
    "that it had then. [default: as it is]",
)
@JSON
def copy(
    source: Path | str,
    out: Path | str,
    modalities: tuple[str, ...] | None,
    classes: tuple[str, ...],
    splits: tuple[str, ...] | None,
    videos: Path | None,
    state: str | None,
    as_json: bool,
) -> None:
    """Copy a store to NEW, whole or in part.

    Every byte is checked against its hash. STORE is a folder, or an address (s3://..., https://...). NEW is a folder, or an
    address of object storage (s3://...).

    Whole shard files are copied byte for byte. A part is a store of its own: its rows are
    copied as they are stored, nothing is encoded again. Interrupted, the same command
    resumes.
    """
    from pipeline.management import making

    with _progress("copy (MB)") as tell:
        outcome = making.copy(
            source,
            out,
            modalities=modalities or (),
            classes=classes,
            splits=splits or (),
            videos=videos,
            state=state,
            progress=tell,
        )
    _print(outcome, as_json)


@click.command()
@click.argument("source", metavar="STORE", type=StoreAddress())
@click.option(
    "--videos",
    type=ExistingFile,
    required=True,
    help="Text file of the videos to leave out: an id or path, or the end of one, on each "
    "line.",
)
@click.option(
    "--out",
    type=StoreAddress(exists=False),
    required=True,
    help="Folder of the new store, or its address (s3://...).",
)
@JSON
def remove(source: Path | str, videos: Path, out: Path | str, as_json: bool) -> None:
    """Copy a store without some videos. The store itself is not changed.

    STORE is a folder, or an address (s3://..., https://...).
    """
    from pipeline.management import making

    with _progress("copy (MB)") as tell:
        outcome = making.remove(source, out, videos=videos, progress=tell)
    _print(outcome, as_json)


@click.command()
@click.argument("sources", metavar="STORE...", type=StoreAddress(), nargs=-1)
@click.option(
    "--out",
    type=StoreAddress(exists=False),
    required=True,
    help="Folder of the new store, or its address (s3://...).",
)
@click.option(
    "--name",
    help="Name of the new data set. [default: that of the stores where it is the same, "
    "else that of the folder]",
)
@click.option(
    "--prefix",
    type=CommaList(("videos", "classes")),
    help="Put the name of its data set before the ids of the videos or the classes of each "
    "store: videos, classes or both. [default: classes of the same name are joined; "
    "videos of the same id are refused]",
)
@JSON
def merge(
    sources: tuple[Path | str, ...],
    out: Path | str,
    name: str | None,
    prefix: tuple[str, ...] | None,
    as_json: bool,
) -> None:
    """Make one store of several.

    They have the same modalities, settings and codecs. Each STORE is a folder, or an
    address (s3://..., https://...).

    Splits of one name become one split. Rows are copied as they are stored. Interrupted,
    the same command resumes.
    """
    if len(sources) < 2:
        raise click.UsageError("expected two stores or more")
    from pipeline.management import making

    with _progress("copy (MB)") as tell:
        outcome = making.merge(
            sources, out, name=name, prefix=prefix or (), progress=tell
        )
    _print(outcome, as_json)


@click.command()
@click.argument("store", metavar="STORE", type=StoreAddress())
@click.option(
    "--splits",
    type=AnyPath,
    help="Folder of the train and test lists, or one list file, as `pipeline extract` "
    "takes them. [default: labels and splits stay]",
)
@click.option(
    "--dataset",
    "kind",
    type=click.Choice([name for name in DATASETS if name != "demo"]),
    help="Format of the lists. folder: the folders of the videos are the classes, and "
    "videos that are not listed keep them. [default: that of the store, else list]",
)
@holdout("which is added")
@HOLDOUT_SEED
@click.option(
    "--out",
    type=StoreAddress(exists=False),
    help="Folder or address (s3://...) of a new store, with links to the files of the old one where the disk "
    "allows it. [default: the store itself is relabelled]",
)
@JSON
def relabel(
    store: Path | str,
    splits: Path | None,
    kind: str | None,
    holdout: float | None,
    seed: int,
    out: Path | str | None,
    as_json: bool,
) -> None:
    """Give a store other classes, labels, splits and groups. No frame is touched.

    STORE is a folder; with --out, it may be an address (s3://..., https://...).
    Videos that the lists do not name stay, without a label; splits of other names stay.
    """
    if splits is None and holdout is None:
        raise click.UsageError("expected --splits or --holdout")
    from pipeline.adapters import report
    from pipeline.management import relabelling

    from .progress import resumable

    dataset = relabelling.relisted(
        store, splits=splits, kind=kind, holdout=holdout, seed=seed
    )
    click.echo(report.text(dataset), err=as_json)
    with resumable():
        outcome = relabelling.relabel(store, dataset, out)
    _print(outcome, as_json)


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Progress in MB of a copy that an interruption does not spoil."""
    from .progress import resumable, steps

    with resumable(), steps(what) as tell:
        yield lambda done, total: tell(done // 1_000_000, total // 1_000_000)


def _print(outcome: "Outcome", as_json: bool) -> None:
    click.echo(json.dumps(outcome.to_dict()) if as_json else outcome.text())
