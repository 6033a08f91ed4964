"""Paths that commands write to: a file, a folder, and a folder that is not there yet."""

from pathlib import Path

import click
import pytest

from motion_shards.output_path import FileOrFolder, NewFile, Output


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a", "a.png"),
        ("a.PNG", "a.PNG"),
        ("a.v1", "a.v1.png"),
        ("new/", "new/clip.png"),
        ("new.png/", "new.png/clip.png"),
        ("there", "there/clip.png"),
        ("there/", "there/clip.png"),
        ("there/.", "there/clip.png"),
        (".", "clip.png"),
    ],
)
def test_a_folder_is_one_that_is_there_or_ends_in_a_slash(
    text: str, written: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path)
    output = FileOrFolder().convert(text, None, None)
    assert isinstance(output, Output)
    assert output.file("clip", ".png") == Path(written)


@pytest.mark.parametrize("text", ["there", "new/", "new.png/."])
def test_where_a_file_is_wanted_a_folder_is_refused(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(click.BadParameter, match="expected a file, got the folder"):
        NewFile().convert(text, None, None)
    assert NewFile().convert("there/new", None, None) == Path("there/new")
