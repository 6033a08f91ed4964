"""What is recorded of odd videos, and told at the end of a run and by `info`."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from encoded import LAST_FRAME_ONLY, encode, packets_of, rgb_frames
from small_videos import data_set

from pipeline.adapters import Segment
from pipeline.commands.cli import main
from pipeline.driver.extraction import extract
from pipeline.driver.summary import Summary
from pipeline.executors.choose import Execution
from pipeline.extract.settings import ExtractSettings
from pipeline.inspection import status as upkeep
from pipeline.store import Store


def stored(folder: Path, modalities=("mv",), **settings) -> tuple[Summary, Path]:
    """A store of the folder's videos, made in this process."""
    out = folder.parent / "store"
    summary = extract(
        data_set(folder),
        ExtractSettings(short_side=32, **settings).only(modalities),
        out=out,
        execution=Execution(ray="off", workers=0),
    )
    return summary, out


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "videos/a").mkdir(parents=True)
    return tmp_path / "videos"


def noise(frames: int) -> list:
    return rgb_frames(
        np.random.default_rng(0).integers(0, 256, (frames, 32, 48, 3), np.uint8)
    )


def test_videos_without_known_vectors_are_told_and_shown(folder: Path):
    moving = [frame.to_ndarray() for frame in noise(1) * 9]
    moving = rgb_frames(np.stack([np.roll(f, n, 1) for n, f in enumerate(moving)]))
    encode(folder / "a/known.mp4", moving, options=LAST_FRAME_ONLY | {"g": "3"})
    encode(folder / "a/vp8.webm", noise(4), codec="libvpx")
    encode(folder / "a/still.mp4", noise(1))
    summary, out = stored(folder, mv_source="original")
    assert summary.remarkable["without_known_vectors"] == ("a/vp8",)
    assert "1 video without any known motion vector" in summary.text()
    assert summary.text().endswith(": a/vp8")
    assert summary.to_dict()["without_known_vectors"] == ["a/vp8"]
    shares = {video.id: video.known_share for video in Store(out).videos()}
    assert shares == {"a/known": 6 / 8, "a/vp8": 0, "a/still": None}
    assert upkeep.info(out)["known_share"] == round(6 / 11, 4)
    assert upkeep.info(out)["without_known_vectors"] == 1
    assert "videos without known motion vectors: 1" in upkeep.lines(upkeep.info(out))
    assert upkeep.info(out, "a/known")["known_share"] == 0.75


def test_the_share_of_known_vectors_is_null_without_vectors(folder: Path):
    encode(folder / "a/v.mp4", noise(3))
    summary, out = stored(folder, ("rgb",))
    (video,) = Store(out).videos()
    assert video.known_share is None and upkeep.info(out)["known_share"] is None
    assert not any(summary.remarkable.values())


