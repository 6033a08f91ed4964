"""Lists as people write them: each is read right, or refused with its line."""

import json
import random
import re
import time
from pathlib import Path

import pytest

from pipeline.adapters import DatasetError, load

VIDEOS = (
    *("jump/a.mp4", "jump/b c.mp4", "jump/subj.left.mp4", "jump/subj.mp4"),
    *("run/d.mp4", "run/e, f.mp4", "run/001.mp4", "jump/001.mp4"),
)


@pytest.fixture(autouse=True)
def no_usual_places(monkeypatch, tmp_path):
    monkeypatch.setenv("VIDEO_DATA", str(tmp_path / "nowhere"))


@pytest.fixture
def videos(tmp_path) -> Path:
    return drawn(tmp_path / "videos", *VIDEOS)


def drawn(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"video " + name.encode())
    return folder


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def labels(dataset) -> dict[str, str]:
    return {
        video.path: " + ".join(dataset.classes[label] for label in video.labels)
        for video in dataset.videos
    }


AD = {"jump/a.mp4": "jump", "run/d.mp4": "run"}
"""What most of the spellings below say."""


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        pytest.param(name, text, said, id=title)
        for title, name, text, said in [
            ("label", "l.txt", "jump/a.mp4 0\nrun/d.mp4 1\n", AD),
            ("no label", "l.txt", "jump/a.mp4\nrun/d.mp4\n", AD),
            ("word", "l.txt", "jump/a.mp4 jump\nrun/d.mp4 run\n", AD),
            (
                "words",
                "l.txt",
                "jump/a.mp4 high jump\nrun/d.mp4 run\n",
                {"jump/a.mp4": "high jump", "run/d.mp4": "run"},
            ),
            ("frames, label", "l.txt", "jump/a.mp4 164 0\nrun/d.mp4 9 1\n", AD),
            ("frames unknown", "l.txt", "jump/a -1 0\nrun/d -1 1\n", AD),
            ("frames, word", "l.txt", "jump/a.mp4 164 jump\nrun/d.mp4 9 run\n", AD),
            ("start, frames", "l.txt", "jump/a 0 164 0\nrun/d 1 90 1\n", AD),
            ("label first", "l.txt", "0 jump/a.mp4\n1 run/d.mp4\n", AD),
            ("word first", "l.txt", "jump jump/a.mp4\nrun run/d.mp4\n", AD),
            ("comma", "l.txt", "jump/a.mp4,0\nrun/d.mp4, 1\n", AD),
            ("comma and frames", "l.txt", "jump/a.mp4,164,0\nrun/d.mp4,90,1\n", AD),
            ("comma, word", "l.txt", "jump/a.mp4, jump\nrun/d.mp4, run\n", AD),
            ("label, comma", "l.txt", "0,jump/a.mp4\n1,run/d.mp4\n", AD),
            ("tab", "l.txt", "jump/a.mp4\tjump\nrun/d.mp4\trun\n", AD),
            ("semicolon", "l.txt", "jump/a.mp4;jump\nrun/d.mp4;run\n", AD),
            (
                "quotes",
                "l.txt",
                "\"jump/b c.mp4\" 0\n'run/d.mp4' 1\n",
                {"jump/b c.mp4": "jump", "run/d.mp4": "run"},
            ),
            (
                "quotes, comma",
                "l.txt",
                '"run/e, f.mp4",run\n"jump/a.mp4",jump\n',
                {"run/e, f.mp4": "run", "jump/a.mp4": "jump"},
            ),
            (
                "blanks in names",
                "l.txt",
                "jump/b c.mp4 0\nrun/e, f.mp4 1\n",
                {"jump/b c.mp4": "jump", "run/e, f.mp4": "run"},
            ),
            ("dot slash", "l.txt", "./jump/a.mp4 0\n./run/d.mp4 1\n", AD),
            ("backslashes", "l.txt", "jump\\a.mp4 0\r\nrun\\d.mp4 1\r\n", AD),
            (
                "drive letter",
                "l.csv",
                "path,label\nC:\\data\\jump\\a.mp4,jump\nd:/data/run/d.mp4,run\n",
                AD,
            ),
            (
                "share",
                "l.csv",
                "path,label\n\\\\nas\\v\\jump\\a.mp4,jump\n\\\\nas\\v\\run\\d.mp4,run\n",
                AD,
            ),
            (
                "absolute",
                "l.txt",
                "/mnt/data/videos/jump/a.mp4 0\n/mnt/data/videos/run/d.mp4 1\n",
                AD,
            ),
            ("parent folder", "l.txt", "videos/jump/a.mp4 0\nvideos/run/d.mp4 1\n", AD),
            ("BOM, CRLF", "l.txt", "\ufeffjump/a.mp4 0\r\n\r\nrun/d.mp4 1 \r\n", AD),
            (
                "UTF-16",
                "l.csv",
                "path,label\njump/a.mp4,jump\nrun/d.mp4,run\n".encode("utf-16"),
                AD,
            ),
            ("old Mac", "l.txt", "jump/a.mp4 0\rrun/d.mp4 1\r", AD),
            ("unlabelled line", "l.txt", "jump/a.mp4 0\n001 -1\n", None),
            (
                "a label of -1",
                "l.txt",
                "jump/a.mp4 0\nrun/d.mp4 1\nrun/001.mp4 -1\n",
                {**AD, "run/001.mp4": ""},
            ),
            (
                "a label of -1 in a CSV",
                "l.csv",
                "path,label\njump/a.mp4,jump\nrun/d.mp4,-1\n",
                {"jump/a.mp4": "jump", "run/d.mp4": ""},
            ),
            (
                "an empty label",
                "l.csv",
                "path,label\njump/a.mp4,jump\nrun/d.mp4,\n",
                {"jump/a.mp4": "jump", "run/d.mp4": ""},
            ),
            (
                "a dot in a bare stem",
                "l.txt",
                "jump/subj.left 0\njump/subj 1\n",
                {"jump/subj.left.mp4": "0", "jump/subj.mp4": "1"},
            ),
            (
                "a dot in a bare name",
                "l.txt",
                "subj.left 0\nd 1\n",
                {"jump/subj.left.mp4": "jump", "run/d.mp4": "run"},
            ),
            (
                "the class says which of two files",
                "l.csv",
                "path,label\n001.mp4,run\na.mp4,jump\n",
                {"run/001.mp4": "run", "jump/a.mp4": "jump"},
            ),
            ("CSV without header", "l.csv", "jump/a.mp4,jump\nrun/d.mp4,run\n", AD),
            ("blanks in a CSV", "l.csv", "jump/a.mp4 0\nrun/d.mp4 1\n", AD),
            ("header in a text", "l.txt", "path,label\njump/a,jump\nrun/d,run\n", AD),
            ("header, blanks", "l.txt", "path label\njump/a jump\nrun/d run\n", AD),
            (
                "columns as on Kaggle",
                "l.csv",
                "clip_name,clip_path,label\na,/jump/a.mp4,jump\nd,/run/d.mp4,run\n",
                AD,
            ),
            ("label first in a CSV", "l.csv", "label,path\n0,jump/a\n1,run/d\n", AD),
            (
                "several labels",
                "l.csv",
                "path,labels\njump/a.mp4,jump|high\nrun/d.mp4,run\n",
                {"jump/a.mp4": "high + jump", "run/d.mp4": "run"},
            ),
            (
                "records",
                "l.json",
                json.dumps(
                    [
                        {"path": "jump/a.mp4", "label": "jump"},
                        {"path": "run/d.mp4", "label": "run"},
                    ]
                ),
                AD,
            ),
            (
                "Something-Something",
                "l.json",
                json.dumps(
                    [
                        {
                            "id": "a",
                            "label": "lifting a cup",
                            "template": "Lifting [something]",
                            "placeholders": ["a cup"],
                        },
                        {"id": "d", "label": "x", "template": "Moving [x] up"},
                    ]
                ),
                {"jump/a.mp4": "Lifting something", "run/d.mp4": "Moving x up"},
            ),
            (
                "Something-Something 1",
                "l.csv",
                "a;Lifting something\nd;Moving it, slowly\n",
                {"jump/a.mp4": "Lifting something", "run/d.mp4": "Moving it, slowly"},
            ),
            (
                "Kinetics as JSON",
                "l.json",
                json.dumps(
                    {
                        "a": {"annotations": {"label": "jump", "segment": [1, 11]}},
                        "d": {"annotations": {"label": "run"}, "subset": "train"},
                    }
                ),
                AD,
            ),
            (
                "ActivityNet, 3D-ResNets",
                "l.json",
                json.dumps(
                    {
                        "labels": ["jump", "run"],
                        "database": {
                            "a": {"annotations": [{"label": "jump"}, {"label": "run"}]},
                            "d": {"annotations": {"label": "run"}},
                        },
                    }
                ),
                {"jump/a.mp4": "jump + run", "run/d.mp4": "run"},
            ),
            (
                "a record per line",
                "l.jsonl",
                '{"video": "jump/a.mp4", "label": 0}\n{"video": "d", "label": 1}\n',
                AD,
            ),
        ]
        if said is not None
    ],
)
def test_a_list_is_read_as_it_is_meant(videos, tmp_path, name, text, said):
    dataset = load("list", videos=videos, splits=write(tmp_path / name, text))
    assert labels(dataset) == said
    assert not {"missing", "ambiguous"} & {each.kind for each in dataset.findings}
    unlabelled = [each for each in dataset.findings if each.kind == "unlabelled"]
    assert [each.names for each in unlabelled] == [
        (path,) for path in said if not said[path]
    ]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("l.csv", "path,label\n001.mp4,x\n", "l.csv:2: '001.mp4' fits several files"),
        ("l.txt", "a 0\nwalk/001 1\n", "l.txt:2: .* jump/001.mp4, run/001.mp4; write"),
        ("l.txt", "a 0 3\nd 1 3\n001 2\n", "l.txt:1: .*frames .*got 0; several labels"),
        ("l.txt", "a 2 3\nd 4 5\n", "l.txt:1: .*got 2 for a number of frames"),
        ("l.txt", "a 9 3\nd 5\n", "l.txt:2: expected 'name, frames, label' as in .*:1"),
        (
            "l.txt",
            "a 0 3 5\nd 1\n",
            "l.txt:2: .*start, frames, label.*got 1 value behind",
        ),
        ("l.txt", "a 1 2 3 4\n", "l.txt:1: expected 'name, label'.*got 4 values"),
        ("l.txt", "a 30 64 1\nd 0 64 1\n", "l.txt:1: .*from frame 30 on: cut the vid"),
        ("l.txt", "a.mp4 0\nd.mp4 -2\n", "l.txt:2: .*-1 for none, got -2"),
        ("l.csv", "path,label\na.mp4,-2\n", "l.csv:2: .*-1 for none, got -2"),
        (
            "l.txt",
            "a.mp4,1\nd.mp4 1\nb c.mp4,0\n",
            "l.txt:2: .*like in the other lines",
        ),
        ("l.txt", "a.mp4 0\n/etc/passwd 1\n", "l.txt:2: .*inside the folder of videos"),
        ("l.txt", "a.mp4 0\nC:\\x\\y.mp4 1\n", "l.txt:2: .*relative to that folder"),
        ("l.txt", "a.mp4 0\n..\\d.mp4 1\n", "l.txt:2: .*inside the folder of videos"),
        (
            "l.csv",
            "path,label\njump,jump/a.mp4\n",
            "columns of names and labels swapped",
        ),
        ("l.csv", "path,label,labels\na,b,c\n", "l.csv:1: .*got both"),
        ("l.json", "[1, 2]", "l.json: entry 1: expected a list of videos like"),
        ("l.json", '{"a": 3}', "l.json: 'a': expected a list of videos like"),
        ("l.json", '[{"label": "x"}]', "l.json: entry 1: .*got {'label': 'x'}"),
        ("l.json", '[{"id": "a", "label": {}}]', "l.json: entry 1: expected text for"),
        ("l.json", '[\n{"id": "a"},\n}', "l.json:3: expected JSON"),
        ("l.json", "[" * 100_000, "l.json: expected a plain JSON list"),
        ("l.jsonl", '{"id": "a"}\n{"id"\n', "l.jsonl:2: expected a JSON record"),
        ("l.jsonl", '{"id": "a"}\n{"id": "a"}\n', "l.jsonl:2: 'a' came before, at"),
    ],
)
def test_a_list_that_cannot_be_meant_is_refused_with_its_line(
    videos, tmp_path, name, text, message
):
    with pytest.raises(DatasetError, match=message):
        load("list", videos=videos, splits=write(tmp_path / name, text))


