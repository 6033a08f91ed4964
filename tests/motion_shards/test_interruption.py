"""Signals that wait for statements that belong together."""

import os
import signal

import pytest

from motion_shards.interruption import interrupted_later


def test_ctrl_c_comes_after_the_statements_that_it_would_have_cut():
    done = []
    with pytest.raises(KeyboardInterrupt), interrupted_later():
        os.kill(os.getpid(), signal.SIGINT)
        done.append("kept")
    assert done == ["kept"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_signals_without_a_handler_keep_their_effect():
    with interrupted_later():
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
