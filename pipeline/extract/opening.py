"""Path -> an open video file, or the reason for which it is none."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
from av.codec.context import Flags, Flags2
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.stream import VideoStream

from .decode import Header, VideoFile, raise_if_environment
from .errors import NotAVideo
from .extent import missing_bytes
from .kinds import damaged, foreign_kind, kind_of

CONTAINERS = (
    "amv,apng,asf,asf_o,av1,avi,avs2,avs3,bink,cavsvideo,dhav,dirac,dnxhd,dv,evc,film_cpk,"
    "flic,flv,gif,gxf,h261,h263,h264,hevc,ingenient,ivf,kux,live_flv,m4v,matroska,mjpeg,mov,"
    "mpeg,mpegts,mpegvideo,mpjpeg,mtv,mxf,nsv,nut,nuv,obu,ogg,pva,rm,roq,smjpeg,smk,swf,"
    "thp,ty,vc1,vc1test,vvc,wtv,yuv4mpegpipe"
)
"""Kinds of file that hold their video themselves. Playlists (HLS, DASH, concat), which name
other files or addresses, pictures and sound are not among them."""

GENERATE_PTS = 1
"""AVFMT_FLAG_GENPTS, which PyAV sets."""


@contextmanager
def open_video(
    path: Path | str, *, vectors: bool = False, pixels: bool = True
) -> Iterator[VideoFile]:
    """Open the best video stream of a file: no attached picture, most frames.

    One thread: with frame threads exported vectors differ between runs.

    Args:
        path: a local file, whatever characters its name has.
        vectors: also export motion vectors.
        pixels: False lets the decoder skip its loop filter. Vectors stay the same but for
            those that it makes up in the damaged parts of a frame.

    Raises:
        NotAVideo: no video stream that can be decoded.
        OSError: the file cannot be read; not the video's fault.
    """
    path = Path(path)
    _check_readable(path)
    try:
        container = av.open(
            "file:" + os.path.abspath(path),  # never a protocol, whatever the name
            metadata_errors="ignore",
            container_options={
                "protocol_whitelist": "file",
                "format_whitelist": CONTAINERS,
            },
        )
    except FFmpegError as error:
        raise_if_environment(error, path)
        got = kind_of(path)
        if not got and error.errno == errno.EINVAL:  # FFmpeg's, but not in CONTAINERS
            got = "another kind of file: a playlist, a picture or sound"
        got = got or damaged(path, error.strerror or str(error))
        raise NotAVideo(f"expected a video, got {got}") from error
    with container:
        try:
            stream = ready_stream(container, vectors=vectors, pixels=pixels)
        except NotAVideo as error:
            if missing := missing_bytes(path):
                raise NotAVideo(
                    f"{error}; the file is cut short by {missing:,} bytes"
                ) from error
            raise
        # FFmpeg takes a few other files for a raw stream (VVC), by chance.
        if not stream.codec_context.width and (got := foreign_kind(path)):
            raise NotAVideo(f"expected a video, got {got}")
        yield VideoFile(path, container, stream)


def ready_stream(
    container: InputContainer, *, vectors: bool, pixels: bool
) -> VideoStream:
    """The best video stream of a container, with its decoder set up; see `open_video`.

    Raises:
        NotAVideo: no video stream that can be decoded.
    """
    # Would read on until it can guess missing time stamps: memory without a bound.
    container.flags &= ~GENERATE_PTS
    stream = _best_stream(container)
    context = stream.codec_context
    context.thread_type = "NONE"
    context.thread_count = 1
    context.flags |= Flags.unaligned.value  # else cropping is rounded
    if vectors:
        context.flags2 |= Flags2.export_mvs.value
        context.copy_opaque = True  # tells which packet a frame is of
    if not pixels:
        context.options = {"skip_loop_filter": "all"}
    return stream


def probe(path: Path | str) -> Header:
    """Read the header of a video without decoding it.

    Raises:
        NotAVideo: no video stream that can be decoded.
        OSError: the file cannot be read.
    """
    with open_video(path) as video:
        return video.header()


def _best_stream(container: InputContainer) -> VideoStream:
    streams = container.streams.video
    if not streams:
        raise NotAVideo("expected a video stream, got none")
    moving = [s for s in streams if not s.disposition & Disposition.attached_pic.value]
    if not moving:
        raise NotAVideo("expected a video stream, got a cover picture only")
    able = [s for s in moving if s.codec_context is not None]
    if not able:
        raise NotAVideo("expected a video codec with a decoder, got an unknown one")
    best = container.streams.best("video")
    return best if best in able else able[0]


def _check_readable(path: Path) -> None:
    """Raise OSError if the system cannot read the file, NotAVideo if there is nothing."""
    mode = os.stat(path).st_mode
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):  # a pipe would be waited for
        raise NotAVideo("expected a video, got a pipe, which cannot be read twice")
    with open(path, "rb") as file:
        if not file.read(1):
            raise NotAVideo("expected a video, got an empty file")
