"""`pipeline info --videos`, and names of videos that are not stored."""

import json
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest
from click.testing import CliRunner
from small_videos import draw_videos
from tiny_store import write_store

from pipeline.commands.cli import main
from pipeline.inspection import video_table
from pipeline.store import Store, VideoNotFound, opening
from pipeline.store.file_names import PLAN

SMALL = (
    "--short-side",
    "32",
    "--modalities",
    "rgb,mv",
    "--workers",
    "0",
    "--ray",
    "off",
)
TORN = "left/torn take.mp4"


def run(*words: object):
    return CliRunner().invoke(main, list(map(str, words)))


@pytest.fixture(scope="module")
def extracted(tmp_path_factory):
    """Store and last output of four videos of 6 frames, 64x48 at 25 fps, and a torn one."""
    folder = tmp_path_factory.mktemp("videos")
    draw_videos(folder, 4)
    (folder / TORN).write_bytes((folder / "left/v000.mp4").read_bytes()[:200])
    out = tmp_path_factory.mktemp("store") / "small"
    given = ("--dataset", "folder", "--videos", folder, "--holdout", "0.5")
    done = run("extract", *given, "--out", out, *SMALL)
    assert done.exit_code == 3, done.output
    return out, done


def test_list_has_a_line_per_video_in_columns(extracted):
    out, _ = extracted
    said = run("info", out, "--videos")
    assert said.exit_code == 0
    head, *lines = said.stdout.splitlines()
    names = [line.split("  ")[0] for line in lines]
    assert names == [TORN, "left/v000", "left/v002", "right/v001", "right/v003"]
    column = head.index("state")
    assert head[column:] == "state"
    assert lines[0][column:].startswith("quarantined: ")
    assert [line[column:] for line in lines[1:]] == ["stored"] * 4
    (split,) = Store(out).splits
    for line, video in zip(lines[1:], Store(out).videos(), strict=True):
        part = f"{split}:{video.splits[split]}"
        cells = (video.id, video.class_names[0], part, "6", "25.00", "42x32", "0.24")
        assert line.split()[:7] == list(cells)
        assert line.split()[7] == f"{100 * video.known_share:.1f}%"


def test_list_as_json_has_an_object_per_line(extracted):
    out, _ = extracted
    rows = list(
        map(json.loads, run("info", out, "--videos", "--json").stdout.splitlines())
    )
    assert [row["path"] for row in rows] == [
        TORN,
        *(
            f"{name}.mp4"
            for name in ("left/v000", "left/v002", "right/v001", "right/v003")
        ),
    ]
    assert [row["state"] for row in rows] == ["quarantined", *["stored"] * 4]
    assert rows[0]["reason"] and rows[0]["frames"] is None
    assert {
        key: rows[3][key] for key in ("id", "classes", "frames", "fps", "seconds")
    } == {
        "id": "right/v001",
        "classes": ["right"],
        "frames": 6,
        "fps": 25.0,
        "seconds": 0.24,
    }


def test_quarantined_videos_are_named_by_path_with_extension(extracted, tmp_path):
    out, done = extracted
    assert f"quarantined {TORN}: " in done.stderr
    assert f"\n  {TORN}: " in done.stdout
    assert f"quarantined {TORN}: " in run("status", out).stdout
    alone = tmp_path / "alone"
    alone.mkdir()
    for path in out.glob("[a-z]*"):  # as copied without the plan
        (alone / path.name).symlink_to(path)
    assert not (alone / PLAN).exists()
    assert run("info", alone, "--videos").stdout.splitlines()[1].startswith(TORN[:-4])


@pytest.mark.parametrize("command", ["info", "preview"])
@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("left/v00", "no video 'left/v00' in {out}: did you mean left/v00"),
        ("v0O1", "no video 'v0O1' in {out}: did you mean right/v001? ("),
        ("???", "no video '???' in {out} (`pipeline info {out} --videos` lists them)"),
        (TORN, "no video '" + TORN + "' in {out}: it could not be stored: "),
        (
            TORN.rpartition("/")[2],
            "no video '"
            + TORN.rpartition("/")[2]
            + "' in {out}: "
            + TORN[:-4]
            + " could not be stored: ",
        ),
        (
            "right/v001.avi",
            "no video 'right/v001.avi' in {out}: did you mean right/v001",
        ),
        ("right/v000.mp4", "no video 'right/v000.mp4' in {out}: did you mean "),
    ],
)
def test_unknown_videos_are_answered_with_similar_names(
    extracted, command, wanted, said
):
    out, _ = extracted
    option = ["--video"] if command == "preview" else []
    answer = run(command, out, *option, wanted)
    assert answer.exit_code == 1
    assert f"Error: {said.format(out=out)}" in answer.stderr
    assert answer.stderr.count("\n") == 1


@pytest.mark.parametrize("wanted", ["right/v001", "v001", "right/v001.mp4", "v001.mp4"])
def test_a_video_is_found_by_id_path_or_end(extracted, wanted):
    facts = json.loads(run("info", extracted[0], wanted, "--json").stdout)
    assert facts["id"] == "right/v001"


def test_an_end_of_several_videos_names_them(tmp_path):
    out = write_store(tmp_path / "s", [{"a/x": 3, "b/x": 3, "c/y": 3}])
    said = run("info", out, "x").stderr
    assert f"2 videos of {out} end in 'x': a/x, b/x\n" in said


def test_of_a_video_or_all_only_one_can_be_asked_for(extracted):
    said = run("info", extracted[0], "v001", "--videos")
    assert said.exit_code == 2 and "expected VIDEO or --videos, got both" in said.stderr


def test_videos_of_a_long_index_are_read_as_they_are_printed(tmp_path, monkeypatch):
    names = [f"{number:05d}" for number in range(300)]
    out = write_store(tmp_path / "s", [dict.fromkeys(names, 2)], modalities=["mv"])
    whole = run("info", out, "--videos").stdout
    monkeypatch.setattr(opening, "HELD_INDEX_BYTES", 0)
    assert run("info", out, "--videos").stdout == whole
    assert [line.split()[0] for line in whole.splitlines()[1:]] == names
    made = []
    row = video_table.VideoRow
    monkeypatch.setattr(
        video_table, "VideoRow", lambda **it: made.append(it) or row(**it)
    )
    assert len(list(islice(video_table.table_lines(Store(out)), 10))) == 10
    assert len(made) <= 10


@pytest.mark.slow
@pytest.mark.parametrize(
    "words", [("pipeline", "info", "{out}", "--videos"), ("training", "recipes")]
)
def test_a_closed_pipe_ends_a_list_silently(extracted, words):
    given = [word.format(out=extracted[0]) for word in words[1:]]
    script = Path(sys.executable).with_name(words[0])
    with subprocess.Popen(
        [script, *given], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()  # before anything is written, as of `| true`
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_the_store_itself_says_that_a_video_is_missing(tmp_path):
    out = write_store(tmp_path / "my store", [{"walk/a": 3, "walk/b": 3}])
    with pytest.raises(VideoNotFound) as caught:
        Store(out).video("walk/c")
    assert str(caught.value) == (
        f"no video 'walk/c' in {out}: did you mean walk/b or walk/a? "
        f"(`pipeline info '{out}' --videos` lists them)"
    )
