"""The address of a Ray cluster, without importing Ray: an option, the environment, Ray's note.

A cluster that the user names (by an option or a variable) is trusted and receives Ray's
token. A cluster that is only found on this machine may belong to another user: the file in
which Ray notes the last cluster lies in a folder that everybody may write, and any user may
open a port. It is joined if file and port belong to this user or to root, and receives the
token only on request.
"""

import contextlib
import os
import re
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from motion_shards.errors import ClusterError
from motion_shards.private import user_name, writable_by_others

ANSWER_SECONDS = 10.0
DASHBOARD_PORT = 8265
TOKEN_NEEDED = (
    "the cluster asks for its token: copy ~/.ray/auth_token from its head, or set "
    "RAY_AUTH_TOKEN"
)
NO_RAY = "something listens there, but it is not Ray"
_NOTE_BYTES = 300
_LISTENING = "0A"
"""The state LISTEN in /proc/net/tcp."""


class ClusterAddress(NamedTuple):
    """A cluster that is to be joined."""

    address: str
    """HOST:PORT, ray://HOST:PORT or local."""
    named_by: str
    """The option or variable that named it. Empty: it was found on this machine."""

    def text(self) -> str:
        return f"{self.address} ({self.named_by or f'noted in {cluster_note()}'})"


class ClusterSearch(NamedTuple):
    """The result of a search for a cluster on this machine."""

    cluster: ClusterAddress | None
    why_not: str = ""
    """Reason for not joining the cluster that is there; one line, empty if there is none."""


def cluster_from_environment() -> ClusterAddress | None:
    """The cluster that RAY_ADDRESS names. Ray sets it in jobs."""
    named = os.environ.get("RAY_ADDRESS", "")
    return (
        ClusterAddress(named, "RAY_ADDRESS")
        if named not in ("", "auto", "local")
        else None
    )


def find_cluster() -> ClusterSearch:
    """The cluster that `auto` means: RAY_ADDRESS, whether it answers or not, else one that
    was joined on this machine, answers, and is this user's or root's."""
    if os.environ.get("RAY_ADDRESS") == "local":
        return ClusterSearch(None)
    named = cluster_from_environment()
    return ClusterSearch(named) if named else find_local_cluster()


def find_local_cluster() -> ClusterSearch:
    """The cluster that this machine has joined last."""
    try:
        address = _noted()
    except ClusterError as error:
        return ClusterSearch(None, str(error))
    if address is None:
        return ClusterSearch(None)
    # one that was killed leaves its note behind
    why = answers(address, seconds=3) or _strangers(address)
    if not why and _state(address) == "silent":
        why = NO_RAY
    if why:
        return ClusterSearch(
            None, f"{address}, noted in {cluster_note()}, is not joined: {why}"
        )
    return ClusterSearch(ClusterAddress(address, ""))


def cluster_note() -> Path:
    """Ray's own file with the address of the cluster that was joined last."""
    folder = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"
    return Path(folder, "ray", "ray_current_cluster")


def _noted() -> str | None:
    """The address in Ray's note; None without one.

    Raises:
        ClusterError: it may be another user's.
    """
    path = cluster_note()
    try:
        with _opened(path.parent, os.O_DIRECTORY) as folder:
            _require_ours(path.parent, os.fstat(folder))
            with _opened(path.name, os.O_NONBLOCK, folder) as file:
                found = os.fstat(file)
                _require_ours(path, found)
                # a second name could be an old note of ours, brought back
                if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
                    raise ClusterError(f"{path} is ignored: not a plain file")
                if writable_by_others(found):
                    raise ClusterError(
                        f"{path} is ignored: others can write it (chmod go-w)"
                    )
                text = os.read(file, _NOTE_BYTES).decode("ascii", "replace").strip()
    except FileNotFoundError:
        return None
    except OSError as error:  # ELOOP, ENOTDIR: a link
        raise ClusterError(f"{path} is ignored: {error.strerror}") from error
    if not re.fullmatch(r"[\w.:\[\]-]+:\d+", text, re.ASCII):
        raise ClusterError(f"{path} is ignored: expected HOST:PORT")
    return text


@contextlib.contextmanager
def _opened(name: str | Path, flags: int, folder: int | None = None) -> Iterator[int]:
    flags |= os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    file = os.open(name, flags, dir_fd=folder)
    try:
        yield file
    finally:
        os.close(file)


def _require_ours(path: Path, found: os.stat_result) -> None:
    if found.st_uid not in (os.getuid(), 0):
        raise ClusterError(
            f"{path} is ignored: it belongs to {user_name(found.st_uid)} (a cluster "
            "of others is joined by its address: --ray HOST:PORT)"
        )


def _strangers(address: str) -> str | None:
    """The owner of the server, if it runs on this machine and is not ours or root's."""
    host, port = host_and_port(address)
    with socket.create_connection((host, port), 3) as connection:
        if connection.getpeername()[0] != connection.getsockname()[0]:
            return None  # another machine: its users cannot be seen
    for uid in _listeners(port):
        if uid not in (os.getuid(), 0):
            return f"its port belongs to {user_name(uid)}"
    return None


