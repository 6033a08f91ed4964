"""One video file -> RGB, flow and motion vectors, frame for frame."""
