"""Style and script of the page of recognised videos."""

from motion_shards.page_frame import colours

COLOURS = colours(
    light="--focus: #0550ae; --c0: #1f7a3d; --c1: #2f6fb5; --c2: #b3500f; "
    "--c3: #7d4ba0; --c4: #8a6d00; --c5: #b3276b; --c6: #0f7f86; --c7: #6b6f76;",
    dark="--focus: #79b8ff; --c0: #4cc38a; --c1: #6cb0ff; --c2: #ff9d5c; "
    "--c3: #c594ea; --c4: #e0b341; --c5: #ff8abf; --c6: #4fd0d8; --c7: #a4a9b0;",
)
STYLE = """\
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
main { max-width: 70rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.6rem; margin: 0 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 0 0 .2rem; overflow-wrap: anywhere; }
p { margin: .2rem 0 .8rem; color: var(--soft); }
section { border-top: 1px solid var(--line); padding: 1.25rem 0 1.75rem; }
.pair { display: grid; gap: 1.25rem; grid-template-columns: minmax(0, 3fr) minmax(15rem, 2fr);
  align-items: start; }
@media (max-width: 44rem) { .pair { grid-template-columns: minmax(0, 1fr); } }
video { width: 100%; max-height: 26rem; background: #000; border-radius: 6px; display: block; }
ol { list-style: none; margin: 0; padding: 0; }
.classes li { display: grid; grid-template-columns: 1fr auto; gap: 0 .75rem;
  margin: 0 0 .55rem; font-variant-numeric: tabular-nums; }
.classes b { font-weight: 600; overflow-wrap: anywhere; }
.bar { grid-column: 1 / -1; height: 8px; border-radius: 4px; background: var(--band); }
.bar i { display: block; height: 100%; border-radius: 4px; background: var(--c); }
.timeline { position: relative; margin-top: 1.1rem; border: 1px solid var(--line);
  border-radius: 6px; background: var(--band); cursor: pointer; touch-action: none;
  overflow: hidden; }
.timeline:focus-visible, button:focus-visible { outline: 3px solid var(--focus);
  outline-offset: 2px; }
.timeline svg { display: block; width: 100%; height: 7rem; }
.timeline polyline { fill: none; stroke: var(--c); stroke-width: 2;
  vector-effect: non-scaling-stroke; }
.strip { position: relative; height: 1.9rem; }
.strip span { position: absolute; top: 0; bottom: 0; padding: .2rem .4rem; overflow: hidden;
  white-space: nowrap; text-overflow: ellipsis; font-size: .8rem; color: var(--paper);
  background: var(--c); border-right: 1px solid var(--paper); }
.head { position: absolute; top: 0; bottom: 0; left: 0; width: 2px; background: var(--ink);
  pointer-events: none; }
.axis { display: flex; justify-content: space-between; font-size: .8rem; color: var(--soft);
  font-variant-numeric: tabular-nums; }
.segments { display: flex; flex-wrap: wrap; gap: .4rem; margin-top: .7rem; max-height: 15rem;
  overflow-y: auto; padding: 3px; }
button { font: inherit; font-size: .85rem; color: var(--ink); background: var(--paper);
  border: 1px solid var(--line); border-left: 6px solid var(--c); border-radius: 6px;
  padding: .2rem .6rem; cursor: pointer; font-variant-numeric: tabular-nums; }
button[aria-current=true] { background: var(--band); border-color: var(--c);
  font-weight: 600; }
@media print { .timeline, video { break-inside: avoid; } }
"""

SCRIPT = """
"use strict";
for (const section of document.querySelectorAll("section[data-seconds]")) {
  const seconds = Number(section.dataset.seconds);
  const video = section.querySelector("video");
  const line = section.querySelector(".timeline");
  if (!line) continue;
  const head = section.querySelector(".head");
  const buttons = [...section.querySelectorAll("button")];
  const start = (button) => Number(button.dataset.start);
  const end = (button) => Number(button.dataset.end);
  const said = (time) => {
    const whole = Math.floor(time), pad = (number) => String(number).padStart(2, "0");
    const hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60;
    return (hours ? hours + ":" + pad(minutes) : minutes) + ":" + pad(whole % 60);
  };
  let now = 0;
  const show = (time) => {
    now = Math.min(Math.max(time, 0), seconds);
    head.style.left = (seconds ? 100 * now / seconds : 0) + "%";
    const current = buttons.find((one) => start(one) <= now && now < end(one));
    for (const button of buttons) {
      button.setAttribute("aria-current", String(button === current));
    }
    line.setAttribute("aria-valuenow", now.toFixed(1));
    line.setAttribute("aria-valuetext",
      said(now) + (current ? ", " + current.dataset.label : ""));
  };
  const seek = (time) => {
    show(time);
    if (video) video.currentTime = now;
  };
  const along = (event) => {
    const box = line.getBoundingClientRect();
    seek(seconds * (event.clientX - box.left) / box.width);
  };
  line.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    try { line.setPointerCapture(event.pointerId); } catch { /* a pointer of a script */ }
    along(event);
  });
  line.addEventListener("pointermove", (event) => { if (event.buttons & 1) along(event); });
  line.addEventListener("keydown", (event) => {
    const big = Math.max(seconds / 10, 1), small = Math.min(1, big / 10);
    const steps = {ArrowRight: small, ArrowUp: small, ArrowLeft: -small, ArrowDown: -small,
      PageUp: big, PageDown: -big, Home: -Infinity, End: Infinity};
    if (event.key in steps) seek(now + steps[event.key]);
    else if (event.key === " " && video) video.paused ? video.play() : video.pause();
    else return;
    event.preventDefault();
  });
  for (const button of buttons) {
    button.addEventListener("click", () => seek(start(button)));
  }
  if (video) {
    const follow = () => {
      show(video.currentTime);
      if (!video.paused && !video.ended) requestAnimationFrame(follow);
    };
    for (const name of ["timeupdate", "seeked"]) {
      video.addEventListener(name, () => show(video.currentTime));
    }
    video.addEventListener("play", () => {
      for (const other of document.querySelectorAll("video")) {
        if (other !== video) other.pause();
      }
      follow();
    });
  }
  show(0);
}
"""
