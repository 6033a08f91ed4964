"""A store of all modalities that nothing changes: ten videos, and one that is quarantined."""

from pathlib import Path

import pytest
from small_videos import SETTINGS, data_set, draw_videos

from pipeline.driver.extraction import extract
from pipeline.executors.choose import Execution


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten small videos in two class folders, and a file that is no video. Read only."""
    folder = tmp_path_factory.mktemp("managed") / "clips"
    draw_videos(folder, 10)
    (folder / "left" / "broken.mp4").write_bytes(b"no video at all" * 20)
    return folder


@pytest.fixture(scope="session")
def original(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Their store, with RGB, flow and vectors. Nothing changes it."""
    out = tmp_path_factory.mktemp("managed") / "store"
    summary = extract(
        data_set(clips), SETTINGS, out=out, execution=Execution(workers=0)
    )
    assert summary.stored == 10 and list(summary.bad) == ["left/broken"]
    return out
