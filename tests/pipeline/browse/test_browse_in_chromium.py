"""The pages in a real browser: they play, filter, open videos, and ask no network."""

from pathlib import Path

import pytest
from chromium_pipe import chromium_command, open_tab

TOOLS = """
const violations = [];
document.addEventListener("securitypolicyviolation",
  (event) => violations.push(event.violatedDirective + " " + event.blockedURI));
const cards = () => [...document.querySelectorAll(".card")];
const names = () => cards().map((card) => card.dataset.id);
const point = (card, name, type = "mouse") =>
  card.dispatchEvent(new PointerEvent(name, {pointerType: type}));
const key = (name) => document.activeElement.dispatchEvent(
  new KeyboardEvent("keydown", {key: name, bubbles: true, cancelable: true}));
const until = async (test) => {
  for (let i = 0; i < 400 && !test(); i++) await new Promise((done) => setTimeout(done, 25));
  return Boolean(test());
};
const playing = (clip) => until(() => {
  const video = clip.querySelector("video.on");
  return video && video.currentTime > 0;
});
const set = (name, value) => {
  const input = document.querySelector(`[name=${name}]`);
  input.value = value;
  input.dispatchEvent(new Event("input", {bubbles: true}));
  return names().length + " " + decodeURIComponent(location.hash);
};
"""
SHEET = f"""
(async () => {{
  {TOOLS}
  const out = {{names: names(), shapes: []}};
  const first = cards()[0], clip = first.querySelector(".clip");
  for (const image of document.querySelectorAll(".card img")) {{
    await image.decode();
    out.shapes.push([image.naturalWidth, image.naturalHeight]);
  }}
  point(first, "pointerenter");
  out.hovered = await playing(clip);
  const video = clip.querySelector("video");
  out.movie = [video.videoWidth, video.videoHeight, video.duration, video.loop, video.muted];
  point(first, "pointerleave");
  out.left = document.querySelectorAll("video").length;
  const button = clip;
  button.dispatchEvent(new PointerEvent("pointerdown", {{pointerType: "touch"}}));
  button.click();
  out.tapped = await playing(clip) && !document.querySelector("dialog").open;
  button.focus();
  out.focused = await playing(clip);
  key("ArrowRight");
  out.moved = cards().indexOf(document.activeElement.closest(".card"));
  key("/");
  out.search = document.activeElement.name;
  out.short = set("odd", "short");
  out.reset = set("odd", "");
  out.text = set("text", "ONERROR");
  out.words = set("text", "script nothing");
  out.none = !document.querySelector(".none").hidden;
  set("text", "");
  out.test = set("split", JSON.stringify(["split1", "test"]));
  out.both = set("class", "2");
  set("class", "");
  set("split", "");
  set("order", "longest");
  out.longest = names();
  set("order", "id");
  cards()[1].querySelector("button").click();
  const dialog = document.querySelector("dialog"), title = dialog.querySelector("h2");
  out.opened = [dialog.open, title.textContent];
  out.playing = await playing(document.querySelector("#stage"));
  key("ArrowLeft");
  out.before = title.textContent;
  out.facts = dialog.querySelector("dl").textContent;
  document.querySelector("#pause").click();
  out.paused = await until(() => document.querySelector("#pause").textContent === "Play");
  dialog.close();
  await until(() => document.activeElement.closest(".card"));
  out.returned = cards().indexOf(document.activeElement.closest(".card"));
  document.activeElement.blur();
  document.querySelector("#play-all").click();
  out.all = await until(() => document.querySelectorAll("video.on").length === 3);
  document.querySelector("#play-all").click();
  out.stopped = document.querySelectorAll("video").length;
  out.scripts = document.querySelectorAll("script, b-bold, i").length;
  out.violations = violations;
  return out;
}})()
"""
INDEX = f"""
(async () => {{
  {TOOLS}
  const out = {{cards: cards().map((card) => card.getAttribute("href"))}};
  point(cards()[0], "pointerenter");
  out.hovered = await playing(cards()[0].querySelector(".clip"));
  out.text = document.body.innerText;
  out.violations = violations;
  return out;
}})()
"""
PAPER = "getComputedStyle(document.body).backgroundColor"


@pytest.mark.slow
def test_a_browser_plays_filters_and_opens_without_any_network(
    page: Path, tmp_path: Path
) -> None:
    papers = {}
    addresses, errors = set(), []
    with open_tab(chromium_command(), tmp_path / "home") as tab:
        size = {"width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        tab.call("Emulation.setDeviceMetricsOverride", **size)
        found = {}
        for name, probe in (("all", SHEET), ("index", INDEX)):
            tab.open(page / f"{name}.html")
            found[name] = tab.run(probe)
            for scheme in ("light", "dark"):
                feature = {"name": "prefers-color-scheme", "value": scheme}
                tab.call("Emulation.setEmulatedMedia", features=[feature])
                papers[scheme] = tab.run(PAPER)
            for event in tab.events:
                if event["method"] == "Network.requestWillBeSent":
                    addresses.add(event["params"]["request"]["url"])
                if event["method"] == "Log.entryAdded":
                    errors.append(event["params"]["entry"])

    sheet = found["all"]
    script, quotes, marks, one = sheet["names"]
    assert script == "<script>alert(1)</script>/a" and quotes == "b\"' onerror=x &lt;"
    assert sheet["shapes"] == [[154, 36]] * 4
    assert sheet["hovered"] and sheet["tapped"] and sheet["focused"]
    assert sheet["movie"] == [154, 36, pytest.approx(0.76), True, True]
    assert sheet["left"] == sheet["stopped"] == 0
    assert sheet["moved"] == 1 and sheet["search"] == "text"
    assert sheet["short"] == "2 #odd=short" and sheet["reset"] == "4 "
    assert sheet["text"] == "1 #text=ONERROR"
    assert sheet["words"].startswith("0 ") and sheet["none"]
    assert sheet["test"] == '2 #split=["split1","test"]'
    assert sheet["both"].startswith("1 ")
    assert sheet["longest"] == [marks, script, quotes, one]
    assert sheet["opened"] == [True, quotes] and sheet["playing"]
    assert sheet["before"] == script and sheet["paused"]
    assert "20 frames at 25 fps" in sheet["facts"] and "mpeg4" in sheet["facts"]
    assert sheet["returned"] == 0 and sheet["all"]
    assert found["index"]["cards"] == ["class/0001.html", "class/0002.html"]
    assert found["index"]["hovered"]
    assert "no video stream\\n<i>at all</i>" in found["index"]["text"]
    assert sheet["violations"] == found["index"]["violations"] == []
    assert papers == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 27)"}
    assert {each.partition(":")[0] for each in addresses} == {"file"}
    assert not [entry for entry in errors if entry["level"] == "error"]
