import pytest
from tiny_store import write_store

from pipeline.bench import read
from pipeline.store import RangeError


def test_the_benchmark_compares_the_same_clips(tmp_path):
    shards = [{"long": 20, "short": 3}, {"other": 16}]
    store = write_store(
        tmp_path / "s", shards, modalities=["rgb"], height=120, width=150
    )
    result = read.run(store, rounds=2, clips_per_round=3)
    assert result["videos"] == 2
    assert result["clips"] == 6
    assert result["frames"] == ["150x120"]
    speeds = result["store_clips_per_second"], result["bare_clips_per_second"]
    assert result["ratio"] == pytest.approx(speeds[0] / speeds[1])
    text = read.table(result)
    assert "6 random clips of 16 frames, 112x112 px" in text
    assert f"{result['ratio']:.3f}" in text


def test_the_benchmark_needs_a_video_that_is_long_and_large_enough(tmp_path):
    store = write_store(tmp_path / "s", [{"a": 20}], modalities=["rgb"])
    with pytest.raises(RangeError, match="expected videos with rgb of 16 frames"):
        read.run(store)
