"""A store that is published at an address: see `Destination`.

Its plan, commits, index and manifest are mirrored in a folder on scratch, where the run reads
and writes them as those of any store. Of its shards that folder has only those on their way.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from motion_shards.errors import MotionShardsError
from pipeline.errors import ExtractionError, PlanError
from pipeline.shard.scratch import work_folder
from pipeline.store.commit import Commit
from pipeline.store.etags import etag_of
from pipeline.store.file_names import (
    ARRIVING,
    COMMITS,
    INDEX,
    LOGS,
    MANIFEST,
    PLAN,
    commit_file,
)
from pipeline.store.in_flight import IN_FLIGHT
from pipeline.store.lease import Lease, hold
from pipeline.store.manifest import FileRecord
from pipeline.store.remote_folder import PATIENT_TRIES, Found, RemoteFolder
from pipeline.store.remote_lease import ObjectLeases
from pipeline.store.remote_path import PIECE_BYTES
from pipeline.store.sealing import write_sealed

from .missing import DAMAGED
from .publish import Destination, prepare

NOTE = DAMAGED.removeprefix(f"{LOGS}/")
OWN_FOLDERS = {f"{name}/" for name in (COMMITS, LOGS, ARRIVING)}


@contextmanager
def addressed(
    address: str,
    *,
    scratch: Path | None = None,
    options: Mapping[str, Any] | None = None,
) -> Iterator[Destination]:
    """The store at an address, to be created or continued.

    Args:
        scratch: a folder on a local disk; None: the folder for temporary files.
        options: arguments of the fsspec file system, such as credentials.

    Raises:
        AddressError: an address that cannot be written, no answer, or a refusal.
        PlanError: something else than a store is there.
    """
    remote = RemoteFolder(address, options)
    with work_folder(scratch) as work:
        store = _AddressedStore(remote, work / "store")
        try:
            store.pull()
            yield store
        except ExtractionError:  # of this machine and its scratch
            raise
        except MotionShardsError as error:
            error.args = tuple(
                store.shown(arg) if isinstance(arg, str) else arg for arg in error.args
            )
            raise


class _AddressedStore:
    local = True

    def __init__(self, remote: RemoteFolder, folder: Path) -> None:
        self.folder = folder
        self._remote = remote
        self._texts: dict[str, str] = {}
        """Name of a text at the address -> ETag; the same text is in the folder."""
        self._shards: dict[str, int] = {}
        """Name of a shard file at the address -> bytes."""
        self._lease: Lease | None = None
        prepare(folder)

    def __str__(self) -> str:
        return str(self._remote)

    def shown(self, text: str) -> str:
        return text.replace(str(self.folder), str(self))

    def pull(self) -> None:
        """Bring the folder to the state of the address.

        Raises:
            AddressError: no answer, or a refusal.
            PlanError: something else than a store is there.
        """
        top, commits, logs = map(self._remote.listed, ("", COMMITS, LOGS))
        texts = {name: top[name] for name in (PLAN, MANIFEST, INDEX) if name in top}
        texts |= {
            f"{COMMITS}/{name}": found
            for name, found in commits.items()
            if name.endswith(".json")
        }
        if (note := logs.get(NOTE)) is not None:
            texts[DAMAGED] = note
        if not texts.keys() - {DAMAGED} and (
            strange := sorted(top.keys() - OWN_FOLDERS)
        ):
            raise PlanError(
                f"{self}: expected a store, or nothing, got something else: {strange[0]}"
            )
        self._shards = {name: found.size for name, found in top.items()}
        for name in self._texts.keys() - texts.keys():
            (self.folder / name).unlink(missing_ok=True)
        self._texts = {n: etag for n, etag in self._texts.items() if n in texts}
        changed = [n for n, found in texts.items() if self._texts.get(n) != found.etag]
        with ThreadPoolExecutor(IN_FLIGHT) as threads:
            for _ in threads.map(lambda name: self._fetch(name, texts[name]), changed):
                pass

    def prepare(self) -> None:
        self._remote.require_exclusive()

    @contextmanager
    def hold(self, say: Callable[[str], None]) -> Iterator[Lease]:
        with hold(ObjectLeases(self._remote), say=say) as self._lease:
            self._remote.tries = PATIENT_TRIES
            self._remote.abort_uploads()
            self.pull()  # another run may have ended just before
            yield self._lease

    def intact(self, file: FileRecord, *, hashed: bool) -> bool:
        if self._shards.get(file.file) != file.bytes:
            return False
        return not hashed or self._remote.hash(file.file) == file.xxh3

    def publish(self, arrived: Path, commit: Commit) -> None:
        """Upload and check the file, then its commit.

        Raises:
            FolderHeld: another run has followed this one.
            AddressError: no answer, a refusal, or another file has arrived.
        """
        name = commit_file(commit.modality, commit.shard)
        if name in self._texts:  # of a damaged file: it goes before its file does
            self._remote.remove(name)
            (self.folder / name).unlink(missing_ok=True)
            del self._texts[name]
        self._remote.put_file(commit.file, arrived, xxh3=commit.xxh3)
        self._shards[commit.file] = commit.bytes
        write_sealed(self.folder / name, commit.to_dict())
        self.wrote(name)
        arrived.unlink()

    def wrote(self, name: str) -> None:
        etag = etag_of(self.folder / name)
        if self._texts.get(name) == etag:
            return
        if self._lease is not None:
            self._lease.require()
        self._remote.put_file(name, self.folder / name)
        self._texts[name] = etag

    def dropped(self, name: str) -> None:
        if self._texts.pop(name, None) is not None:
            self._remote.remove(name)

    def _fetch(self, name: str, found: Found) -> None:
        path = self.folder / name
        with suppress(FileNotFoundError):  # another run has removed it
            there = self._remote.path(name)
            with path.open("wb") as file:
                if found.size <= PIECE_BYTES:  # one request, not two
                    file.write(there.read(limit=PIECE_BYTES))
                else:
                    there.copy_to(file)
            self._texts[name] = found.etag
            return
        path.unlink(missing_ok=True)
