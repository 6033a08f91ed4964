"""Folders as they are found: names, contents, links, and what is no video."""

import os
from pathlib import Path

import pytest

from pipeline.adapters import DatasetNotFound
from pipeline.adapters.checks import video_ids
from pipeline.adapters.scan import File, begins_like_video, scan, unwrapped


def put(folder: Path, *names: str, content: bytes | None = None) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode() if content is None else content)
    return folder


def kinds(found) -> dict[str, tuple[str, ...]]:
    return {finding.kind: finding.names for finding in found.findings}


def test_videos_are_known_by_name_and_sorted_by_path(tmp_path):
    put(tmp_path, "b/2.MP4", "a/1.avi", "a/notes.txt", "b/list.csv")
    found = scan(tmp_path)
    assert found.files == (File("a/1.avi", 7), File("b/2.MP4", 7))
    assert found.others == ("a/notes.txt", "b/list.csv")


def test_videos_of_other_names_are_known_by_their_first_bytes(tmp_path):
    put(tmp_path, "x.jsv", content=b"\x00\x00\x00\x01\x67\x42")
    put(tmp_path, "x.ts", content=b"export const x = 1;" * 40)
    put(tmp_path, "stream.ts", content=(b"G" + bytes(187)) * 3)
    put(tmp_path, "movie.mp4.part", content=b"\x00\x00\x00\x18ftypmp42")
    put(tmp_path, "noname", content=b"\x00\x00\x00\x18ftypmp42")
    found = scan(tmp_path)
    assert [file.path for file in found.files] == ["noname", "stream.ts", "x.jsv"]
    assert found.others == ("movie.mp4.part", "x.ts")


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"G",
        b"RIFF....WAVE",
        b"\x00\x00\x00\x18ftypavif",
        b"OggS vorbis",
        b"\x93NUMPY",
    ],
)
def test_pictures_sound_and_nothing_do_not_begin_like_videos(head):
    assert not begins_like_video(head)


@pytest.mark.parametrize(
    "head",
    [
        b"RIFF....AVI LIST",
        b"\x1a\x45\xdf\xa3",
        b"FLV\x01",
        b"\x00\x00\x01\xba",
        b"....moov",
    ],
)
def test_containers_begin_like_videos(head):
    assert begins_like_video(head)


def test_hidden_files_are_left_out_and_named_where_they_look_like_videos(tmp_path):
    put(tmp_path, "a.avi", "._a.avi", ".DS_Store", "__MACOSX/a.avi", ".cache/b.avi")
    found = scan(tmp_path)
    assert [file.path for file in found.files] == ["a.avi"]
    assert kinds(found) == {"hidden": ("._a.avi",)}


def test_links_of_the_owner_are_followed_and_loops_are_not(tmp_path):
    elsewhere = put(tmp_path / "elsewhere", "deep/a.avi")
    folder = put(tmp_path / "folder", "b.avi")
    (folder / "linked").symlink_to(elsewhere)
    (folder / "c.avi").symlink_to(elsewhere / "deep" / "a.avi")
    (folder / "gone.avi").symlink_to(folder / "nothing")
    (folder / "self.avi").symlink_to(folder / "self.avi")
    (elsewhere / "back").symlink_to(folder)
    found = scan(folder)
    assert [file.path for file in found.files] == [
        "b.avi",
        "c.avi",
        "linked/deep/a.avi",
    ]
    assert kinds(found) == {
        "loop": ("linked/back",),
        "broken link": ("gone.avi", "self.avi"),
    }


def test_names_that_are_not_utf8_are_left_out_and_listed(tmp_path):
    put(tmp_path, "good äß.avi")
    raw = os.fsencode(tmp_path) + b"/caf\xe9.avi"
    try:
        Path(os.fsdecode(raw)).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    found = scan(tmp_path)
    assert [file.path for file in found.files] == ["good äß.avi"]
    assert kinds(found) == {"name": ("caf\\xe9.avi",)}


def test_pipes_are_not_opened_and_empty_files_are_named(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    put(tmp_path, "empty.avi", content=b"")
    assert kinds(scan(tmp_path)) == {"special": ("pipe",), "empty": ("empty.avi",)}


def test_a_missing_folder_and_a_file_are_refused_by_name(tmp_path):
    with pytest.raises(DatasetNotFound, match="found nothing: .*/no"):
        scan(tmp_path / "no")
    put(tmp_path, "a.avi")
    with pytest.raises(DatasetNotFound, match="found a file: .*a.avi"):
        scan(tmp_path / "a.avi")


def test_a_wrapping_folder_is_as_good_as_the_folder_in_it(tmp_path):
    put(tmp_path, "UCF-101/YoYo/v_YoYo_g01_c01.avi", "UCF-101/notes.txt", "lists/x.txt")
    folder, found = unwrapped(tmp_path, scan(tmp_path), classes=["YoYo"])
    assert folder == tmp_path / "UCF-101"
    assert [file.path for file in found.files] == ["YoYo/v_YoYo_g01_c01.avi"]
    assert found.others == ("notes.txt",)


def test_ids_are_paths_without_suffix_and_unique_whatever_the_names():
    paths = ["a/c.avi", "a/c.mp4", "a/c.mp4.avi", "b.avi", "no. 1_b", "no. 1_b.avi"]
    ids = video_ids(File(path, 1) for path in paths)
    assert len(set(ids.values())) == len(paths)
    assert ids["b.avi"] == "b"
    assert ids["a/c.mp4"] == "a/c.mp4"
