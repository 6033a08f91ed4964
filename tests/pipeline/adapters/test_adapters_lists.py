"""Lists of one's own, as text and CSV, and the adapters `folder` and `list`."""

from pathlib import Path

import pytest

from pipeline.adapters import DatasetError, DatasetNotFound, load, report, split_lists


@pytest.fixture(autouse=True)
def no_usual_places(monkeypatch, tmp_path):
    monkeypatch.setenv("VIDEO_DATA", str(tmp_path / "nowhere"))


def put(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"video " + name.encode())
    return folder


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return path


def kinds(dataset) -> dict[str, tuple[str, ...]]:
    return {finding.kind: finding.names for finding in dataset.findings}


def splits(dataset) -> dict[str, dict[str, str]]:
    return {video.id: dict(video.splits) for video in dataset.videos}


def labels(dataset) -> dict[str, list[str]]:
    return {
        video.id: [dataset.classes[label] for label in video.labels]
        for video in dataset.videos
    }


@pytest.fixture
def videos(tmp_path) -> Path:
    """Two classes of three videos."""
    return put(
        tmp_path / "videos",
        *(
            f"{name}/{name}_{number}.mp4"
            for name in ("jump", "run")
            for number in (1, 2, 3)
        ),
    )


def test_crlf_blanks_and_a_byte_order_mark_do_not_belong_to_names(tmp_path):
    path = write(
        tmp_path / "l.txt", "\ufeffa b.avi 1 \r\n\r\nc!#&()+-;@[]~.avi 2\r\nd\r\n"
    )
    entries = split_lists.entries(path)
    assert [(entry.name, entry.number) for entry in entries] == [
        ("a b.avi", 1),
        ("c!#&()+-;@[]~.avi", 2),
        ("d", None),
    ]
    assert entries[1].where == f"{path}:3"


def test_frames_of_a_tsn_list_are_not_its_label(tmp_path):
    entry = split_lists.entries(write(tmp_path / "l.txt", "v_YoYo_g01_c01 164 100\n"))[
        0
    ]
    assert (entry.name, entry.number) == ("v_YoYo_g01_c01", 100)


@pytest.mark.parametrize("name", ["/etc/passwd", "../x.avi", "a/../../x.avi"])
def test_names_that_lead_outside_are_refused_with_their_line(videos, tmp_path, name):
    text = write(tmp_path / "l.txt", f"jump/jump_1.mp4 1\n{name} 2\n")
    table = write(tmp_path / "l.csv", f"path,label\njump/jump_1.mp4,a\n{name},b\n")
    for source, line in ((text, 2), (table, 3)):
        with pytest.raises(DatasetError, match=f"{source.name}:{line}: .* inside"):
            load("list", videos=videos, splits=source)


def test_lists_in_another_encoding_are_refused_with_their_line(tmp_path):
    path = tmp_path / "l.txt"
    path.write_bytes(b"a.avi 1\ncaf\xe9.avi 2\n")
    with pytest.raises(DatasetError, match=r"l.txt:2: expected text in UTF-8.*0xe9"):
        split_lists.entries(path)


@pytest.mark.parametrize(
    ("names", "pairs"),
    [
        (["trainlist01.txt", "testlist01.txt"], [("1", True)]),
        (["trainlist_dev.txt", "testlist_dev.txt", "classInd_7.txt"], [("dev", True)]),
        (["x_train_split_2_videos.txt", "x_val_split_2_videos.txt"], [("2", True)]),
        (["train.txt", "val.txt", "test.txt", "latest.txt"], [("1", True)]),
        (["trainlist03.txt"], [("3", False)]),
    ],
)
def test_pairs_of_lists_are_found_by_their_names(tmp_path, names, pairs):
    for name in names:
        write(tmp_path / name, "a 1\n")
    found = split_lists.find_pairs(tmp_path)
    assert [(pair.split, pair.test is not None) for pair in found] == pairs
    assert not found[0].test or "val" not in found[0].test.name or len(names) == 2


def test_two_lists_for_one_part_and_a_test_list_alone_are_refused(tmp_path):
    write(tmp_path / "trainlist1.txt", "a 1\n")
    write(tmp_path / "trainlist01.txt", "a 1\n")
    with pytest.raises(DatasetError, match="trainlist01.txt and trainlist1.txt"):
        split_lists.find_pairs(tmp_path)
    write(tmp_path / "b" / "testlist01.txt", "a 1\n")
    with pytest.raises(DatasetError, match="train list beside it"):
        split_lists.find_pairs(tmp_path / "b")


