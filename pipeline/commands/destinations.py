"""Opening of the store that a command writes, in a folder or at an address."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from motion_shards.plain_text import printable
from pipeline.driver.addressed import addressed
from pipeline.driver.publish import Destination


@contextmanager
def opened(out: Path | str, scratch: Path | None) -> Iterator[Path | Destination]:
    """A folder as it is, or the store at an address.

    Args:
        scratch: a folder on a local disk for what is on its way to an address.

    Raises:
        AddressError, PlanError: as of `addressed`.
    """
    if isinstance(out, Path):
        yield out
        return
    click.echo(printable(f"reading what is at {out} ..."), err=True)
    with addressed(out, scratch=scratch) as there:
        yield there
