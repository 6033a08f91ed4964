from dataclasses import replace

import pytest
import tiny_recipe as tiny
from click.testing import CliRunner
from moving_store import Made, videos, write_store
from tiny_runs import Told, distilled, taught

from pipeline.store import Store
from training.commands.cli import main
from training.data.known_share import known_share, unknown_vectors_notice
from training.errors import DataError


def store_with(folder, *shares: float | None) -> Store:
    """Training videos with these shares of known vectors, one after another; tests: 1."""
    made = videos()
    train = [v for v in made if v.part == "train"]
    told = [
        replace(v, known_share=shares[i % len(shares)]) for i, v in enumerate(train)
    ]
    tests = [replace(v, known_share=1.0) for v in made if v.part == "test"]
    return Store(write_store(folder / "store", [*told, *tests]))


def test_the_share_is_of_intervals_not_of_videos(tmp_path):
    """6 of 7 and 0 of 14 intervals: 6 of 21."""
    made = [
        Made(id="a", label=0, group="g0", frames=8, known_share=6 / 7),
        Made(id="b", label=1, group="g1", frames=15, known_share=0.0),
        Made(id="c", label=1, group="g2", frames=15),
    ]
    store = Store(write_store(tmp_path / "store", made))
    assert known_share(store.videos()) == pytest.approx(6 / 21)
    assert known_share(store.videos()[2:]) is None
    assert unknown_vectors_notice(store.videos()) == (
        "no known motion vectors in 1 of 3 videos to train on (b): they are zero there"
    )


def test_vectors_that_are_mostly_unknown_are_refused(tmp_path):
    store = store_with(tmp_path, 0.9, 0.0)
    with pytest.raises(
        DataError, match=r"for at least 0.5 .* got 0.45 \(mv source canonical\)"
    ):
        taught(store, tmp_path / "run")
    with pytest.raises(DataError, match="or lower --min-known-share"):
        distilled(store, tmp_path / "runs")  # before the teacher is trained
    assert not (tmp_path / "runs").exists()
    told = Told()
    taught(store, tmp_path / "run", min_known_share=0.44, reporter=told)
    assert any("vectors in 3 of 6 videos to train" in line for line in told.lines)
    taught(store, tmp_path / "flow", recipe=tiny.teach("flow"))


def test_enough_is_enough(tmp_path):
    run = taught(store_with(tmp_path, 0.5), tmp_path / "run")
    assert run.results() is not None


def test_the_option_reaches_the_data(tmp_path):
    store = store_with(tmp_path, 0.8)
    given = ["teach", "--recipe", "mv_tiny", "--store", str(store.folder)]
    given += ["--out", str(tmp_path / "run")]
    refused = CliRunner().invoke(main, [*given, "--min-known-share", "0.85"])
    assert refused.exit_code == 1 and "at least 0.85" in refused.stderr
    assert CliRunner().invoke(main, given).exit_code == 0
