"""Frames stored as packets of H.264, read from addresses: the rows and frames of the folder."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from s3_server import upload
from small_videos import SETTINGS, data_set, draw_videos
from web_server import WebServer, served

from pipeline.driver.extraction import extract
from pipeline.executors.choose import Execution
from pipeline.management import making
from pipeline.store import Store, verify
from pipeline.store.h264_rgb import H264Rgb

KEYINT, FRAMES = 4, 19
NAMES = ("left/v000", "right/v001")


@pytest.fixture(scope="module")
def packets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of two videos, with a key packet every four frames."""
    top = tmp_path_factory.mktemp("packets")
    draw_videos(top / "clips", 2, frames=FRAMES)
    settings = replace(SETTINGS.only(["rgb"]), rgb_codec=H264Rgb(keyint=KEYINT))
    here = Execution(workers=0)
    extract(data_set(top / "clips"), settings, out=top / "store", execution=here)
    return top / "store"


@pytest.fixture(scope="module")
def server(packets: Path) -> Iterator[WebServer]:
    with served(packets.parent) as server:
        yield server


@pytest.mark.parametrize("kind", ["http", "s3", "cache"])
def test_the_rows_and_frames_are_those_of_the_folder(
    kind, packets, server, s3, tmp_path
):
    address = f"{server.address}/store"
    if kind == "s3":
        upload(packets, "packets/store")
        address = f"{s3}/packets/store"
    there = Store(address, cache=tmp_path if kind == "cache" else None)
    here = Store(packets)
    assert there.manifest.modalities["rgb"].codec["name"] == "h264_rgb"
    for name in NAMES:
        for wanted in (
            {},
            {"start": 6, "stop": 7},
            {"start": 3, "stop": 17, "step": 6},
            {"start": 9, "stop": 15, "crop": (3, 5, 20, 17)},
        ):
            np.testing.assert_array_equal(
                there.read(name, "rgb", **wanted), here.read(name, "rgb", **wanted)
            )
        rows = {"start": 2, "stop": FRAMES}
        found, stored = there.rows(name, "rgb", **rows), here.rows(name, "rgb", **rows)
        assert list(map(bytes, found)) == list(map(bytes, stored))


def test_a_clip_is_one_request_from_the_key_packet_before_it(packets, server):
    there, here = Store(f"{server.address}/store"), Store(packets)
    there.read(NAMES[1], "rgb", stop=1)
    server.requests.clear()
    there.read(NAMES[1], "rgb", start=6, stop=11)
    needed = here.rows(NAMES[1], "rgb", start=4, stop=11)
    (request,) = server.requests
    assert request.end - request.begin == sum(row.size for row in needed)


def test_parts_of_it_are_copied_as_they_are(packets, server, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text(NAMES[1])
    making.copy(f"{server.address}/store", tmp_path / "new", videos=names)
    new, old = Store(tmp_path / "new"), Store(packets)
    np.testing.assert_array_equal(
        new.read(NAMES[1], "rgb", start=5, stop=9),
        old.read(NAMES[1], "rgb", start=5, stop=9),
    )
    assert list(new.ids()) == [NAMES[1]] and not verify(tmp_path / "new", decode=True)
