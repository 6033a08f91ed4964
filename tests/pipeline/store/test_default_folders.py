from pathlib import Path

import pytest

from pipeline.store import default_folders
from pipeline.store.errors import StoreError, StoreNotFound


def test_everything_lies_under_one_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("VIDEO_DATA", str(tmp_path))
    assert default_folders.data_folder() == tmp_path
    assert default_folders.videos_folder("ucf101") == tmp_path / "videos" / "ucf101"
    assert default_folders.splits_folder("ucf101") == tmp_path / "splits" / "ucf101"
    assert default_folders.store_folder("ucf101") == tmp_path / "stores" / "ucf101"
    assert default_folders.runs_folder() == tmp_path / "runs"
    assert default_folders.weights_folder() == tmp_path / "weights"


@pytest.mark.parametrize("value", [None, ""])
def test_without_the_variable_it_is_the_folder_data(monkeypatch, value):
    monkeypatch.delenv("VIDEO_DATA", raising=False)
    if value is not None:
        monkeypatch.setenv("VIDEO_DATA", value)
    assert default_folders.stores_folder() == Path("data/stores")


def test_the_one_store_is_found_and_several_are_named(monkeypatch, tmp_path):
    monkeypatch.setenv("VIDEO_DATA", str(tmp_path))
    with pytest.raises(StoreNotFound, match="expected a store, got none"):
        default_folders.only_store()
    for name in ("ucf101", "hmdb51"):
        (tmp_path / "stores" / name).mkdir(parents=True)
    (tmp_path / "stores" / "ucf101" / "manifest.json").write_text("{}")
    assert default_folders.only_store() == tmp_path / "stores" / "ucf101"
    (tmp_path / "stores" / "hmdb51" / "manifest.json").write_text("{}")
    with pytest.raises(StoreError, match=r"got 2 \(hmdb51, ucf101\).*--store"):
        default_folders.only_store()
