"""Servers on the loopback address that send an endless video, and do what networks do."""

import base64
import contextlib
import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext

HOST = "127.0.0.1"
TICKS = 90_000
"""Of a second, in MPEG-TS and in RTP of video."""
DATAGRAM = 7 * 188
"""Bytes: packets of MPEG-TS in a packet of UDP."""


def free_port() -> int:
    """A port of UDP and of TCP that nobody has now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as found:
        found.bind((HOST, 0))
        return int(found.getsockname()[1])


def texture(height: int = 64, width: int = 96, count: int = 12) -> np.ndarray:
    """(T, H, W, 3) uint8: smooth noise that moves by 2 px right and 1 px down."""
    ys, xs = np.mgrid[:height, :width].astype(np.float64)
    waves = [
        np.sin(2 * np.pi * (2 * xs / width + k * ys / height) + k) for k in (1, 2, 3)
    ]
    still = np.stack([127 + 100 * wave for wave in waves], axis=2).astype(np.uint8)
    return np.stack([np.roll(still, (k, 2 * k), axis=(0, 1)) for k in range(count)])


class Clip:
    """A clip, encoded once, whose packets can be sent again and again."""

    def __init__(
        self,
        frames: np.ndarray,
        *,
        rate: int = 25,
        codec: str = "libx264",
        options: dict[str, str] | None = None,
    ) -> None:
        encoder = av.CodecContext.create(codec, "w")
        assert isinstance(encoder, VideoCodecContext)
        self.height, self.width = encoder.height, encoder.width = frames.shape[1:3]
        encoder.pix_fmt, encoder.framerate = "yuv420p", Fraction(rate)
        encoder.time_base = Fraction(1, rate)
        h264 = {"tune": "zerolatency", "refs": "1", "g": "12", "sc_threshold": "0"}
        encoder.options = {"threads": "1"} | (h264 if codec == "libx264" else {})
        encoder.options |= options or {}
        self.rate, self.codec = rate, codec
        packets = []
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = number
            packets += encoder.encode(frame)
        packets += encoder.encode(None)
        self.data = [(bytes(p), bool(p.is_keyframe), p.pts, p.dts) for p in packets]
        self.extradata = bytes(encoder.extradata or b"")

    def packets(self, *, first: int = 0, start: int = 0) -> Iterator[av.Packet]:
        """Its packets, over and over.

        Args:
            first: number of the packet to begin with.
            start: time stamp of the first packet, in `TICKS`.
        """
        step, count = TICKS // self.rate, len(self.data)
        number = first
        while True:
            octets, key, pts, dts = self.data[number % count]
            packet = av.Packet(octets)
            loops = number // count * count - first
            packet.pts = start + (loops + pts) * step
            packet.dts = start + (loops + dts) * step
            packet.time_base = Fraction(1, TICKS)
            packet.is_keyframe = key
            yield packet
            number += 1


class Output(io.RawIOBase):
    """A file whose bytes go to a function."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def write(self, octets: Any) -> int:
        octets = bytes(octets)
        self._write(octets)
        return len(octets)


def send(
    clip: Clip,
    write: Callable[[bytes], None],
    *,
    form: str = "mpegts",
    count: int | None = None,
    speed: float = 1.0,
    stop: threading.Event | None = None,
    buffer_size: int = DATAGRAM,
    options: dict[str, str] | None = None,
    **packets: int,
) -> None:
    """Send packets in real time.

    Args:
        count: packets; None: until `stop` is set or nobody listens.
        speed: times real time; 0: as fast as it goes.
    """
    stop = stop or threading.Event()
    began = time.monotonic()
    container = av.open(
        Output(write),
        "w",
        format=form,
        buffer_size=buffer_size,
        options={"flush_packets": "1"} | (options or {}),
    )
    stream = container.add_stream(clip.codec, rate=clip.rate)
    stream.height, stream.width, stream.pix_fmt = clip.height, clip.width, "yuv420p"
    stream.time_base = Fraction(1, TICKS)
    if clip.extradata:
        stream.codec_context.extradata = clip.extradata
    sent = 0
    with contextlib.suppress(OSError):
        for packet in clip.packets(**packets):
            if stop.is_set() or sent == count:
                break
            packet.stream = stream
            container.mux(packet)
            sent += 1
            if speed:
                wait = began + sent / clip.rate / speed - time.monotonic()
                stop.wait(max(wait, 0))
        container.close()


