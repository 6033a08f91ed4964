"""Addresses of stores as command lines take them: a folder, or a URL of object storage or a web server.

The local cache of shards is chosen by two variables, which processes that are started
inherit; the options of the commands set them.
"""

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import click

from .finite import FiniteRange

CACHE = "VIDEO_CACHE"
"""Variable with the folder in which whole shards of remote stores are cached."""
CACHE_GB = "VIDEO_CACHE_GB"
"""Variable with the limit of that folder, in units of 10^9 bytes."""
DEFAULT_CACHE_GB = 100.0

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(::|://)")


def is_address(text: str) -> bool:
    """Whether it is a URL that does not lead to the local file system.

    >>> is_address("s3://bucket/ucf101"), is_address("data/stores/ucf101")
    (True, False)
    """
    return bool(_URL.match(text)) and not text.lower().startswith("file://")


def local_path(text: str) -> Path:
    """The path of a folder, which may be written as a file:// URL.

    >>> local_path("file:///data/my%20store")
    PosixPath('/data/my store')
    """
    if not text.lower().startswith("file://"):
        return Path(text)
    parts = urlsplit(text)
    return Path(unquote(parts.netloc.replace("localhost", "") + parts.path))


class LocalPath(click.Path):
    """A path of the local file system, also as a file:// URL; another URL is refused."""

    def __init__(self, **more: Any) -> None:
        super().__init__(path_type=Path, **more)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        if isinstance(value, str):
            if not value:
                self.fail("expected a path, got an empty text", param, ctx)
            if is_address(value):
                self.fail(
                    f"expected a path on this machine, got the address {value!r}",
                    param,
                    ctx,
                )
            value = local_path(value)
        return super().convert(value, param, ctx)


class StoreAddress(click.ParamType):
    """A folder that exists, as a `Path`, or an address, as text.

    Args:
        exists: whether a folder must be there. If not, the command says what is wrong
            with a file in its place.
    """

    name = "store"

    def __init__(self, *, exists: bool = True) -> None:
        self._folder = click.Path(exists=exists, file_okay=not exists, path_type=Path)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path | str:
        if isinstance(value, str):
            if not value:
                self.fail(
                    "expected a folder or an address, got an empty text", param, ctx
                )
            if is_address(value):
                if not value.rstrip("/").partition(":")[2]:
                    self.fail(f"expected an address, got {value!r}", param, ctx)
                return value.rstrip("/")
            value = local_path(value)
        folder: Path = self._folder.convert(value, param, ctx)
        return folder


def _set_folder(ctx: click.Context, param: click.Parameter, value: Path | None) -> None:
    if value is not None:
        os.environ[CACHE] = str(value.absolute())


def _set_limit(ctx: click.Context, param: click.Parameter, value: float | None) -> None:
    if value is not None:
        os.environ[CACHE_GB] = repr(value)


def cache_options(command: Any) -> Any:
    """The options --cache and --cache-gb of commands that read a store."""
    for option in (
        click.option(
            "--cache-gb",
            type=FiniteRange(0, min_open=True),
            callback=_set_limit,
            expose_value=False,
            help="Limit of the cache, in GB (10^9 bytes); the least recently used shards "
            f"leave first.  [default: ${CACHE_GB}, or {DEFAULT_CACHE_GB:.0f}]",
        ),
        click.option(
            "--cache",
            type=LocalPath(file_okay=False),
            callback=_set_folder,
            expose_value=False,
            help="Folder on a local disk in which whole shards of a store at an address "
            f"are cached, for all processes of this machine.  [default: ${CACHE}, or "
            "none]",
        ),
    ):
        command = option(command)
    return command
