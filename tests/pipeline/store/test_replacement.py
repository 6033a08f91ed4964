"""Files are replaced whole, and never through what somebody planted beside them."""

import os
import re

import pytest

from pipeline.store import (
    LayoutError,
    remove_parts,
    replacing,
    require_plain_folder,
)


def test_the_new_content_takes_the_place_of_a_link_and_spares_its_target(tmp_path):
    target = tmp_path / "mine.txt"
    target.write_text("mine")
    (tmp_path / "file").symlink_to(target)
    with replacing(tmp_path / "file") as file:
        file.write(b"new")
    assert target.read_text() == "mine"
    assert not (tmp_path / "file").is_symlink()
    assert (tmp_path / "file").read_text() == "new"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "mine.txt"]


def test_a_link_under_the_random_name_is_not_followed(tmp_path, monkeypatch):
    target = tmp_path / "mine.txt"
    target.write_text("mine")
    monkeypatch.setattr("secrets.token_hex", lambda count: "0" * 2 * count)
    (tmp_path / f".file.{'0' * 16}.part").symlink_to(target)
    with pytest.raises(FileExistsError), replacing(tmp_path / "file") as file:
        file.write(b"new")
    assert target.read_text() == "mine"


def test_names_differ_and_an_error_leaves_no_trace(tmp_path):
    (tmp_path / "file").write_text("old")
    names = set()
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), replacing(tmp_path / "file") as file:
            file.write(b"new")
            names |= {path.name for path in tmp_path.iterdir()} - {"file"}
            raise ZeroDivisionError
    assert len(names) == 2
    assert all(re.fullmatch(r"\.file\.[0-9a-f]{16}\.part", name) for name in names)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "old"


def test_the_mode_is_that_of_any_new_file(tmp_path):
    before = os.umask(0o027)
    try:
        with replacing(tmp_path / "file") as file:
            file.write(b"")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


def test_parts_of_killed_writers_are_removed_and_nothing_else(tmp_path):
    target = tmp_path / "mine.txt"
    target.write_text("mine")
    (tmp_path / f".a.json.{'0f' * 8}.part").write_text("half")
    (tmp_path / f".b.json.{'1a' * 8}.part").symlink_to(target)
    (tmp_path / f".c.{'2b' * 8}.part").mkdir()
    (tmp_path / "notes.part").write_text("keep")
    remove_parts(tmp_path)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == [f".c.{'2b' * 8}.part", "mine.txt", "notes.part"]
    assert target.read_text() == "mine"


def test_a_folder_that_is_a_link_is_refused(tmp_path):
    (tmp_path / "there").mkdir()
    require_plain_folder(tmp_path / "there")
    (tmp_path / "link").symlink_to(tmp_path / "there")
    with pytest.raises(LayoutError, match="link: expected a folder, got a link"):
        require_plain_folder(tmp_path / "link")
    (tmp_path / "file").write_text("")
    with pytest.raises(LayoutError, match="expected a folder, got something else"):
        require_plain_folder(tmp_path / "file")
    with pytest.raises(FileNotFoundError):
        require_plain_folder(tmp_path / "nothing")


def test_where_no_file_can_be_made_the_one_that_was_asked_for_is_named(tmp_path):
    path = tmp_path / "gone" / "file"
    with pytest.raises(FileNotFoundError) as caught, replacing(path):
        pass
    assert caught.value.filename == str(path)
