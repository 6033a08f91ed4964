import os
import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest
from live_servers import HOST, free_port

from training.errors import StreamError
from training.recognition.live import inputs as live_inputs
from training.recognition.live.inputs import PipeInput, UdpInput, Watch


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            pass


def test_a_pipe_gives_what_is_there_and_then_its_end(
    pipe: tuple[int, int], stop: threading.Event
) -> None:
    out, into = pipe
    source = PipeInput(out, Watch(stop, 1))
    os.write(into, b"abcdef")
    assert source.read(4) == b"abcd"
    assert source.read(4) == b"ef"
    os.close(into)
    assert source.read(4) == b""


def test_a_silent_pipe_is_named(pipe: tuple[int, int], stop: threading.Event) -> None:
    watch = Watch(stop, 0.15)
    assert PipeInput(pipe[0], watch).read(4) == b""
    assert watch.silence == "nothing came for 0.15 s"


def test_bytes_without_a_frame_are_silence_too(
    pipe: tuple[int, int], stop: threading.Event
) -> None:
    watch = Watch(stop, 0.15)
    source = PipeInput(pipe[0], watch)
    began = time.monotonic()
    while os.write(pipe[1], b"x") and source.read(1):
        assert time.monotonic() - began < 5
    assert watch.silence == "data, but no frame, for 0.15 s"


def test_time_that_others_take_is_no_silence(
    pipe: tuple[int, int], stop: threading.Event
) -> None:
    watch = Watch(stop, 0.15)
    watch.pause()
    time.sleep(0.3)
    watch.resume()
    assert not watch.over()
    time.sleep(0.2)
    assert watch.over() and watch.silence


def test_a_reader_that_waits_ends_when_it_is_asked_to(
    pipe: tuple[int, int], stop: threading.Event
) -> None:
    threading.Timer(0.1, stop.set).start()
    watch, began = Watch(stop, 30), time.monotonic()
    assert PipeInput(pipe[0], watch).read(4) == b""
    assert time.monotonic() - began < 2
    assert not watch.silence


def test_datagrams_come_in_order_in_parts_of_any_size(stop: threading.Event) -> None:
    port = free_port()
    source = UdpInput(f"udp://{HOST}:{port}", Watch(stop, 2))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for part in (b"abcdef", b"", b"gh"):
            sender.sendto(part, (HOST, port))
    assert [source.read(4) for _ in range(3)] == [b"abcd", b"ef", b"gh"]
    source.close()


def test_the_oldest_datagrams_give_way(
    stop: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_inputs, "QUEUED_BYTES", 3000)
    port = free_port()
    source = UdpInput(f"udp://{HOST}:{port}", Watch(stop, 2))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in range(10):
            sender.sendto(bytes([number]) * 1000, (HOST, port))
        time.sleep(0.3)
        got = [source.read(5000)[0] for _ in range(3)]
    source.close()
    assert got == [7, 8, 9]


def test_datagrams_of_a_group_are_received(stop: threading.Event) -> None:
    port = free_port()
    source = UdpInput(f"udp://@239.255.7.7:{port}?localaddr={HOST}", Watch(stop, 2))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        interface = struct.pack("4s", socket.inet_aton(HOST))
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, interface)
        sender.sendto(b"to many", ("239.255.7.7", port))
    assert source.read(100) == b"to many"
    source.close()


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("192.0.2.1", "cannot listen: Cannot assign requested address"),
        ("no.such.invalid", "no.such.invalid: "),
    ],
)
def test_an_address_of_another_machine_is_refused(
    host: str, expected: str, stop: threading.Event
) -> None:
    with pytest.raises(StreamError, match=f"^{expected}"):
        UdpInput(f"udp://{host}:5000", Watch(stop, 1))


def test_a_port_that_is_taken_is_named(stop: threading.Event) -> None:
    port = free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((HOST, port))
        with pytest.raises(StreamError, match="^cannot listen: Address already in use"):
            UdpInput(f"udp://{HOST}:{port}", Watch(stop, 1))
