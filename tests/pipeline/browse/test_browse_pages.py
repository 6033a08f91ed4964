"""Pages of a store whose names are hostile: what they say, show and leave alone."""

import errno
import io
import json
import os
import re
import signal
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from hostile import CLASSES, assert_harmless
from tiny_store import write_store

from pipeline.browse import build, folder
from pipeline.browse.charts import bin_width
from pipeline.browse.clip import LINE_PX, panel_size, shown_frames, wheel_colours
from pipeline.browse.errors import FolderInUse
from pipeline.browse.oddities import Copies, oddities_of
from pipeline.commands.cli import main
from pipeline.store import Store, motion_colours

IDS = ("<script>alert(1)</script>/a", "b\"' onerror=x &lt;", f"c/{CLASSES[2]}", "d/one")
FRAMES = (20, 3, 40, 1)
"""Of the videos of `hostile_store`."""


def data_of(sheet: Path) -> dict:
    """The data that a sheet hands to its script."""
    (text,) = re.findall(
        r'<script type="application/json" id="videos">(.*?)</script>',
        sheet.read_text("utf-8"),
        re.DOTALL,
    )
    found: dict = json.loads(text)
    found["videos"] = [
        dict(zip(found["fields"], row, strict=True)) for row in found["rows"]
    ]
    return found


