"""Objects written to an address, for stores that are published there.

A store is published in the order in which a folder is written: a shard file, then its
commit; index and manifest when all are there. An object appears when all of it is there,
and a file is compared with its record before its commit follows.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from .columns import ADVICE
from .errors import AddressError, StoreError, WrongAnswer
from .files import content_hash
from .hashes import columns_hash
from .manifest import FileRecord
from .remote_calls import limited
from .remote_path import RemotePath

Sent = Callable[[int], object]
"""Called with the number of bytes that were sent since the last call."""


def put_text(path: RemotePath, content: bytes) -> None:
    """Write a small object, or replace it.

    Raises:
        AddressError: no answer, or a refusal.
    """
    path.call(lambda client, there: client.pipe_file(there, content, **limited(client)))


def create_text(path: RemotePath, content: bytes) -> bool:
    """Write a small object unless there is one: of several that try, one succeeds.

    Returns:
        Whether this call has written it.

    Raises:
        AddressError: no answer, a refusal, or a service without conditional writes.
    """

    def created() -> bool:
        try:
            _written(
                path,
                lambda client, there: client.pipe_file(
                    there, content, mode="create", **limited(client)
                ),
            )
        except FileExistsError:
            return False
        return True

    if not created():
        return False
    if created():  # the service ignores the condition
        raise AddressError(
            f"{path}: expected a service that can write an object only if there is none "
            "(If-None-Match), got one that replaces it: nothing would keep a second "
            "writer out"
        )
    return True


def _written(path: RemotePath, call: Callable[[Any, str], object]) -> None:
    try:
        path.call(call)
    except FileNotFoundError:
        raise AddressError(
            f"{path}: expected an address that takes objects, got none: is the bucket there?"
        ) from None


def put_file(path: RemotePath, file: Path, *, sent: Sent = lambda count: None) -> None:
    """Write a file of the local disk as an object, or replace it; large ones in parts.

    Raises:
        AddressError: no answer, or a refusal.
        OSError: the file cannot be read.
    """
    size, told = file.stat().st_size, 0

    def tell(count: int) -> None:
        nonlocal told
        if count > told:  # another try begins again
            sent(count - told)
            told = count

    def put(client: Any, there: str) -> None:
        from fsspec.callbacks import Callback

        def hook(_: object, value: int, **more: object) -> None:
            tell(min(value, size))

        client.put_file(str(file), there, callback=Callback(hooks={"tell": hook}))

    _written(path, put)
    tell(size)


def put_shard(
    path: RemotePath,
    file: Path,
    record: FileRecord,
    *,
    sent: Sent = lambda count: None,
) -> None:
    """Write a shard file as an object, checked before and after.

    The file is compared with its hash before it is sent, and what arrived by its size
    and by its text `columns`; the service compares what it gets with checksums of its own.

    Raises:
        StoreError: the file has changed since it was written, or arrived as another one.
        AddressError: no answer, or a refusal.
    """
    if (found := content_hash(file)) != record.xxh3:
        raise StoreError(
            f"{file}: expected the file of its commit (xxh3 {record.xxh3}), got a changed "
            f"one ({found}); {ADVICE}"
        )
    put_file(path, file, sent=sent)
    require_there(path, record)


def require_there(path: RemotePath, record: FileRecord) -> None:
    """
    Raises:
        StoreError: the object is not the file of a record, by size and text `columns`.
        AddressError: no answer, or a refusal.
    """
    if not is_there(path, record):
        raise StoreError(
            f"{path}: expected the {record.bytes:,} bytes that were sent, got another "
            "object: run the same command again"
        )


def is_there(path: RemotePath, record: FileRecord) -> bool:
    """Whether an object is the file of a record, by its size and its text `columns`.

    Raises:
        AddressError: no answer, or a refusal.
    """
    begin, end = record.columns_offset, record.columns_offset + record.columns_bytes
    with suppress(FileNotFoundError, WrongAnswer):
        return (
            path.size() == record.bytes
            and columns_hash(path.part(begin, end)) == record.columns
        )
    return False
