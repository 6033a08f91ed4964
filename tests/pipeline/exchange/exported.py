"""A small store with odd names and an export of it, for several files of tests."""

from pathlib import Path

from pipeline.exchange.exporting import export
from pipeline.exchange.outcome import Exported
from pipeline.exchange.settings import FORMATS, Format

VIDEOS = ({"jump/a b": 9, "jump/c.d": 5, "run/#e": 20}, {"run/f": 2, "run/one": 1})
"""Id -> frames, of two shards."""
IDS = [video_id for shard in VIDEOS for video_id in shard]
FRAMES = {video_id: count for shard in VIDEOS for video_id, count in shard.items()}


def exported(store: Path, out: Path, to: str, **given: object) -> Exported:
    """An export in this process; options of `Format` and of `export`."""
    options = {
        name: given.pop(name) for name in list(given) if name in Format.__slots__
    }
    form = {"to": to, "modalities": FORMATS[to]} | options
    return export(store, out, Format(**form), **given)  # type: ignore[arg-type]


def tree(folder: Path) -> dict[str, bytes]:
    """Path -> content of everything in a folder but what runs say about themselves."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "_logs" not in path.parts
    }
