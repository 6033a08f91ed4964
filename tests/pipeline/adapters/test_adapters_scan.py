"""Folders as they are found: names, contents, links, and what is no video."""

import builtins
import errno
import inspect
import os
import sys
import time
from pathlib import Path

import pytest

from pipeline.adapters import DatasetNotFound, load
from pipeline.adapters.checks import video_ids
from pipeline.adapters.file_types import begins_like_video
from pipeline.adapters.scan import MOST_WAYS, File, scan, unwrapped


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
    assert found.others == ("x.ts",)
    assert kinds(found) == {"unfinished": ("movie.mp4.part",)}
    assert found.unusable == {}


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
    assert kinds(found) == {"hidden": ("._a.avi",), "service": ("__MACOSX",)}


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


@pytest.fixture
def forbidden(monkeypatch):
    """Folders and files that the file system refuses to open, as it does for others
    than root."""
    names: set[str] = set()

    def refuse(real):
        def opened(path, *args, **kwargs):
            if Path(os.fspath(path)).name in names:
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return real(path, *args, **kwargs)

        return opened

    monkeypatch.setattr(os, "scandir", refuse(os.scandir))
    monkeypatch.setattr(builtins, "open", refuse(open))
    return names


def test_what_cannot_be_read_is_named_with_its_reason(tmp_path, forbidden):
    put(tmp_path, "jump/a.avi", "run/b.avi", "sit/noname", "sit/notes.txt")
    for name in ("gone.avi", "stand", "gone.csv"):
        (tmp_path / name).symlink_to(tmp_path / "nothing")
    os.mkfifo(tmp_path / "pipe.mp4")
    forbidden |= {"run", "noname"}
    found = scan(tmp_path)
    assert [file.path for file in found.files] == ["jump/a.avi"]
    assert found.unusable == {
        "gone.avi": "a link that leads nowhere",
        "pipe.mp4": "neither a file nor a folder",
        "run/": "the folder cannot be read: Permission denied",
        "sit/noname": "cannot be read: Permission denied",
        "stand": "a link that leads nowhere",
    }, "a link to a folder of a class may be gone, too; gone.csv is no video"
    assert kinds(found)["unreadable"] == ("run/", "sit/noname")


def test_the_folder_of_videos_itself_must_be_readable(tmp_path, forbidden):
    forbidden.add(tmp_path.name)
    with pytest.raises(DatasetNotFound, match="can be read: .*: Permission denied"):
        scan(tmp_path)


def test_a_transport_stream_with_a_damaged_head_is_a_video(tmp_path):
    packets = (b"G" + bytes(187)) * 40
    noise = bytes(range(128, 256)) * 8
    put(tmp_path, "cut.ts", content=noise + packets)
    put(tmp_path, "longer.ts", content=noise + (b"G" + bytes(191)) * 40)
    put(tmp_path, "noise.ts", content=noise * 20)
    put(tmp_path, "umlaut.ts", content="const ä = 1;\n".encode() * 9000)
    put(tmp_path, "empty.ts", content=b"")
    found = scan(tmp_path)
    assert [file.path for file in found.files] == ["cut.ts", "longer.ts"]
    assert found.others == ("empty.ts", "umlaut.ts")
    reason = "named .ts, but neither a transport stream nor text"
    assert found.unusable == {"noise.ts": reason}
    assert kinds(found) == {"damaged": ("noise.ts",)}


@pytest.mark.parametrize(
    "name",
    [
        "@eaDir/b.mp4/SYNOPHOTO_FILM_M.mp4",
        "#recycle/old.mp4",
        "@Recycle/old.mp4",
        ".Trash-1000/files/old.mp4",
        "lost+found/x.mp4",
        "$RECYCLE.BIN/x.mp4",
        "System Volume Information/x.mp4",
        "__MACOSX/x.mp4",
    ],
)
def test_folders_of_a_nas_or_a_desktop_hold_no_videos(tmp_path, name):
    put(tmp_path, "jump/a.mp4", name, f"jump/{name}")
    found = scan(tmp_path)
    assert [file.path for file in found.files] == ["jump/a.mp4"]
    top = name.partition("/")[0]
    assert kinds(found) == {"service": tuple(sorted((top, f"jump/{top}")))}
    assert found.unusable == {}


def test_unfinished_files_are_no_videos_and_named(tmp_path):
    halves = [
        *("d.mp4.part", "d.mp4.partial", "d.mp4.crdownload", "d.mp4.filepart"),
        *("d.mp4.!qB", "d.mp4.!ut", "d.mp4~", "d.mp4.aria2", "d.mp4.tmp"),
        *("d.mp4.part-Frag12", "d.mp4.ytdl", "d.mp4.opdownload", "d.mp4.incomplete"),
    ]
    put(tmp_path, "a.mp4", "d.mp4", *halves, content=b"\x00\x00\x00\x18ftypmp42")
    put(tmp_path, "e.mp4.download/e.mp4")
    found = scan(tmp_path)
    assert [file.path for file in found.files] == ["a.mp4"]
    names = sorted([*halves, "d.mp4", "e.mp4.download"])
    assert kinds(found) == {"unfinished": tuple(names)}, "aria2 is still writing d.mp4"