def test_a_bare_name_is_no_file_in_the_folder_of_another_class(tmp_path):
    folder = drawn(tmp_path / "videos", "jump/001.mp4", "run/002.mp4")
    source = write(tmp_path / "l.csv", "path,label\n001.mp4,run\n002.mp4,run\n")
    assert labels(load("list", videos=folder, splits=source)) == {
        "jump/001.mp4": "run",
        "run/002.mp4": "run",
    }, "jump is no class of this list"
    write(source, "path,label\n002.mp4,run\n001.mp4,run\n003.mp4,jump\n")
    with pytest.raises(
        DatasetError, match="l.csv:3: .*another class: jump/001.mp4; wr"
    ):
        load("list", videos=folder, splits=source)
    write(source, "path,label\n002.mp4,run\njump/001.mp4,run\n003.mp4,jump\n")
    assert labels(load("list", videos=folder, splits=source))["jump/001.mp4"] == "run"


@pytest.mark.parametrize(
    "text", ["jump/001 0\nrun/001 1\nrun/2 1\n", "run/001\njump/2\nrun/2\n"]
)
def test_a_listed_video_that_is_missing_is_none_of_another_listed_folder(
    tmp_path, text
):
    folder = drawn(tmp_path / "videos", "jump/001.mp4", "run/2.mp4")
    dataset = load("list", videos=folder, splits=write(tmp_path / "l.txt", text))
    assert (
        labels(dataset).items() <= {"jump/001.mp4": "jump", "run/2.mp4": "run"}.items()
    )
    missing = {each.kind: each.names for each in dataset.findings}["missing"]
    assert "run/001" in missing


