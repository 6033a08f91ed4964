"""The page in a real browser: it plays, seeks, and asks no network for anything."""

from dataclasses import replace
from pathlib import Path

import pytest
from chromium_pipe import chromium_command, open_tab
from made_predictions import SUMMARY, with_segments
from written_videos import flat, write

from training.recognition.answers import Segment
from training.recognition.outputs.page import open_page

SECONDS = 4.0
PROBE = """
(async () => {
  const out = {violations: []};
  document.addEventListener("securitypolicyviolation",
    (event) => out.violations.push(event.violatedDirective + " " + event.blockedURI));
  const videos = [...document.querySelectorAll("video")];
  const lines = [...document.querySelectorAll(".timeline")];
  for (const video of videos) {
    if (video.readyState < 2 && !video.error) {
      await new Promise((done) => {
        video.addEventListener("loadeddata", done);
        video.addEventListener("error", done);
      });
    }
  }
  out.videos = videos.map((v) => [v.error ? v.error.message : "", v.videoWidth,
    v.videoHeight, v.duration]);
  const moved = (video, act) => new Promise((done) => {
    video.addEventListener("seeked", () => done(video.currentTime), {once: true});
    act();
  });
  const click = (line, share, type = "pointerdown") => {
    const box = line.getBoundingClientRect();
    line.dispatchEvent(new PointerEvent(type, {bubbles: true, pointerId: 7,
      buttons: 1, clientX: box.left + share * box.width, clientY: box.top + 5}));
  };
  const key = (line, name) =>
    line.dispatchEvent(new KeyboardEvent("keydown", {key: name, bubbles: true}));
  const current = (section) => [...section.querySelectorAll("button")]
    .findIndex((button) => button.getAttribute("aria-current") === "true");
  const sections = [...document.querySelectorAll("section")];
  const state = (i) => [videos[i].currentTime, current(sections[i]),
    lines[i].getAttribute("aria-valuenow"), lines[i].getAttribute("aria-valuetext"),
    sections[i].querySelector(".head").style.left];
  out.start = state(0);
  await moved(videos[0], () => click(lines[0], 0.75));
  out.clicked = state(0);
  await moved(videos[0], () => click(lines[0], 0.25, "pointermove"));
  out.dragged = state(0);
  await moved(videos[1], () => sections[1].querySelectorAll("button")[1].click());
  out.button = state(1);
  out.other = videos[0].currentTime;
  for (const name of ["Home", "ArrowRight", "PageUp", "ArrowLeft", "End"]) {
    await moved(videos[1], () => key(lines[1], name));
    out[name] = videos[1].currentTime;
  }
  lines[1].focus();
  out.focused = document.activeElement === lines[1];
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 8;
  const painter = canvas.getContext("2d");
  out.pixels = videos.map((video) => {
    painter.drawImage(video, 0, 0, 8, 8);
    return [...painter.getImageData(0, 0, 1, 1).data, ...painter.getImageData(7, 7, 1, 1).data];
  });
  await moved(videos[1], () => key(lines[1], "Home"));
  const began = new Promise((done) => videos[1].addEventListener("timeupdate", done));
  videos[1].muted = true;
  key(lines[1], " ");
  await began;
  out.playing = !videos[1].paused;
  out.height = lines[0].getBoundingClientRect().height;
  return out;
})()
"""


@pytest.fixture(scope="module")
def chromium() -> str:
    """The command of a Chromium on this machine."""
    return chromium_command()


@pytest.mark.slow
def test_a_browser_plays_and_seeks_without_any_network(
    chromium: str, tmp_path: Path
) -> None:
    """One video that browsers play, with an awkward name, and one that they do not."""
    frames = flat(round(25 * SECONDS), height=120, width=160)
    plain = write(tmp_path / "a '\"&<b>.mp4", frames)
    avi = write(tmp_path / "b.avi", frames, codec="mpeg4")
    segments = (
        Segment(start=0.0, end=2.0, label="</script>\"'", score=0.9),
        Segment(start=2.0, end=4.0, label="run", score=0.8),
    )
    long = replace(SUMMARY, frames=100, seconds=SECONDS)
    path = tmp_path / "page.html"
    with open_page(path, "a model") as page:
        for video in (plain, avi):
            found = replace(with_segments(video), segments=segments, video=long)
            page.add(replace(found, classes=(segments[0].label, "run", "sit")))
    with open_tab(chromium, tmp_path / "home") as tab:
        tab.open(path)
        found = tab.run(PROBE)
        papers = {}
        for scheme in ("light", "dark"):
            feature = {"name": "prefers-color-scheme", "value": scheme}
            tab.call("Emulation.setEmulatedMedia", features=[feature])
            papers[scheme] = tab.run("getComputedStyle(document.body).backgroundColor")
        events = tab.events

    assert found["videos"] == [["", 160, 120, pytest.approx(4.0, abs=0.05)]] * 2
    assert found["start"] == [0, 0, "0.0", "0:00, </script>\"'", "0%"]
    assert found["clicked"] == [pytest.approx(3.0), 1, "3.0", "0:03, run", "75%"]
    assert found["dragged"] == [
        pytest.approx(1.0),
        0,
        "1.0",
        "0:01, </script>\"'",
        "25%",
    ]
    assert found["button"] == [pytest.approx(2.0), 1, "2.0", "0:02, run", "50%"]
    assert found["other"] == pytest.approx(1.0)
    keys = [
        found[name] for name in ("Home", "ArrowRight", "PageUp", "ArrowLeft", "End")
    ]
    assert keys == pytest.approx([0.0, 0.1, 1.1, 1.0, 4.0], abs=0.05)
    assert found["focused"]
    for red, green, blue, _, last_red, last_green, last_blue, _ in found["pixels"]:
        assert (red, green, blue) == pytest.approx((44, 44, 128), abs=25)
        assert (last_red, last_green, last_blue) == pytest.approx(
            (207, 207, 128), abs=25
        )
    assert found["playing"]
    assert found["violations"] == []
    assert found["height"] > 100
    assert papers == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 27)"}
    addresses = {
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    }
    assert path.as_uri() in addresses
    assert {each.partition(":")[0] for each in addresses} == {"file", "data"}
    entries = [e["params"]["entry"] for e in events if e["method"] == "Log.entryAdded"]
    assert not [entry for entry in entries if entry["level"] == "error"]
