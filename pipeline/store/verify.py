"""A store -> what is wrong with it: bytes, hashes, counts and shapes against its commits.

A verified file is, byte for byte, the one that was published. Nothing is repaired
here: `pipeline extract` builds again what is damaged.
"""

import json
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from .codec import WHOLE
from .commit import Commit
from .entries import DECODE_ROWS, h264_frames
from .errors import AccessRefused, LayoutError, StoreError, StoreNotFound
from .file_names import COMMITS, INDEX, MANIFEST, PLAN, commit_file
from .files import (
    MAX_PLAN_BYTES,
    committed,
    content_hash,
    current_manifest,
    hides_absent,
    read_commit,
    read_index,
    read_optional,
    require_index,
)
from .h264_rgb import H264Rgb
from .index import Rows
from .local_file import LocalFile
from .locations import located
from .manifest import Manifest
from .remote_path import Location
from .replacement import require_plain_folder
from .shard_reader import ShardReader


class Damage(NamedTuple):
    """One thing that is not as it was published."""

    file: str
    """Relative to the store."""
    modality: str | None
    """None where it concerns the whole store."""
    shard: int | None
    reason: str
    """One line: expected and actual value."""


def verify(
    folder: Location | str,
    *,
    decode: bool = False,
    on_file: Callable[[str, int], None] | None = None,
) -> list[Damage]:
    """Read every file of a store and compare it with what was published.

    Args:
        folder: of a store, or its address, from where every file is fetched whole, one
            after the other, to the local disk.
        decode: decode every row as well. Slow, and needed only to find a fault that
            was there before the file was hashed.
        on_file: called with name and bytes of each shard file once it was looked at.

    Returns:
        What is damaged, in the order of modalities and shards; empty if all is well.

    Raises:
        StoreNotFound: the folder is no store, not even an unfinished one.
        AddressError: an address does not answer, or refuses.
    """
    folder = located(folder)
    damages: list[Damage] = []
    manifest = None
    try:
        manifest = current_manifest(folder)
    except StoreNotFound as error:
        if not committed(folder):
            raise
        damages.append(Damage(MANIFEST, None, None, str(error)))
    except LayoutError as error:
        damages.append(Damage(MANIFEST, None, None, str(error)))
    damages.extend(_text_damages(folder))
    commits: dict[tuple[str, int], Commit] = {}
    for modality, shard in _expected(folder, manifest):
        try:
            commit = read_commit(folder, modality, shard)
        except LayoutError as error:
            reason = str(error)
        else:
            if commit is not None:
                commits[modality, shard] = commit
                continue
            reason = "expected the commit of a file in the manifest, got nothing"
        damages.append(Damage(commit_file(modality, shard), modality, shard, reason))
    for (modality, shard), commit in commits.items():
        for reason in _faults(folder, commit, manifest, decode=decode):
            damages.append(Damage(commit.file, modality, shard, reason))
        if on_file is not None:
            on_file(commit.file, commit.bytes)
    if manifest is not None:
        damages.extend(_index_damages(folder, manifest, commits))
    return damages


def _text_damages(folder: Location) -> Iterator[Damage]:
    """Faults of the plan, where there is one, and of the folder of commits."""
    try:
        # a store can be read without it
        read_optional(folder, PLAN, "a plan", limit=MAX_PLAN_BYTES)
    except LayoutError as error:
        yield Damage(PLAN, None, None, str(error))
    if not isinstance(folder, Path):
        return
    try:
        require_plain_folder(folder / COMMITS)
    except FileNotFoundError:
        pass
    except LayoutError as error:
        yield Damage(COMMITS, None, None, str(error))


def _expected(folder: Location, manifest: Manifest | None) -> list[tuple[str, int]]:
    if manifest is None:
        return committed(folder)
    return [
        (modality, shard)
        for modality in manifest.modalities
        for shard in range(manifest.shards)
    ]


def _faults(
    folder: Location, commit: Commit, manifest: Manifest | None, *, decode: bool
) -> Iterator[str]:
    """Faults of one shard file; of the bytes, only the first."""
    if manifest is not None:
        if commit.fingerprint != (wanted := manifest.fingerprint_of(commit.shard)):
            yield (
                f"expected a commit of the store {wanted}, "
                f"got one of {commit.fingerprint}"
            )
        listed = manifest.modalities[commit.modality].files[commit.shard]
        if commit.record != listed:
            yield (
                f"expected {listed.bytes} bytes {listed.xxh3} as in the manifest, "
                f"got a commit of {commit.bytes} bytes {commit.xxh3}"
            )
        recorded = manifest.settings.get(commit.modality)
        if dict(commit.settings) != recorded:
            yield (
                f"expected settings {json.dumps(recorded)} as in the manifest, "
                f"got {json.dumps(dict(commit.settings))} in the commit"
            )
    if isinstance(folder, Path):
        yield from _file_faults(folder / commit.file, commit, decode=decode)
        return
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, commit.file)
        with path.open("wb") as file:
            try:
                (folder / commit.file).copy_to(file)
            except FileNotFoundError:
                path.unlink()
            except AccessRefused as error:
                if not hides_absent(folder):
                    raise
                yield f"missing, or may not be read: {error}"
                return
        for reason in _file_faults(path, commit, decode=decode):
            yield reason.replace(str(path), str(folder / commit.file))


