"""A store with hostile names, and its pages."""

from pathlib import Path

import pytest
from hostile import CLASSES
from tiny_store import seal_manifest, write_store

from pipeline.browse.build import browse

IDS = ("<script>alert(1)</script>/a", "b\"' onerror=x &lt;", f"c/{CLASSES[2]}", "d/one")
FRAMES = (20, 3, 40, 1)
BAD = {"x/<b>bold</b>.avi": "no video stream\n<i>at all</i>"}


@pytest.fixture(scope="session")
def hostile_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four videos, of `FRAMES` frames of 50x35 at 25 per second. Read only."""
    folder = tmp_path_factory.mktemp("hostile") / "store"
    write_store(folder, [dict(zip(IDS, FRAMES, strict=True))])
    seal_manifest(folder, classes=[CLASSES[0], "</script><b>"], bad=BAD)
    return folder


@pytest.fixture(scope="session")
def page(hostile_store: Path) -> Path:
    """The folder of its pages. Read only."""
    made = browse(hostile_store, hostile_store.parent / "page", workers=0)
    assert made.videos == 4 and not made.unreadable
    return made.index.parent
