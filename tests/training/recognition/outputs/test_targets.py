"""Files of outputs: their names, clashes, and places where nothing can be written."""

import os
from pathlib import Path

import pytest
from made_predictions import with_segments

from training.errors import RunError, WriteError
from training.recognition.outputs.targets import (
    Targets,
    check_page,
    file_stem,
    local_file,
)
from training.recognition.outputs.writing import Outputs


def test_a_file_for_one_video_and_a_folder_for_several(tmp_path: Path) -> None:
    one = Targets(tmp_path / "out.srt", ".srt")
    assert one.claim("clips/a.mp4") == tmp_path / "out.srt"
    with pytest.raises(RunError, match="expected a folder for several videos, got a"):
        one.claim("clips/b.mp4")
    several = Targets(tmp_path / "out", ".srt")
    assert several.claim("clips/a.mp4") == tmp_path / "out" / "a.srt"
    assert several.claim("clips/b c.avi") == tmp_path / "out" / "b c.srt"
    assert several.claim("clips/a.mp4") == tmp_path / "out" / "a.srt"  # the same again
    (tmp_path / "v1.2").mkdir()
    there = Targets(tmp_path / "v1.2", ".srt")
    assert there.claim("a.mp4") == tmp_path / "v1.2" / "a.srt"
    with pytest.raises(
        RunError, match=r"x\.vtt: expected a file NAME\.srt or a folder"
    ):
        Targets(tmp_path / "x.vtt", ".srt")


@pytest.mark.parametrize("other", ["b/x.avi", "b/X.mp4"])
def test_a_clash_of_names_is_one_line_before_the_work(
    tmp_path: Path, other: str
) -> None:
    outputs = Outputs(vtt=tmp_path / "out")
    with pytest.raises(RunError) as caught:
        outputs.check(["a/x.mp4", "a/y.mp4", other])
    name = Path(other).stem
    assert str(caught.value) == (
        f"{tmp_path}/out/{name}.vtt: expected one video of this name, got a/x.mp4 and"
        f" {other}"
    )
    assert not (tmp_path / "out").exists()
    outputs.check(["a/x.mp4", "a/y.mp4"])
    assert (tmp_path / "out").is_dir()
    assert outputs.write([]) == 0


def test_a_video_that_was_checked_may_be_spelled_otherwise(tmp_path: Path) -> None:
    targets = Targets(tmp_path / "out", ".vtt")
    targets.check(["a/x.mp4", "a/y.mp4"])
    assert targets.claim("./a/x.mp4") == tmp_path / "out" / "x.vtt"


def test_without_a_video_there_is_no_page(tmp_path: Path) -> None:
    outputs = Outputs(html=tmp_path / "p.html")
    assert outputs.write([]) == 0
    assert not list(tmp_path.iterdir())
    assert outputs.write([with_segments("-")]) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["p.html"]


@pytest.mark.parametrize("name", ["annotate", "html"])
def test_no_output_replaces_the_video(tmp_path: Path, name: str) -> None:
    video = tmp_path / "a.mp4"
    video.write_bytes(b"a video")
    (tmp_path / "link.mp4").symlink_to(video)
    for path in (video, tmp_path / "link.mp4"):
        outputs = Outputs(**{name: path})  # type: ignore[arg-type]
        with pytest.raises(RunError, match="another file than the video itself"):
            outputs.check([str(video)])
    if name == "annotate":
        with pytest.raises(RunError, match="another file than the video itself"):
            Outputs(annotate=tmp_path).write([with_segments(video)])
    assert video.read_bytes() == b"a video"


@pytest.mark.parametrize("name", ["srt", "vtt", "annotate", "html"])
def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path, name: str) -> None:
    suffix = {"annotate": "mp4"}.get(name, name)
    path = tmp_path / "nowhere" / f"out.{suffix}"
    outputs = Outputs(**{name: path})  # type: ignore[arg-type]
    with pytest.raises(WriteError) as caught:
        outputs.check(["a.avi"])
    assert str(caught.value) == f"{path}: cannot be written: no such file or directory"
    assert not os.listdir(tmp_path)


def test_a_page_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="cannot be written: is a directory"):
        check_page(tmp_path, [])


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="out: cannot be written: not a directory"):
        Outputs(srt=tmp_path / "file" / "out").check(["a.mp4"])


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("clips/a.b.mp4", "a.b"),
        ("-", "stdin"),
        ("camera:0", "camera_0"),
        ("rtsp://user:secret@10.0.0.1:554/yard/1?token=x", "10.0.0.1_554_yard_1"),
        ("udp://239.0.0.1:1234", "239.0.0.1_1234"),
        ("https://example.org/../../etc/x y.mp4", "example.org_.._.._etc_x_y.mp4"),
        (".mp4", ".mp4"),
    ],
)
def test_files_are_named_after_their_video(source: str, name: str) -> None:
    assert file_stem(source) == name
    assert "/" not in file_stem(source)


def test_only_files_are_local() -> None:
    assert local_file("camera/0.mp4") == Path("camera/0.mp4")
    for source in ("-", "camera:0", "rtsp://x/y", "http://x/a.mp4"):
        assert local_file(source) is None
