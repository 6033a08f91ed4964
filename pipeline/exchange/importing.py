"""A whole import: trees of frames -> a store, shard by shard, in several processes."""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.adapters import balance, video_list
from pipeline.adapters import folder as folder_adapter
from pipeline.adapters.holdout import with_holdout
from pipeline.adapters.naming import dataset_name
from pipeline.adapters.scan import Scan
from pipeline.adapters.videos import DataSet, Video
from pipeline.driver.merging import merge
from pipeline.driver.missing import DAMAGED, suspects
from pipeline.driver.plan import StorePlan
from pipeline.driver.publish import (
    clear_arriving,
    intact,
    prepare,
    publish,
    read_commits,
)
from pipeline.driver.resume import (
    as_planned,
    damages,
    readable_plan,
    require_files,
    store_plan,
    write_if_new,
)
from pipeline.driver.summary import summarize
from pipeline.errors import PlanError
from pipeline.executors.reporter import (
    SILENT,
    ProgressReporter,
    report_published,
)
from pipeline.extract.settings import ExtractSettings
from pipeline.shard.plan import ShardPlan
from pipeline.store.commit import Commit
from pipeline.store.file_names import PLAN
from pipeline.store.jpeg_codecs import JpegFlow
from pipeline.store.lease import hold
from pipeline.store.locations import require_apart
from pipeline.store.manifest import Manifest

from .errors import ExchangeError
from .imported import Imported
from .incoming import ShardImport
from .parallel import in_order
from .trees import Scanned, Trees, scan_trees


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeData:
    """The videos of trees of frames, with their labels and splits."""

    trees: Trees
    dataset: DataSet
    frames: int
    """Frames of all videos, as far as the names of the files say."""


def import_settings(
    trees: Trees, *, bound_px: float, frames_per_second: float
) -> ExtractSettings:
    """The settings of a store that is imported.

    Args:
        bound_px: of the flow in the files; it is that of the stored flow, too.
    """
    return ExtractSettings(
        modalities=tuple(
            name
            for name, root in (("rgb", trees.images), ("flow", trees.flow))
            if root is not None
        ),
        imported_frames=trees.layout,
        frames_per_second=frames_per_second,
        flow_codec=JpegFlow(curve="linear", bound_px=bound_px, quality=95),
    )


def load_trees(
    trees: Trees,
    *,
    kind: str = "folder",
    called: str | None = None,
    splits: Path | None = None,
    holdout: float | None = None,
    seed: int = 0,
) -> TreeData:
    """The videos of trees, with labels and splits as `pipeline extract` finds them.

    Args:
        kind: `folder`: the first folder of a path is the class; `list`: only the videos
            of a list.
        called: name of the data set. Default: that of the folder of the trees.
        splits: folder of lists, or one list; see docs/lists.md.
        holdout, seed: as of `pipeline.adapters.load`.

    Raises:
        ExchangeError: a tree that is not there, or has no frames.
        DatasetError: lists that do not fit.
    """
    root = trees.images or trees.flow
    if root is None:
        raise ExchangeError("expected the folder of images, of flow, or both")
    scanned: Scanned = scan_trees(trees)
    found = Scan(scanned.files, (), (), scanned.unusable)
    adapter = folder_adapter if kind == "folder" else video_list
    dataset = adapter.read(root, splits, found)
    if holdout is not None:
        dataset = with_holdout(dataset, holdout, seed=seed)
    findings = (
        *balance.trainable(dataset),
        *dataset.findings,
        *balance.split_findings(dataset),
    )
    name = dataset_name(kind, videos=root, called=called)
    return TreeData(
        trees=trees,
        dataset=replace(
            dataset,
            name=name,
            videos=tuple(sorted(map(_named, dataset.videos), key=lambda each: each.id)),
            findings=findings,
        ),
        frames=scanned.frames,
    )


def _named(video: Video) -> Video:
    """The video with the path of its folder as id: a folder has no suffix."""
    alone = video.group == video.id
    return replace(video, id=video.path, group=video.path if alone else video.group)


