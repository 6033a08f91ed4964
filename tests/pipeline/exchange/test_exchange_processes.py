"""Processes of exports and imports end when their work is not wanted any more."""

import time
from multiprocessing import active_children

import pytest

from pipeline.exchange.parallel import in_order


def slowly(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


@pytest.mark.slow
def test_processes_end_when_the_results_are_closed() -> None:
    results = in_order(slowly, [0.0, 600.0, 600.0, 600.0], jobs=2)
    assert next(results) == (0.0, 0.0)
    began = time.monotonic()
    results.close()
    assert time.monotonic() - began < 60 and not active_children()
