"""All that a process has taken from the driver, and how it is given back."""

import contextlib
from collections.abc import Callable
from typing import Any

from pipeline.flow.errors import FlowError

RELEASES = {
    "event": "cuEventDestroy",
    "exec": "cuGraphExecDestroy",
    "graph": "cuGraphDestroy",
    "memory": "cuMemFree",
    "pinned": "cuMemFreeHost",
    "module": "cuModuleUnload",
    "stream": "cuStreamDestroy",
    "context": "cuDevicePrimaryCtxRelease",
}
"""Function that gives back a handle, by its kind, in the order in which it must be done."""


class Handles:
    """Handles of one context, each given back once: when it is no longer needed, or with
    all that are left.

    Args:
        call: calls a function of the driver, by name.
    """

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call
        self._held: dict[tuple[str, int], Any] = {}
        self._context: Any = None

    def hold(self, kind: str, handle: Any) -> Any:
        """Note a handle that the driver has given; returned as it is."""
        self._held[kind, int(handle)] = handle
        return handle

    def release(self, kind: str, handle: Any) -> None:
        """Give one back.

        Raises:
            DeviceError: the driver refused; it is given up all the same.
        """
        self._call(RELEASES[kind], self._held.pop((kind, int(handle))))

    def enter(self, context: Any) -> None:
        """Make a context that of this thread."""
        self._context = context
        self._call("cuCtxSetCurrent", context)

    def release_all(self) -> None:
        """Give back all that is left, on whichever thread. What the driver refuses, as it
        does after it has lost the device, ends with the process."""
        if self._context is not None:
            with contextlib.suppress(FlowError):
                self._call("cuCtxSetCurrent", self._context)
        for kind in RELEASES:
            for each in [it for it in self._held if it[0] == kind]:
                with contextlib.suppress(FlowError):
                    self.release(*each)
        self._context = None