def _file_faults(path: Path, commit: Commit, *, decode: bool) -> Iterator[str]:
    """Faults of one shard file by itself."""
    from .shard_file import codec_text, read_header  # h5py: reading does without it

    try:
        state = path.stat()
    except FileNotFoundError:
        yield f"missing: expected a file of {commit.bytes} bytes"
        return
    if not stat.S_ISREG(state.st_mode):
        yield f"expected a file of {commit.bytes} bytes, got something else"
        return
    if (found := state.st_size) != commit.bytes:
        what = "truncated" if found < commit.bytes else "too long"
        yield f"{what}: expected {commit.bytes} bytes, got {found}"
        return
    if (digest := content_hash(path)) != commit.xxh3:
        yield f"changed: expected xxh3 {commit.xxh3}, got {digest}"
        return
    try:
        header = read_header(path, modality=commit.modality)
        if header.codec.to_dict() != dict(commit.codec):
            codecs = json.dumps(dict(commit.codec)), codec_text(header.codec)
            yield f"expected codec {codecs[0]} as in the commit, got {codecs[1]}"
        if header.record(commit.file, digest) != commit.record:
            yield "expected its text `columns` as in the commit, got another one"
            return
        with ShardReader(
            LocalFile(path),
            modality=commit.modality,
            record=commit.record,
            codec=commit.codec,
        ) as shard:
            yield from _disagreements(shard, commit)
            if decode:
                yield from _undecodable(shard, commit)
    except StoreError as error:
        yield str(error)


def _disagreements(shard: ShardReader, commit: Commit) -> Iterator[str]:
    index = shard.index()
    names = [video.id for video in commit.videos]
    if list(index) != names:
        odd = sorted(set(index) ^ set(names)) or ["another order"]
        yield f"index: expected the {len(names)} videos of the commit, not so: {odd[0]}"
        return
    frames_first = first = 0
    for video in commit.videos:
        expected = {
            "first": video.first,
            "rows": video.rows,
            "frames_first": frames_first,
            "frames": video.frames,
            "height": video.height,
            "width": video.width,
        }
        if index[video.id] != expected or video.first != first:
            yield f"index: {video.id}: expected {expected}, got {index[video.id]}"
        frames_first, first = frames_first + video.frames, first + video.rows
    if shard.num_rows != first:
        yield f"expected {first} rows, got {shard.num_rows}"
    shard.seconds(0, frames_first)
    shard.picture_types(0, frames_first)
    if shard.modality == "mv":
        shard.valid(0, first)


def _undecodable(shard: ShardReader, commit: Commit) -> Iterator[str]:
    """The first row of each video that does not decode."""
    codec = shard.codec
    for video in commit.videos:
        try:
            if isinstance(codec, H264Rgb):
                size = (video.height, video.width)
                for rows in codec.pieces(video.rows, DECODE_ROWS):
                    h264_frames(shard, rows, video.first, size, WHOLE)
                continue
            for begin in range(video.first, video.first + video.rows, DECODE_ROWS):
                end = min(begin + DECODE_ROWS, video.first + video.rows)
                flat, bounds = shard.stored(begin, end)
                for row in range(end - begin):
                    stored = flat[bounds[row] : bounds[row + 1]]
                    codec.decode(stored, video.height, video.width)
        except LayoutError as error:
            yield f"{video.id}: {error}"


def _index_damages(
    folder: Location, manifest: Manifest, commits: dict[tuple[str, int], Commit]
) -> Iterator[Damage]:
    """Differences between `index.jsonl` and the commits."""
    expected = {
        (video.id, modality): (video, Rows(shard, video.first, video.rows))
        for (modality, shard), commit in commits.items()
        for video in commit.videos
    }
    try:
        require_index(folder, manifest)
    except LayoutError as error:
        yield Damage(INDEX, None, None, str(error))
        if not (folder / INDEX).is_file():
            return
    count = 0
    try:
        for record in read_index(folder):
            count += bool(record.rows.keys() & manifest.modalities.keys())
            for modality, rows in record.rows.items():
                video, place = expected.pop((record.id, modality), (None, None))
                if video is None or (
                    (rows, record.frames, record.height, record.width, record.xxh3)
                    != (place, video.frames, video.height, video.width, video.xxh3)
                ):
                    shard = rows.shard
                    if video is None and (modality, shard) not in commits:
                        continue  # its commit was named already
                    reason = f"{record.id}: {modality}: expected what its commit says"
                    yield Damage(INDEX, modality, shard, reason)
    except LayoutError as error:
        yield Damage(INDEX, None, None, str(error))
        return
    for (video_id, modality), (_, place) in expected.items():
        reason = f"{video_id}: {modality}: expected a line, as there is a commit"
        yield Damage(INDEX, modality, place.shard, reason)
    if count != manifest.videos:
        reason = f"expected {manifest.videos} videos, got {count}"
        yield Damage(INDEX, None, None, reason)
