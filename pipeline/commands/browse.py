"""`pipeline browse`: a store as pages to look through."""

import os
from pathlib import Path

import click

from motion_shards.store_address import StoreAddress, cache_options

from .options import AnyPath

UNREADABLE = 3
"""Exit code: the pages are written, and some videos could not be read."""


@click.command()
@click.argument("store", type=StoreAddress())
@cache_options
@click.option(
    "--out",
    type=AnyPath,
    help="Folder of the pages: new, empty, or with older pages, which are replaced. "
    "[default: STORE-page, in the current folder]",
)
@click.option(
    "--sample",
    type=click.IntRange(1),
    help="Approximate number of videos to show, spread over classes and groups. "
    "[default: all]",
)
@click.option(
    "--workers",
    type=click.IntRange(0),
    help="Number of processes; 0: work in this process alone. [default: all cores]",
)
@click.option(
    "--open", "open_page", is_flag=True, help="Open the pages in a browser afterwards."
)
def browse(
    store: Path | str,
    out: Path | None,
    sample: int | None,
    workers: int | None,
    open_page: bool,
) -> None:
    """Write pages that show the videos of a store.

    STORE is a folder, or an address: s3://..., https://..., any that fsspec knows.
    The pages need no server and no network: open index.html in a browser. They show
    RGB, flow and motion vectors side by side, which play when pointed at, with filters
    by class, split, text and oddity, and what is known of the store.

    Exit code 3: the pages are written, and some videos could not be read.
    """
    from pipeline.browse.build import browse as build

    from .progress import steps

    name = store if isinstance(store, str) else os.path.abspath(store)
    folder = out or Path(f"{name.rstrip('/').rpartition('/')[2]}-page")
    click.echo("reading the index of the store ...", err=True)
    with steps("draw the videos") as on_progress:
        made = build(
            store, folder, sample=sample, workers=workers, on_progress=on_progress
        )
    click.echo(made.text())
    if open_page:
        import webbrowser

        if not webbrowser.open_new_tab(made.index.as_uri()):
            click.echo("no browser was found on this machine", err=True)
    raise SystemExit(UNREADABLE if made.unreadable else 0)
