"""Leases as objects at an address; see `lease` for the rules.

Making an object only where there is none (If-None-Match) does what O_EXCL does for a file.
An object is written again to say that its run is alive; its age is told by the clock of the
service.
"""

import time
from contextlib import suppress
from uuid import uuid4

from .errors import AddressError
from .file_names import LOGS
from .lease_place import (
    ENDED,
    TOKEN,
    LeaseInfo,
    lease_info,
    lease_name,
    lease_number,
    lease_text,
)
from .remote_folder import RemoteFolder

MAX_LEASE_BYTES = 1 << 20


class ObjectLeases:
    """The leases among the objects of a store; see `LeasePlace`.

    Args:
        folder: of the store.

    Raises by its methods, where not said otherwise:
        AddressError: no answer, or a refusal.
    """

    def __init__(self, folder: RemoteFolder) -> None:
        self._folder = folder
        self._quick = RemoteFolder(str(folder), folder.options)
        """With few tries, for what must not keep a run waiting at its end."""
        self._text = lease_text(**{TOKEN: uuid4().hex})

    def __str__(self) -> str:
        return str(self._folder)

    def newest(self) -> int:
        return max(_numbers(self._folder).values(), default=0)

    def found(self, number: int) -> LeaseInfo | None:
        name = lease_name(number)
        object_ = self._folder.listed(LOGS).get(name)
        if object_ is None:
            return None
        try:
            text = self._folder.path(f"{LOGS}/{name}").read(limit=MAX_LEASE_BYTES)
        except FileNotFoundError:
            return None
        info = lease_info(number, text)
        if info is None:
            return None
        return info._replace(silent_seconds=self._now() - object_.modified)

    def make(self, number: int) -> bool:
        return self._folder.create(f"{LOGS}/{lease_name(number)}", self._text)

    def remove(self, number: int) -> None:
        self._folder.remove(f"{LOGS}/{lease_name(number)}")

    def remove_older(self, number: int) -> None:
        for name, older in _numbers(self._folder).items():
            if older < number:
                self._folder.remove(f"{LOGS}/{name}")

    def stamp(self, number: int) -> object:
        return self._folder.listed(LOGS).get(lease_name(number))

    def holds(self, number: int) -> bool:
        return _holds(self._folder, number)

    def beat(self, number: int) -> None:
        with suppress(AddressError):
            if _holds(self._quick, number):
                self._quick.put(f"{LOGS}/{lease_name(number)}", self._text)

    def end(self, number: int) -> None:
        name = lease_name(number)
        with suppress(AddressError):
            if _holds(self._quick, number):
                ended = name.removesuffix(".json") + ENDED
                self._quick.put(f"{LOGS}/{ended}", self._text)
                self._quick.remove(f"{LOGS}/{name}")

    def _now(self) -> float:
        """Time by the clock of the service; ours where we may not write."""
        name = f".clock-{uuid4().hex}"
        try:
            self._folder.put(f"{LOGS}/{name}", b"?")
            return self._folder.listed(LOGS)[name].modified
        except AddressError:  # of a store that may be read only
            return time.time()
        finally:
            with suppress(AddressError):
                self._folder.remove(f"{LOGS}/{name}")


def _numbers(folder: RemoteFolder) -> dict[str, int]:
    """Name of a lease -> its number."""
    found = {}
    for name in folder.listed(LOGS):
        if (number := lease_number(name)) is not None:
            found[name] = number
    return found


def _holds(folder: RemoteFolder, number: int) -> bool:
    numbers = _numbers(folder)
    return lease_name(number) in numbers and max(numbers.values()) == number