def test_a_listed_video_of_a_missing_folder_is_none_of_another_listed_one(tmp_path):
    folder = drawn(tmp_path / "videos", "jump/001.mp4", "jump/2.mp4")
    source = write(tmp_path / "l.txt", "jump/2 0\nrun/001 1\njump/3 0\n")
    assert labels(load("list", videos=folder, splits=source)) == {"jump/2.mp4": "jump"}


@pytest.mark.parametrize(
    ("names", "text", "said"),
    [
        (["t.mov.mp4", "t.mp4"], "t.mov 0\n", {"t.mov.mp4": "0"}),
        (["1 b.mp4", "b.mp4"], "1 b.mp4\n", {"1 b.mp4": ""}),
        (
            ["jump/a.mp4", "jump/b.mp4"],
            "0 old/jump/a.mp4\n-1 old/jump/b.mp4\n",
            {"jump/a.mp4": "jump", "jump/b.mp4": ""},
        ),
        (["jump/a 1.mp4", "jump/b.mp4"], "jump/a 1\n", {"jump/a 1.mp4": "jump"}),
    ],
)
def test_of_two_readings_the_one_that_fits_the_files_better_is_meant(
    tmp_path, names, text, said
):
    folder = drawn(tmp_path / "videos", *names)
    dataset = load("list", videos=folder, splits=write(tmp_path / "l.txt", text))
    assert labels(dataset) == said


