"""The table of stores: what is finished, unfinished or damaged, and how much it is."""

import json
import shutil

import pytest
from click.testing import CliRunner

from pipeline.commands.cli import main
from pipeline.management import making
from pipeline.management.stores_table import list_stores, table_lines
from pipeline.store import Store, StoreNotFound
from pipeline.store.file_names import MANIFEST


def test_a_table_of_finished_unfinished_and_damaged_stores(original, tmp_path):
    making.copy(original, tmp_path / "a", modalities=["rgb", "mv"])
    shutil.copytree(original, tmp_path / "b")
    (tmp_path / "b" / MANIFEST).unlink()
    min((tmp_path / "b" / "_commits").glob("flow-*")).unlink()
    shutil.copytree(original, tmp_path / "c")
    (tmp_path / "c" / MANIFEST).write_text("{}")
    (tmp_path / "notes").mkdir()
    a, b, c = list_stores(tmp_path)
    store = Store(original)
    assert a.finished and a.modalities == ("rgb", "mv") and a.videos == 10
    seconds = sum(video.frames / video.fps for video in store.videos())
    assert a.hours == pytest.approx(seconds / 3600, abs=1e-4)
    assert a.bytes == sum(p.stat().st_size for p in (tmp_path / "a").glob("*.h5"))
    assert a.fingerprint == store.fingerprint
    shards = store.manifest.shards
    assert b.state == f"not finished: flow {shards - 1}/{shards} shards"
    assert not b.finished and b.hours is None and b.videos == 11
    assert c.state.startswith("cannot be read: expected a manifest")
    text = list(table_lines([a, b, c]))
    assert len(text) == 4 and text[0].split()[0] == "store"
    assert "32 px; rgb jpeg_rgb 95; mv canonical crf 18" in text[1]


def test_a_store_is_a_table_of_its_own(original):
    (line,) = list_stores(original)
    assert line.store == str(original)


def test_commands_print_tables_lines_and_errors(original, tmp_path):
    def run(*words: object):
        result = CliRunner().invoke(main, list(map(str, words)))
        assert "Traceback" not in result.output
        return result

    made = run("copy", original, tmp_path / "new", "--classes", "left", "--json")
    assert json.loads(made.stdout)["videos"] == 5
    found = json.loads(run("stores", tmp_path, "--json").stdout)
    assert [(row["store"], row["finished"]) for row in found] == [
        (str(tmp_path / "new"), True)
    ]
    names = tmp_path / "list.txt"
    names.write_text("left/v000\n")
    gone = run("remove", original, "--videos", names, "--out", tmp_path / "less")
    assert gone.exit_code == 0 and "9 videos" in gone.output
    failed = run("copy", original, tmp_path / "new")
    assert failed.exit_code == 1 and len(failed.output.splitlines()) == 1
    assert run("copy", tmp_path / "nothing", tmp_path / "x").exit_code == 2
    assert run("merge", original, "--out", tmp_path / "x").exit_code == 2
    twice = run("merge", original, tmp_path / "less", "--out", tmp_path / "x")
    assert twice.exit_code == 1 and "--prefix videos" in twice.output
    (tmp_path / "empty").mkdir()
    none = run("stores", tmp_path / "empty")
    assert none.exit_code == 1 and "found none" in none.output


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(StoreNotFound, match="got nothing"):
        list_stores(tmp_path / "none")