def _listeners(port: int) -> set[int]:
    """User ids that listen at a port of this machine; empty where Linux is not."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text("utf-8").splitlines()[1:]:
                fields = line.split()
                here = int(fields[1].rpartition(":")[2], 16)
                if here == port and fields[3] == _LISTENING:
                    found.add(int(fields[7]))
    return found


def host_and_port(address: str) -> tuple[str, int]:
    """Host and port of HOST:PORT, [HOST]:PORT or a URL.

    Raises:
        ValueError: it has no port.
    """
    host, _, port = address.rpartition("://")[2].partition("/")[0].rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"expected HOST:PORT, got {address!r}")
    return host.strip("[]"), int(port)


def answers(address: str, *, seconds: float = ANSWER_SECONDS) -> str | None:
    """None if HOST:PORT (or that of a URL) accepts connections, else the reason."""
    try:
        socket.create_connection(host_and_port(address), seconds).close()
    except ValueError as error:
        return str(error)
    except OSError as error:
        return error.strerror or str(error)
    return None


def require(cluster: ClusterAddress, *, name_by: str = "--ray HOST:PORT") -> None:
    """Check that a cluster answers, and set whether Ray sends it the token.

    By default Ray waits for minutes, sends no token to an address that it is given, and
    sends one to a cluster of this machine that needs none, where actors then fail to
    start. Call this before Ray is imported. A RAY_AUTH_MODE that is set already is kept.

    Args:
        name_by: option of the current command that names a cluster; for the message.

    Raises:
        ClusterError: nothing answers; or the cluster requires a token and there is none,
            or the user has not named the cluster.
    """
    if cluster.address == "local":
        return
    why = answers(cluster.address)
    state = "silent" if why else _state(cluster.address)
    if state == "silent":
        mend = {
            "RAY_ADDRESS": "unset it, or start the cluster",
            "--ray": "start it, or use --ray off",
        }
        raise ClusterError(
            f"{cluster.named_by or cluster_note()}: expected a Ray cluster at {cluster.address}, got "
            f"none: {why or NO_RAY} ({mend.get(cluster.named_by, 'start it')})"
        )
    if os.environ.get("RAY_AUTH_MODE"):
        return
    if state == "closed":
        if not has_token():
            raise ClusterError(f"{cluster.address}: {TOKEN_NEEDED}")
        if not cluster.named_by:
            raise ClusterError(token_not_sent(cluster.address, name_by))
        os.environ["RAY_AUTH_MODE"] = "token"
    elif state == "open" or not cluster.named_by:
        os.environ["RAY_AUTH_MODE"] = "disabled"


def token_not_sent(address: str, named: str) -> str:
    """A line: why the required token is not sent to a cluster that the user has not named."""
    return (
        f"{address}: the cluster asks for a token, which is sent only to a cluster "
        f"that is named: {named}, or RAY_AUTH_MODE=token if this one is yours"
    )


def has_token() -> bool:
    """Whether this user has a token of Ray, which a cluster may require."""
    return bool(
        os.environ.get("RAY_AUTH_TOKEN")
        or os.environ.get("RAY_AUTH_TOKEN_PATH")
        or Path.home().joinpath(".ray", "auth_token").is_file()
    )


def use_token(*, named: bool) -> None:
    """Set whether Ray's job client sends the token.

    By default it does not send one even if there is one. A job server that needs none
    ignores it. Call this before Ray is imported, which reads the setting once.

    Args:
        named: whether the user named the job server; if not, no token is sent.
    """
    if has_token() and not os.environ.get("RAY_AUTH_MODE"):
        os.environ["RAY_AUTH_MODE"] = "token" if named else "disabled"


State = Literal["open", "closed", "silent", "unknown"]


def _state(address: str) -> State:
    """Whether a cluster accepts everybody (open), refuses requests without a token (closed),
    or does not answer (silent).

    The request is made without Ray, which fixes its authentication once per process, and
    without a token.
    """
    if os.environ.get("RAY_USE_TLS", "0") not in ("", "0", "false", "False"):
        return "unknown"
    try:
        import grpc  # comes with ray[default]
    except ImportError:
        return "unknown"
    options = [("grpc.enable_http_proxy", 0)]
    target = address.rpartition("://")[2]
    with grpc.insecure_channel(target, options) as channel:
        ask = channel.unary_unary("/ray.rpc.NodeInfoGcsService/GetClusterId")
        try:
            ask(b"", timeout=ANSWER_SECONDS)
        except grpc.RpcError as error:
            states: dict[object, State] = {
                grpc.StatusCode.UNAUTHENTICATED: "closed",
                grpc.StatusCode.UNAVAILABLE: "silent",
                grpc.StatusCode.DEADLINE_EXCEEDED: "silent",
            }
            return states.get(error.code(), "unknown")
    return "open"