def test_subfolders_are_classes_and_every_video_a_group(videos):
    dataset = load("folder", videos=videos)
    assert dataset.classes == ("jump", "run")
    assert labels(dataset)["run/run_2"] == ["run"]
    assert [video.group for video in dataset.videos] == [v.id for v in dataset.videos]
    assert dataset.splits == {} and dataset.findings == ()


def test_a_table_gives_splits_and_groups_to_a_folder_of_classes(videos, tmp_path):
    table = write(
        tmp_path / "groups.csv",
        "path,group,split\njump/jump_1.mp4,ann,train\nrun/run_1.mp4,ann,train\n"
        "jump/jump_2.mp4,bob,test\n",
    )
    dataset = load("folder", videos=videos, splits=table)
    assert len(dataset.videos) == 6 and dataset.classes == ("jump", "run")
    groups = {video.id: video.group for video in dataset.videos}
    assert groups["run/run_1"] == "ann" and groups["run/run_2"] == "run/run_2"
    assert splits(dataset)["jump/jump_2"] == {"1": "test"}


def test_videos_directly_in_the_folder_are_unlabelled(tmp_path):
    dataset = load("folder", videos=put(tmp_path, "a.mp4", "b.mp4"))
    assert dataset.classes == ()
    assert labels(dataset) == {"a": [], "b": []}
    assert kinds(dataset) == {"untrainable": (), "unlabelled": ("a.mp4", "b.mp4")}
    assert "warning: no class: training on" in report.text(dataset).splitlines()[1]


def test_classes_one_folder_deeper_are_found(tmp_path):
    put(tmp_path, "data/jump/a.mp4", "data/run/b.mp4")
    dataset = load("folder", videos=tmp_path)
    assert dataset.folder == tmp_path / "data"
    assert dataset.classes == ("jump", "run")


def test_lists_that_lie_in_the_folder_give_a_split_that_is_not_official(videos):
    write(videos / "trainlist_dev.txt", "jump/jump_1.mp4 1\r\nrun/run_1.mp4 2\r\n")
    write(videos / "testlist_dev.txt", "jump/jump_2.mp4\r\nrun/run_2.mp4\r\n")
    dataset = load("folder", videos=videos)
    assert dataset.splits == {"dev": "lists"}
    assert splits(dataset)["jump/jump_1"] == {"dev": "train"}
    assert splits(dataset)["run/run_2"] == {"dev": "test"}
    assert kinds(dataset) == {"unlisted": ("jump/jump_3.mp4", "run/run_3.mp4")}


def test_another_suffix_and_case_in_the_lists_are_reported_not_refused(
    videos, tmp_path
):
    folder = tmp_path / "lists"
    write(folder / "trainlist01.txt", "jump/jump_1.avi 1\nrun/RUN_1.mp4 2\n")
    write(folder / "testlist01.txt", "jump_2.mp4 1\n")
    dataset = load("folder", videos=videos, splits=folder)
    assert splits(dataset)["jump/jump_2"] == {"1": "test"}
    found = kinds(dataset)
    assert found["extension"] == ("jump/jump_1.avi -> jump/jump_1.mp4",)
    assert found["case"] == ("run/RUN_1.mp4 -> run/run_1.mp4",)


def test_lists_of_other_videos_and_missing_lists_are_refused(videos, tmp_path):
    folder = tmp_path / "lists"
    write(folder / "trainlist01.txt", "YoYo/v_YoYo_g01_c01.avi 1\n")
    with pytest.raises(DatasetError, match="none of the 1 videos that these lists"):
        load("folder", videos=videos, splits=folder)
    with pytest.raises(DatasetNotFound, match="found nothing: .*/no"):
        load("folder", videos=videos, splits=tmp_path / "no")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetNotFound, match="expected lists like"):
        load("folder", videos=videos, splits=tmp_path / "empty")


