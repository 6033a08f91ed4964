from fractions import Fraction

import av

from training.recognition.live.delay import Delay


class Now:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def packet(seconds: float, *, key: bool = False) -> av.Packet:
    made = av.Packet(4)
    made.time_base = Fraction(1, 1000)
    made.dts = round(seconds * 1000)
    made.is_keyframe = key
    return made


def test_a_reader_that_is_behind_goes_on_at_a_key_frame() -> None:
    now = Now()
    delay = Delay(1.0, now)
    assert not delay.skips(packet(0.0, key=True))
    now.seconds += 0.9  # the packet of 0.5 s comes 0.4 s late
    assert not delay.skips(packet(0.5))
    now.seconds += 2.0  # 1.1 s late
    assert delay.skips(packet(1.8))
    assert delay.skips(packet(2.8))  # in time again, but its reference is missing
    assert not delay.skips(packet(2.9, key=True))
    assert not delay.skips(packet(2.95))


def test_a_key_frame_is_seen_however_late_it_is() -> None:
    now = Now()
    delay = Delay(1.0, now)
    delay.skips(packet(0.0, key=True))
    now.seconds += 8
    assert delay.skips(packet(1.0))
    assert not delay.skips(packet(2.0, key=True))
    assert delay.skips(packet(2.1))


def test_the_clock_of_a_camera_may_be_slow() -> None:
    now = Now()
    delay = Delay(1.0, now)
    for second in range(10_000):  # a thousandth slower: 10 s in the end
        now.seconds = 100 + second * 1.001
        assert not delay.skips(packet(float(second)))


def test_a_clock_that_jumps_begins_anew() -> None:
    now = Now()
    delay = Delay(1.0, now)
    delay.skips(packet(95_443.0))
    now.seconds += 0.04
    assert not delay.skips(packet(0.03))  # wrapped
    now.seconds += 3
    assert delay.skips(packet(0.07))


def test_packets_without_time_stamps_are_seen() -> None:
    assert not Delay(1.0, Now()).skips(av.Packet(4))