def test_a_listed_video_that_is_missing_is_none_of_an_unlisted_folder(tmp_path):
    folder = drawn(tmp_path / "videos", "jump/001.mp4", "run/2.mp4", "walk/3.mp4")
    source = write(tmp_path / "l.txt", "run/001 1\nrun/2 1\ngo/3 2\n")
    dataset = load("list", videos=folder, splits=source)
    assert labels(dataset) == {"run/2.mp4": "run", "walk/3.mp4": "go"}, (
        "run is there, and 001 not in it; go may be what walk was called"
    )


def test_a_dot_belongs_to_the_name_where_its_video_is_missing(tmp_path):
    folder = drawn(tmp_path / "videos", "jump/subj.mp4", "run/d.mp4")
    source = write(tmp_path / "l.txt", "jump/subj.left 0\nrun/d 1\n")
    dataset = load("list", videos=folder, splits=source)
    assert labels(dataset) == {"run/d.mp4": "run"}
    found = {each.kind: each.names for each in dataset.findings}
    assert found["missing"] == ("jump/subj.left",)


def test_a_video_that_is_listed_in_another_folder_is_told(tmp_path):
    folder = drawn(tmp_path / "videos", "jump/a.mp4", "run/d.mp4", "e.mp4")
    text = "running/d.mp4 0\njump/a.mp4 1\nwalk\\e.mp4 2\n"
    dataset = load("list", videos=folder, splits=write(tmp_path / "l.txt", text))
    found = {each.kind: each.names for each in dataset.findings}
    assert found["elsewhere"] == ("running/d.mp4 -> run/d.mp4",)