def test_a_class_that_contradicts_its_folder_is_refused(videos, tmp_path):
    write(tmp_path / "lists" / "classInd.txt", "1 jump\n2 run\n")
    write(
        tmp_path / "lists" / "trainlist01.txt", "jump/jump_1.mp4 1\njump/jump_2.mp4 2\n"
    )
    with pytest.raises(
        DatasetError, match=r"trainlist01.txt:2: .*agrees with the folder"
    ):
        load("folder", videos=videos, splits=tmp_path / "lists")


def test_a_video_on_both_sides_of_a_split_is_refused(videos, tmp_path):
    write(tmp_path / "lists" / "trainlist01.txt", "jump/jump_1.mp4 1\n")
    write(tmp_path / "lists" / "testlist01.txt", "jump/jump_1.mp4\n")
    with pytest.raises(DatasetError, match=r"testlist01.txt:1: .*came before"):
        load("folder", videos=videos, splits=tmp_path / "lists")


def test_a_table_gives_labels_splits_and_groups(tmp_path):
    put(tmp_path / "videos", "a, 1.mp4", "b.mp4", "c.mp4", "d.mp4")
    table = write(
        tmp_path / "list.csv",
        "\ufeffpath,label,split,split_b,group,fps\r\n"
        '"a, 1.mp4",run,train,test,ann,25\r\nb.mp4,"jump, high",val,,bob,25\r\n'
        "c.mp4,run,Train,-,ann,25\r\n",
    )
    dataset = load("list", videos=tmp_path / "videos", splits=table)
    assert dataset.classes == ("jump, high", "run")
    assert splits(dataset) == {
        "a, 1": {"1": "train", "b": "test"},
        "b": {"1": "test"},
        "c": {"1": "train"},
    }
    assert [video.group for video in dataset.videos] == ["ann", "bob", "ann"]
    assert dataset.splits == {"1": "lists", "b": "lists"}
    assert kinds(dataset)["unexpected"] == ("d.mp4",)


def test_validation_videos_are_unused_where_there_are_test_videos(videos, tmp_path):
    table = write(
        tmp_path / "l.csv",
        "path;subset\njump/jump_1.mp4;train\njump/jump_2.mp4;val\njump/jump_3.mp4;test\n",
    )
    dataset = load("list", videos=videos, splits=table)
    assert [dict(video.splits) for video in dataset.videos] == [
        {"1": "train"},
        {},
        {"1": "test"},
    ]
    assert dataset.classes == ("jump",), "without a label the folder is the class"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "datei,klasse\njump/jump_1.mp4,run\n",
            "l.csv:1: expected a header with a column 'path'",
        ),
        ("pathh,label\njump/jump_1.mp4,run\n", "l.csv:1: .*'pathh' for 'path'"),
        ("path,label\njump/jump_1.mp4\n", "l.csv:2: expected 2 cells .* got 1"),
        ("path,file\na,b\n", "l.csv:1: expected one column 'path', got two"),
        ("path,split\njump/jump_1.mp4,maybe\n", "l.csv:2: .*got 'maybe'"),
        (
            "path\njump/jump_1.mp4\n\njump/jump_1.mp4\n",
            "l.csv:4: .*came before, at .*:2",
        ),
        ("path\njump/jump_1.mp4\njump/jump_1\n", "l.csv:3: .*came before"),
        ("path,label\n,run\n", "l.csv:2: expected a path"),
        ('path,label\n"jump/jump_1.mp4,run\n', "l.csv:"),
        ("path,label\n", "expected rows below the header"),
        ("path,label\nnone.mp4,run\n", "none of the 1 videos that .*none.mp4"),
    ],
)
def test_a_broken_table_is_refused_with_its_line(videos, tmp_path, text, message):
    with pytest.raises(DatasetError, match=message):
        load("list", videos=videos, splits=write(tmp_path / "l.csv", text))


def test_missing_files_of_a_table_are_a_finding(videos, tmp_path):
    table = write(tmp_path / "l.csv", "path,label\njump/jump_1.mp4,a\ngone.mp4,b\n")
    dataset = load("list", videos=videos, splits=table)
    assert dataset.classes == ("a",)
    assert kinds(dataset)["missing"] == ("gone.mp4",)


def test_numbers_take_their_names_from_the_class_index(tmp_path):
    put(tmp_path / "videos", "a.mp4", "b.mp4")
    write(tmp_path / "lists" / "classInd.txt", "1 run\r\n2 jump\r\n3 sit\r\n")
    source = write(tmp_path / "lists" / "list.txt", "a.mp4 90 2\nb.mp4 80 1\n")
    dataset = load("list", videos=tmp_path / "videos", splits=source)
    assert dataset.classes == ("run", "jump")
    assert labels(dataset) == {"a": ["jump"], "b": ["run"]}


