"""RemotePath: a store's folder, or one of its files, at an address that fsspec knows.

It has as much of `pathlib.Path` as the reader of a store uses: `folder / name`, `name`,
`str`. What is read whole comes in one answer; shards come as ranges, or by way of a cache.
"""

import os
import tempfile
import weakref
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol, Self, TypeVar

from .errors import AddressError, LayoutError, WrongAnswer
from .local_file import LocalFile
from .remote_calls import client_and_path, limited, tried

T = TypeVar("T")
PIECE_BYTES = 8 << 20
"""Bytes of one request for a part of a file that is fetched whole."""
_ranged: dict[tuple[int, str], bool] = {}


class Cache(Protocol):
    """Whole files of stores on a local disk."""

    def opened(
        self, source: "RemotePath", size: int | None, xxh3: str
    ) -> LocalFile | None:
        """A file of this content, fetched first if it is not there; None: not possible."""

    def drop(self, xxh3: str) -> None:
        """Remove the file of this content, which is damaged."""


class RemotePath:
    """See the module. Cheap to make; can be pickled, and survives a fork.

    Args:
        address: s3://bucket/folder, https://host/folder, ...
        options: arguments of the fsspec file system, such as credentials.
        cache: to read whole shards through.
    """

    def __init__(
        self,
        address: str,
        options: Mapping[str, Any] | None = None,
        cache: Cache | None = None,
    ) -> None:
        self.address, self.cache = address.rstrip("/"), cache
        self.xxh3: str | None = None
        """Hash of the content, where it is known: `opened` finds it in the cache by it."""
        self._options = dict(options or {})
        self._held: IO[bytes] | None = None
        self._inside: dict[str, RemotePath] = {}

    def __truediv__(self, name: str) -> "RemotePath":
        if name not in self._inside:
            there = f"{self.address}/{name}"
            self._inside[name] = RemotePath(there, self._options, self.cache)
        return self._inside[name]

    def __str__(self) -> str:
        return self.address

    def __repr__(self) -> str:
        return f"RemotePath({self.address!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemotePath) and other.address == self.address

    def __hash__(self) -> int:
        return hash(self.address)

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_held": None}

    @property
    def name(self) -> str:
        """Last part of the address."""
        return self.address.rpartition("/")[2]

    def forget(self) -> None:
        """Drop what was fetched of the files in this folder."""
        self._inside.clear()

    def resolve(self) -> Self:
        """Itself: an address is absolute."""
        return self

    def exists(self) -> bool:
        """
        Raises:
            AddressError: no answer, or a refusal.
        """
        try:
            self.size()
        except FileNotFoundError:
            return False
        return True

    is_file = exists

    def size(self) -> int | None:
        """Bytes of the object; None where the server does not say.

        Raises:
            FileNotFoundError: there is none.
            AddressError: no answer, or a refusal.
        """
        if self._on_web_server:
            return self.call(_web_answer).size
        size: int | None = self.call(
            lambda client, path: client.info(path, **limited(client))
        )["size"]
        return size

    def names(self) -> list[str]:
        """Names of the objects in a folder, sorted; none where it cannot be listed."""
        try:
            return sorted(self.sizes())
        except (FileNotFoundError, AddressError):
            return []

    def sizes(self) -> dict[str, int | None]:
        """Name -> bytes of the objects and folders in a folder; None where not known.

        Raises:
            FileNotFoundError: there is nothing.
            AddressError: no answer, a refusal, or nothing that can be listed.
        """
        found = self.call(
            lambda client, path: client.ls(path, detail=True, **limited(client))
        )
        return {
            entry["name"].rstrip("/").rpartition("/")[2]: entry.get("size")
            for entry in found
        }

    def read(self, *, limit: int) -> bytes:
        """The whole object.

        Raises:
            FileNotFoundError: there is none.
            LayoutError: it has more than `limit` bytes.
            AddressError: no answer, or a refusal.
        """
        content: bytes = self.call(
            lambda client, path: client.cat_file(path, **limited(client))
        )
        if len(content) > limit:
            raise LayoutError(
                f"{self}: expected at most {limit:,} bytes, got {len(content):,}"
            )
        return content

    def part(self, begin: int, end: int) -> bytes:
        """The bytes begin..end-1 of an object that has as many, in one request.

        Raises:
            FileNotFoundError: there is none.
            AddressError: no answer, a refusal, or another number of bytes.
        """

        def got(client: Any, path: str) -> bytes:
            # what is not asynchronous would read ahead, without this argument
            more: dict[str, Any] = limited(client) or {"cache_type": "none"}
            content: bytes = client.cat_file(path, start=begin, end=end, **more)
            if len(content) != end - begin:
                raise WrongAnswer(
                    f"expected bytes {begin}:{end}, got {len(content):,} bytes"
                )
            return content

        return self.call(got) if end > begin else b""

    def opened(self) -> IO[bytes]:
        """The whole object as a file to read from its start: an unnamed temporary one, or
        that of the cache. Fetched once.

        Raises:
            FileNotFoundError: there is none.
            AddressError: no answer, or a refusal.
        """
        if self._held is None and self.cache is not None and self.xxh3 is not None:
            cached = self.cache.opened(self, None, self.xxh3)
            if cached is not None:
                self._held = cached.reopened()
                weakref.finalize(self, self._held.close)
        if self._held is None:
            file = tempfile.TemporaryFile()  # noqa: SIM115 - stays open
            weakref.finalize(self, file.close)
            self.copy_to(file)
            file.flush()
            self._held = file
        # a second description of the same file, with a position of its own
        return open(f"/proc/self/fd/{self._held.fileno()}", "rb")

    def copy_to(
        self, file: IO[bytes], on_bytes: Callable[[bytes], object] = lambda piece: None
    ) -> None:
        """Write the whole object to a file, in pieces of `PIECE_BYTES`.

        Args:
            on_bytes: called with each piece, in their order.

        Raises:
            FileNotFoundError: there is none.
            AddressError: no answer, or a refusal.
            OSError: the file cannot be written.
        """
        size = self.size()
        if size is None or (size > PIECE_BYTES and not self.has_ranges()):
            whole = self.call(lambda client, path: client.cat_file(path))
            on_bytes(whole)
            file.write(whole)
            return
        for begin in range(0, size, PIECE_BYTES):
            piece = self.part(begin, min(begin + PIECE_BYTES, size))
            on_bytes(piece)
            file.write(piece)

    def has_ranges(self) -> bool:
        """Whether its server answers a request for a range with that range. Asked once.

        Raises:
            FileNotFoundError, AddressError: as in `read`.
        """
        if not self._on_web_server:
            return True
        key = (os.getpid(), self.address.split("/", 3)[2])
        if key not in _ranged:
            _ranged[key] = self.call(_web_answer).ranged
        return _ranged[key]

    @property
    def _on_web_server(self) -> bool:
        return self.address.startswith(("http://", "https://"))

    def call(self, call: Callable[[Any, str], T]) -> T:
        """The result of a call with the fsspec file system and the path in it; see `tried`."""
        client, path = client_and_path(self.address, self._options)
        return tried(self.address, partial(call, client, path))


class _WebAnswer(NamedTuple):
    """The head of a web server's answer to a request for the first byte of an object."""

    ranged: bool
    """It sends that byte, not all of them."""
    size: int | None
    """Bytes of the object, where it says so."""


def _web_answer(client: Any, path: str) -> _WebAnswer:
    """Ask for one byte. (fsspec's own `info` takes every failure for an absent object.)"""
    import fsspec

    async def asked() -> _WebAnswer:
        session = await client.set_session()
        headers = {**client.kwargs.get("headers", {}), "Range": "bytes=0-0"}
        more = {k: v for k, v in client.kwargs.items() if k != "headers"}
        async with session.get(client.encode_url(path), headers=headers, **more) as r:
            if r.status == 416:  # of an empty object there is no first byte
                return _WebAnswer(True, 0)
            client._raise_not_found_for_status(r, path)
            ranged = r.status == 206
            text = r.headers.get("Content-Range" if ranged else "Content-Length", "")
            size = text.rpartition("/")[2]
            return _WebAnswer(ranged, int(size) if size.isdigit() else None)

    answer: _WebAnswer = fsspec.asyn.sync(client.loop, asked, **limited(client))
    return answer


Location = Path | RemotePath
"""A store's folder, or a file in it."""
