"""A JSON list of videos -> its rows.

    [{"id": "78687", "template": "Holding [something]"}]              Something-Something
    {"0wR5jVB-WPk": {"annotations": {"label": "archery"}, "subset": "train"}}    Kinetics
    {"labels": [...], "database": {"v_YoYo_g01_c01": {...}}}     ActivityNet, 3D-ResNets

or a record per line (`.jsonl`). The fields are those of a CSV's header, or of the
`videos.jsonl` of an export (`paths`, `classes`, `splits`).
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from . import csv_lists, split_lists
from .errors import DatasetError

EXPECTED = (
    'expected a list of videos like [{"path": "jump/a.mp4", "label": "jump", "split":'
    ' "train"}] or {"a": {"subset": "training", "annotations": {"label": "jump"}}}'
)


def read_records(path: Path) -> list[csv_lists.ListRow]:
    """The rows of a JSON list, or of one record per line.

    Raises:
        DatasetError: other JSON, a record without a path or name, a video twice.
    """
    rows = [_row(record, where) for record, where in _records(path)]
    if not rows:
        raise DatasetError(f"{path}: {EXPECTED}, got none")
    return csv_lists.checked(rows)


def _records(path: Path) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Every record with its position in the file."""
    if path.suffix.lower() != ".json":
        for number, line in split_lists.lines(path):
            yield _record(_parsed(line, f"{path}:{number}")), f"{path}:{number}"
        return
    value = split_lists.json_of(path)
    if isinstance(value, dict):
        videos = value.get("database", value)
        if not isinstance(videos, dict):
            raise DatasetError(f"{path}: {EXPECTED}")
        for name, about in videos.items():
            where = f"{path}: {name!r}"
            if not isinstance(about, dict):
                raise DatasetError(f"{where}: {EXPECTED}, got {_shown(about)}")
            yield {"name": name, **about}, where
    elif isinstance(value, list):
        for count, record in enumerate(value, 1):
            yield _record(record), f"{path}: entry {count}"
    else:
        raise DatasetError(f"{path}: {EXPECTED}, got {_shown(value)}")


def _parsed(line: str, where: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{where}: expected a JSON record: {error}") from error


def _record(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {"": value}


def _row(record: Mapping[str, Any], where: str) -> csv_lists.ListRow:
    known = {name.lower(): value for name, value in record.items()}
    annotations = known.pop("annotations", ())
    if isinstance(annotations, dict):
        annotations = [annotations]
    if annotations:
        if not all(isinstance(each, dict) for each in annotations):
            raise DatasetError(f"{where}: {EXPECTED}, got {_shown(annotations)}")
        known["labels"] = [each.get("label") for each in annotations]
    known = _of_export(known)
    values = list(known.values())
    places = csv_lists.columns(list(known), where)
    labels = values[places.pop("labels")] if "labels" in places else []
    if "label" in places and isinstance(values[places["label"]], list):
        labels = values[places.pop("label")]
    if not isinstance(labels, list):
        raise DatasetError(f"{where}: expected a list of labels, got {_shown(labels)}")
    cells = {name: _text(values[place], name, where) for name, place in places.items()}
    if "path" not in cells:
        raise DatasetError(f"{where}: {EXPECTED}, got {_shown(record)}")
    if "template" in known:
        cells["label"] = cells["label"].replace("[", "").replace("]", "")
    texts = [_text(label, "label", where) for label in labels]
    return csv_lists.row_of(cells, where, list(dict.fromkeys(texts)))


def _of_export(record: dict[str, Any]) -> dict[str, Any]:
    """A record of `pipeline export` with the names of a CSV's columns; others as they are."""
    paths, splits, classes = (
        record.get(name) for name in ("paths", "splits", "classes")
    )
    if not (isinstance(paths, dict) and paths and isinstance(splits, dict)):
        return record
    left = ("paths", "splits", "classes", "id", "labels")
    kept = {name: value for name, value in record.items() if name not in left}
    parts = {f"split:{name}": part for name, part in splits.items()}
    return kept | {"path": next(iter(paths.values())), "labels": classes} | parts


def _text(value: Any, name: str, where: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise DatasetError(f"{where}: expected text for {name!r}, got {_shown(value)}")
    return str(value)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 80 else text[:77] + "..."
