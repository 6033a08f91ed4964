"""`pipeline vectors` and `pipeline flow`: summaries, files, pictures and errors."""

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result
from encoded import encode, rgb_frames

from motion_shards.output_path import Output
from pipeline.commands.cli import main
from pipeline.extract import read_flow, read_vectors
from pipeline.extract.one_file import MotionBlocks
from pipeline.extract.video import Block, VideoInfo
from pipeline.inspection import file_motion
from pipeline.inspection.file_motion import FileMotion
from pipeline.inspection.npz_file import rows_beside
from pipeline.inspection.panels import Moment


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def test_vectors_are_summed_up_written_and_drawn(moving_video: Path, tmp_path: Path):
    out, picture = tmp_path / "new" / "mv.npz", tmp_path / "mv.png"
    done = run("vectors", moving_video, "--out", out, "--preview", picture)
    assert done.exit_code == 0, done.output
    assert "12 at 25 per second" in done.output
    assert "8x8 cells of 8x8 px over 64x64 px" in done.output
    assert "100.0% of 11 intervals (original)" in done.output
    assert "length 2.2" in done.output  # of (2, 1)
    vectors = read_vectors(moving_video)
    with np.load(out) as arrays:
        np.testing.assert_array_equal(arrays["mv"], vectors.mv)
        np.testing.assert_array_equal(arrays["mv_valid"], vectors.mv_valid)
        np.testing.assert_array_equal(arrays["seconds"], vectors.seconds)
        np.testing.assert_array_equal(arrays["picture_types"], vectors.picture_types)
        facts = [arrays[name].item() for name in ("fps", "height", "width", "codec")]
        assert facts == [25, 64, 64, "h264"] and arrays["source"].item() == "original"
    assert cv2.imread(str(picture)).shape[0] > 64
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["mv.npz", "mv.png"]


@pytest.mark.parametrize("dtype", ("float32", "float16"))
def test_flow_is_summed_up_and_written(moving_video: Path, tmp_path: Path, dtype):
    out = tmp_path / "flow"
    words = ("--frames", "3", "--short-side", "32", "--device", "cpu", "--dtype", dtype)
    done = run("flow", moving_video, "--out", out, *words, "--profile", "fast")
    assert done.exit_code == 0, done.output
    assert "32x32 px (profile fast)" in done.output
    flow = read_flow(
        moving_video, profile="fast", backend="cpu", short_side=32, frames=3
    )
    with np.load(tmp_path / "flow.npz") as arrays:
        assert arrays["flow"].dtype == dtype
        np.testing.assert_array_equal(arrays["flow"], flow.flow.astype(dtype))
        assert arrays["profile"].item() == "fast"


@pytest.mark.parametrize("name", ["flow", "vectors"])
@pytest.mark.parametrize("frames", [1, 12])
def test_files_are_those_of_numpy_to_the_byte(
    moving_video: Path, tmp_path: Path, name: str, frames: int
):
    done = run(name, moving_video, "--out", tmp_path / "ours", "--frames", frames)
    assert done.exit_code == 0, done.output
    flow = name == "flow"
    motion = (read_flow if flow else read_vectors)(moving_video, frames=frames)
    arrays = {
        "seconds": motion.seconds,
        "picture_types": motion.picture_types,
        "fps": np.float64(25),
        "height": np.int64(64),
        "width": np.int64(64),
        "codec": np.str_("h264"),
    }
    if flow:
        arrays |= {"flow": motion.flow, "profile": np.str_("default")}
        np.savez(tmp_path / "theirs", **arrays)
    else:
        arrays |= {"mv": motion.mv, "mv_valid": motion.mv_valid}
        arrays |= {"source": np.str_("original")}
        np.savez_compressed(tmp_path / "theirs", **arrays)
    ours, theirs = tmp_path / "ours.npz", tmp_path / "theirs.npz"
    assert ours.read_bytes() == theirs.read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_memory_does_not_grow_with_the_video(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """120 blocks of 1 MB each; the liveliest interval is the second of block 80."""

    def blocks() -> Iterator[Block]:
        for k in range(120):
            flow = np.full((2, 256, 256, 2), 0.25, np.float32)
            flow[1] += 1.0 * (k in (80, 100))
            first = 2 * k + (k > 0)
            count = 3 - (k > 0)
            seconds = np.arange(first, first + count) / 25
            types = np.full(count, ord("P"), np.uint8)
            yield Block(seconds, types, {"flow": flow})

    info = VideoInfo(height=256, width=256, fps=25.0, codec="none")
    read = MotionBlocks(info=info, field="flow", made_by="fast", blocks=blocks())
    tracemalloc.start()
    try:
        with rows_beside(tmp_path / "new" / "flow.npz") as rows:
            motion = FileMotion(read, rows=rows, dtype="float16")
            motion.save(tmp_path / "new" / "flow.npz")
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()
    with np.load(tmp_path / "new" / "flow.npz") as arrays:
        flow, seconds = arrays["flow"], arrays["seconds"]
    assert flow.shape == (240, 256, 256, 2) and len(seconds) == 241
    assert np.flatnonzero(flow[:, 0, 0, 0] == 1.25).tolist() == [161, 201]
    told = motion.summary("a.mp4")
    assert "+0.26 px right, +0.26 px down, length 0.37 px" in told
    drawn: list[Moment] = []
    monkeypatch.setattr(
        file_motion, "draw", lambda moment, **_: drawn.append(moment) or moment.flow
    )
    monkeypatch.setattr(file_motion, "write_png", lambda path, picture: None)
    motion.draw_liveliest(Output(tmp_path / "a.png", False), "a.mp4")
    assert [(one.interval, one.seconds) for one in drawn] == [(161, 161 / 25)]
    assert (drawn[0].flow == 1.25).all()


def test_errors_are_one_line_and_leave_nothing(tmp_path: Path, moving_frames) -> None:
    intra = encode(
        tmp_path / "intra.avi",
        rgb_frames(moving_frames),
        codec="mjpeg",
        pix_fmt="yuvj420p",
    )
    note = tmp_path / "note.txt"
    note.write_text("no video")
    out = tmp_path / "out.npz"
    for file, message in (
        (intra, "expected motion vectors in the file, got none (codec mjpeg)"),
        (note, "expected a video, got text"),
        (tmp_path / "gone.mp4", "No such file"),
    ):
        done = run("vectors", file, "--out", out)
        assert done.exit_code == 1 and len(done.stderr.splitlines()) == 1
        assert message in done.stderr and str(file) in done.stderr
    assert run("vectors", intra, "--short-side", "33").exit_code == 2
    assert not out.exists()
    assert run("vectors", intra, "--out", tmp_path / "new" / "mv.npz").exit_code == 1
    assert not (tmp_path / "new").exists()


def test_an_unwritable_file_is_one_line(moving_video: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run("vectors", moving_video, "--out", tmp_path / "file" / "mv.npz")
    assert done.exit_code == 1 and len(done.stderr.splitlines()) == 1


def test_a_folder_gets_files_named_after_the_video(moving_video: Path, tmp_path: Path):
    there = tmp_path / "there"
    there.mkdir()
    words = ("--out", there, "--preview", f"{tmp_path}/new/")
    done = run("vectors", moving_video, *words)
    assert done.exit_code == 0, done.output
    names = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")}
    stem = moving_video.stem
    assert names == {f"there/{stem}.npz", f"new/{stem}.png"}
