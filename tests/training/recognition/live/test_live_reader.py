import threading
import time
from collections.abc import Iterator

import pytest

from training.recognition.live.reader import Reader


def test_items_come_in_order_up_to_the_end() -> None:
    reader = Reader(iter(range(5)), size=lambda item: 1, most_bytes=2)
    got = []
    while taken := reader.take(all_of_them=False):
        assert len(taken) == 1
        got.append(taken[0].item)
    assert got == [0, 1, 2, 3, 4]
    assert reader.take(all_of_them=True) == []
    reader.close()


def test_the_thread_reads_ahead_as_far_as_memory_goes() -> None:
    read = []

    def items() -> Iterator[int]:
        for number in range(100):
            read.append(number)
            yield number

    reader = Reader(items(), size=lambda item: 10, most_bytes=35)
    time.sleep(0.2)
    assert read == [0, 1, 2, 3]  # three wait, and one that does not fit
    assert [each.item for each in reader.take(all_of_them=True)] == [0, 1, 2]
    time.sleep(0.2)
    assert read == list(range(7))
    reader.close()


def test_an_item_larger_than_the_memory_passes() -> None:
    reader = Reader(iter([b"x" * 99, b"y" * 99]), size=len, most_bytes=5)
    assert reader.take(all_of_them=False)[0].item == b"x" * 99
    assert reader.take(all_of_them=False)[0].item == b"y" * 99
    reader.close()


def test_an_error_comes_behind_what_was_read() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    reader = Reader(items(), size=lambda item: 1, most_bytes=9)
    assert [each.item for each in reader.take(all_of_them=True)] == [1]
    with pytest.raises(ValueError, match="broken"):
        reader.take(all_of_them=True)
    reader.close()


def test_closing_ends_an_iterator_that_waits() -> None:
    stopped, ended = threading.Event(), threading.Event()

    def items() -> Iterator[int]:
        yield 1
        stopped.wait(30)
        ended.set()

    reader = Reader(items(), size=lambda item: 1, most_bytes=9, stop=stopped.set)
    assert reader.take(all_of_them=True)
    reader.close()
    assert ended.wait(1)


def test_closing_ends_a_thread_that_waits_for_room() -> None:
    reader = Reader(iter(range(9)), size=lambda item: 1, most_bytes=1)
    reader.take(all_of_them=False)
    before = threading.active_count()
    reader.close()
    assert threading.active_count() == before - 1


def test_closing_closes_what_the_iterator_has_open() -> None:
    closed = threading.Event()

    def items() -> Iterator[int]:
        try:
            yield from range(9)
        finally:
            closed.set()

    reader = Reader(items(), size=lambda item: 1, most_bytes=1)
    reader.take(all_of_them=False)
    reader.close()
    assert closed.wait(1)


def test_nobody_waits_long_for_a_thread_that_hangs() -> None:
    hanging = threading.Event()

    def items() -> Iterator[int]:
        hanging.wait(30)
        yield 1

    reader = Reader(items(), size=lambda item: 1, most_bytes=9)
    threading.Timer(0.1, reader.hurry).start()
    began = time.monotonic()
    assert reader.take(all_of_them=True) == []
    assert time.monotonic() - began < 3
    hanging.set()
    reader.close()
