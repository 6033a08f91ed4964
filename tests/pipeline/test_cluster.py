"""Shards as Ray tasks: the same bytes, and the same manners when a worker dies."""

import os
from functools import partial
from pathlib import Path

import pytest
from small_videos import (
    RGB_MV,
    crashing,
    data_set,
    draw_videos,
    killed_once,
    opened,
    store_bytes,
)

from pipeline.extraction import Execution, extract
from pipeline.retries import ExtractionError

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::FutureWarning:ray"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    draw_videos(folder, 12)
    return folder


@pytest.fixture(scope="module")
def expected(folder, tmp_path_factory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("stores") / "store"
    extract(data_set(folder), RGB_MV, out=out, execution=Execution(workers=0))
    return store_bytes(out)


@pytest.fixture(scope="module")
def address():
    """One Ray for all these tests; `ray.init` of a run joins it."""
    ray = pytest.importorskip("ray")
    here = Path(__file__).parent
    paths = os.pathsep.join(map(str, (here, here.parent, here.parents[1])))
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = paths  # workers import what they are given by name
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 2, "include_dashboard": False},
    )
    yield cluster.address
    ray.shutdown()
    cluster.shutdown()
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before


def test_ray_gives_the_same_bytes(folder, expected, address, tmp_path):
    execution = Execution(ray=address, open_video=opened)
    out = tmp_path / "store"
    summary = extract(data_set(folder), RGB_MV, out=out, execution=execution)
    assert summary.exit_code == 0 and summary.fresh_shards == 3
    assert store_bytes(out) == expected


def test_a_worker_killed_in_its_shard_costs_an_attempt(
    folder, expected, address, tmp_path
):
    marks = tmp_path / "marks"
    marks.mkdir()
    decoder = partial(killed_once, victim="v003", marks=marks)
    out = tmp_path / "store"
    execution = Execution(ray=address, open_video=decoder)
    assert extract(data_set(folder), RGB_MV, out=out, execution=execution).stored == 12
    assert (marks / "killed").exists()
    assert store_bytes(out) == expected


def test_a_video_that_crashes_the_decoder_is_named(folder, address, tmp_path):
    execution = Execution(ray=address, open_video=partial(crashing, victim="v003"))
    summary = extract(
        data_set(folder), RGB_MV, out=tmp_path / "store", execution=execution
    )
    assert summary.exit_code == 3 and summary.stored == 11
    assert "signal 11" in summary.bad["right/v003"]


def test_no_cluster_at_an_address_is_one_line(folder, tmp_path):
    execution = Execution(ray="127.0.0.1:1")
    with pytest.raises(ExtractionError, match="expected a Ray cluster at 127.0.0.1:1"):
        extract(data_set(folder), RGB_MV, out=tmp_path / "s", execution=execution)
