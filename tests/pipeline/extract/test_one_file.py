"""Vectors and flow of one file: known motion, the rows of a store, and files that have none."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from encoded import encode, rgb_frames
from moving import MOVES
from small_videos import data_set

import pipeline.extract
from pipeline.driver.extraction import extract
from pipeline.executors.choose import Execution
from pipeline.extract import read_flow, read_vectors
from pipeline.extract.errors import NotAVideo, NoVectors
from pipeline.extract.settings import ExtractSettings
from pipeline.store import Store
from pipeline.store.jpeg_codecs import JpegFlow


@pytest.mark.parametrize("source", ("original", "canonical"))
def test_vectors_of_a_pan_are_its_motion(moving_video: Path, source) -> None:
    vectors = read_vectors(moving_video, source=source)
    assert vectors.mv.shape == (11, 8, 8, 2) and vectors.mv.dtype == np.float32
    assert vectors.seconds.tolist() == pytest.approx([k / 25 for k in range(12)])
    assert bytes(vectors.picture_types) == b"I" + 11 * b"P"
    assert (vectors.info.fps, vectors.info.codec, vectors.source) == (
        25,
        "h264",
        source,
    )
    # the canonical encoding begins anew every twelfth frame, which this video has not
    assert vectors.mv_valid.all()
    median = np.median(vectors.mv, axis=(1, 2))
    np.testing.assert_allclose(median, np.tile(MOVES, (11, 1)), atol=0.25)


def test_how_far_it_is_is_told_in_frames(moving_video: Path) -> None:
    told: list[tuple[int, int]] = []
    for frames in (None, 5):
        read_vectors(
            moving_video, frames=frames, progress=lambda *far: told.append(far)
        )
    read_flow(moving_video, frames=7, progress=lambda *far: told.append(far))
    assert told == [(12, 12), (5, 5), (7, 7)]


def test_flow_of_a_pan_is_its_motion(moving_video: Path) -> None:
    flow = read_flow(moving_video, backend="cpu", frames=4)
    assert flow.flow.shape == (3, 64, 64, 2) and flow.flow.dtype == np.float32
    assert len(flow.seconds) == 4
    np.testing.assert_allclose(
        np.median(flow.flow, axis=(1, 2)), np.tile(MOVES, (3, 1)), atol=0.1
    )


def test_vectors_are_the_rows_of_a_store(tmp_path: Path, moving_frames) -> None:
    frames = np.pad(moving_frames, ((0, 0), (0, 32), (0, 0), (0, 0)), mode="wrap")
    clip = tmp_path / "videos" / "class" / "clip.mp4"
    clip.parent.mkdir(parents=True)
    encode(clip, rgb_frames(frames), options={"bf": "2", "refs": "3"})
    for source in ("original", "canonical"):
        settings = ExtractSettings(modalities=("mv",), mv_source=source, short_side=48)
        out = tmp_path / source
        here = Execution(ray="off", workers=1)
        extract(data_set(tmp_path / "videos"), settings, out=out, execution=here)
        store = Store(out)
        video = store.videos()[0]
        vectors = read_vectors(clip, source=source, short_side=48)
        stored = store.read(video.id, "mv", start=0, stop=len(vectors.mv))
        np.testing.assert_array_equal(vectors.mv, stored)
        valid = store.read(video.id, "mv_valid", start=0, stop=len(vectors.mv))
        np.testing.assert_array_equal(vectors.mv_valid, valid)
        np.testing.assert_array_equal(vectors.seconds, store.seconds(video.id))
        assert (video.height, video.width) == (vectors.info.height, vectors.info.width)


def test_flow_is_that_of_a_store_before_it_is_rounded(
    tmp_path: Path, moving_frames
) -> None:
    clip = tmp_path / "videos" / "class" / "clip.mp4"
    clip.parent.mkdir(parents=True)
    encode(clip, rgb_frames(moving_frames[:5]))
    settings = ExtractSettings(modalities=("flow",), short_side=32)
    here = Execution(ray="off", workers=1, backend="cpu")
    out = tmp_path / "store"
    extract(data_set(tmp_path / "videos"), settings, out=out, execution=here)
    store = Store(out)
    flow = read_flow(clip, backend="cpu", short_side=32).flow
    stored = store.read(store.videos()[0].id, "flow", start=0, stop=4)
    codec = JpegFlow()
    again = [codec.decode(row, height=32, width=32) for row in codec.encode(flow)]
    np.testing.assert_array_equal(stored, again)


def test_files_without_vectors_are_refused(tmp_path: Path, moving_frames) -> None:
    clip = encode(
        tmp_path / "clip.avi",
        rgb_frames(moving_frames),
        codec="mjpeg",
        pix_fmt="yuvj420p",
    )
    with pytest.raises(
        NoVectors, match=r"clip\.avi: .*got none \(codec mjpeg\): --source canonical"
    ):
        read_vectors(clip)
    assert read_vectors(clip, source="canonical").mv_valid.all()
    one = encode(tmp_path / "one.mp4", rgb_frames(moving_frames[:1]))
    assert read_vectors(one).mv.shape == (0, 8, 8, 2)


def test_errors_name_the_file(tmp_path: Path) -> None:
    note = tmp_path / "note.txt"
    note.write_text("no video")
    with pytest.raises(NotAVideo, match=r"note\.txt: expected a video, got text"):
        read_vectors(note)
    with pytest.raises(NotAVideo, match=r"note\.txt: "):
        read_flow(note, backend="cpu")
    with pytest.raises(FileNotFoundError):
        read_vectors(tmp_path / "gone.mp4")
    with pytest.raises(ValueError, match="short side"):
        read_vectors(note, short_side=33)


def test_the_package_loads_nothing_before_a_file_is_read() -> None:
    code = (
        "import sys, pipeline.extract as e; e.__all__;"
        "print({'av', 'numpy', 'cv2', 'numba'} & set(sys.modules))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert ran.stdout.strip() == "set()", ran.stderr
    with pytest.raises(AttributeError, match="read_sound"):
        pipeline.extract.read_sound  # noqa: B018
