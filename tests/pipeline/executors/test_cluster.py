"""Shards as Ray tasks: the same bytes, and the same manners when a worker dies."""

import json
import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from batch_solvers import LostOnce, ZeroFlow, broken, noted
from s3_server import objects
from small_videos import (
    RGB_MV,
    SETTINGS,
    Said,
    crashing,
    data_set,
    draw_videos,
    killed_once,
    opened,
    store_bytes,
)

from motion_shards.errors import ClusterError
from pipeline.driver.addressed import addressed
from pipeline.driver.extraction import dry_run, extract
from pipeline.errors import ExtractionError
from pipeline.executors import on_ray, ray_files
from pipeline.executors import workers as layouts
from pipeline.executors.choose import Execution
from pipeline.executors.gpus import Gpus
from pipeline.store.file_names import LOGS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::FutureWarning:ray"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def cluster():
    """One Ray for all these tests; `ray.init` of a run joins it."""
    ray = pytest.importorskip("ray")
    here = Path(__file__).parents[1]
    paths = os.pathsep.join(map(str, (here, here.parent, here.parents[1])))
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = paths  # workers import what they are given by name
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 2, "include_dashboard": False},
    )
    yield cluster
    ray.shutdown()
    cluster.shutdown()
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before


@pytest.fixture(scope="module")
def address(cluster) -> str:
    return cluster.address


@pytest.fixture(scope="module")
def mixed(cluster) -> SimpleNamespace:
    """The same, grown by a node with a GPU (which does not exist) and one without."""
    gpu_node = cluster.add_node(num_cpus=4, num_gpus=1)
    cluster.add_node(num_cpus=2)
    cluster.wait_for_nodes()
    return SimpleNamespace(address=cluster.address, gpu_node=gpu_node.node_id)


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
    with pytest.raises(ClusterError, match="expected a Ray cluster at 127.0.0.1:1"):
        extract(data_set(folder), RGB_MV, out=tmp_path / "s", execution=execution)


def test_shards_of_other_machines_go_to_an_address(
    folder, expected, address, s3, monkeypatch
):
    """No machine sees the folder of the run: all files come through Ray, in pieces."""
    arrived, real = [], ray_files.receive
    monkeypatch.setattr(on_ray, "this_node", lambda: "another machine")
    monkeypatch.setattr(
        on_ray, "receive", lambda sent, store: arrived.append(sent) or real(sent, store)
    )
    with addressed(f"{s3}/cluster/store") as out:
        summary = extract(
            data_set(folder),
            RGB_MV,
            out=out,
            execution=Execution(ray=address, open_video=opened),
        )
    assert summary.stored == 12 and len(arrived) == 3
    stored = objects("cluster/store")
    assert {n: stored[n] for n in stored if not n.startswith(LOGS)} == expected


def test_a_node_without_gpus_takes_all_but_flow_and_a_gpu_is_shared(
    tmp_path, mixed, monkeypatch
):
    """Flow on the node with a GPU, two at a time; the rest on the other cores. A worker
    loses the GPU: its process ends, so that no other shard fails in it."""
    folder, notes = tmp_path / "videos", tmp_path / "notes"
    notes.mkdir()
    draw_videos(folder, 24)
    every = SETTINGS.only(["rgb", "flow", "mv"])
    execution = Execution(
        ray=mixed.address,
        backend="cuda",
        make_solver=partial(LostOnce, notes=notes),
        open_video=partial(noted, notes=notes),
    )
    out, said = tmp_path / "store", Said()
    summary = extract(
        data_set(folder), every, out=out, execution=execution, reporter=said
    )
    assert summary.stored == 24 and summary.fresh_shards == 6
    (failed,) = (line for line in said.lines if "failed" in line)
    assert "(attempt 1): GPU 0 of" in failed and failed.endswith("an illegal address")
    solvers = [note.read_text().split() for note in notes.glob("solver-*")]
    assert {node for node, *_ in solvers} == {mixed.gpu_node}
    assert {gpu for _, gpu, *_ in solvers} == {"0"}
    lives = [(float(times[0]), float(times[-1])) for _, _, *times in solvers]
    at_once = [sum(a <= began < b for a, b in lives) for began, _ in lives]
    assert max(at_once) <= 2
    flow = {note.read_text() for note in notes.glob("video-*-flow")}
    assert flow == {mixed.gpu_node}
    others = [note.read_text() for note in notes.glob("video-*-others")]
    assert len(others) == 24 and set(others) - {mixed.gpu_node}
    monkeypatch.setattr(layouts, "find_gpus", lambda: Gpus(("0",)))
    zero = partial(ZeroFlow, notes=notes)
    here = replace(execution, ray="off", workers=0, make_solver=zero)
    extract(data_set(folder), every, out=tmp_path / "here", execution=here)
    assert store_bytes(out) == store_bytes(tmp_path / "here")


def test_what_the_cluster_computes_flow_with_is_not_asked_of_this_machine(
    folder, mixed, tmp_path
):
    """A GPU that Ray counts and that is none: the CPU takes over, or it is an error."""
    flow = SETTINGS.only(["flow"])
    execution = Execution(ray=mixed.address, make_solver=broken, backend="cuda")
    with pytest.raises(ExtractionError, match="GPU 0 of .*: the driver is too old"):
        extract(data_set(folder), flow, out=tmp_path / "strict", execution=execution)
    execution = replace(execution, backend="auto")
    out = tmp_path / "store"
    summary = extract(data_set(folder), flow, out=out, execution=execution)
    assert summary.stored == 12
    commit = json.loads((out / "_commits/flow-00000.json").read_text())
    assert commit["made_with"]["backend"] == "cpu"


def test_the_estimate_is_made_where_the_shards_would_be(folder, mixed, tmp_path):
    notes = tmp_path / "notes"
    notes.mkdir()
    execution = Execution(ray=mixed.address, make_solver=partial(ZeroFlow, notes=notes))
    every = SETTINGS.only(["rgb", "flow", "mv"])
    planned = dry_run(data_set(folder), every, out=tmp_path / "s", execution=execution)
    assert planned.shards == 3 and planned.frames == 72 and planned.gpu_seconds > 0
    assert "1 GPU, apart from the other modalities" in planned.workers
    assert {note.read_text().split()[0] for note in notes.iterdir()} == {mixed.gpu_node}
    assert not (tmp_path / "s").exists()
