"""The page of recognised videos: its text, what it embeds, what a stranger may name."""

import base64
import html
import os
import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from made_predictions import CLASSES, SUMMARY, prediction, scores, with_segments
from written_videos import flat, read, write

from pipeline.extract.errors import NotAVideo
from training.errors import WriteError
from training.recognition.answers import Prediction, Segment, Window
from training.recognition.outputs.page import open_page
from training.recognition.outputs.page_media import browser_media, played_kind

HOSTILE = "</script><script>alert(1)</script>\"'&<img src=x onerror=alert(2)>\n\u202e"


class Tags(HTMLParser):
    """Elements of a page with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.found if name == tag]


def page_of(path: Path, *predictions: Prediction, **options: int) -> str:
    with open_page(path, predictions[0].model, **options) as page:
        for each in predictions:
            page.add(each)
    return path.read_text("utf-8")


def test_a_page_has_a_section_for_each_video(tmp_path: Path) -> None:
    one = write(tmp_path / "a.mp4", flat(12))
    live = with_segments("rtsp://me:secret@10.0.0.1/yard")
    text = page_of(tmp_path / "p.html", with_segments(one), live)
    assert "secret" not in text
    page = Tags(text)
    sections = page.all("section")
    assert [section["data-seconds"] for section in sections] == ["0.480", "0.480"]
    (video,) = page.all("video")
    kind, _, content = (video["src"] or "").partition(",")
    assert kind == "data:video/mp4;base64"
    assert base64.b64decode(content) == one.read_bytes()
    assert [
        (button["data-start"], button["data-end"], button["data-label"])
        for button in page.all("button")
    ] == [("0.000", "0.200", CLASSES[0]), ("0.200", "0.480", CLASSES[1])] * 2
    assert "0:00.2 to 0:00.5  jump & <b>run</b> 50.0 %" in page.text
    assert "This source is no file that can be shown here." in page.text
    (slider, _) = (each for each in page.all("div") if each.get("role") == "slider")
    assert slider["tabindex"] == "0"
    assert slider["aria-label"] == f"Time of {one}"
    assert slider["aria-valuemax"] == "0.5"


def test_curves_are_the_scores_at_the_middle_of_each_window(tmp_path: Path) -> None:
    """0.48 s are 1000 units wide: middles at 0.1 and 0.3 s; a score of 1 is at the top."""
    page = Tags(page_of(tmp_path / "p.html", with_segments("-")))
    lines = {str(each["points"]) for each in page.all("polyline")}
    assert lines == {
        "0.0,25.0 208.3,25.0 625.0,87.5 833.3,87.5",
        "0.0,75.0 208.3,75.0 625.0,75.0 833.3,75.0",
        "0.0,100.0 208.3,100.0 625.0,37.5 833.3,37.5",
    }


def test_many_windows_make_a_curve_of_few_points(tmp_path: Path) -> None:
    windows = tuple(
        Window(start=k, end=k + 1, scores=scores(k % 2, 0.5, 0.0)) for k in range(8000)
    )
    long = prediction(
        "-", windows=windows, video=replace(SUMMARY, seconds=8000.0), classes=CLASSES
    )
    page = Tags(page_of(tmp_path / "p.html", long))
    points = [str(each["points"]).split() for each in page.all("polyline")]
    assert {len(line) for line in points} == {2002}
    heights = {point.split(",")[1] for line in points for point in line}
    assert heights == {"50.0", "100.0"}  # pairs and more are averaged


def test_curves_are_those_of_the_most_probable_classes(tmp_path: Path) -> None:
    classes = tuple("abcdefghij")
    whole = np.arange(10.0, 0.0, -1.0) / 55  # "a" first
    windows = (Window(start=0.0, end=0.48, scores=whole[::-1]),)
    segments = (Segment(start=0.0, end=0.48, label="j", score=0.2),)
    each = prediction(
        "-", classes=classes, whole=whole, windows=windows, segments=segments
    )
    page = Tags(page_of(tmp_path / "p.html", each))
    colours = {str(line["style"]) for line in page.all("polyline")}
    assert colours == {f"--c:var(--c{number})" for number in range(6)}
    assert page.all("button")[0]["style"] == "--c:var(--c6)"  # the next one


def test_without_windows_there_is_no_timeline(tmp_path: Path) -> None:
    page = Tags(page_of(tmp_path / "p.html", prediction("-")))
    assert not page.all("button") and not page.all("svg")
    assert "jump & <b>run</b>" in page.text


def test_names_are_never_markup(tmp_path: Path) -> None:
    classes = (HOSTILE, "b", "c")
    segments = (Segment(start=0.0, end=0.48, label=HOSTILE, score=0.5),)
    named = prediction(HOSTILE, classes=classes, segments=segments)
    path = tmp_path / "p.html"
    page = Tags(page_of(path, replace(named, model=HOSTILE)))
    (script,) = page.all("script")
    assert script == {}
    assert not page.all("img") and not page.all("video")
    shown = html.unescape(HOSTILE.replace("\n", "\\n").replace("\u202e", "\\u202e"))
    assert f"Actions recognised by {shown}" in page.text
    assert page.all("button")[0]["data-label"] == shown
    (policy,) = (each for each in page.all("meta") if "http-equiv" in each)
    assert str(policy["content"]).startswith("default-src 'none';")


@pytest.fixture(scope="module")
def avi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MPEG-4 in AVI, as of UCF101: no browser plays it."""
    folder = tmp_path_factory.mktemp("avi")
    return write(folder / "a.avi", flat(12, height=480, width=640), codec="mpeg4")


