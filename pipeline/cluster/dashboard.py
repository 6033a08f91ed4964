"""Where a cluster's dashboard is, which is its job server, and what its clients raise."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.cluster.address import DASHBOARD_PORT, TOKEN_NEEDED, answers, running_here
from pipeline.cluster.errors import ClusterError


def dashboard(address: str | None) -> str:
    """The URL of a job server that answers."""
    named = address or os.environ.get("RAY_API_SERVER_ADDRESS")
    if not named and os.environ.get("RAY_ADDRESS", "").startswith("http"):
        named = os.environ["RAY_ADDRESS"]
    if named:
        url = named if "://" in named else f"http://{named}"
        url = url.rstrip("/")
        if url.startswith("http") and not re.search(r":\d+$", url):
            url += f":{DASHBOARD_PORT}"
        if why := answers(url):
            raise ClusterError(f"expected a job server at {url}, got none: {why}")
        return url
    local = os.environ.get("RAY_ADDRESS") or running_here()
    if local and (found := _dashboard_of(local)):
        return found
    url = f"http://127.0.0.1:{DASHBOARD_PORT}"
    # or a tunnel that ends there: `ray dashboard cluster.yaml`
    if answers(url) is None:
        return url
    raise ClusterError(
        f"expected a cluster's job server here (at {url}), got none: name it by "
        f"--address http://HEAD:{DASHBOARD_PORT} or RAY_API_SERVER_ADDRESS, or start one "
        "(`ray up cluster.yaml`, `ray start --head`)"
    )


def _dashboard_of(cluster: str) -> str | None:
    """The dashboard of a cluster that is named by its own address."""
    try:
        from ray.dashboard.utils import ray_address_to_api_server_url
    except ImportError:  # it is not public: where it has moved, the port is a guess
        return None
    with one_line(cluster):
        url = ray_address_to_api_server_url(cluster)
    return url if answers(url) is None else None


@contextmanager
def one_line(address: str) -> Iterator[None]:
    """Whatever Ray's clients raise, said in one line."""
    try:
        yield
    except ClusterError:
        raise
    except Exception as error:
        kind = type(error).__name__
        first = next(iter(str(error).strip().splitlines()), kind)
        if kind == "AuthenticationError":
            raise ClusterError(f"{address}: {TOKEN_NEEDED}") from error
        if isinstance(error, (RuntimeError, ConnectionError, ValueError, ImportError)):
            raise ClusterError(f"{address}: {first}") from error
        if kind in ("ConnectionError", "Timeout", "HTTPError", "JSONDecodeError"):
            raise ClusterError(f"{address}: {first}") from error
        raise
