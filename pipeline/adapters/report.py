"""A data set -> what its owner should know about it, as text and for machines."""

from collections import Counter

from motion_shards.plain_text import counted, first_names, printable, size_text
from pipeline.store import Json

from .videos import DataSet, Finding

NAMES_SHOWN = 3
WARNINGS = ("untrainable", "partial")
"""Kinds of findings that stand first."""
ORIGINS = {
    "official": "official",
    "lists": "from lists",
    "seeded": "drawn at random by group, not official",
}
"""Origin of a split -> its description."""


def text(dataset: DataSet) -> str:
    """A readable report: counts, splits, classes, and everything odd with examples."""
    groups = len({video.group for video in dataset.videos})
    headline = (
        f"{dataset.name}: {counted(len(dataset.videos), 'video')} of"
        f" {counted(len(dataset.classes), 'class')} in {counted(groups, 'group')},"
        f" {size_text(sum(v.size_bytes for v in dataset.videos))}, in {dataset.folder}"
    )
    lines = [headline]
    warnings = [finding for finding in dataset.findings if finding.kind in WARNINGS]
    lines += [f"  {_finding(finding)}" for finding in warnings]
    lines += [f"  {fact}" for fact in dataset.facts]
    for split, parts in _split_counts(dataset).items():
        unused = len(dataset.videos) - parts["train"] - parts["test"]
        lines.append(
            f"  split {split} ({ORIGINS[dataset.splits[split]]}): {parts['train']:,} train,"
            f" {parts['test']:,} test" + (f", {unused:,} unused" if unused else "")
        )
    if not dataset.splits:
        lines.append(
            "  no split: training needs lists (--splits) or a share held out (--holdout)"
        )
    lines += _class_lines(dataset)
    lines += [
        f"  {_finding(finding)}"
        for finding in dataset.findings
        if finding not in warnings
    ]
    if not dataset.findings:
        lines.append("  nothing missing, nothing unexpected, no duplicates")
    return "\n".join(map(printable, lines))


def to_dict(dataset: DataSet) -> dict[str, Json]:
    """The report for `--json`, with all names."""
    present = _present(dataset)
    return {
        "name": dataset.name,
        "folder": str(dataset.folder),
        "videos": len(dataset.videos),
        "size_bytes": sum(video.size_bytes for video in dataset.videos),
        "groups": len({video.group for video in dataset.videos}),
        "classes": {
            name: {"videos": present[name], "expected": dataset.expected.get(name)}
            for name in dataset.classes
        },
        "absent_classes": [
            name for name in dataset.expected if name not in dataset.classes
        ],
        "splits": {
            split: {"kind": dataset.splits[split], **parts}
            for split, parts in _split_counts(dataset).items()
        },
        "mirror_safe": dataset.mirror_safe,
        "facts": list(dataset.facts),
        "findings": [
            {"kind": kind, "text": sentence, "names": list(names)}
            for kind, sentence, names in dataset.findings
        ],
    }


def _present(dataset: DataSet) -> Counter[str]:
    return Counter(
        dataset.classes[label] for video in dataset.videos for label in video.labels
    )


def _split_counts(dataset: DataSet) -> dict[str, dict[str, int]]:
    counts = {split: {"train": 0, "test": 0} for split in dataset.splits}
    for video in dataset.videos:
        for split, part in video.splits.items():
            counts[split][part] += 1
    return counts


def _class_lines(dataset: DataSet) -> list[str]:
    """Counts per class; complete classes are only counted."""
    present = _present(dataset)
    complete = [
        name for name in dataset.classes if present[name] == dataset.expected.get(name)
    ]
    lines = []
    if complete:
        counts = [present[name] for name in complete]
        span = f"{min(counts):,}" + (
            f" to {max(counts):,}" if max(counts) > min(counts) else ""
        )
        lines.append(f"  classes complete: {len(complete):,}, of {span} videos")
    others = [name for name in dataset.classes if name not in set(complete)]
    width = max((len(printable(name)) for name in others), default=0)
    for name in others:
        line = f"  {printable(name):<{width}}  {present[name]:>6,}"
        if name in dataset.expected:
            line += f" of {dataset.expected[name]:,}"
        lines.append(line)
    absent = len(dataset.expected.keys() - set(dataset.classes))
    if absent:
        lines.append(f"  classes of the lists without a video here: {absent:,}")
    return lines


def _finding(finding: Finding) -> str:
    kind = "warning" if finding.kind in WARNINGS else finding.kind
    names = first_names(finding.names, NAMES_SHOWN, count=True)
    return f"{kind}: {finding.text}" + (f" ({names})" if names else "")
