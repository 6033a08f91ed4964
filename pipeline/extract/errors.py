"""Errors of a single video.

VideoError               also a ValueError; the video is quarantined with this reason
├── NotAVideo            no decodable video stream in the file
├── DecodeError          the decoder gave up, or no frame came out
├── NoVectors            only where nothing but the file's own vectors was wanted
└── Unavailable          not the video's fault: not quarantined, but retried
"""

from motion_shards.errors import MotionShardsError


class VideoError(MotionShardsError, ValueError):
    """This video cannot be used. Never raised for a full disk or a bug."""


class NotAVideo(VideoError):
    """The file holds no video stream that can be decoded."""


class DecodeError(VideoError):
    """The file has a video stream that does not decode to frames."""


class NoVectors(VideoError):
    """The file has no motion vectors of its own."""


class Unavailable(VideoError):
    """The file is missing, unreadable or still being written now."""