def test_cells_that_a_spreadsheet_adds_are_no_cells(videos, tmp_path):
    text = "path;label;;\njump/a.mp4;jump;;\nrun/d.mp4;run;;;;\n"
    source = write(tmp_path / "l.csv", text)
    assert labels(load("list", videos=videos, splits=source)) == AD


def test_names_of_kinetics_have_the_stretch_of_the_film(tmp_path):
    folder = drawn(tmp_path / "videos", "playing_harp/x-_1_000010_000020.mp4", "yy.mp4")
    source = write(
        tmp_path / "train.csv",
        "label,youtube_id,time_start,time_end,split\n"
        'playing harp,x-_1,10,20,train\nrun,yy,5.0,15.0,validate\n"run, far",zz,1,2,test\n',
    )
    dataset = load("list", videos=folder, splits=source)
    assert labels(dataset) == {
        "playing_harp/x-_1_000010_000020.mp4": "playing harp",
        "yy.mp4": "run",
    }
    by_folder = load("folder", videos=folder, splits=source)
    assert by_folder.classes == ("playing harp", "run")


@pytest.mark.parametrize("suffix", ["txt", "csv", "json"])
def test_validation_videos_are_kept_in_no_split_beside_test_videos(
    videos, tmp_path, suffix
):
    parts = {"train": "jump/a.mp4", "val": "jump/b c.mp4", "test": "run/d.mp4"}
    for part, name in parts.items():
        label = name.partition("/")[0]
        text = {
            "txt": f"{name} {int(label == 'run')}\n",
            "csv": f"{name},{label}\n",
            "json": json.dumps([{"path": name, "label": label}]),
        }[suffix]
        write(tmp_path / "lists" / f"{part}.{suffix}", text)
    dataset = load("list", videos=videos, splits=tmp_path / "lists")
    assert [(v.path, dict(v.splits)) for v in dataset.videos] == [
        ("jump/a.mp4", {"1": "train"}),
        ("jump/b c.mp4", {}),
        ("run/d.mp4", {"1": "test"}),
    ]
    assert labels(dataset)["jump/b c.mp4"] == "jump"
    found = {each.kind: each.names for each in dataset.findings}
    assert found["validation"] == ("jump/b c.mp4",)
    (tmp_path / "lists" / f"test.{suffix}").unlink()
    dataset = load("list", videos=videos, splits=tmp_path / "lists")
    assert [dict(v.splits) for v in dataset.videos] == [{"1": "train"}, {"1": "test"}]


