"""Something that answers as the head of a Ray cluster does, and writes down what it gets."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest


class Head:
    """A server at `address`; `told` are the headers of every request, keys and values."""

    def __init__(self, code: grpc.StatusCode) -> None:
        self._code = code
        self.told: list[tuple[str, str]] = []
        self._server = grpc.server(ThreadPoolExecutor(1))
        self._server.add_generic_rpc_handlers((_Every(self._answer),))
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def _answer(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        self.told += context.invocation_metadata()
        context.set_code(self._code)
        return b""

    def stop(self) -> None:
        self._server.stop(None).wait()


class _Every(grpc.GenericRpcHandler):
    """The same answer, whatever is asked."""

    def __init__(self, answer: Callable) -> None:
        self._handler = grpc.unary_unary_rpc_method_handler(answer)

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        return self._handler


@pytest.fixture
def head() -> Iterator[Callable[[grpc.StatusCode], Head]]:
    """Starts such servers."""
    heads: list[Head] = []

    def start(code: grpc.StatusCode = grpc.StatusCode.OK) -> Head:
        heads.append(Head(code))
        return heads[-1]

    yield start
    for each in heads:
        each.stop()
