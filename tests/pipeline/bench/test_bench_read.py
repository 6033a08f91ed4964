import pytest
from small_videos import data_set, draw_videos
from tiny_store import write_store

from pipeline.bench import read
from pipeline.driver.extraction import extract
from pipeline.executors.choose import Execution
from pipeline.extract.settings import ExtractSettings
from pipeline.store import RangeError, VideoNotFound
from pipeline.store.codecs import RGB_CODECS


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


def test_stores_of_both_codecs_are_compared_on_the_same_clips(tmp_path):
    folder = tmp_path / "videos"
    draw_videos(folder, 1, frames=20, size=(112, 150))
    made = {}
    for name, codec in RGB_CODECS.items():
        settings = ExtractSettings(modalities=("rgb",), rgb_codec=codec)
        made[name] = tmp_path / name
        here = Execution(workers=0)
        extract(data_set(folder), settings, out=made[name], execution=here)
    result = read.run(made["h264"], against=made["jpeg"], rounds=2, clips_per_round=2)
    assert (result["codec"], result["against_codec"]) == ("h264_rgb", "jpeg_rgb")
    speeds = result["store_clips_per_second"], result["against_clips_per_second"]
    assert result["against_ratio"] == pytest.approx(speeds[0] / speeds[1])
    assert "against jpeg_rgb" in read.table(result)
    other = write_store(tmp_path / "s", [{"a": 20}], modalities=["rgb"])
    with pytest.raises(VideoNotFound):
        read.run(made["h264"], against=other, rounds=1)