def test_validation_videos_that_are_listed_for_training_too_are_trained_on(
    videos, tmp_path
):
    write(tmp_path / "l" / "train.txt", "jump/a.mp4 0\nrun/d.mp4 1\n")
    write(tmp_path / "l" / "val.txt", "run/d.mp4 1\n")
    write(tmp_path / "l" / "test.txt", "run/001.mp4 1\n")
    dataset = load("list", videos=videos, splits=tmp_path / "l")
    assert [dict(v.splits) for v in dataset.videos] == [
        {"1": "train"},
        {"1": "test"},
        {"1": "train"},
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("classInd.txt", "1 jump\n2\tgo, run\n"),
        ("classInd.txt", "1,jump\n2,go, run\n"),
        ("label_map_k400.txt", "jump\ngo, run\n"),
        ("classes.txt", "jump\r\ngo, run\r\n"),
        ("labels.json", '{"jump": "0", "go, run": "1"}'),
        ("something-v2-labels.json", '{"go, run": 1, "jump": 0}'),
    ],
)
def test_numbers_have_the_names_of_the_class_index_beside_the_list(
    tmp_path, name, text
):
    folder = drawn(tmp_path / "videos", "a.mp4", "d.mp4")
    write(tmp_path / "l" / name, text)
    start = 1 if name == "classInd.txt" else 0
    source = write(tmp_path / "l" / "l.txt", f"a {start}\nd {start + 1}\n")
    assert labels(load("list", videos=folder, splits=source)) == {
        "a.mp4": "jump",
        "d.mp4": "go, run",
    }
    assert load("list", videos=folder, splits=tmp_path / "l").classes[0] == "jump"


def test_lists_in_the_style_of_hmdb51_are_told_which_adapter_reads_them(
    videos, tmp_path
):
    write(tmp_path / "l" / "jump_test_split1.txt", "a.mp4 1\n")
    with pytest.raises(DatasetError, match=r"jump_test_split1.txt: .*hmdb51. reads"):
        load("list", videos=videos, splits=tmp_path / "l")


PIECES = [
    *(
        b"\0",
        b"\xff",
        b'"',
        b",",
        b";",
        b"\t",
        b"\r",
        b"\n",
        b" ",
        b"..",
        b"/",
        b"\\",
    ),
    *(
        b"-1",
        b"9" * 30,
        b"[",
        b"{",
        b"}",
        b"null",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"|",
    ),
    *(b"\xd9\xa3", b"\xc2\x85", b"path", b"split", b"labels", b"1e400", b"NaN"),
]


def mutated(seed: bytes, draw: random.Random) -> bytes:
    """A text with one to four pieces put in, cut out or doubled."""
    content = bytearray(seed)
    for _ in range(draw.randint(1, 4)):
        at, to = sorted(draw.randint(0, len(content)) for _ in "ab")
        kind = draw.randint(0, 2)
        if kind == 0:
            content[at:at] = draw.choice(PIECES)
        elif kind == 1:
            del content[at : min(to, at + 9)]
        else:
            content[at:at] = content[at:to]
    return bytes(content)


def test_mutated_lists_never_end_in_a_traceback(videos, tmp_path):
    """Read, or refused by one line: whatever a damaged list says."""
    seeds = {
        "txt": b"jump/a.mp4 164 0\nrun/d.mp4 90 1\njump/b c.mp4 12 0\n",
        "csv": b'path,label,split,group\njump/a.mp4,jump,train,"x, y"\nrun/d.mp4,run,,z\n',
        "json": b'{"database": {"a": {"annotations": [{"label": "j"}], "subset": "val"}}}',
        "jsonl": b'{"id": "a", "label": 1}\n{"id": "d", "template": "x [y]"}\n',
    }
    draw = random.Random(7)
    refused = 0
    began = time.process_time()
    for count in range(400):
        suffix = sorted(seeds)[count % 4]
        content = mutated(seeds[suffix], draw)
        source = write(tmp_path / f"l.{suffix}", content)
        try:
            load("list", videos=videos, splits=source)
        except DatasetError as error:
            refused += 1
            assert "\n" not in str(error), content
    assert 100 < refused < 400
    assert time.process_time() - began < 10


