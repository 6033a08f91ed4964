"""Calls to object storage and web servers by fsspec: one client per process, time-outs, retries.

A client has a thread and open connections, which do not survive a fork: another process
makes its own.
"""

import os
import random
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from motion_shards.errors import MissingExtra
from motion_shards.extras import REMOTE, extra_of

from .errors import AccessRefused, AddressError, WrongAnswer

T = TypeVar("T")
TRIES = 5
TRIES_OF = {"hf": 2}
"""Tries at kinds of addresses whose library tries by itself: huggingface_hub for 23 s."""
FIRST_WAIT_SECONDS = 0.2
"""Before the second try; doubled before each further one."""
TIMEOUT_SECONDS = 60.0
"""Limit of one request, which asks for a few megabytes at most."""
CONNECT_SECONDS = 15.0
MAX_REASON = 200
NO_ACCESS = (401, 403)
"""Status of answers that refuse access."""
RIGHTS = (
    "are the credentials there and right? Without the right to list (s3:ListBucket), an "
    "object that is not there is refused, too"
)

_Key = tuple[int, str, str]
_clients: dict[_Key, Any] = {}


def client_and_path(address: str, options: Mapping[str, Any]) -> tuple[Any, str]:
    """The fsspec file system of an address, of this process, and the address's path in it.

    Args:
        options: further arguments of the file system, such as credentials.

    Raises:
        MissingExtra: the extra `remote` is needed, and not installed.
        AddressError: no such kind of address.
    """
    kind = address.partition(":")[0]
    try:
        import fsspec
    except ModuleNotFoundError as error:
        raise _missing(address, error) from None
    key = (os.getpid(), address, repr(sorted(options.items())))
    if key in _clients:
        return _clients[key]
    try:
        given = {"use_listings_cache": False} | _limits(kind) | dict(options)
        made = fsspec.core.url_to_fs(address, **given)
    except ImportError as error:
        raise _missing(address, error) from None
    except Exception as error:  # noqa: BLE001 - of any library behind fsspec
        raise AddressError(
            f"{address}: expected an address that fsspec knows, got {_reason(error)}"
        ) from None
    if hasattr(made[0], "retries"):  # s3fs would retry, too: the tries here are enough
        made[0].retries = 1
    for old in [old for old in _clients if old[0] != os.getpid()]:
        del _clients[old]
    _clients[key] = made
    return made


def _limits(kind: str) -> dict[str, Any]:
    """Time-outs as a kind of file system takes them, and no retries of its own."""
    if kind == "s3":
        seconds = {"connect_timeout": CONNECT_SECONDS, "read_timeout": TIMEOUT_SECONDS}
        return {"config_kwargs": seconds | {"retries": {"max_attempts": 0}}}
    return {}


def limited(client: Any) -> dict[str, float]:
    """Argument of a call that limits its time, where the file system has one."""
    return {"timeout": TIMEOUT_SECONDS} if getattr(client, "async_impl", False) else {}


def tried(what: str, call: Callable[[], T], *, tries: int | None = None) -> T:
    """The result of a call, tried again after connections that break and servers that fail.

    Args:
        what: address of the object; starts the message.
        tries: how often, at most; None: `TRIES`, or as `TRIES_OF` says.

    Raises:
        FileNotFoundError: there is no such object.
        AccessRefused: the credentials do not suffice; the message is one line.
        AddressError: refused, or not answered by the last try; the same.
    """
    wait = FIRST_WAIT_SECONDS
    if tries is None:
        tries = TRIES_OF.get(what.partition(":")[0], TRIES)
    for left in reversed(range(tries)):
        try:
            return call()
        except FileNotFoundError:
            raise FileNotFoundError(f"{what}: expected an object, got none") from None
        except (MissingExtra, MemoryError):
            raise
        except Exception as error:  # noqa: BLE001 - of any library behind fsspec
            if _is_no_access(error):
                raise AccessRefused(
                    f"{what}: access refused ({_reason(error)}): {RIGHTS}"
                ) from None
            if (refusal := _refusal(error)) is not None:
                raise AddressError(f"{what}: {refusal}") from None
            if not left:
                text = _reason(error)
                if not isinstance(error, WrongAnswer):
                    text = f"expected an answer, got none: {text}"
                raise AddressError(f"{what}: {text} ({tries} tries)") from None
            time.sleep(wait * random.uniform(0.5, 1.0))
            wait *= 2
    raise AssertionError


def _status(error: Exception) -> int | None:
    """Status of the answer of a web server, as aiohttp and httpx have it."""
    answer = getattr(error, "response", None)
    status = getattr(error, "status", None) or getattr(answer, "status_code", None)
    return status if isinstance(status, int) else None


def _is_no_access(error: Exception) -> bool:
    return isinstance(error, PermissionError) or _status(error) in NO_ACCESS


def _refusal(error: Exception) -> str | None:
    """The reason for which another try is of no use; None if it may be."""
    status = _status(error)
    if "Credential" in type(error).__name__ or "Profile" in type(error).__name__:
        return f"expected credentials, got none: {_reason(error)}"
    if status and 400 <= status < 500 and status not in (408, 429):
        return f"refused: {_reason(error)}"
    if isinstance(error, NotImplementedError) or status == 501:
        return f"not possible at this kind of address: {_reason(error)}"
    if type(error).__name__ in ("InvalidURL", "InvalidUrlClientError"):
        return f"expected an address, got {_reason(error)}"
    return None


def _reason(error: Exception) -> str:
    status, message = _status(error), getattr(error, "message", None)
    if (answer := getattr(error, "response", None)) is not None:  # of httpx
        message = getattr(answer, "reason_phrase", None)
    if status and isinstance(message, str):
        return f"{status} {message}"[:MAX_REASON]
    text = re.sub(r"^\[Errno \d+\] ", "", " ".join(str(error).split()))
    name = type(error).__name__
    if isinstance(error, TimeoutError) or "Timeout" in name:
        return f"no answer within {TIMEOUT_SECONDS:.0f} s"
    return (text or name)[:MAX_REASON]


def _missing(address: str, error: ImportError) -> MissingExtra | AddressError:
    if (name := error.name) and extra_of(name) == REMOTE or not REMOTE.installed:
        return MissingExtra(REMOTE.needed_by(address))
    return AddressError(f"{address}: fsspec lacks a library for it: {_reason(error)}")