def test_numbers_from_zero_are_understood_where_only_they_fit(videos, tmp_path):
    write(tmp_path / "lists" / "classInd.txt", "1 jump\n2 run\n")
    source = write(tmp_path / "lists" / "l.txt", "jump/jump_1 9 0\nrun/run_1 9 1\n")
    dataset = load("list", videos=videos, splits=source)
    assert labels(dataset) == {"jump/jump_1": ["jump"], "run/run_1": ["run"]}


def test_numbers_without_an_index_are_named_by_folders_or_by_themselves(
    videos, tmp_path
):
    paired = write(tmp_path / "p.txt", "run/run_1.mp4 0\njump/jump_1.mp4 1\n")
    assert load("list", videos=videos, splits=paired).classes == ("run", "jump")
    crossed = write(tmp_path / "c.txt", "run/run_1.mp4 7\nrun/run_2.mp4 10\n")
    assert load("list", videos=videos, splits=crossed).classes == ("7", "10")


def test_a_number_that_the_index_lacks_is_refused_with_its_line(videos, tmp_path):
    write(tmp_path / "lists" / "classInd.txt", "1 jump\n2 run\n")
    source = write(tmp_path / "lists" / "l.txt", "jump/jump_1.mp4 1\nrun/run_1.mp4 9\n")
    with pytest.raises(DatasetError, match="l.txt:2: .*classInd.txt"):
        load("list", videos=videos, splits=source)


def test_several_lists_in_a_folder_ask_for_a_choice(videos):
    write(videos / "one.csv", "path\n")
    write(videos / "two.csv", "path\n")
    with pytest.raises(DatasetError, match="one.csv, two.csv: name one"):
        load("list", videos=videos)


def test_files_of_equal_content_are_named_with_what_is_wrong_about_it(tmp_path):
    put(tmp_path, "jump/a.mp4", "run/b.mp4")
    for name in ("jump/c.mp4", "run/c.mp4"):
        (tmp_path / name).write_bytes(b"same" * 50_000)
    (tmp_path / "run" / "d.mp4").write_bytes(b"same" * 49_999 + b"Same")
    write(tmp_path / "trainlist1.txt", "jump/c.mp4 1\n")
    write(tmp_path / "testlist1.txt", "run/c.mp4 2\n")
    dataset = load("folder", videos=tmp_path)
    found = [each for each in dataset.findings if each.kind == "duplicate"]
    assert [each.names for each in found] == [("jump/c.mp4 = run/c.mp4",)]
    assert "both sides of a split: 1" in found[0].text
    assert "other labels: 1" in found[0].text


@pytest.mark.parametrize(
    ("lists", "said"),
    [
        (
            {"testlist01.txt": "jump/jump_1 1\n"},
            "testlist01.txt: expected a train list",
        ),
        (
            {"trainlist01.txt": "other_1 1\n", "testlist01.txt": "other_2 1\n"},
            "none of the 2 videos that these lists name",
        ),
        ({"train1.txt": "a 1\n", "train01.txt": "a 1\n"}, "expected one train list"),
    ],
)
def test_lists_that_lie_about_in_a_folder_do_not_stop_it(videos, lists, said):
    for name, text in lists.items():
        write(videos / name, text)
    dataset = load("folder", videos=videos)
    assert len(dataset.videos) == 6 and dataset.splits == {}
    strays = [f.text for f in dataset.findings if f.kind == "stray list"]
    assert len(strays) == 1 and said in strays[0]
    with pytest.raises(DatasetError, match=said):
        load("folder", videos=videos, splits=videos)


def test_columns_that_are_not_read_are_named(tmp_path, videos):
    """A misspelt `splt` must not lose the split without a word."""
    rows = (
        "path,label,splt,Note\njump/jump_1.mp4,jump,train,x\nrun/run_1.mp4,run,test,y\n"
    )
    found = load("list", videos=videos, splits=write(tmp_path / "l.csv", rows))
    assert not found.splits
    assert found.facts == ("lists read: l.csv (columns not read: splt, Note)",)