@pytest.mark.parametrize(
    "text",
    ["1 " * 50_000 + "x", "z\t" * 50_000, '"' * 100_000, "," * 100_000, "a" * 10**6],
)
def test_an_endless_line_takes_no_time(videos, tmp_path, text):
    began = time.process_time()
    with pytest.raises(DatasetError):
        load("list", videos=videos, splits=write(tmp_path / "l.txt", text))
    assert time.process_time() - began < 2


DOCUMENT = (Path(__file__).parents[3] / "docs" / "lists.md").read_text()
EXAMPLES = re.findall(r"^```\w+ (\S+)\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)


def test_the_document_has_an_example_of_every_kind():
    assert len(EXAMPLES) == 12
    assert len(dict(EXAMPLES)) == 12


@pytest.mark.parametrize(("name", "text"), EXAMPLES)
def test_an_example_of_the_document_is_read_as_it_says(tmp_path, name, text):
    tree = re.search(r"^```text\n(DIR/.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert tree
    drawn(tmp_path, *tree[1].splitlines())
    dataset = load("list", videos=tmp_path / "DIR", splits=write(tmp_path / name, text))
    found = labels(dataset)
    assert {"jump/a.mp4"} < set(found) and dataset.classes == ("jump", "run")
    for path, label in found.items():
        expected = (
            "jump + run"
            if name == "several.csv" and path[0] == "j"
            else path.split("/")[0]
        )
        assert label == expected
    assert not {"missing", "unlabelled"} & {each.kind for each in dataset.findings}


OFFICIAL = {
    "ucf101": {
        "classInd.txt": b"1 YoYo\n2 Archery\n",
        "trainlist01.txt": b"YoYo/v_YoYo_g01_c01.avi 1\nArchery/v_Archery_g01_c01.avi 2\n",
        "testlist01.txt": b"YoYo/v_YoYo_g02_c01.avi\n",
    },
    "hmdb51": {
        "wave_test_split1.txt": b"Film_wave_f_nm_np1_fr_med_0.avi 1 \nb_wave_0.avi 2 \n",
    },
    "thumos14": {
        "YoYo_val.txt": b"video_validation_0000051  1.5 2.5\n",
        "Ambiguous_val.txt": b"video_validation_0000051  5.5 6.5\n",
        "th_durations.txt": b"video_validation_0000051.mp4\n9.5\n",
        "th_avoid_videos.txt": b"video_validation_0000051\tYoYo\n",
    },
}
FILES = ("v_YoYo_g01_c01.avi", "Film_wave_f_nm_np1_fr_med_0.avi", "b_wave_0.avi")


@pytest.mark.parametrize("adapter", OFFICIAL)
def test_mutated_official_lists_never_end_in_a_traceback(tmp_path, adapter):
    folder = drawn(tmp_path / "videos", *FILES, "video_validation_0000051.mp4")
    texts = OFFICIAL[adapter]
    for name, text in texts.items():
        write(tmp_path / "lists" / name, text)
    assert len(load(adapter, videos=folder, splits=tmp_path / "lists").videos) in (1, 2)
    draw = random.Random(7)
    refused = 0
    for count in range(120):
        name = sorted(texts)[count % len(texts)]
        write(tmp_path / "lists" / name, mutated(texts[name], draw))
        try:
            load(adapter, videos=folder, splits=tmp_path / "lists")
        except DatasetError as error:
            refused += 1
            assert "\n" not in str(error)
        write(tmp_path / "lists" / name, texts[name])
    assert refused > 20 and load(adapter, videos=folder, splits=tmp_path / "lists")


@pytest.mark.parametrize("word", ["nan", "inf", "-inf", "1e400"])
def test_stretches_end_at_a_number_of_seconds(tmp_path, word):
    folder = drawn(tmp_path / "videos", "video_validation_0000051.mp4")
    write(tmp_path / "l" / "YoYo_val.txt", f"video_validation_0000051 1.5 {word}\n")
    with pytest.raises(DatasetError, match="YoYo_val.txt:1: .*two times in seconds"):
        load("thumos14", videos=folder, splits=tmp_path / "l")