def test_browsers_play_these_kinds(tmp_path: Path, avi: Path) -> None:
    still = flat(2, height=64, width=64)
    plain = write(tmp_path / "a.mp4", still)
    full = write(tmp_path / "b.mp4", still, pix_fmt="yuv444p")
    webm = write(tmp_path / "c.webm", still, codec="libvpx-vp9")
    matroska = write(tmp_path / "d.mkv", still)
    kinds = [played_kind(path) for path in (plain, full, webm, matroska, avi)]
    assert kinds == ["video/mp4", None, "video/webm", None, None]
    (tmp_path / "e.mp4").write_bytes(b"\0\0\0\x18ftypmp42 and nothing")
    with pytest.raises(NotAVideo):
        played_kind(tmp_path / "e.mp4")


def test_others_are_embedded_as_a_smaller_copy(tmp_path: Path, avi: Path) -> None:
    page = Tags(page_of(tmp_path / "p.html", prediction(avi)))
    kind, _, content = str(page.all("video")[0]["src"]).partition(",")
    assert kind == "data:video/mp4;base64"
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(base64.b64decode(content))
    times, frames = read(copy)
    assert times == pytest.approx([k / 25 for k in range(12)], abs=1 / 90_000)
    assert {frame.shape for frame in frames} == {(360, 480, 3)}
    assert played_kind(copy) == "video/mp4"
    damaged = replace(SUMMARY, damaged=1)
    again = prediction(copy, video=damaged)
    page = Tags(page_of(tmp_path / "q.html", again))
    content = str(page.all("video")[0]["src"]).partition(",")[2]
    assert base64.b64decode(content) != copy.read_bytes()


def test_videos_beyond_the_limit_are_linked(tmp_path: Path) -> None:
    folder = tmp_path / "odd # name%"
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (8, 96, 96, 3), np.uint8)
    video = write(folder / 'a "b".mp4', noise, crf="1")
    size = video.stat().st_size
    pages = tmp_path / "pages"
    pages.mkdir()
    each = prediction(video)
    page = page_of(pages / "p.html", each, each, most_bytes=size + 5)
    first, second = Tags(page).all("video")
    assert str(first["src"]).startswith("data:")
    address = "../odd%20%23%20name%25/a%20%22b%22.mp4"
    assert second["src"] == address
    assert Tags(page).all("a")[0]["href"] == address


def test_a_copy_that_turns_out_too_large_is_not_embedded(
    avi: Path, tmp_path: Path
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (25, 360, 480, 3), np.uint8)
    noisy = write(tmp_path / "noise.avi", noise, codec="mpeg4", qmin="2", qmax="2")
    with browser_media(noisy, most_bytes=20_000, seconds=1.0, damaged=False) as media:
        assert media is None
    with browser_media(avi, most_bytes=20_000, seconds=1.0, damaged=False) as media:
        assert media is not None and media.size <= 20_000
    with browser_media(avi, most_bytes=20_000, seconds=600.0, damaged=False) as media:
        assert media is None  # not even tried


def test_names_that_are_no_text_are_linked_byte_for_byte(tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff.mp4")
    video = write(tmp_path / "a.mp4", flat(2))
    video.rename(tmp_path / name)
    each = prediction(tmp_path / name)
    page = Tags(page_of(tmp_path / "p.html", each, most_bytes=0))
    assert page.all("video")[0]["src"] == "%FF.mp4"
    assert f"{tmp_path}/\\xff.mp4" in page.text


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """As on a disk with this much left."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (12, 240, 320, 3), np.uint8)
    video = write(tmp_path / "a.mp4", noise)
    path = tmp_path / "p.html"
    with largest_file(100_000), pytest.raises(WriteError) as caught:
        page_of(path, prediction(video))
    assert str(caught.value) == f"{path}: cannot be written: file too large"
    assert [each.name for each in tmp_path.iterdir()] == ["a.mp4"]


def test_an_interrupted_page_leaves_nothing(tmp_path: Path) -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        open_page(tmp_path / "p.html", "m") as page,
    ):
        page.add(prediction("-"))
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_colours_have_names_in_both_schemes(tmp_path: Path) -> None:
    """Each colour that a class may have is set for light and for dark."""
    text = page_of(tmp_path / "p.html", with_segments("-"))
    for number in range(8):
        assert len(re.findall(rf"--c{number}: #[0-9a-f]{{6}}", text)) == 2
