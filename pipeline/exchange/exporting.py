"""A whole export: missing videos are written by several processes, lists at the end."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from xxhash import xxh3_128

from pipeline.store import Location, Store, StoredVideo
from pipeline.store.locations import require_apart

from .arrays import write_arrays
from .errors import ExchangeError
from .frames import write_frames
from .layouts import LAYOUTS
from .levels import Levels
from .lists import write_lists
from .movies import write_movie
from .names import folders_of, path_of
from .outcome import Exported, Total, Written
from .parallel import in_order
from .pictures import as_stored
from .record import own_folder
from .selection import Selection, selected
from .settings import Format
from .tars import write_shards

Progress = Callable[[int, int], None]


def export(
    store_folder: Location | str,
    out: Path,
    form: Format,
    *,
    classes: tuple[str, ...] = (),
    videos: Path | None = None,
    jobs: int = 1,
    on_progress: Progress = lambda done, total: None,
) -> Exported:
    """Write videos of a store as other programs read them.

    A file or folder appears under its name when it is whole. The same call resumes an
    interrupted one. A video whose rows are damaged is left out and named.

    Args:
        out: an empty folder, a new one, or one that the same export began.
        classes, videos: as for `selected`.
        jobs: processes.
        on_progress: called with the videos done and in all.

    Raises:
        ExchangeError: the store lacks what was asked for, or the folder is something else.
        FolderHeld: another export writes there.
        StoreError: no such store.
        OSError: the folder cannot be written.
    """
    began = time.monotonic()
    store = Store(store_folder)
    require_apart(out, store.folder, error=ExchangeError)
    selection = selected(store, form.modalities, classes=classes, videos=videos)
    with own_folder(out, _record(store, selection, form)) as work:
        if form.to == "webdataset":
            total = write_shards(
                store, selection, form, out, work, jobs=jobs, on_progress=on_progress
            )
        else:
            total = _write_videos(
                store, selection, form, out, work, jobs=jobs, on_progress=on_progress
            )
    return Exported(
        out=out,
        videos=len(selection.ids),
        remarks=tuple(_remarks(store, form)),
        seconds=time.monotonic() - began,
        **total._asdict(),
    )


@dataclass(frozen=True)
class _Work:
    """The export of one video, as a process gets it."""

    folder: Location
    out: Path
    work: Path
    form: Format
    paths: Mapping[str, str]

    @cached_property
    def _store(self) -> Store:
        return Store(self.folder)

    def targets(self, video: StoredVideo) -> dict[str, Path]:
        """Modality -> its file or folder; one for all under an empty name."""
        path, to = self.paths[video.id], self.form.to
        if to == "mp4":
            return {
                modality: self.out / modality / f"{path}.mp4"
                for modality in self.form.modalities
                if modality in video.modalities
                and (modality == "rgb" or video.frames > 1)
            }
        if to == "npz":
            return {"": self.out / "arrays" / f"{path}.npz"}
        return {"": self.out / "frames" / path}

    def __call__(self, video_id: str) -> Written:
        video = self._store.video(video_id)
        given: dict[str, Any] = {"work": self.work}
        targets = self.targets(video).items()
        missing = {name: path for name, path in targets if not path.exists()}
        total = Written()
        for modality, target in missing.items():
            if self.form.to == "mp4":
                done = write_movie(
                    self._store, video, target, modality=modality, **given
                )
            elif self.form.to == "npz":
                given["modalities"] = self.form.modalities
                done = write_arrays(self._store, video, target, **given)
            else:
                given["modalities"] = tuple(
                    m for m in self.form.modalities if m in video.modalities
                )
                done = write_frames(
                    self._store,
                    video,
                    target,
                    layout=self.form.layout,
                    bound_px=self.form.bound_px,
                    quality=self.form.quality,
                    **given,
                )
            total = total.plus(done)
        return total


def _write_videos(
    store: Store,
    selection: Selection,
    form: Format,
    out: Path,
    work: Path,
    *,
    jobs: int,
    on_progress: Progress,
) -> Total:
    """Write what is missing, one file or folder per video, and the lists."""
    paths = (
        folders_of(selection.ids)
        if form.to == "frames"
        else {video_id: path_of(video_id) for video_id in selection.ids}
    )
    writing = _Work(store.folder, out, work, form, paths)
    targets = {i: writing.targets(store.video(i)) for i in selection.ids}
    missing = [
        video_id
        for video_id, known in targets.items()
        if not all(path.exists() for path in known.values())
    ]
    before = len(selection.ids) - len(missing)
    written, bad = Written(), {}
    results = in_order(writing, missing, jobs=jobs)
    for done, (video_id, result) in enumerate(results, before + 1):
        if isinstance(result, str):
            bad[video_id] = result
        else:
            written = written.plus(result)
        on_progress(done, len(selection.ids))
    listed: dict[str, dict[str, str]] = {}
    for video_id, known in targets.items():
        if video_id not in bad:
            for modality, path in _listed(form, store.video(video_id), known, out):
                listed.setdefault(modality, {})[video_id] = path
    write_lists(store, selection, out, paths=listed, counted=form.to == "frames")
    return Total(before, written, bad)


def _listed(
    form: Format, video: StoredVideo, targets: Mapping[str, Path], out: Path
) -> Iterator[tuple[str, str]]:
    """Name of a list, and the path of a video in it."""
    if form.to == "mp4":
        for modality, path in targets.items():
            yield modality, path.relative_to(out / modality).as_posix()
    elif form.to == "npz":
        yield "npz", targets[""].relative_to(out / "arrays").as_posix()
    else:
        for modality in form.modalities:
            if modality in video.modalities:
                yield modality, targets[""].relative_to(out / "frames").as_posix()


def _record(store: Store, selection: Selection, form: Format) -> dict[str, Any]:
    """Contents of `export.json`: equal for exports of which one resumes the other."""
    ids = xxh3_128()
    for video_id in selection.ids:
        ids.update(video_id.encode("utf-8", "surrogateescape") + b"\0")
    return {
        **asdict(form),
        "modalities": list(form.modalities),
        "store": store.fingerprint,
        "index": list(store.manifest.index),
        "classes": list(selection.classes),
        "videos": ids.hexdigest(),
    }


def _remarks(store: Store, form: Format) -> Iterator[str]:
    if form.to in ("frames", "webdataset"):
        if "rgb" in form.modalities:
            if codec := as_stored(store):
                imported = "imported_frames" in store.settings.get("common", {})
                said = "imported" if imported else f"quality {codec.quality}"
                yield f"rgb: the JPEG files as they are stored ({said})"
            else:
                yield f"rgb: encoded as JPEG of quality {form.quality}"
        if "flow" in form.modalities:
            floor = LAYOUTS[form.layout].floor and form.to == "frames"
            error = Levels(bound_px=form.bound_px, floor=floor).max_error_px
            yield (
                f"flow: 8-bit levels of -{form.bound_px:g} to {form.bound_px:g} px, off by "
                f"up to {error:.2g} px, and JPEG of quality {form.quality}"
            )
    elif form.to == "mp4":
        yield "pictures to look at: H.264, not the numbers of the store"
