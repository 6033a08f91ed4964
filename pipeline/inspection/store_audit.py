"""A store -> a report of how well codec facts and vectors predict class and codec."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from motion_shards.plain_text import counted, printable
from pipeline.store import Json, Store, StoreNotFound
from pipeline.store.file_names import COMMITS, PLAN

from .leakage import ROWS, Row, measured
from .observations import observe
from .status import status


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreAudit:
    """The result: a row per prediction, and the reasons for those that are left out."""

    store: str
    dataset: str
    mv_source: str | None
    """canonical or original; None without motion vectors."""
    videos: int
    """Videos of the store."""
    inspected: int
    rows: tuple[Row, ...]
    left_out: dict[tuple[str, str], str]
    """(target, source) -> reason."""
    unlabelled: int = 0
    bad: dict[str, str]

    def text(self) -> str:
        """A table, a conclusion for each of its rows, and what was left out."""
        vectors = f", {self.mv_source} motion vectors" if self.mv_source else ""
        head = f"{self.store}: {self.dataset or 'not finished'}{vectors}"
        inspected = f"{self.inspected:,} of {counted(self.videos, 'video')} inspected"
        lines = [f"{head}; {inspected}"]
        lines += [
            f"could not be read: {video}: {why}" for video, why in self.bad.items()
        ]
        if self.unlabelled:
            lines.append(
                f"left out: {counted(self.unlabelled, 'video')} without a class"
            )
        if self.rows:
            lines += ["", *_table(self.rows), ""]
        for row in self.rows:
            lines.append(f"{row.target} from {row.source}: {row.conclusion}")
            if row.against_flow is not None:
                difference, error, _ = row.against_flow
                lines.append(
                    f"  difference to flow: {difference:+.1%}, standard error {error:.1%}"
                )
            if row.unused:
                lines.append(
                    f"  {counted(row.unused, 'video')} not used: without known vectors, "
                    "or alone of its kind"
                )
        for (target, source), reason in self.left_out.items():
            lines.append(f"left out: {target} from {source}: {reason}")
        return "\n".join(map(printable, lines))

    def to_dict(self) -> dict[str, Json]:
        return {
            "store": self.store,
            "dataset": self.dataset,
            "mv_source": self.mv_source,
            "videos": self.videos,
            "inspected": self.inspected,
            "rows": [row.to_dict() for row in self.rows],
            "left_out": [
                {"target": target, "source": source, "reason": reason}
                for (target, source), reason in self.left_out.items()
            ],
            "unlabelled": self.unlabelled,
            "bad": self.bad,
        }


def _table(rows: Sequence[Row]) -> Iterator[str]:
    head = ("predicted", "from", "right", "chance", "difference", "std. error")
    cells = [(*head, "videos", "groups")]
    for row in rows:
        made = row.guess
        cells.append(
            (
                row.target,
                row.source,
                f"{made.accuracy:.1%}",
                f"{made.chance:.1%}",
                f"{made.lead.difference:+.1%}",
                f"{made.standard_error:.1%}",
                f"{made.videos:,}",
                f"{made.groups:,}",
            )
        )
    wide = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        words = [f"{cell:{width}}" for cell, width in zip(line[:2], wide, strict=False)]
        words += [f"{c:>{w}}" for c, w in zip(line[2:], wide[2:], strict=True)]
        yield "  ".join(words)


def audit_store(
    folder: Path | str,
    *,
    sample: int | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> StoreAudit:
    """Measure how well codec facts, vectors and flow of a store predict class and codec.

    Args:
        folder: of a store, finished or not, or the address of a finished one.
        sample: videos to read, about; all if left out.
        on_progress: called with videos read and videos to read.

    Raises:
        StoreError: no store, or a damaged one.
    """
    try:
        store = Store(folder)
    except StoreNotFound:
        if isinstance(folder, str):
            raise
        if not (folder / PLAN).is_file() and not (folder / COMMITS).is_dir():
            raise
        return _unfinished(folder)
    seen = observe(store, sample=sample, on_progress=on_progress)
    rows, left_out = measured(seen)
    return StoreAudit(
        store=str(folder),
        dataset=store.dataset,
        mv_source=store.settings.get("mv", {}).get("source"),
        videos=len(store.videos()),
        inspected=len(seen.labels),
        rows=tuple(rows),
        left_out=left_out,
        unlabelled=seen.unlabelled,
        bad=seen.bad,
    )


def _unfinished(folder: Path) -> StoreAudit:
    reason = "the store is not finished; classes and groups are written at its end"
    return StoreAudit(
        store=str(folder),
        dataset="",
        mv_source=None,
        videos=status(folder).videos,
        inspected=0,
        rows=(),
        left_out=dict.fromkeys(ROWS, reason),
        bad={},
    )
