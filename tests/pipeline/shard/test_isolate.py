"""Videos in a child process: a crash or a hang costs one video and has a name."""

from functools import partial

import numpy as np
import pytest
from small_videos import buggy, crashing, endless, hanging, opened, starved

from pipeline.extract.errors import VideoError
from pipeline.shard.isolate import ChildError, IsolatedVideos

pytestmark = pytest.mark.slow


def frames(videos: IsolatedVideos, path) -> np.ndarray:
    with videos.open(path) as video:
        return np.concatenate([block.arrays["rgb"] for block in video])


def test_a_child_gives_the_same_frames(folder):
    path = folder / "left/v000.mp4"
    with opened(path) as video:
        expected = np.concatenate([block.arrays["rgb"] for block in video])
    with IsolatedVideos(opened, hang_seconds=60) as videos:
        np.testing.assert_array_equal(frames(videos, path), expected)


def test_a_crash_has_a_name_and_costs_one_video(folder):
    decoder = partial(crashing, victim="v002")
    with IsolatedVideos(decoder, hang_seconds=60) as videos:
        assert len(frames(videos, folder / "left/v000.mp4")) == 6
        with pytest.raises(VideoError, match="crashed.*signal 11"):
            frames(videos, folder / "left/v002.mp4")
        assert len(frames(videos, folder / "right/v001.mp4")) == 6


def test_a_hang_has_a_name_and_costs_one_video(folder):
    decoder = partial(hanging, victim="v002")
    with IsolatedVideos(decoder, hang_seconds=8) as videos:
        assert len(frames(videos, folder / "left/v000.mp4")) == 6
        with pytest.raises(VideoError, match="hung: no new frame for 8 s"):
            frames(videos, folder / "left/v002.mp4")
        assert len(frames(videos, folder / "right/v001.mp4")) == 6


def test_a_decoder_that_waits_for_a_busy_machine_does_not_hang(folder):
    with IsolatedVideos(partial(starved, victim="v002"), hang_seconds=60) as videos:
        assert len(frames(videos, folder / "left/v000.mp4")) == 6
        videos._hang_seconds = 1.0  # from here on it imports nothing
        assert len(frames(videos, folder / "left/v002.mp4")) == 6


def test_a_decoder_that_never_ends_hangs(folder):
    with IsolatedVideos(partial(endless, victim="v002"), hang_seconds=60) as videos:
        assert len(frames(videos, folder / "left/v000.mp4")) == 6
        videos._hang_seconds = 0.5
        with pytest.raises(VideoError, match="hung"):
            frames(videos, folder / "left/v002.mp4")


def test_a_bad_video_keeps_the_child(folder, tmp_path):
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    with IsolatedVideos(opened, hang_seconds=60) as videos:
        assert len(frames(videos, folder / "left/v000.mp4")) == 6
        child = videos._process.pid
        with pytest.raises(VideoError):
            frames(videos, tmp_path / "bad.mp4")
        assert len(frames(videos, folder / "left/v002.mp4")) == 6
        assert videos._process.pid == child


def test_a_video_left_in_the_middle_does_not_reach_into_the_next(folder):
    with IsolatedVideos(opened, hang_seconds=60) as videos:
        with videos.open(folder / "left/v000.mp4"):
            pass  # not a block of it is taken
        with opened(folder / "left/v002.mp4") as video:
            expected = np.concatenate([block.arrays["rgb"] for block in video])
        np.testing.assert_array_equal(
            frames(videos, folder / "left/v002.mp4"), expected
        )


def test_a_bug_comes_with_its_traceback(folder):
    decoder = partial(buggy, victim="v000")
    with (
        IsolatedVideos(decoder, hang_seconds=60) as videos,
        pytest.raises(ChildError, match="a bug shows itself"),
    ):
        frames(videos, folder / "left/v000.mp4")
