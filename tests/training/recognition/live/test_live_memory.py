"""Memory of a stream does not grow, neither with its frames nor with its connections."""

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from live_servers import HOST, Clip, RtspServer, free_port, send, texture
from moving_blobs import moving

from pipeline.extract.settings import ExtractSettings
from training.recognition import Recognizer
from training.recognition.live import video as live_video
from training.recognition.live.address import live_address
from training.recognition.live.stream import LiveStream, Part
from training.recognition.live.video import Patience
from training.recognition.timeline import Segments

MIB = 1 << 20
PAGE = os.sysconf("SC_PAGE_SIZE")


def resident() -> int:
    """Bytes of memory of this process."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * PAGE


@pytest.mark.slow
def test_memory_is_flat_over_thousands_of_frames(
    model_of: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    recognizer = Recognizer(model_of("grid_tiny").folder, mv_source="original")
    clip = Clip(texture(240, 320, 60), options={"g": "30", "preset": "veryfast"})
    out, into = os.pipe()
    monkeypatch.setattr(live_video, "STDIN", out)
    stop = threading.Event()

    def serve() -> None:
        with suppress(BrokenPipeError), open(into, "wb", 0) as file:
            send(
                clip,
                lambda octets: bool(file.write(octets)) and None,
                speed=0,
                stop=stop,
            )

    server = threading.Thread(target=serve, daemon=True)
    server.start()
    joiner = Segments(recognizer.classes, smooth=1.0)
    memory: dict[int, int] = {}
    with recognizer.stream("-", hop=40) as stream:
        for count, window in enumerate(stream):
            joiner.send(window)
            if count in (160, 240):  # until then some pools of fixed size fill
                memory[count] = resident()
            if count == 240:
                break
    stop.set()
    os.close(out)
    server.join(5)
    assert stream.summary().frames > 9000
    assert memory[240] - memory[160] < 2 * MIB


@pytest.mark.slow
def test_memory_is_flat_over_many_connections() -> None:
    settings = ExtractSettings(modalities=("mv",), mv_source="original", short_side=64)
    port = free_port()
    patience = Patience(open=3, read=0.1, first_wait=0, gone=20)
    memory: list[int] = []
    threads: list[int] = []
    clip = Clip(moving(3, 60, (0, 3)), options={"g": "30"})
    with RtspServer(clip, port, speed=40, count=35):
        stream = LiveStream(live_address(f"rtsp://{HOST}:{port}/x"), patience)
        for item in stream.blocks(settings):
            if isinstance(item, Part):
                memory.append(resident())
                threads.append(threading.active_count())
            if len(memory) == 16:
                stream.stop()
    assert memory[15] - memory[5] < 4 * MIB
    assert threads[15] <= threads[5] + 1