def import_frames(
    data: TreeData,
    settings: ExtractSettings,
    *,
    out: Path,
    jobs: int = 1,
    retry_bad: bool = False,
    reporter: ProgressReporter = SILENT,
) -> Imported:
    """Build the shards that are missing in a store of imported frames, and finish it.

    Args:
        settings: of `import_settings`.
        out: the store to create or to continue.
        jobs: processes.
        retry_bad: try quarantined videos again.

    Raises:
        PlanError: the folder is something else, or a store of other videos or settings.
        FolderHeld: another run is writing this store.
        ExchangeError: `out` lies in a tree, or a process died.
        OSError: the store cannot be written, or a tree is gone.
        KeyboardInterrupt: stopped; published shards stay, and the same call resumes.
    """
    began = time.monotonic()
    for root in data.trees.kinds.values():
        require_apart(out, root, error=ExchangeError)
    _require_same_bound(out, settings)
    dataset = as_planned(data.dataset, out)
    size = sum(video.size_bytes for video in data.dataset.videos)
    rate = max(size / max(data.frames, 1), 1.0)
    plan = store_plan(dataset, settings, out=out, source_rate=rate)
    prepare(out)
    kept = recoded = 0
    with hold(out, say=reporter.say) as lease:
        clear_arriving(out)
        prepare(out)
        if (out / PLAN).is_file():  # another run may have ended just before
            plan = store_plan(dataset, settings, out=out, source_rate=rate)
        for line in damages(out):
            reporter.say(line)
        require_files(out)
        write_if_new(plan, out)
        missing = list(_missing(plan, out, retry_bad=retry_bad))
        reporter.start(videos=sum(len(shard.videos) for shard in missing))
        build = ShardImport(data.trees, out.absolute())
        with closing(in_order(build, missing, jobs=jobs)) as results:
            for shard, built in results:
                if isinstance(built, str):
                    raise ExchangeError(f"shard {shard.shard}: {built}")
                lease.require()
                publish(built.report, out)
                report_published(built.report, reporter)
                kept, recoded = kept + built.kept, recoded + built.recoded
        lease.require()
        manifest = merge(plan, dataset, out, plan.modalities)
        (out / DAMAGED).unlink(missing_ok=True)
        clear_arriving(out)
    return Imported(
        summary=summarize(
            out,
            manifest,
            shards=len(missing),
            seconds=time.monotonic() - began,
            unusable=dataset.unusable,
            paths=_paths_left_out(plan, manifest),
        ),
        settings=settings,
        kept=kept,
        recoded=recoded,
    )


def _missing(plan: StorePlan, out: Path, *, retry_bad: bool) -> Iterator[ShardPlan]:
    """The shards that are missing, damaged or to be retried, with all modalities."""
    suspected = suspects(out)
    for number in range(plan.shards):
        shard = plan.shard_plan(number, plan.modalities, folder=out)
        commits = read_commits(out, number, shard.fingerprint)
        if all(
            modality in commits
            and _is_of(commits[modality], shard)
            and not (retry_bad and commits[modality].bad)
            and intact(
                commits[modality].record,
                out,
                hashed=commits[modality].file in suspected,
            )
            for modality in plan.modalities
        ):
            continue
        yield shard


def _is_of(commit: Commit, shard: ShardPlan) -> bool:
    """Whether a commit has the videos and settings of a shard, all of them available."""
    names = {*(video.id for video in commit.videos), *commit.bad}
    return names == {video.id for video in shard.videos} and dict(
        commit.settings
    ) == shard.settings.modality_record(commit.modality)


def _paths_left_out(plan: StorePlan, manifest: Manifest) -> dict[str, str]:
    """Id -> path of the planned videos that are not stored."""
    left_out = manifest.bad.keys() | manifest.unavailable.keys()
    return {video.id: video.path for video in plan.videos if video.id in left_out}


def _require_same_bound(out: Path, settings: ExtractSettings) -> None:
    """
    Raises:
        PlanError: the store was begun with another bound of the flow.
    """
    before = readable_plan(out)
    if before is None or not {"flow"} <= {*before.modalities} & {*settings.modalities}:
        return
    old, new = before.settings.flow_codec, settings.flow_codec
    if before.settings.imported_frames and old != new:
        raise PlanError(
            f"--flow-bound: the store was made with {old.to_dict()['bound_px']:g}, this run "
            f"asks for {new.to_dict()['bound_px']:g}: settings of a store never change "
            "(repeat the store's own, or use another --out)"
        )
