"""Worker processes of a DataLoader."""

import torch


def single_threaded(worker: int) -> None:
    """Limit a loader's worker to one thread: many workers share the cores."""
    import cv2  # here, because only workers need it

    cv2.setNumThreads(0)
    torch.set_num_threads(1)