def test_damage_and_missing_ends_are_recorded_and_told(folder: Path):
    frames = [frame.reformat(format="yuvj420p") for frame in noise(8)]
    for name in ("sound", "damaged", "cut"):
        encode(folder / f"a/{name}.avi", frames, codec="mjpeg", pix_fmt="yuvj420p")
    path = folder / "a/damaged.avi"
    octets = path.read_bytes()
    fourth = packets_of(path)[3]
    path.write_bytes(octets.replace(fourth, bytes(len(fourth))))
    path = folder / "a/cut.avi"
    path.write_bytes(octets[: len(octets) // 2])
    summary, out = stored(folder, ("rgb", "mv"))
    videos = {video.id: video for video in Store(out).videos()}
    assert {name: v.damaged for name, v in videos.items()} == {
        "a/cut": 1,
        "a/damaged": 1,
        "a/sound": 0,
    }
    missing = len(octets) - len(octets) // 2
    assert videos["a/cut"].missing_bytes == missing and videos["a/cut"].frames < 8
    assert videos["a/damaged"].missing_bytes == videos["a/sound"].missing_bytes == 0
    assert videos["a/damaged"].frames == 7
    assert summary.remarkable["cut_short"] == ("a/cut",)
    assert summary.remarkable["damaged"] == ("a/cut", "a/damaged")
    assert "2 videos with damaged packets or frames" in summary.text()
    assert (
        "1 video truncated: the file ends before the end stated in its container"
        in summary.text()
    )
    facts = upkeep.info(out)
    assert (facts["damaged"], facts["cut_short"]) == (2, 1)


@pytest.mark.parametrize(("degrees", "size"), ((90, (48, 32)), (45, (32, 48))))
def test_turns_are_recorded_and_odd_ones_told(folder: Path, degrees, size):
    """PyAV's rotation is counterclockwise."""
    encode(folder / "a/v.mp4", noise(2), rotation=-degrees)
    summary, out = stored(folder, ("rgb",))
    (video,) = Store(out).videos()
    assert (video.height, video.width, video.rotation) == (*size, degrees)
    assert (video.source_height, video.source_width) == (32, 48)
    assert bool(summary.remarkable["askew"]) == (degrees == 45)


def pipeline(*arguments: object) -> str:
    """What a command prints; the videos are stored in this process."""
    given = [str(argument) for argument in arguments]
    result = CliRunner().invoke(main, given)
    assert result.exit_code == 0, result.output
    return result.output


def test_only_an_explicit_short_side_enlarges_and_plan_and_summary_say_so(folder: Path):
    encode(folder / "a/small.mp4", noise(2))
    big = [frame.reformat(width=600, height=400) for frame in noise(2)]
    encode(folder / "a/big.mp4", big)
    source = ("--dataset", "folder", "--videos", folder, "--modalities", "rgb")
    here = ("--workers", 0, "--ray", "off", "--out")
    own, asked = folder.parent / "own", folder.parent / "asked"
    said = pipeline("extract", *source, *here, own)
    assert "stored size: 384x256 px (1 video), 48x32 px (1 video); short sides" in said
    assert "from 32 to 256 px, and motion is measured in these pixels" in said
    assert "enlarged" not in said + pipeline("plan", *source, *here, own / "new")
    larger = (*source, "--short-side", 64, *here, asked)
    planned = pipeline("plan", *larger)
    assert (
        "stored size, by the files' headers: 96x64 px; 1 of 2 enlarged to the requested"
        in planned
    )
    said = pipeline("extract", *larger)
    assert "stored size: 96x64 px" in said
    assert "1 video enlarged to the requested short side: a/small" in said
    assert Store(asked).settings["common"]["enlarge"] is True
    assert json.loads(pipeline("info", asked, "--json"))["sizes"] == {"96x64": 2}
    for store in (own, asked):  # begun, it keeps its sizes
        assert "nothing to extract" in pipeline("extract", *source, *here, store)


def test_a_store_keeps_the_shape_of_its_pixels(folder: Path):
    encode(folder / "a/v.mp4", noise(2), pixel_aspect=Fraction(4, 3))
    source = ("--dataset", "folder", "--videos", folder, "--modalities", "rgb")
    here = ("--workers", 0, "--ray", "off", "--out")
    square, coded = folder.parent / "square", folder.parent / "coded"
    for store, option, size in (
        (square, (), (32, 64)),
        (coded, ("--no-square-pixels",), (32, 48)),
    ):
        pipeline("extract", *source, *option, *here, store)
        (video,) = Store(store).videos()
        assert (video.height, video.width) == size
        assert video.pixel_aspect == pytest.approx(4 / 3)
        assert "pixel_aspect: 1.33" in pipeline("info", store, "a/v")
        assert "nothing to extract" in pipeline("extract", *source, *here, store)
    refused = ("extract", *source, "--square-pixels", *here, coded)
    result = CliRunner().invoke(main, [str(argument) for argument in refused])
    assert result.exit_code == 1
    assert (
        "the store was made with pixels as coded, this run asks for square pixels"
        in result.output
    )


def test_stretches_beyond_the_end_of_a_shorter_copy_are_told(folder: Path):
    for name in ("early", "late", "rounded"):
        encode(folder / f"a/{name}.mp4", noise(5), rate=25)
    whole = data_set(folder)
    ends = {"a/early": 0.2, "a/late": 0.75, "a/rounded": 0.65}
    videos = tuple(
        replace(video, segments=(Segment(0, 0.0, ends[video.id]),))
        for video in whole.videos
    )
    summary = extract(
        replace(whole, videos=videos),
        ExtractSettings(short_side=32).only(["rgb"]),
        out=folder.parent / "store",
        execution=Execution(ray="off", workers=0),
    )
    assert summary.remarkable["stretches_beyond_end"] == ("a/late",)
    assert "that end more than 0.5 s after their video: a/late" in summary.text()