class Elements(HTMLParser):
    """Names, attributes and words of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_sheets_have_the_facts_of_the_index(page: Path) -> None:
    found = data_of(page / "all.html")
    videos = found["videos"]
    assert [video["frames"] for video in videos] == list(FRAMES)
    assert videos[0]["id"] == IDS[0] and videos[2]["id"] != IDS[2]  # marks are escapes
    assert [video["classes"] for video in videos] == [[0], [1], [0], [1]]
    parts = [found["splits"][video["splits"]]["split1"] for video in videos]
    assert parts == ["train", "test", "test", "train"]
    kinds = [[found["oddities"][i][0] for i in video["odd"]] for video in videos]
    assert kinds[0] == kinds[2] == ["duplicate", "leak"]  # all of one hash
    assert kinds[1] == kinds[3] == ["short", "duplicate", "leak"]
    assert [video["moves"] for video in videos] == [1, 1, 1, 0]
    for number, those in ((1, videos[0::2]), (2, videos[1::2])):
        sheet = data_of(page / "class" / f"000{number}.html")["videos"]
        assert [video["id"] for video in sheet] == [video["id"] for video in those]


def test_the_overview_counts_and_names_what_is_left_out(page: Path) -> None:
    words = Elements((page / "index.html").read_text("utf-8")).words
    text = " ".join(words)
    assert "list" in words and "64 frames" in words and "f00d" in words
    assert "2 train" in words and "2 test" in words
    assert "x/<b>bold</b>.avi" in words and "quarantined" in words
    assert "no video stream\\n<i>at all</i>" in words
    assert "another video has the same bytes" in text


def test_names_are_never_markup(page: Path) -> None:
    sheets = sorted(page.rglob("*.html"))
    assert [sheet.name for sheet in sheets] == [
        "all.html",
        *("0001.html", "0002.html", "index.html"),
    ]
    for sheet in sheets:
        text = sheet.read_text("utf-8")
        found = Elements(text)
        assert not {"b-bold", "i-at", "onerror"} & set(found.attributes)
        assert "alert(1)" not in "".join(re.findall(r"<[^>]*>", text))
        assert found.names.count("script") == 1 + (sheet.name != "index.html")
        (policy,) = re.findall(r'Policy" content="([^"]*)"', text)
        assert (
            policy.startswith("default-src 'none'") and "script-src 'sha256-" in policy
        )
        body = re.sub(r"<(style|script).*?</\1>", "", text, flags=re.DOTALL)
        assert_harmless(body)
        assert not re.search(r"(src|href)=\"?(https?:)?//", text)


def test_panels_show_the_rows_of_the_store(hostile_store: Path, page: Path) -> None:
    reader = Store(hostile_store)
    video = reader.video(IDS[0])
    rgb, flow, mv = (reader.read(video.id, name) for name in ("rgb", "flow", "mv"))
    valid = reader.read(video.id, "mv_valid")
    (row,) = (v for v in data_of(page / "all.html")["videos"] if v["id"] == IDS[0])
    tall, wide = panel_size(35, 50)
    with av.open(
        io.BytesIO((page / "media" / "0" / f"{row['number']}.mp4").read_bytes())
    ) as movie:
        assert movie.streams.video[0].average_rate == 25
        frames = [f.to_ndarray(format="rgb24") for f in movie.decode(video=0)]
    assert len(frames) == 19 and not valid.all()
    lengths = np.hypot(flow[..., 0], flow[..., 1])
    assert row["bound"] == max(1, int(np.ceil(np.percentile(lengths, 99))))
    for k, frame in enumerate(frames):
        assert frame.shape == (tall, 3 * wide + 2 * LINE_PX, 3)
        panels = [
            frame[:, i * (wide + LINE_PX) :][:, :wide].astype(int) for i in range(3)
        ]
        small = cv2.resize(rgb[k], (wide, tall), interpolation=cv2.INTER_AREA)
        assert np.abs(panels[0] - small).mean() < 16
        colours = motion_colours(flow[k], bound_px=row["bound"])
        small = cv2.resize(colours, (wide, tall), interpolation=cv2.INTER_AREA)
        assert np.abs(panels[1] - small).mean() < 16
        cells = motion_colours(mv[k], bound_px=row["bound"])
        whole = cells.repeat(8, axis=0).repeat(8, axis=1)[:tall, :wide]
        if valid[k]:
            assert np.median(np.abs(panels[2] - whole)) < 15
        else:  # white, and one pixel of four is a grey line
            assert np.mean(panels[2].mean(-1) < 215) == pytest.approx(0.25, abs=0.08)


def test_stills_show_the_frame_with_most_motion(
    hostile_store: Path, page: Path
) -> None:
    flow = Store(hostile_store).read(IDS[1], "flow")
    valid = Store(hostile_store).read(IDS[1], "mv_valid")
    lengths = np.where(valid, np.hypot(flow[..., 0], flow[..., 1]).mean((1, 2)), -1)
    still = cv2.imread(str(page / "media" / "0" / "1.webp"))[..., ::-1].astype(int)
    rgb = Store(hostile_store).read(IDS[1], "rgb")
    tall, wide = panel_size(35, 50)
    apart = [
        np.abs(
            still[:, :wide]
            - cv2.resize(frame, (wide, tall), interpolation=cv2.INTER_AREA)
        ).mean()
        for frame in rgb[:-1]
    ]
    assert np.argmin(apart) == lengths.argmax()


def test_the_same_store_gives_the_same_bytes(
    hostile_store: Path, page: Path, tmp_path
) -> None:
    again = build.browse(hostile_store, tmp_path / "again", workers=0).index.parent
    files = {
        p.relative_to(page): p.read_bytes() for p in page.rglob("*") if p.is_file()
    }
    assert files == {
        p.relative_to(again): p.read_bytes() for p in again.rglob("*") if p.is_file()
    }
    build.browse(
        hostile_store, again, sample=2, workers=0
    )  # older pages may be replaced
    assert len(data_of(again / "all.html")["rows"]) == 2
    assert sorted(os.listdir(tmp_path)) == ["again"]


@pytest.mark.slow
def test_processes_draw_the_same(tmp_path: Path) -> None:
    folder = write_store(tmp_path / "store", [{f"v{i}": 4 for i in range(12)}])
    here, pool = (
        build.browse(folder, tmp_path / f"page{n}", workers=n).index.parent
        for n in (0, 2)
    )
    for path in here.rglob("*.*"):
        assert path.read_bytes() == (pool / path.relative_to(here)).read_bytes()


@pytest.mark.parametrize("stranger", ["index.html", "notes.txt", "media/0/x.png"])
def test_a_folder_of_somebody_else_stays_as_it_is(
    hostile_store: Path, tmp_path: Path, stranger: str
) -> None:
    path = tmp_path / "out" / stranger
    path.parent.mkdir(parents=True)
    path.write_text("mine", "utf-8")
    done = CliRunner().invoke(
        main, ["browse", str(hostile_store), "--out", str(tmp_path / "out")]
    )
    assert done.exit_code == 1 and stranger in done.output
    assert path.read_text("utf-8") == "mine" and os.listdir(tmp_path) == ["out"]


def test_the_store_and_links_are_no_folders_for_pages(
    hostile_store: Path, tmp_path
) -> None:
    before = sorted(os.listdir(hostile_store))
    for out in (hostile_store, hostile_store / "page"):
        with pytest.raises(FolderInUse, match="expected a place apart from"):
            build.browse(hostile_store, out, workers=0)
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FolderInUse, match="something else"):
        build.browse(hostile_store, tmp_path / "link", workers=0)
    assert sorted(os.listdir(hostile_store)) == before


def test_an_interruption_leaves_the_older_pages(
    hostile_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    build.browse(hostile_store, out, sample=1, workers=0)
    before = (out / "all.html").read_bytes()

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(build, "index_page", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build.browse(hostile_store, out, workers=0)
    assert (out / "all.html").read_bytes() == before
    assert os.listdir(tmp_path) == ["out"]


def test_a_damaged_row_is_a_card_and_an_exit_code(tmp_path: Path) -> None:
    folder = write_store(tmp_path / "store", [{"good": 6}, {"rotten": 6}])
    shard = min(folder.glob("rgb-*1*.h5"))
    content = bytearray(shard.read_bytes())
    start = Store(folder).manifest.modalities["rgb"].files[1].data_offset
    content[start : start + 100] = bytes(100)
    shard.write_bytes(content)
    done = CliRunner().invoke(
        main, ["browse", str(folder), "--out", str(tmp_path / "page"), "--workers", "0"]
    )
    assert done.exit_code == 3 and "could not be read: rotten" in done.output
    good, rotten = data_of(tmp_path / "page" / "all.html")["videos"]
    assert good["error"] is None and "rotten: rgb" in rotten["error"]
    assert str(tmp_path) not in rotten["error"]


def test_copies_across_a_split_are_a_leak(hostile_store: Path) -> None:
    one, *_ = Store(hostile_store).videos()
    a = replace(one, id="a", splits={"1": "train", "2": "test"})
    b = replace(one, id="b", splits={"2": "test"})
    c = replace(one, id="c", splits={"1": "test"}, xxh3="cd" * 16)
    kinds = {video.id: oddities_of(video, Copies([a, b, c])) for video in (a, b, c)}
    assert kinds == {"a": ["duplicate"], "b": ["duplicate"], "c": []}
    d = replace(a, id="d", splits={"1": "test"}, clipped_share=0.01, known_share=0.5)
    assert oddities_of(d, Copies([a, d])) == ["clipped", "vectors", "duplicate", "leak"]


def test_long_videos_are_shown_at_their_speed_from_the_middle(
    hostile_store: Path,
) -> None:
    video = Store(hostile_store).video(IDS[0])
    at = {
        (frames, fps): shown_frames(replace(video, frames=frames, fps=fps))
        for frames, fps in ((1, 25), (37, 25), (1001, 25), (1001, 60), (1001, 0))
    }
    assert at[1, 25] == range(1) and at[37, 25] == range(36)
    assert at[1001, 25] == at[1001, 0] == range(464, 536, 2)
    assert at[1001, 60] == range(410, 590, 5)


def test_the_table_of_colours_is_the_wheel() -> None:
    field = np.random.default_rng(0).normal(0, 3, (99, 99, 2)).astype(np.float32)
    off = np.abs(
        wheel_colours(field, 4).astype(int)
        - motion_colours(field, bound_px=4).astype(int)
    )
    rim = np.abs(np.hypot(field[..., 0], field[..., 1]) / 4 - 1) < 0.02
    assert off[~rim].max() <= 3


def test_bins_are_round() -> None:
    assert [bin_width(most) for most in (28.0, 0.96, 15.1, 600.0)] == pytest.approx(
        [1, 0.05, 1, 25]
    )


@pytest.mark.parametrize("exchange", [True, False])
def test_killed_at_any_step_of_replacing_there_is_a_page(
    exchange, tmp_path, monkeypatch
):
    """Before each rename: an old page or the new one, at the latest with the next run."""
    out, beside = tmp_path / "page", tmp_path / "other"
    if not exchange:
        monkeypatch.setattr(folder, "_exchanged", lambda part, out: False)

    def written(text: str, dying_at: int = 0) -> bool:
        """Whether a process that is killed at a step was killed."""
        if not (child := os.fork()):
            count = 0

            def hook(event: str, given: tuple) -> None:
                nonlocal count
                if event not in ("os.rename", "shutil.rmtree"):
                    return
                count += 1
                if count == dying_at:
                    os.kill(os.getpid(), signal.SIGKILL)

            sys.addaudithook(hook)
            with folder.replacing_folder(out, store=None) as part:
                (part / "index.html").write_text(f"{folder.GENERATOR}{text}")
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status in (0, -signal.SIGKILL)
        return status != 0

    def page() -> str:
        return (out / "index.html").read_text().removeprefix(folder.GENERATOR)

    assert not written("0")
    count = 0
    while written(f"{count + 1}", dying_at=count + 1):
        count += 1
        if exchange:
            assert page() in (f"{count - 1}", f"{count}")
        with folder.replacing_folder(beside, store=None) as part:
            (part / "index.html").write_text(folder.GENERATOR)
        with (
            pytest.raises(KeyboardInterrupt),
            folder.replacing_folder(out, store=None),
        ):
            raise KeyboardInterrupt  # the next run, which does not end either
        assert page() in (f"{count - 1}", f"{count}")
        assert not written(f"{count}")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "page"]
    assert count >= (1 if exchange else 3)


def test_a_full_disk_is_said_to_be_that_of_the_page(tmp_path: Path) -> None:
    out = tmp_path / "page"
    with (
        pytest.raises(OSError) as caught,
        folder.replacing_folder(out, store=None) as part,
    ):
        (part / "index.html").write_text("half", "utf-8")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.filename == str(out) and not os.listdir(tmp_path)
