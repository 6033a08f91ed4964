"""Bytes of a stream on standard input or over UDP, for FFmpeg to demultiplex.

FFmpeg's own readers wait forever where only packets arrive that it does not use, and cannot
be stopped. These end after a time without a frame, or on request.
"""

import os
import select
import socket
import struct
import threading
import time
from collections import deque
from typing import Protocol
from urllib.parse import parse_qs, urlsplit

from ...errors import StreamError

LOOK_SECONDS = 0.1
"""Time between two checks whether to stop."""

QUEUED_BYTES = 8 << 20
"""Most bytes of datagrams that wait to be read."""
KERNEL_BYTES = 4 << 20
"""Size of the socket's own buffer; the kernel gives no more than its rmem_max."""

DATAGRAM_BYTES = 1 << 16


class Input(Protocol):
    """A file that FFmpeg reads."""

    def read(self, size: int) -> bytes:
        """The next bytes, at most `size`; none at the end, and where `Watch` ends it."""

    def close(self) -> None: ...


class Watch:
    """A time limit for frames, and a way to stop a reader.

    Only the time spent reading counts: the clock is paused while the caller works.
    """

    def __init__(self, stop: threading.Event, seconds: float) -> None:
        """
        Args:
            stop: set to end everything that waits.
            seconds: longest time without a frame.
        """
        self._stop, self.seconds = stop, seconds
        self._last, self._heard = time.monotonic(), False
        self._paused: float | None = None
        self.silence = ""
        """Reason for ending, once no frame has come for too long."""

    def pause(self) -> None:
        """Pause the clock: the caller works on what was read."""
        self._paused = time.monotonic()

    def resume(self) -> None:
        """Let the clock run again."""
        if self._paused is not None:
            self._last += time.monotonic() - self._paused
            self._paused = None

    def heard(self) -> None:
        """Note that bytes have arrived."""
        self._heard = True

    def alive(self) -> None:
        """Note that a frame has arrived."""
        self._last, self._heard = time.monotonic(), False
        if self._paused is not None:
            self._paused = self._last

    def over(self) -> bool:
        """Whether to end: after too long a silence, or on request."""
        if not self.silence and time.monotonic() - self._last > self.seconds:
            what = "data, but no frame," if self._heard else "nothing came"
            self.silence = f"{what} for {self.seconds:g} s"
        return bool(self.silence) or self._stop.is_set()


class PipeInput:
    """The bytes of a file descriptor, such as standard input's."""

    def __init__(self, descriptor: int, watch: Watch) -> None:
        self._descriptor, self._watch = descriptor, watch

    def read(self, size: int) -> bytes:
        while not self._watch.over():
            ready, _, _ = select.select([self._descriptor], [], [], LOOK_SECONDS)
            if ready:
                self._watch.heard()
                return os.read(self._descriptor, size)
        return b""

    def close(self) -> None:
        pass  # it belongs to the process


class UdpInput:
    """The datagrams that come to a port, read by a thread of its own.

    Where they come faster than they are read, the oldest are dropped.
    """

    def __init__(self, url: str, watch: Watch) -> None:
        """
        Args:
            url: udp://[@]HOST:PORT, where HOST is a local address or a multicast group;
                `?localaddr=ADDRESS` names the interface of a group.

        Raises:
            StreamError: the address is not this machine's, or the port is taken.
        """
        self._watch, self._ended = watch, False
        self._queue: deque[bytes] = deque()
        self._queued = 0
        self._changed = threading.Condition()
        self._rest = b""
        self._socket = _bound(url)
        self._socket.settimeout(LOOK_SECONDS)
        self._thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()

    def read(self, size: int) -> bytes:
        while not self._rest:
            if self._watch.over():
                return b""
            with self._changed:
                if not self._queue:
                    self._changed.wait(LOOK_SECONDS)
                if self._queue:
                    self._rest = self._queue.popleft()
                    self._queued -= len(self._rest)
        self._watch.heard()
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken

    def close(self) -> None:
        self._ended = True
        self._thread.join()
        self._socket.close()

    def _receive(self) -> None:
        while not self._ended:
            try:
                octets = self._socket.recv(DATAGRAM_BYTES)
            except TimeoutError:
                continue
            except OSError:  # such as ECONNREFUSED: the next one may come
                time.sleep(LOOK_SECONDS)
                continue
            with self._changed:
                self._queue.append(octets)
                self._queued += len(octets)
                while self._queued > QUEUED_BYTES:
                    self._queued -= len(self._queue.popleft())
                self._changed.notify()


def _bound(url: str) -> socket.socket:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 0
    local = parse_qs(parts.query).get("localaddr", [""])[0]
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_DGRAM)
        family, _, _, _, address = found[0]
        receiver = socket.socket(family, socket.SOCK_DGRAM)
    except OSError as error:
        raise StreamError(f"{host}: {error.strerror}") from None
    try:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, KERNEL_BYTES)
        group = _group(family, str(address[0]))
        if group:
            receiver.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            receiver.bind(address)
            _join(receiver, family, group, local)
        else:
            receiver.bind(address if host else ("", port))
    except OSError as error:
        receiver.close()
        raise StreamError(f"cannot listen: {error.strerror}") from None
    return receiver


def _group(family: int, host: str) -> bytes:
    """The multicast group that an address is; empty: none."""
    octets = socket.inet_pton(family, host.partition("%")[0])
    first = octets[0]
    is_group = first == 0xFF if family == socket.AF_INET6 else 224 <= first < 240
    return octets if is_group else b""


def _join(receiver: socket.socket, family: int, group: bytes, local: str) -> None:
    if family == socket.AF_INET6:
        index = socket.if_nametoindex(local) if local else 0
        request = group + struct.pack("@I", index)
        receiver.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, request)
        return
    interface = socket.inet_aton(local or "0.0.0.0")
    receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group + interface)
