import threading
from typing import Any

import av
import pytest

from pipeline.extract.opening import CONTAINERS
from training.errors import StreamError
from training.recognition.live.address import (
    WHITELISTS,
    live_address,
    without_password,
)
from training.recognition.live.video import Patience, open_live
from training.recognition.sources import sources_of

TIMES = {"open_seconds": 3.0, "read_seconds": 2.0}


@pytest.mark.parametrize(
    ("source", "protocol", "url"),
    [
        ("-", "stdin", "-"),
        ("camera:", "camera", "/dev/video0"),
        ("camera:2", "camera", "/dev/video2"),
        ("camera:/dev/v4l/by-id/usb", "camera", "/dev/v4l/by-id/usb"),
        ("rtsp://host/path", "rtsp", "rtsp://host/path"),
        ("rtsps://host:322/x?y=1", "rtsp", "rtsps://host:322/x?y=1"),
        ("udp://@239.1.2.3:5000", "udp", "udp://@239.1.2.3:5000"),
        ("udp://:5000", "udp", "udp://:5000"),
        ("https://host/live.m3u8", "http", "https://host/live.m3u8"),
    ],
)
def test_the_address_says_what_is_opened(source: str, protocol: str, url: str) -> None:
    assert sources_of([source]).live == (source,)
    found = live_address(source)
    assert (found.protocol, found.url) == (protocol, url)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("camera:front", "expected camera:NUMBER or camera:/dev/DEVICE"),
        ("camera:/etc/passwd", "expected camera:NUMBER or camera:/dev/DEVICE"),
        ("camera:/dev/../etc/passwd", "expected camera:NUMBER or camera:/dev/DEVICE"),
        ("camera:0?list_formats=all", "expected some of video_size"),
        ("rtsp://", "expected a host, got none"),
        ("udp://239.1.2.3", "expected udp://HOST:PORT, got no port"),
        ("http://host:port/x", "expected an address"),
        ("http://host/a\nb", "expected camera:N"),
        ("file:///etc/passwd", "expected camera:N"),
    ],
)
def test_an_address_that_cannot_be_is_refused(source: str, expected: str) -> None:
    with pytest.raises(StreamError, match=expected):
        live_address(source)


def test_no_message_shows_a_password() -> None:
    found = live_address("rtsp://me:s3cr@t@host/x")
    assert found.shown == "rtsp://me:***@host/x"
    assert "s3cr" not in repr(found)
    for wrong in ("rtsp://me:s3cret@host:port/x", "rtsp://me:s3/cret@host/x"):
        with pytest.raises(StreamError) as refused:
            live_address(wrong)
        assert "s3" not in str(refused.value)


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("http://h:80/a?user=me&pwd=12#x", "http://h:80/a?user=me&pwd=***#x"),
        ("http://h/a?X-Amz-Signature=0f&b=1", "http://h/a?X-Amz-Signature=***&b=1"),
        ("http://h/a?access_token=q/r", "http://h/a?access_token=***/r"),
        ("rtsp://h/user=me_password=12_channel=1", "rtsp://h/user=me_password=***"),
        (
            "rtsp://h:554/user=me&password=12&c=1",
            "rtsp://h:554/user=me&password=***&c=1",
        ),
        ("rtsp://[::1]:554/cam@1?q=2", "rtsp://[::1]:554/cam@1?q=2"),
        ("http://h/keys/a.ts?start=3", "http://h/keys/a.ts?start=3"),
    ],
)
def test_secrets_in_parameters_are_not_shown(source: str, shown: str) -> None:
    assert without_password(source) == live_address(source).shown == shown


def test_no_network_protocol_opens_files() -> None:
    for protocol, (protocols, formats) in WHITELISTS.items():
        may = set(protocols.split(","))
        assert ("file" in may) == (protocol == "camera")
        assert not may & {"concat", "subfile", "data", "unix", "async", "cache"}
        assert "concat" not in formats.split(",")
        assert ("hls" in formats.split(",")) == (protocol == "http")
    assert WHITELISTS["udp"][1] == WHITELISTS["stdin"][1] == CONTAINERS


def test_time_limits_are_in_microseconds() -> None:
    rtsp = live_address("rtsp://h/x").options(**TIMES)
    assert (rtsp["timeout"], rtsp["rtsp_transport"]) == ("3000000", "tcp")
    assert live_address("http://h/x").options(**TIMES)["rw_timeout"] == "3000000"


def test_a_camera_is_opened_with_the_options_of_its_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: dict[str, Any] = {}

    def fake_open(source: str, **options: Any) -> None:
        asked.update(source=source, **options)
        raise av.error.FileNotFoundError(2, "No such file or directory", source)

    monkeypatch.setattr(av, "open", fake_open)
    address = live_address("camera:3?framerate=30&video_size=640x480")
    with (
        pytest.raises(StreamError, match="^/dev/video3: No such file or directory$"),
        open_live(address, Patience(), threading.Event(), vectors=False, pixels=True),
    ):
        pass
    assert asked["source"] == "/dev/video3"
    assert asked["format"] == "video4linux2,v4l2"
    options = asked["container_options"]
    assert (options["framerate"], options["video_size"]) == ("30", "640x480")
    assert asked["timeout"] == (10.0, 10.0)


def test_a_camera_that_is_not_there_is_named() -> None:
    with (
        pytest.raises(StreamError, match="^/dev/video77: No such file or directory$"),
        open_live(
            live_address("camera:77"),
            Patience(),
            threading.Event(),
            vectors=False,
            pixels=True,
        ),
    ):
        pass


def test_a_camera_that_others_own_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def fake_open(source: str, **_: Any) -> None:
        raise av.error.PermissionError(13, "Permission denied", source)

    monkeypatch.setattr(av, "open", fake_open)
    with (
        pytest.raises(StreamError, match="^/dev/video0: Permission denied$"),
        open_live(
            live_address("camera:0"),
            Patience(),
            threading.Event(),
            vectors=False,
            pixels=True,
        ),
    ):
        pass
