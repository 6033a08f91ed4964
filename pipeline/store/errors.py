"""Errors of stores.

StoreError
├── StoreNotFound    also a FileNotFoundError
├── VideoNotFound    also a KeyError
├── RangeError       also an IndexError
├── FolderHeld       another run writes it
├── AddressError     an address does not answer, or refuses; also an OSError
│   └── AccessRefused    as an address without the right credentials, or (S3) of what is not there
├── WrongAnswer      of an address, which is asked again; nobody else meets it
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
    """Access to an object is refused, or hides that there is none.

    Object storage answers 403 for an object that is not there to whoever may not list
    the bucket.
    """


class WrongAnswer(StoreError):
    """An answer that is not what was asked for; another try may help."""


class LayoutError(StoreError, ValueError):
    """An array or a file has a shape, type or version the layout does not allow."""


class OtherLayout(LayoutError):
    """The files are of another version of the layout than this code reads."""
