"""Commands about whole stores with arguments that make no sense: one line, nothing written."""

import resource
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from small_videos import store_bytes
from tiny_store import write_store

from pipeline.adapters import split_lists
from pipeline.adapters.errors import DatasetError
from pipeline.commands.cli import main
from pipeline.management import making, selection
from pipeline.management.errors import ManagementError
from pipeline.store import Store, verify
from pipeline.store.file_names import INDEX, MANIFEST, PLAN
from pipeline.store.sealing import write_sealed


def run(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, list(map(str, words)))
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.output


@pytest.mark.parametrize("options", [["--classes", ""], ["--classes", ","]])
def test_no_class_is_not_all_classes(options, original, tmp_path):
    code, text = run("copy", original, tmp_path / "new", *options)
    assert code == 1 and "classes: expected names, got none" in text
    assert not (tmp_path / "new").exists()


def test_no_split_is_not_all_splits(original, tmp_path):
    code, text = run("copy", original, tmp_path / "new", "--splits", "")
    assert code == 2 and "expected names, got ''" in text
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "names", [["right, or so"], ['"right, or so"'], ["RIGHT, OR SO"]]
)
def test_classes_with_commas_in_their_names(names, original, tmp_path):
    store = tmp_path / "store"
    shutil.copytree(original, store)
    manifest = Store(store).manifest.to_dict() | {"classes": ["left", "right, or so"]}
    write_sealed(store / MANIFEST, manifest)
    making.copy(store, tmp_path / "new", classes=names)
    assert Store(tmp_path / "new").classes == ("right, or so",)
    with pytest.raises(ManagementError, match="no 'right'"):
        making.copy(store, tmp_path / "other", classes=["right"])


def test_links_that_lead_nowhere_are_one_line(original, tmp_path):
    loop, names = tmp_path / "loop", tmp_path / "names.txt"
    loop.symlink_to(loop)
    names.write_text("left/v000\n")
    for out in (loop, loop / "new"):
        for words in (
            ["copy", original, out],
            ["remove", original, "--videos", names, "--out", out],
            ["merge", original, original, "--prefix", "videos", "--out", out],
            ["browse", original, "--out", out],
            ["export", original, "--to", "npz", "--out", out],
        ):
            code, text = run(*words)
            assert code == 1 and text.strip().splitlines()[-1].startswith("Error: ")


@pytest.mark.parametrize("words", [["copy", "STORE", ""], ["stores", ""]])
def test_an_empty_text_is_not_the_current_folder(
    words, original, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    code, text = run(*(original if word == "STORE" else word for word in words))
    assert code == 2 and "got an empty text" in text
    assert not list(tmp_path.iterdir())


def test_lists_without_an_end_are_refused(original, tmp_path, monkeypatch):
    monkeypatch.setattr(selection, "MAX_LIST_BYTES", 1000)
    monkeypatch.setattr(split_lists, "MAX_LIST_BYTES", 1000)
    with pytest.raises(ManagementError, match="got over 1 KB"):
        making.copy(original, tmp_path / "new", videos=Path("/dev/zero"))
    with pytest.raises(DatasetError, match="got over 1 KB"):
        list(split_lists.raw_lines(Path("/dev/zero")))


def test_long_and_repeated_names_make_a_short_line(original, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("x" * 10_000 + "\n" + "nobody\n" * 5)
    with pytest.raises(ManagementError, match=r"x, nobody \(2 of 2 names\)$") as error:
        making.copy(original, tmp_path / "new", videos=names)
    assert len(str(error.value)) < 500


def test_exports_and_pages_stay_out_of_the_store(original):
    before = sorted(original.rglob("*"))
    for words in (
        ["browse", original, "--out", original / "page"],
        ["export", original, "--to", "npz", "--out", original / "arrays"],
        ["export", original, "--to", "npz", "--out", original],
    ):
        code, text = run(*words)
        assert code == 1 and "expected a place apart from" in text
    assert sorted(original.rglob("*")) == before


def test_settings_and_codecs_of_others_are_one_line(tmp_path):
    store = write_store(tmp_path / "store", [{"a": 3}], modalities=["rgb"])
    manifest = Store(store).manifest.to_dict()
    settings = {"common": {"frames_per_second": "x"}, "rgb": {"codec": 7}}
    write_sealed(store / MANIFEST, manifest | {"settings": settings})
    code, text = run("stores", store)
    assert code == 0 and "finished" in text
    manifest["modalities"]["rgb"]["codec"] = {"nome": "jpeg_rgb"}
    write_sealed(store / MANIFEST, manifest)
    code, text = run(
        "export", store, "--to", "frames", "--out", tmp_path / "out", "--jobs", 1
    )
    assert code in (1, 3) and "expected a codec among" in text


@pytest.mark.parametrize("part", [{}, {"classes": ["left"]}], ids=["whole", "part"])
def test_damaged_texts_of_a_copy_are_written_again(part, original, tmp_path):
    new = tmp_path / "new"
    making.copy(original, new, **part)
    expected = store_bytes(new)
    for name in (INDEX, MANIFEST, PLAN, "_commits/rgb-00000.json"):
        for damage in (b"\xff{]", None):
            (new / name).unlink()
            if damage:
                (new / name).write_bytes(damage)
            making.copy(original, new, **part)
            assert store_bytes(new) == expected, name


@pytest.mark.parametrize(
    "name", [INDEX, MANIFEST, PLAN, "rgb-00000.h5", "_commits/rgb-00000.json"]
)
def test_a_folder_in_the_place_of_a_file_is_named(name, original, tmp_path):
    new = tmp_path / "new"
    making.copy(original, new)
    (new / name).unlink()
    (new / name).mkdir()
    code, text = run("copy", original, new)
    assert (
        code == 1
        and text.startswith(f"Error: {new / name}: ")
        and "folder" in (text.replace("Is a directory", "folder"))
    )
    (new / name).rmdir()
    run("copy", original, new)
    assert store_bytes(new) == store_bytes(original)


@contextmanager
def files_up_to(num_bytes: int) -> Iterator[None]:
    """Files that grow beyond a size cannot be written, as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)


@pytest.mark.parametrize("to", ["mp4", "frames", "npz", "webdataset"])
def test_an_export_that_cannot_be_written_names_its_file(to, original, tmp_path):
    out = tmp_path / "out"
    words = ["export", original, "--to", to, "--out", out, "--jobs", 1]
    with files_up_to(500):
        code, text = run(*words)
    assert code == 1 and f"Error: {out}" in text and "File too large" in text
    assert run(*words)[0] == 0


@pytest.mark.parametrize("part", [[], ["--classes", "left"]], ids=["whole", "part"])
def test_a_copy_that_cannot_be_written_names_its_folder(part, original, tmp_path):
    new = tmp_path / "new"
    with files_up_to(5000):
        code, text = run("copy", original, new, *part)
    assert code == 1 and text.startswith(f"Error: {new}") and len(text.split("\n")) == 2
    assert run("copy", original, new, *part)[0] == 0 and not verify(new)
