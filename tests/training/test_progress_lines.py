import io

from training.progress import Bars, Lines


def test_lines_are_few_and_the_last_one_comes():
    stream = io.StringIO()
    lines = Lines(stream, seconds=3600)
    lines.begin("flow", 100)
    for done in range(1, 101):
        lines.step(done, f"loss {1 / done:.2f}")
    lines.end()
    assert stream.getvalue() == "flow: step 100 of 100  loss 0.01\n"


def test_bars_go_and_what_was_said_stays():
    stream = io.StringIO()
    bars = Bars(stream)
    bars.begin("flow", 10, done=4)
    bars.step(5, "loss 1")
    bars.say("a line [with brackets]")
    bars.end()
    bars.begin("mv", 10)
    bars.end()
    assert "a line [with brackets]" in stream.getvalue()
