"""A copy of a store to an address: object after object, index and manifest last."""

import json
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.driver.plan_file import write_plan
from pipeline.driver.resume import readable_plan
from pipeline.store import RemotePath, sealed_text
from pipeline.store.commit import Commit
from pipeline.store.file_names import COMMITS, LOGS, MANIFEST, PLAN, commit_file
from pipeline.store.manifest import Manifest
from pipeline.store.upload import Sent, create_text, put_file, put_shard, put_text

from .destination import earlier, index_fits, require_same, require_space
from .errors import ManagementError
from .outcome import Outcome, Progress
from .source import Source
from .texts import write_texts
from .whole_store import fetch, manifest_of, missing_commits, plan_of, records_of

CLAIM = f"{LOGS}/copy.json"
"""Says which store is copied here; written only if there is none."""
MAX_CLAIM_BYTES = 1 << 16


def copy_to_address(
    source: Source,
    modalities: tuple[str, ...],
    out: RemotePath,
    *,
    progress: Progress = lambda done, total: None,
) -> Outcome:
    """Copy the files of some modalities of a store to an address.

    Each is compared with its hash before it is sent and looked at after it has arrived;
    then its commit follows. An interrupted copy goes on, and so does one of the store as
    it was before it grew. Several runs of the same copy do no harm.

    Raises:
        ManagementError: another store, or something else, is at the address.
        AddressError: no answer, a refusal, or a service without conditional writes.
        LayoutError: a file of the source is not the one that its manifest names.
    """
    _require_apart(out, source)
    _claim(out, [state.fingerprint for state in source.manifest.states])
    there = earlier(out)
    kept = tuple(there.modalities) if there else ()
    wanted = tuple(m for m in source.store.modalities if m in {*modalities, *kept})
    work = list(missing_commits(source, wanted, out))
    total = sum(commit.bytes for commit in work)
    done = 0

    def tell(sent: int) -> None:
        nonlocal done
        done += sent
        progress(done, total)

    with TemporaryDirectory() as made:
        scratch = Path(made)
        if source.plan is not None:
            plan = plan_of(source.plan, source, wanted, readable_plan(out))
            write_plan(scratch, plan)
            put_file(out / PLAN, scratch / PLAN)
        for commit in work:
            _send(source, commit, out, scratch, tell)
        manifest = manifest_of(source, wanted)
        if there is None or there != manifest or not index_fits(out, there):
            there = _write_texts(source, wanted, manifest, out, scratch, old=there)
    return Outcome.of(out, there, copied=total)


def _require_apart(out: RemotePath, source: Source) -> None:
    """
    Raises:
        ManagementError: the address is that of the source, or one of them lies in the other.
    """
    here, there = f"{out}/", f"{source.folder}/"
    if here.startswith(there) or there.startswith(here):
        raise ManagementError(
            f"{out}: expected an address apart from {source.folder}, which is read"
        )


def _claim(out: RemotePath, states: list[str]) -> None:
    """Make sure that the address is empty, or has a copy of the same store.

    Raises:
        ManagementError: it has something else.
    """
    with suppress(FileNotFoundError):
        names = out.sizes().keys()
        if names and names.isdisjoint((COMMITS, LOGS, MANIFEST, PLAN)):
            raise ManagementError(
                f"{out}: expected a new address, or an interrupted copy, got something "
                f"else ({min(names)})"
            )
    require_same(out, states)
    text = sealed_text({"fingerprint": states[-1]})
    if create_text(out / CLAIM, text):
        return
    try:
        found = json.loads((out / CLAIM).read(limit=MAX_CLAIM_BYTES))["fingerprint"]
    except (ValueError, TypeError, KeyError):
        found = "not to be read"
    if found not in states:
        raise ManagementError(
            f"{out}: expected a new address, or an interrupted copy of this store, got "
            f"one of another store (fingerprint {found})"
        )


def _send(
    source: Source, commit: Commit, out: RemotePath, scratch: Path, tell: Sent
) -> None:
    """One shard file, then its commit."""
    file = source.folder / commit.file
    there = out / commit.file
    if isinstance(file, Path):
        put_shard(there, file, commit.record, sent=tell)
    else:
        require_space(scratch, commit.bytes)
        local = scratch / commit.file
        fetch(source, commit, local, lambda count: None)
        put_shard(there, local, commit.record, sent=tell)
        local.unlink()
    path = out / commit_file(commit.modality, commit.shard)
    put_text(path, sealed_text(commit.to_dict()))


def _write_texts(
    source: Source,
    modalities: tuple[str, ...],
    manifest: Manifest,
    out: RemotePath,
    scratch: Path,
    *,
    old: Manifest | None,
) -> Manifest:
    """Index and manifest, made in a local folder and sent in the order of `write_texts`."""
    return write_texts(
        scratch,
        records_of(source, modalities),
        manifest,
        old=old,
        written=lambda name: put_file(out / name, scratch / name),
    )
