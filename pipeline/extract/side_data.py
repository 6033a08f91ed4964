"""Side data that the decoder attached to a frame."""

import av
from av.buffer import Buffer
from av.sidedata.sidedata import SideDataContainer


def side_data(frame: av.VideoFrame, name: str) -> memoryview | bytes:
    """The bytes of one kind, empty if there is none.

    Not by `frame.side_data`: that keeps frame and container alive in a circle until the
    garbage collector comes by, which costs a third of the speed and holds hundreds of
    frames in memory.
    """
    found = SideDataContainer(frame).get(name)  # type: ignore[call-arg]
    return memoryview(found) if isinstance(found, Buffer) else b""
