"""Addresses of live sources -> what FFmpeg is asked to open, and what it may open."""

import re
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

from pipeline.extract.opening import CONTAINERS

from ...errors import StreamError

Protocol = Literal["camera", "rtsp", "udp", "http", "stdin"]

SCHEMES: dict[str, Protocol] = {
    "rtsp": "rtsp",
    "rtsps": "rtsp",
    "udp": "udp",
    "http": "http",
    "https": "http",
}
STDIN = "-"
CAMERA = "camera:"
CAMERA_OPTIONS = ("video_size", "framerate", "input_format")
"""Options of FFmpeg's video4linux2 that an address may have, as `camera:0?framerate=30`."""
CAMERA_DEFAULT = "0"

SECRET = re.compile(
    r"([\w.-]*?(?:pass|pwd|token|secret|signature|credential|auth|key)[\w.-]*=)[^&;#/?]*",
    re.IGNORECASE,
)
"""A parameter of an address whose value is secret: "password=1234" of a camera,
"X-Amz-Signature=..." of a file. Some cameras have parameters in the path, too."""

WHITELISTS: dict[Protocol, tuple[str, str]] = {
    "camera": ("file", "video4linux2,v4l2"),
    "rtsp": ("rtp,srtp,udp,tcp,tls", "rtsp"),
    "udp": ("udp", CONTAINERS),
    "http": ("http,https,httpproxy,tls,tcp,crypto", f"{CONTAINERS},hls"),
    "stdin": ("pipe", CONTAINERS),
}
"""FFmpeg's protocol_whitelist and format_whitelist. No network protocol may open a file, so
that no playlist can name one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveAddress:
    """A live source."""

    protocol: Protocol
    url: str = field(repr=False)
    """For FFmpeg: of a camera its device."""
    shown: str
    """For people and logs: without a password."""
    camera: tuple[tuple[str, str], ...] = ()
    """Options of a camera."""

    @property
    def form(self) -> str | None:
        """FFmpeg's demuxer, where the address says it."""
        return "video4linux2,v4l2" if self.protocol == "camera" else None

    @property
    def real_time(self) -> bool:
        """Whether frames arrive at the rate of the source, however fast they are read."""
        return self.protocol in ("camera", "rtsp", "udp")

    def options(self, *, open_seconds: float, read_seconds: float) -> dict[str, str]:
        """Options of FFmpeg's demuxer and protocol (ffmpeg-protocols, ffmpeg-formats).

        Args:
            open_seconds, read_seconds: longest silence while opening and afterwards.
        """
        protocols, formats = WHITELISTS[self.protocol]
        found = {"protocol_whitelist": protocols, "format_whitelist": formats}
        silence = str(round(max(open_seconds, read_seconds) * 1e6))
        if self.protocol == "rtsp":
            found |= {
                "rtsp_transport": "tcp",  # UDP loses packets, and firewalls stop it
                "allowed_media_types": "video",
                "timeout": silence,
            }
        elif self.protocol == "http":
            found |= {"rw_timeout": silence, "icy": "0"}
        if self.protocol == "camera":
            return found | dict(self.camera)
        # Frames that are read to find the stream's parameters are not lost, but late.
        return found | {"analyzeduration": "1000000"}


def live_address(source: str) -> LiveAddress:
    """Read `camera:N`, `rtsp://`, `udp://`, `http(s)://` or `-`.

    Raises:
        StreamError: it is none of these, or lacks a host or a port.
    """
    if source == STDIN:
        return LiveAddress(protocol="stdin", url=source, shown="standard input")
    if source.startswith(CAMERA):
        return _camera(source)
    shown = without_password(source)
    try:
        parts = urlsplit(source)
        host, port = parts.hostname, parts.port
    except ValueError:  # its text may have parts of a password
        raise StreamError(
            f"{shown}: expected an address, as rtsp://USER:PASSWORD@HOST:PORT/PATH with"
            " special characters of the password escaped (%2F for /)"
        ) from None
    protocol = SCHEMES.get(parts.scheme.lower())
    if protocol is None or re.search(r"[\0-\x20]", source):
        raise StreamError(
            f"{shown}: expected camera:N, rtsp://, udp://, http://, https:// or -"
        )
    if not host and not (protocol == "udp" and port):
        raise StreamError(f"{shown}: expected a host, got none")
    if protocol == "udp" and not port:
        raise StreamError(f"{shown}: expected udp://HOST:PORT, got no port")
    return LiveAddress(protocol=protocol, url=source, shown=shown)


def without_password(source: str) -> str:
    """An address as messages may show it: "rtsp://me:***@host/x?token=***"."""
    scheme, mark, rest = source.partition("://")
    host, slash, path = rest.partition("/")
    if ":" in host and "@" in path and not _ends_in_port(host):
        host, slash, path = rest, "", ""  # a slash in the password
    user, at, host = host.rpartition("@")
    if ":" in user:
        user = user.partition(":")[0] + ":***"
    path = SECRET.sub(r"\1***", slash + path)
    return scheme + mark + user + at + host + path


def _ends_in_port(host: str) -> bool:
    return re.search(r"(@|^)(\[[^]]*\]|[^:@]*)(:\d*)?$", host) is not None


def _camera(source: str) -> LiveAddress:
    device, _, query = source.removeprefix(CAMERA).partition("?")
    device = device or CAMERA_DEFAULT
    if device.isdecimal():
        device = f"/dev/video{int(device)}"
    elif not device.startswith("/dev/") or ".." in device.split("/"):
        raise StreamError(f"{source}: expected camera:NUMBER or camera:/dev/DEVICE")
    options = tuple(parse_qsl(query, keep_blank_values=True))
    for name, _ in options:
        if name not in CAMERA_OPTIONS:
            raise StreamError(
                f"{source}: expected some of {', '.join(CAMERA_OPTIONS)}, got {name}"
            )
    return LiveAddress(protocol="camera", url=device, shown=source, camera=options)
