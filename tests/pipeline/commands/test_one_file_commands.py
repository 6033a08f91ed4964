"""`pipeline vectors` and `pipeline flow`: summaries, files, pictures and errors."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result
from encoded import encode, rgb_frames

from pipeline.commands.cli import main
from pipeline.extract import read_flow, read_vectors


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