class Server:
    """A thread that serves until it is closed."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join(5)


class UdpServer(Server):
    """MPEG-TS over UDP; `lose` says which of its datagrams get lost."""

    def __init__(
        self,
        clip: Clip,
        port: int,
        *,
        lose: Callable[[int, bytes], bool] = lambda number, octets: False,
        **how: Any,
    ) -> None:
        super().__init__()
        self._clip, self._port, self._lose, self._how = clip, port, lose, how

    def _run(self) -> None:
        number = 0
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:

            def write(octets: bytes) -> None:
                nonlocal number
                for at in range(0, len(octets), DATAGRAM):
                    part = octets[at : at + DATAGRAM]
                    if not self._lose(number, part):
                        out.sendto(part, (HOST, self._port))
                    number += 1

            send(self._clip, write, stop=self.stop, **self._how)


class HttpServer(Server):
    """MPEG-TS as the endless body of a response, from the beginning for each client.

    `pages` are served as they are, at their paths; after `cut` packets the connection of a
    stream is closed.
    """

    def __init__(
        self,
        clip: Clip,
        port: int,
        *,
        pages: dict[str, bytes] | None = None,
        cut: int | None = None,
        **how: Any,
    ) -> None:
        super().__init__()
        stop, answers = self.stop, pages or {}
        self.asked: list[str] = []
        asked = self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                body = answers.get(self.path)
                self.send_response(200 if body is not None or not answers else 404)
                if answers:
                    self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                if answers:
                    self.wfile.write(body or b"")
                else:
                    send(clip, self._write, stop=stop, count=cut, **how)

            def _write(self, octets: bytes) -> None:
                self.wfile.write(octets)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer((HOST, port), Handler)
        self._server.daemon_threads = True

    def _run(self) -> None:
        self._server.serve_forever(0.05)

    def __exit__(self, *how: object) -> None:
        self.stop.set()
        self._server.shutdown()
        self._server.server_close()
        super().__exit__(*how)


class RtspServer(Server):
    """One H.264 stream by RTP inside the RTSP connection (RFC 2326, RFC 6184).

    `silent`: answers everything and sends no frame. `lose` says which RTP packets get lost.
    """

    def __init__(
        self,
        clip: Clip,
        port: int,
        *,
        silent: bool = False,
        lose: Callable[[int, bytes], bool] = lambda number, octets: False,
        **how: Any,
    ) -> None:
        super().__init__()
        self._clip, self._silent, self._lose, self._how = clip, silent, lose, how
        self._socket = socket.create_server((HOST, port))
        self._socket.settimeout(0.05)
        self.transports: list[str] = []

    def _run(self) -> None:
        clients = []
        with self._socket:
            while not self.stop.is_set():
                with contextlib.suppress(TimeoutError):
                    connection, _ = self._socket.accept()
                    clients.append(
                        threading.Thread(target=self._serve, args=(connection,))
                    )
                    clients[-1].start()
        for client in clients:
            client.join(5)

    def _serve(self, connection: socket.socket) -> None:
        ended = threading.Event()
        player: threading.Thread | None = None
        connection.settimeout(0.05)
        asked = b""
        with connection, contextlib.suppress(OSError):
            while not self.stop.is_set():
                try:
                    got = connection.recv(4096)
                except TimeoutError:
                    continue
                if not got:
                    break
                asked += got
                while b"\r\n\r\n" in asked:
                    request, _, asked = asked.partition(b"\r\n\r\n")
                    if request[:1] == b"$":  # a report of the receiver, RTCP
                        continue
                    method = request.split()[0].decode()
                    connection.sendall(self._answer(method, request.decode()))
                    if method == "PLAY" and not self._silent:
                        player = threading.Thread(
                            target=self._play, args=(connection, ended)
                        )
                        player.start()
        ended.set()
        if player:
            player.join(5)

    def _answer(self, method: str, request: str) -> bytes:
        fields = dict(
            line.split(": ", 1) for line in request.split("\r\n")[1:] if ": " in line
        )
        lines, body = ["RTSP/1.0 200 OK", f"CSeq: {fields['CSeq']}"], ""
        if method == "OPTIONS":
            lines.append("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN")
        elif method == "DESCRIBE":
            units = self._clip.data[0][0].split(b"\0\0\1")
            sets = [u.rstrip(b"\0") for u in units if u and u[0] & 31 in (7, 8)]
            sprop = ",".join(base64.b64encode(u).decode() for u in sets)
            body = "\r\n".join(
                [
                    "v=0",
                    f"o=- 0 0 IN IP4 {HOST}",
                    "s=-",
                    f"c=IN IP4 {HOST}",
                    "t=0 0",
                    "m=video 0 RTP/AVP 96",
                    "a=rtpmap:96 H264/90000",
                    f"a=fmtp:96 packetization-mode=1; sprop-parameter-sets={sprop}",
                    "a=control:trackID=0",
                    "",
                ]
            )
            lines += ["Content-Type: application/sdp", f"Content-Length: {len(body)}"]
        elif method == "SETUP":
            self.transports.append(fields["Transport"])
            lines.append("Transport: RTP/AVP/TCP;unicast;interleaved=0-1")
            lines.append("Session: 1")
        elif method == "PLAY":
            lines.append("Session: 1")
        return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()

    def _play(self, connection: socket.socket, ended: threading.Event) -> None:
        number = 0

        def write(octets: bytes) -> None:
            nonlocal number
            if ended.is_set() or self.stop.is_set():
                raise ConnectionError
            channel = 1 if octets[1] in (200, 201, 202, 203) else 0
            if channel or not self._lose(number, octets):
                head = b"$" + bytes([channel]) + len(octets).to_bytes(2)
                connection.sendall(head + octets)
            number += not channel

        send(
            self._clip,
            write,
            form="rtp",
            stop=self.stop,
            buffer_size=1400,
            **self._how,
        )
