"""Twelve small videos, and the store that a run without any fault makes of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from small_videos import RGB_MV, data_set, draw_videos, store_bytes
from stub_gpu import StubGpu, build, compiler

from pipeline.driver.extraction import extract
from pipeline.executors.choose import Execution


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve small videos in two classes: three shards. Read only."""
    folder = tmp_path_factory.mktemp("videos")
    draw_videos(folder, 12)
    return folder


@pytest.fixture(scope="session")
def finished(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of them, RGB and vectors, built in this process. Nothing changes it."""
    out = tmp_path_factory.mktemp("stores") / "store"
    here = Execution(workers=0)
    summary = extract(data_set(folder), RGB_MV, out=out, execution=here)
    assert summary.exit_code == 0 and summary.stored == 12
    return out


@pytest.fixture(scope="session")
def expected(finished: Path) -> dict[str, bytes]:
    """All of that store but what runs say about themselves."""
    return store_bytes(finished)


@pytest.fixture(scope="module")
def gpu(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StubGpu]:
    """Processes that have a stand-in for NVIDIA's driver; none is left for other modules."""
    if compiler() is None:
        pytest.skip("no C compiler: the stand-in for the driver cannot be built")
    with StubGpu(build(tmp_path_factory.mktemp("stub"))) as stub:
        yield stub


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The address of a bucket of an S3 service on this machine."""
    from s3_server import s3_service

    with s3_service() as address:
        yield address
