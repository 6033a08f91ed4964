"""Folders that a command makes for its files, and that an error leaves not there."""

from pathlib import Path

import pytest

from motion_shards.new_folders import with_parents


def test_what_was_made_goes_again_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    file = tmp_path / "there" / "new" / "newer" / "file"
    with pytest.raises(KeyboardInterrupt), with_parents(file):
        assert file.parent.is_dir()
        raise KeyboardInterrupt
    assert list(tmp_path.rglob("*")) == [tmp_path / "there"]
    with pytest.raises(ValueError, match="late"), with_parents(file):
        (file.parent.parent / "another's").touch()
        raise ValueError("late")
    assert not file.parent.exists() and file.parent.parent.is_dir()
    with with_parents(file):
        pass
    assert file.parent.is_dir()
