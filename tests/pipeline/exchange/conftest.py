"""A small store with odd names."""

from pathlib import Path

import pytest
from exported import VIDEOS
from tiny_store import write_store


@pytest.fixture(scope="session")
def odd_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five videos of 35x50 px in two shards. Read only."""
    return write_store(tmp_path_factory.mktemp("exchange") / "store", VIDEOS)
