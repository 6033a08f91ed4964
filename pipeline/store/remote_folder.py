"""A folder of objects in S3 storage, to list and to write: objects whole, or not at all.

After an upload an object is compared with what was sent, before anything that refers to it
is written.
"""

import os
from base64 import b64encode
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from errno import ENOSYS
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeVar
from uuid import uuid4

from .errors import AddressError, LayoutError
from .etags import Digests, part_bytes, stated_etag
from .file_names import LOGS
from .remote_calls import client_and_path, limited, tried
from .remote_path import RemotePath

T = TypeVar("T")
WRITABLE = ("s3", "s3a")
"""Kinds of addresses that are written: those whose services have conditional writes."""
PARTS_AT_ONCE = 4
PATIENT_TRIES = 9
"""Tries of each request while a store is written: about half a minute without an answer."""


class Found(NamedTuple):
    """An object in a listing."""

    size: int
    etag: str
    modified: float
    """Time at which it was written, in seconds since 1970 by the clock of the service."""


class RemoteFolder:
    """See the module. Names of objects are relative to the address.

    Args:
        address: s3://bucket/folder.
        options: arguments of the fsspec file system, such as credentials.

    Raises:
        AddressError: a kind of address that cannot be written.
    """

    def __init__(self, address: str, options: Mapping[str, Any] | None = None) -> None:
        self.address = address.rstrip("/")
        self.tries: int | None = None
        """Tries of each request; None: as of those that read."""
        self.options = dict(options or {})
        kind, _, rest = self.address.partition(":")
        if kind.lower() not in WRITABLE:
            raise AddressError(
                f"{address}: expected a folder or s3://bucket/folder to write to, got an "
                f"address of {kind}, where nothing keeps two runs from writing one store"
            )
        if not rest.strip("/"):
            raise AddressError(f"{address}: expected s3://bucket/folder, got no bucket")

    def __str__(self) -> str:
        return self.address

    def path(self, name: str) -> RemotePath:
        """An object, to read."""
        return RemotePath(f"{self.address}/{name}", self.options)

    def listed(self, folder: str = "") -> dict[str, Found]:
        """The objects in a folder by name, and its folders with a `/` behind their names.

        Raises:
            AddressError: no answer, or a refusal.
        """

        def listing(client: Any, path: str) -> list[dict[str, Any]]:
            found = client.ls(path, detail=True, **limited(client))
            return [entry for entry in found if entry["name"].rstrip("/") != path]

        try:
            entries = self._call(folder, listing)
        except FileNotFoundError:
            return {}
        found = {}
        for entry in entries:
            name = entry["name"].rstrip("/").rpartition("/")[2]
            if entry["type"] == "directory":
                found[f"{name}/"] = Found(0, "", 0.0)
            else:
                when = entry["LastModified"].timestamp()
                found[name] = Found(entry["size"], stated_etag(entry), when)
        return found

    def put(self, name: str, content: bytes) -> None:
        """Write a small object, or replace it.

        Raises:
            AddressError: no answer, or a refusal.
        """
        self._written(
            name,
            lambda client, path: client.pipe_file(path, content, **limited(client)),
        )

    def create(self, name: str, content: bytes) -> bool:
        """Make a small object where there is none; whether this call has made it.

        Args:
            content: unlike that of any other process.

        Raises:
            AddressError: no answer, a refusal, or a service that cannot do so.
        """

        def made(client: Any, path: str) -> bool | None:
            try:
                client.pipe_file(path, content, mode="create", **limited(client))
            except Exception as error:
                if isinstance(error, NotImplementedError) or _errno(error) == ENOSYS:
                    return None
                if not _is_there_already(error):
                    raise
                try:  # an earlier try, whose answer was lost?
                    found: bytes = client.cat_file(path, **limited(client))
                except FileNotFoundError:
                    return False
                return found == content
            return True

        answer = self._written(name, made)
        if answer is None:
            raise self._unconditional("refuses them")
        return answer

    def require_exclusive(self) -> None:
        """
        Raises:
            AddressError: the service would let two writers make the same object.
        """
        name = f"{LOGS}/.probe-{uuid4().hex}"
        try:
            exclusive = self.create(name, b"first") and not self.create(name, b"second")
        finally:
            with suppress(AddressError):
                self.remove(name)
        if not exclusive:
            raise self._unconditional("ignores them")

    def put_file(self, name: str, file: Path, *, xxh3: str | None = None) -> None:
        """Upload a file, in parts if it is large, and check what has arrived.

        Args:
            xxh3: hash of its content, where that is known.

        Raises:
            LayoutError: the file has changed since it was hashed.
            AddressError: no answer, a refusal, or another object has arrived.
            OSError: the file cannot be read.
        """
        with file.open("rb") as opened:
            size = os.fstat(opened.fileno()).st_size
            part = part_bytes(size)
            sent = Digests(opened, part)
            if xxh3 is not None and sent.xxh3 != xxh3:
                raise LayoutError(
                    f"{file}: expected the content that was hashed ({xxh3}), got another "
                    f"({sent.xxh3}): is the disk in order?"
                )
            for _ in range(2):
                if size <= part:
                    self._put_whole(name, os.pread(opened.fileno(), size, 0))
                else:
                    self._put_parts(name, opened, sent, part)
                if self._has_arrived(name, size, sent):
                    return
        raise AddressError(
            f"{self.address}/{name}: expected the {size:,} bytes that were sent, got others"
        )

    def hash(self, name: str) -> str:
        """xxh3-128 of an object, which is fetched for it.

        Raises:
            FileNotFoundError, AddressError: as of `RemotePath.read`.
        """
        from xxhash import xxh3_128

        state = xxh3_128()
        with open(os.devnull, "wb") as nowhere:
            self.path(name).copy_to(nowhere, state.update)
        return state.hexdigest()

    def remove(self, name: str) -> None:
        """Remove an object, if it is there.

        Raises:
            AddressError: no answer, or a refusal.
        """
        with suppress(FileNotFoundError):
            self._call(name, lambda client, path: client.rm_file(path))

    def abort_uploads(self) -> None:
        """Delete the parts of interrupted uploads, where the service allows it."""

        def abort(client: Any, path: str) -> None:
            bucket, key, _ = client.split_path(path)
            prefix = f"{key}/" if key else ""
            listed = client.call_s3(
                "list_multipart_uploads", Bucket=bucket, Prefix=prefix
            )
            for upload in listed.get("Uploads") or ():
                client.call_s3(
                    "abort_multipart_upload",
                    Bucket=bucket,
                    Key=upload["Key"],
                    UploadId=upload["UploadId"],
                )

        with suppress(AddressError, FileNotFoundError):
            self._call("", abort)

    def _put_whole(self, name: str, content: bytes) -> None:
        def put(client: Any, path: str) -> None:
            bucket, key, _ = client.split_path(path)
            client.call_s3("put_object", Bucket=bucket, Key=key, Body=content)

        self._written(name, put)

    def _put_parts(self, name: str, file: IO[bytes], sent: Digests, part: int) -> None:
        """Each part has tries of its own: a connection that breaks costs one of them."""

        def call(method: str, **more: Any) -> Any:
            def made(client: Any, path: str) -> Any:
                bucket, key, _ = client.split_path(path)
                return client.call_s3(method, Bucket=bucket, Key=key, **more)

            return self._written(name, made)

        upload = call("create_multipart_upload")["UploadId"]

        def put(number: int) -> dict[str, Any]:
            answer = call(
                "upload_part",
                UploadId=upload,
                PartNumber=number + 1,
                Body=os.pread(file.fileno(), part, number * part),
                ContentMD5=b64encode(sent.parts[number]).decode(),
            )
            return {"PartNumber": number + 1, "ETag": answer["ETag"]}

        try:
            with ThreadPoolExecutor(PARTS_AT_ONCE) as pool:
                parts = list(pool.map(put, range(len(sent.parts))))
            call(
                "complete_multipart_upload",
                UploadId=upload,
                MultipartUpload={"Parts": parts},
            )
        except BaseException:
            with suppress(AddressError, OSError):
                call("abort_multipart_upload", UploadId=upload)
            raise

    def _has_arrived(self, name: str, size: int, sent: Digests) -> bool:
        """Comparison by size and ETag; where that is no MD5, as of encrypted buckets, by all bytes."""

        def head(client: Any, path: str) -> dict[str, Any]:
            info: dict[str, Any] = client.info(path, **limited(client))
            return info

        try:
            info = self._call(name, head)
            if info["size"] != size:
                return False
            return stated_etag(info) == sent.etag or self.hash(name) == sent.xxh3
        except FileNotFoundError:
            return False

    def _written(self, name: str, call: Callable[[Any, str], T]) -> T:
        """Call that finds nothing only where there is no bucket; see `_call`."""
        try:
            return self._call(name, call)
        except FileNotFoundError:
            raise AddressError(
                f"{self.address}: expected a bucket that is there, got none"
            ) from None

    def _call(self, name: str, call: Callable[[Any, str], T]) -> T:
        where = f"{self.address}/{name}" if name else self.address
        client, path = client_and_path(where, self.options)
        return tried(where, partial(call, client, path), tries=self.tries)

    def _unconditional(self, what: str) -> AddressError:
        return AddressError(
            f"{self.address}: expected a service with conditional writes (If-None-Match), "
            f"got one that {what}: nothing keeps two runs from writing one store there; "
            "write to a folder, and copy that"
        )


def _errno(error: BaseException) -> int | None:
    number = getattr(error, "errno", None)
    return number if isinstance(number, int) else None


def _is_there_already(error: BaseException) -> bool:
    """Whether a conditional write was refused because of its condition."""
    if isinstance(error, FileExistsError):
        return True
    answer = getattr(error.__cause__, "response", None) or {}
    return answer.get("Error", {}).get("Code") in ("PreconditionFailed", "412")
