"""Errors of stores.

StoreError
├── StoreNotFound    also a FileNotFoundError
├── VideoNotFound    also a KeyError
├── RangeError       also an IndexError
├── FolderHeld       another run writes it
├── AddressError     an address does not answer, or refuses; also an OSError
│   └── AccessRefused    the credentials do not suffice, or (S3) the object is missing
├── WrongAnswer      an answer that is not the one asked for: retried inside the package
└── LayoutError      the files are not what storage_layout.md promises; also a ValueError
    └── OtherLayout  they are of another version of it
"""

from motion_shards.errors import MotionShardsError


class StoreError(MotionShardsError):
    """Base of everything this package raises on purpose."""

    def __str__(self) -> str:  # KeyError would print its message in quotes
        return " ".join(str(part) for part in self.args)


class StoreNotFound(StoreError, FileNotFoundError):
    """No finished store in this folder."""


class VideoNotFound(StoreError, KeyError):
    """The store does not hold this video, or not in this modality."""


class RangeError(StoreError, IndexError):
    """A read beyond the end of a video."""


class FolderHeld(StoreError):
    """Another run is writing this folder, or has taken it over."""


class AddressError(StoreError, OSError):
    """An address cannot be read: no answer, a refusal, or a wrong one."""


class AccessRefused(AddressError):
    """Access to an object is refused.

    Object storage also answers 403 for a missing object, where the credentials do not
    allow listing the bucket.
    """


class WrongAnswer(StoreError):
    """An answer that is not the one asked for; another try may help."""


class LayoutError(StoreError, ValueError):
    """An array or a file has a shape, type or version the layout does not allow."""


class OtherLayout(LayoutError):
    """The files are of another version of the layout than this code reads."""
