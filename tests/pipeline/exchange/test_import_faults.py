"""Imports of trees with faults, interrupted, resumed, or into what is something else."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from exported import tree
from made_trees import picture, write, write_video

from pipeline.commands.cli import main
from pipeline.driver import publish
from pipeline.exchange import importing
from pipeline.exchange.importing import import_frames, import_settings, load_trees
from pipeline.exchange.trees import Trees
from pipeline.store import Store

NAMES = [f"run/v{k}" for k in range(8)]
"""So many that they are two shards."""


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def of_frames(images: Path, out: Path, *more: str | Path) -> Result:
    return run(
        *("import", "--from", "frames", "--images", images, "--flow", images),
        *("--out", out, "--jobs", 1, *more),
    )


def refused(*words: str | Path) -> str:
    """The one line in which a command ends."""
    done = run(*words)
    lines = [line for line in done.output.splitlines() if line.startswith("Error: ")]
    assert done.exit_code == 1 and len(lines) == 1, done.output
    assert done.output.splitlines()[-1] == lines[0] and "Traceback" not in done.output
    return lines[0]


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """A tree of eight videos of four frames."""
    for name in NAMES:
        write_video(tmp_path / "tree" / name, 4)
    return tmp_path / "tree"


def without(*names: str) -> Callable[[Path], None]:
    return lambda folder: [(folder / name).unlink() for name in names] and None


def cut(folder: Path) -> None:
    path = folder / "img_00003.jpg"
    path.write_bytes(path.read_bytes()[:-3])


def gap(folder: Path) -> None:
    """Zeros in the middle, as of a block that never reached the disk."""
    path = folder / "img_00003.jpg"
    content = bytearray(path.read_bytes())
    middle = (len(content) + 600) // 2
    content[middle:-2] = bytes(len(content) - 2 - middle)
    path.write_bytes(content)


FAULTS: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "a gap": (
        without("img_00003.jpg"),
        ("img_00003.jpg: expected all files from img_00001.jpg to img_00004.jpg",),
    ),
    "two gaps": (
        without("img_00002.jpg", "img_00003.jpg"),
        ("img_00002.jpg: expected all", "found none (2 are missing)"),
    ),
    "a gap of flow": (
        without("flow_y_00002.jpg"),
        ("flow_y_00002.jpg: expected all files from flow_y_00001.jpg",),
    ),
    "another first number": (
        without(*(f"{kind}_00001.jpg" for kind in ("img", "flow_x", "flow_y"))),
        ("img_00001.jpg: expected numbers from 0 or 1 on, found img_00002.jpg first",),
    ),
    "one component is shorter": (
        without("flow_y_00003.jpg"),
        ("expected as many files flow_y_*.jpg as flow_x_*.jpg (3), found 2",),
    ),
    "too few fields": (
        without("flow_x_00003.jpg", "flow_y_00003.jpg"),
        ("expected 3 files flow_x_*.jpg for 4 images, found 2",),
    ),
    "as many fields as images": (
        lambda folder: [
            shutil.copy(folder / f"flow_{c}_00003.jpg", folder / f"flow_{c}_00004.jpg")
            for c in "xy"
        ],
        ("expected 3 files flow_x_*.jpg for 4 images, found 4 (--layout tsn",),
    ),
    "flow from another number": (
        lambda folder: [
            (folder / f"flow_{c}_00003.jpg").rename(folder / f"flow_{c}_00000.jpg")
            for c in "xy"
        ],
        ("count from the same number, found img_00001.jpg, flow_x_00000.jpg",),
    ),
    "a number twice": (
        lambda folder: shutil.copy(folder / "img_00002.jpg", folder / "img_2.jpg"),
        ("img_2.jpg: expected one file of this number, found img_00002.jpg, too",),
    ),
    "another size": (
        lambda folder: write(folder / "img_00003.jpg", picture(9, height=20)),
        ("img_00003.jpg: expected 40x24 px as the first picture, found 40x20",),
    ),
    "flow of another size": (
        lambda folder: write(folder / "flow_y_00003.jpg", picture(9, width=44)),
        ("flow_y_00003.jpg: expected 40x24 px as the first picture, found 44x24",),
    ),
    "an empty file": (
        lambda folder: (folder / "img_00001.jpg").write_bytes(b""),
        ("img_00001.jpg: expected a JPEG, found an empty file",),
    ),
    "other bytes": (
        lambda folder: (folder / "flow_x_00002.jpg").write_bytes(
            b"\x89PNG" + bytes(99)
        ),
        ("flow_x_00002.jpg: expected a JPEG, found 103 other bytes",),
    ),
    "cut short": (
        cut,
        ("img_00003.jpg: expected a whole JPEG, found one without an end",),
    ),
    "a gap in a file": (
        gap,
        (
            "img_00003.jpg: expected a whole JPEG, found one whose data are damaged (in or",
        ),
    ),
    "no flow at all": (
        lambda folder: [path.unlink() for path in folder.glob("flow_*")],
        ("expected 3 files flow_x_*.jpg for 4 images, found 0",),
    ),
    "no image at all": (
        lambda folder: [path.unlink() for path in folder.glob("img_*")],
        ("expected files like img_00001.jpg, found none",),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_video_is_quarantined_and_named(fault: str, tmp_path: Path) -> None:
    images = tmp_path / "tree"
    for name in ("run/good", "run/bad"):
        write_video(images / name, 4)
    spoil, expected = FAULTS[fault]
    spoil(images / "run/bad")
    done = of_frames(images, tmp_path / "new")
    assert done.exit_code == 3, done.output
    (line,) = (s for s in done.output.splitlines() if s.startswith("quarantined run/"))
    for text in expected:
        assert line.startswith("quarantined run/bad: ") and text in line, line
    store = Store(tmp_path / "new")
    assert store.ids() == ("run/good",)
    assert store.manifest.bad == {"run/bad": line.partition(": ")[2]}
    assert run("verify", tmp_path / "new", "--decode").exit_code == 0


def test_a_repaired_video_is_taken_up_by_the_same_command(
    frames: Path, tmp_path: Path
) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert of_frames(frames, whole).exit_code == 0
    taken = frames / "run/v3/img_00002.jpg"
    content = taken.read_bytes()
    taken.unlink()
    assert of_frames(frames, out).exit_code == 3
    assert Store(out).video("run/v4").frames == 4
    taken.write_bytes(content)
    done = of_frames(frames, out)
    assert done.exit_code == 0, done.output
    stored, expected = Store(out), Store(whole)
    assert stored.ids() == expected.ids() and not stored.manifest.bad
    for name in NAMES:
        for array in ("rgb", "flow"):
            found = stored.read(name, array)
            np.testing.assert_array_equal(found, expected.read(name, array))
        assert stored.video(name).facts() == expected.video(name).facts()
    assert run("verify", out, "--decode").exit_code == 0


def test_what_cannot_be_read_now_waits(frames: Path, tmp_path: Path) -> None:
    """A link into a disk that is not mounted, and a folder with a name that is no text."""
    out, path = tmp_path / "out", frames / "run/v0/img_00002.jpg"
    disk = tmp_path / "disk.jpg"
    path.rename(disk.with_suffix(".away"))
    path.symlink_to(disk)
    done = of_frames(frames, out)
    assert done.exit_code == 3
    assert "unavailable run/v0: img_00002.jpg: expected a readable file" in done.output
    disk.with_suffix(".away").rename(disk)
    assert of_frames(frames, out).exit_code == 0
    assert Store(out).ids() == tuple(NAMES)
    shutil.copytree(frames / "run/v0", os.fsdecode(os.fsencode(frames) + b"/run/\xff"))
    again = of_frames(frames, tmp_path / "other")
    assert again.exit_code == 3 and "its name is not valid UTF-8" in again.output


def test_quarantined_videos_are_tried_again_when_asked(
    frames: Path, tmp_path: Path
) -> None:
    """A file of the same size: only the option looks into it again."""
    path = frames / "run/v0/img_00001.jpg"
    content = path.read_bytes()
    path.write_bytes(bytes(len(content)))
    assert of_frames(frames, tmp_path / "out").exit_code == 3
    path.write_bytes(content)
    assert of_frames(frames, tmp_path / "out").exit_code == 3
    assert of_frames(frames, tmp_path / "out", "--retry-quarantined").exit_code == 0


def test_a_killed_import_resumes_to_the_same_store(
    frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert of_frames(frames, whole).exit_code == 0
    assert len(list(whole.glob("rgb-*.h5"))) == 2
    child = os.fork()
    if child == 0:
        count = 0

        def dying(*args: object) -> None:  # between the two files of the second shard
            nonlocal count
            if count == 3:
                os._exit(9)
            count += 1
            publish_file(*args)  # type: ignore[arg-type]

        publish_file, publish.publish_file = publish.publish_file, dying
        try:
            of_frames(frames, out)
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    begun = {path.name: path.stat().st_ino for path in out.glob("*-00000.h5")}
    assert len(begun) == 2 and not (out / "manifest.json").exists()
    built: list[int] = []
    missing = importing._missing

    def told(*args: object, **more: object) -> list:
        found = list(missing(*args, **more))  # type: ignore[arg-type]
        built.extend(shard.shard for shard in found)
        return found

    monkeypatch.setattr(importing, "_missing", told)
    done = of_frames(frames, out)
    assert done.exit_code == 0 and built == [1], done.output
    assert {path.name: path.stat().st_ino for path in out.glob("*-00000.h5")} == begun
    assert tree(out) == tree(whole)
    assert of_frames(frames, out).exit_code == 0 and built == [1]


@pytest.mark.slow
def test_processes_make_no_difference(frames: Path, tmp_path: Path) -> None:
    data = load_trees(Trees(images=frames, flow=frames))
    settings = import_settings(data.trees, bound_px=20, frames_per_second=25)
    for jobs in (1, 2):
        import_frames(data, settings, out=tmp_path / str(jobs), jobs=jobs)
    assert tree(tmp_path / "1") == tree(tmp_path / "2")


def test_a_damaged_file_is_built_again(frames: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert of_frames(frames, out).exit_code == 0
    before = tree(out)
    path = out / "flow-00001.h5"
    content = bytearray(path.read_bytes())
    content[-600] ^= 255
    path.write_bytes(content)
    assert run("verify", out, "--mark").exit_code == 1
    assert of_frames(frames, out).exit_code == 0
    assert tree(out) == before


def test_nothing_is_extracted_into_an_imported_store(
    frames: Path, tmp_path: Path
) -> None:
    out, videos = tmp_path / "out", tmp_path / "videos"
    assert of_frames(frames, out).exit_code == 0
    before = tree(out)
    (videos / "run").mkdir(parents=True)
    for name in NAMES:
        (videos / f"{name}.mp4").write_bytes(b"\0\0\0\x18ftypisom")
    extract = ("extract", "--dataset", "folder", "--videos", videos, "--out", out)
    for more in (("--name", "tree"), ("--grow",), ("--modalities", "mv")):
        line = refused(*extract, "--ray", "off", *more)
        assert "got one of imported frames" in line and str(out) in line
    assert tree(out) == before


def test_other_videos_or_settings_are_refused(frames: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert of_frames(frames, out).exit_code == 0
    before = tree(out)
    base = ("import", "--from", "frames", "--images", frames, "--flow", frames)
    for more, said in (
        (("--fps", 30), "--fps: the store was made with 25.0, this run asks for 30.0"),
        (("--flow-bound", 10), "--flow-bound: the store was made with 20,"),
        (("--layout", "tsn"), "--layout: the store was made with denseflow"),
    ):
        assert said in refused(*base, "--out", out, *more)
    write_video(frames / "run/new", 4)
    line = refused(*base, "--out", out)
    assert "gained 1 (run/new)" in line and "--grow" not in line
    assert tree(out) == before


def test_folders_that_are_no_trees_are_refused(tmp_path: Path) -> None:
    base = ("import", "--from", "frames", "--out", tmp_path / "out", "--images")
    line = refused(*base, tmp_path / "none")
    assert f"{tmp_path / 'none'}: expected a folder of frames, found nothing" in line
    write_video(tmp_path / "tree/run/a", 2, names=("frame", "flow_x_", "flow_y_"))
    line = refused(*base, tmp_path / "tree")
    assert "expected folders with files like img_00001.jpg, found files like " in line
    write_video(tmp_path / "one", 2)
    assert "name the folder above" in refused(*base, tmp_path / "one")
    tree_of_one = tmp_path / "more"
    write_video(tree_of_one / "a", 2)
    inside = ("import", "--from", "frames", "--images", tree_of_one)
    assert "expected a place apart from" in refused(
        *inside, "--out", tree_of_one / "store"
    )
    assert run("import", "--from", "frames").exit_code == 2
    assert not (tmp_path / "out").exists()