def test_links_among_many_folders_are_not_walked_for_ever(tmp_path):
    folders = [tmp_path / f"f{number:02d}" for number in range(24)]
    for folder in folders:
        put(folder, "a.avi")
        for other in folders:
            (folder / f"to_{other.name}").symlink_to(other)
    began = time.process_time()
    found = scan(tmp_path)
    assert time.process_time() - began < 5
    paths = {file.path for file in found.files}
    assert {f"{folder.name}/a.avi" for folder in folders} <= paths
    assert len(paths) <= 24 * (MOST_WAYS + 1)
    assert set(kinds(found)) == {"loop", "maze"}


def test_folders_deeper_than_pythons_stack_are_walked(tmp_path):
    here, limit = len(inspect.stack()), sys.getrecursionlimit()
    deep = put(tmp_path, "d/" * 200 + "a.avi")
    sys.setrecursionlimit(here + 100)
    try:
        found = scan(deep)
    finally:
        sys.setrecursionlimit(limit)
    assert [file.path for file in found.files] == ["d/" * 200 + "a.avi"]


def test_a_wrapper_beside_what_cannot_be_read_stays(tmp_path, forbidden):
    put(tmp_path, "jump/inside/a.avi", "run/inside/b.avi")
    forbidden.add("run")
    folder, _ = unwrapped(tmp_path, scan(tmp_path), levels=1)
    assert folder == tmp_path, "else 'inside' would be the class"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["jump/c/img_1.jpg", "jump/c/img_2.jpg", "n.txt"], "but 2 .jpg .extracted fr"),
        (["hmdb51_org.rar"], "but hmdb51_org.rar: unpack first"),
        (["a.tar.gz", "b.zip"], "but a.tar.gz, b.zip: unpack first"),
        (["jump/a.gif"], "but 1 .gif: .*ffmpeg -i a.gif a.mp4"),
        (
            ["a.xyz", "b.xyz", "c"],
            "no videos by name or content: 2 .xyz, 1 without a s",
        ),
        (["a.mp4.part"], r"found none; left out: unfinished .*: 1 \(a.mp4.part\)"),
        ([], "found none$"),
    ],
)
def test_a_folder_without_videos_says_what_is_there_instead(tmp_path, names, said):
    put(tmp_path, *names)
    with pytest.raises(DatasetNotFound, match=said):
        load("folder", videos=tmp_path)


def test_names_of_rarer_containers_are_those_of_videos(tmp_path):
    names = [f"a{suffix}" for suffix in (".dv", ".mjpg", ".nut", ".swf", ".wtv")]
    put(tmp_path, *names)
    assert [file.path for file in scan(tmp_path).files] == names


def test_what_cannot_be_read_is_named_as_seen_from_the_folder_of_classes(tmp_path):
    put(tmp_path, "data/jump/a.mp4", "data/run/b.mp4")
    (tmp_path / "data" / "run" / "gone.mp4").symlink_to(tmp_path / "nothing")
    dataset = load("folder", videos=tmp_path)
    assert dataset.folder == tmp_path / "data"
    assert dataset.unusable == {"run/gone.mp4": "a link that leads nowhere"}


@pytest.mark.parametrize("adapter", ["ucf101", "list"])
def test_of_what_cannot_be_read_only_listed_videos_are_lost(
    tmp_path, forbidden, adapter
):
    folder = put(tmp_path / "videos", "YoYo/v_YoYo_g01_c01.avi", "Archery/x.avi")
    for name in ("YoYo/v_YoYo_g02_c01.mp4", "YoYo/stranger.avi"):
        (folder / name).symlink_to(tmp_path / "nothing")
    forbidden.add("Archery")
    put(tmp_path, "l/classInd.txt", content=b"1 Archery\n2 YoYo\n")
    names = ("YoYo/v_YoYo_g01_c01", "YoYo/v_YoYo_g02_c01", "Archery/v_Archery_g01_c01")
    text = "".join(f"{name}.avi {1 + (name[0] == 'Y')}\n" for name in names)
    put(tmp_path, "l/trainlist01.txt", content=text.encode())
    dataset = load(adapter, videos=folder, splits=tmp_path / "l")
    assert len(dataset.videos) == 1
    assert set(dataset.unusable) == {"Archery/", "YoYo/v_YoYo_g02_c01.mp4"}
    text = text.splitlines(keepends=True)[0]
    put(tmp_path, "l/trainlist01.txt", content=text.encode())
    assert load(adapter, videos=folder, splits=tmp_path / "l").unusable == {}
