"""Scripts of the pages of a store. They write text as text, never as markup."""

PLAYER = """
"use strict";
const calm = matchMedia("(prefers-reduced-motion: reduce)");
let everything = false;
const play = (clip) => {
  if (!clip.dataset.movie || clip.querySelector("video")) return;
  const video = document.createElement("video");
  video.muted = video.loop = video.playsInline = true;
  video.tabIndex = -1;
  video.setAttribute("aria-hidden", "true");
  video.addEventListener("playing", () => video.classList.add("on"), {once: true});
  video.src = clip.dataset.movie;
  clip.append(video);
  video.play().catch(() => {});
};
const stop = (clip) => {
  const video = clip.querySelector("video");
  if (!video) return;
  video.pause();
  video.remove();
  video.removeAttribute("src");
  video.load();
};
const watch = (card) => {
  const clip = card.querySelector(".clip");
  const start = () => { if (!calm.matches) play(clip); };
  const end = () => { if (!everything && !card.contains(document.activeElement)) stop(clip); };
  card.addEventListener("pointerenter", (event) => { if (event.pointerType !== "touch") start(); });
  card.addEventListener("pointerleave", (event) => { if (event.pointerType !== "touch") end(); });
  card.addEventListener("focusin", start);
  card.addEventListener("focusout", () => { if (!everything) stop(clip); });
};
const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (everything && entry.isIntersecting) play(entry.target); else stop(entry.target);
  }
});
const playAll = (on) => {
  everything = on;
  for (const clip of document.querySelectorAll(".cards .clip")) {
    seen.unobserve(clip);
    if (on) seen.observe(clip); else stop(clip);
  }
};
const all = document.querySelector("#play-all");
if (all) all.addEventListener("change", () => playAll(all.checked));
const stride = (cards) => {
  const tops = cards.map((card) => card.getBoundingClientRect().top);
  const count = tops.findIndex((top) => top > tops[0] + 1);
  return count < 0 ? cards.length : count;
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (document.querySelector("dialog[open]")) return;
  const typing = event.target.closest("input, select");
  const text = document.querySelector("input[type=search]");
  if (event.key === "/" && !typing && text) {
    text.focus();
    event.preventDefault();
    return;
  }
  const card = event.target.closest(".card");
  if (!card) return;
  const cards = [...card.parentElement.children];
  const steps = {ArrowRight: 1, ArrowLeft: -1, ArrowDown: stride(cards), ArrowUp: -stride(cards)};
  const next = event.key in steps && cards[cards.indexOf(card) + steps[event.key]];
  if (!next) return;
  (next.matches("a") ? next : next.querySelector("button")).focus();
  event.preventDefault();
});
"""

INDEX_SCRIPT = (
    PLAYER
    + """
document.querySelectorAll(".card").forEach(watch);
const chosen = document.querySelector("#histogram-split");
if (chosen) {
  const show = () => {
    for (const part of document.querySelectorAll("[data-split]")) {
      part.hidden = part.dataset.split !== chosen.value;
    }
  };
  chosen.addEventListener("change", show);
  show();
}
"""
)

SHEET_SCRIPT = (
    PLAYER
    + """
const PER_PAGE = 48;
const data = JSON.parse(document.querySelector("#videos").textContent);
const videos = data.rows.map((row) =>
  Object.fromEntries(data.fields.map((name, i) => [name, row[i]])));
const find = (query) => document.querySelector(query);
const made = (tag, name, text) => {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text !== undefined) element.textContent = text;
  return element;
};
const cards = find(".cards"), dialog = find("dialog");
const inputs = [...document.querySelectorAll(".filters [name]")];
const number = (value, digits) => value.toLocaleString("en", {maximumFractionDigits: digits});
const brief = (value) => value < 100 ? String(Number(value.toPrecision(2))) : number(value, 0);
const seconds = (video) => video.fps > 0 ? video.frames / video.fps : 0;
const classes = (video) => video.classes.map((i) => data.classes[i]).join(", ") || "no class";
const base = (video) => data.media + Math.floor(video.number / data.perFolder) + "/" + video.number;
const parts = (video) => {
  const splits = Object.entries(data.splits[video.splits]), said = [];
  for (const part of ["train", "test"]) {
    const names = splits.filter(([, its]) => its === part).map(([name]) => name);
    if (names.length) said.push(data.splitNames.length > 1 ? part + " " + names.join(", ") : part);
  }
  return said.join(" \\u00b7 ") || "in no split";
};
const frame = (video, tag) => {
  const clip = made(tag, "clip");
  if (video.error !== null) {
    clip.append(made("span", "missing", video.error));
    return clip;
  }
  if (video.moves) clip.dataset.movie = base(video) + ".mp4";
  const image = made("img");
  image.loading = "lazy";
  image.alt = data.modalities.join(", ") + " of " + video.id;
  image.src = base(video) + ".webp";
  clip.append(image);
  return clip;
};
const card = (video, place) => {
  const element = made("article", "card");
  element.dataset.id = video.id;
  const clip = frame(video, "button");
  clip.type = "button";
  let touched = false;
  clip.addEventListener("pointerdown", (event) => {
    touched = event.pointerType === "touch" && !clip.querySelector("video");
  });
  clip.addEventListener("click", () => {
    if (touched && clip.dataset.movie) play(clip); else open(place);
    touched = false;
  });
  const caption = made("div", "caption");
  const name = made("b", "", video.id.split("/").pop());
  name.title = video.id;
  caption.append(name, made("span", "", parts(video)));
  const facts = made("div", "caption");
  const tags = made("span", "tags");
  for (const i of video.odd) tags.append(made("i", "", data.oddities[i][1]));
  const rim = video.bound === null ? "" : " \\u00b7 rim " + video.bound + " px";
  const lead = data.mixed ? classes(video) + " \\u00b7 " : "";
  facts.append(made("span", "", lead + number(video.frames) + " frames \\u00b7 " +
    brief(seconds(video)) + " s \\u00b7 " + video.width + "\\u00d7" + video.height + rim), tags);
  element.append(clip, caption, facts);
  watch(element);
  return element;
};
const orders = {
  id: null,
  longest: (a, b) => seconds(b) - seconds(a),
  shortest: (a, b) => seconds(a) - seconds(b),
  motion: (a, b) => (b.bound ?? -1) - (a.bound ?? -1),
  clipped: (a, b) => (b.clipped ?? -1) - (a.clipped ?? -1),
  vectors: (a, b) => (a.known ?? 2) - (b.known ?? 2),
};
let shown = [], page = 0, current = 0;
const fits = (video, want) => {
  if (want.class && !video.classes.includes(Number(want.class) - 1)
      && !(want.class === "0" && !video.classes.length)) return false;
  if (want.odd === "any" && !video.odd.length) return false;
  if (want.odd && want.odd !== "any"
      && !video.odd.some((i) => data.oddities[i][0] === want.odd)) return false;
  if (want.split) {
    const [split, part] = JSON.parse(want.split);
    if ((data.splits[video.splits][split] ?? "") !== part) return false;
  }
  const words = (want.text ?? "").toLowerCase().split(/\\s+/).filter(Boolean);
  const text = (video.id + "\\n" + classes(video) + "\\n" + video.group).toLowerCase();
  return words.every((word) => text.includes(word));
};
const draw = () => {
  const pages = Math.max(Math.ceil(shown.length / PER_PAGE), 1);
  page = Math.min(Math.max(page, 0), pages - 1);
  const first = page * PER_PAGE, some = shown.slice(first, first + PER_PAGE);
  for (const clip of cards.querySelectorAll(".clip")) { seen.unobserve(clip); stop(clip); }
  cards.replaceChildren(...some.map((video, i) => card(video, first + i)));
  find(".none").hidden = shown.length > 0;
  const from = some.length ? number(first + 1) + " to " + number(first + some.length) + " of " : "";
  const total = number(shown.length) + (shown.length === 1 ? " video" : " videos");
  const whole = shown.length < videos.length ? ", " + number(videos.length) + " in all" : "";
  find("#count").textContent = from + total + whole;
  for (const button of document.querySelectorAll("[data-turn]")) {
    const to = page + Number(button.dataset.turn);
    button.disabled = to < 0 || to >= pages;
  }
  for (const label of document.querySelectorAll(".page-number")) {
    label.textContent = "page " + (page + 1) + " of " + pages;
    label.parentElement.hidden = pages < 2 && label.closest(".below") !== null;
  }
  if (everything) playAll(true);
};
const values = () => Object.fromEntries(inputs.filter((input) => input.value)
  .map((input) => [input.name, input.value]));
const filter = (remember) => {
  const want = values();
  shown = videos.filter((video) => fits(video, want));
  if (orders[want.order]) shown.sort(orders[want.order]);
  page = 0;
  if (remember) {
    if (want.order === "id") delete want.order;
    const hash = new URLSearchParams(want).toString();
    history.replaceState(null, "", hash ? "#" + hash : location.pathname);
  }
  draw();
};
const recall = () => {
  const asked = new URLSearchParams(location.hash.slice(1));
  for (const input of inputs) {
    input.value = asked.get(input.name) ?? (input.name === "order" ? "id" : "");
    if (input.value === "" && input.name === "order") input.value = "id";
  }
  filter(false);
};
for (const input of inputs) input.addEventListener("input", () => filter(true));
find(".filters").addEventListener("submit", (event) => event.preventDefault());
find(".filters").addEventListener("reset", () => setTimeout(() => filter(true)));
addEventListener("hashchange", recall);
for (const button of document.querySelectorAll("[data-turn]")) {
  button.addEventListener("click", () => {
    page += Number(button.dataset.turn);
    draw();
    scrollTo({top: 0});
  });
}
const stage = find("#stage"), pause = find("#pause"), speed = find("#speed");
const movie = () => stage.querySelector("video");
const pace = () => {
  if (movie()) movie().playbackRate = Number(speed.value);
};
const paused = () => {
  const video = movie();
  pause.disabled = speed.disabled = !video;
  pause.textContent = video && video.paused ? "Play" : "Pause";
};
const percent = (share, digits) => number(100 * share, digits) + " %";
const describe = (video) => {
  const rows = [["id", video.id], ["path", video.path],
    [video.classes.length > 1 ? "classes" : "class", classes(video)],
    ["splits", parts(video)], ["group", video.group],
    ["stored", number(video.frames) + " frames at " + number(video.fps, 3) + " fps, " +
      number(seconds(video), 2) + " s, " + video.width + "\\u00d7" + video.height + " px"]];
  if (video.sourceWidth) {
    rows.push(["source", video.sourceWidth + "\\u00d7" + video.sourceHeight + " px, " +
      number(video.bytes / 1000, 1) + " KB"]);
  }
  if (video.coding >= 0) rows.push(["encoding", data.codings[video.coding]]);
  if (video.known !== null) rows.push(["known vectors", percent(video.known, 1) + " of the intervals"]);
  if (video.clipped !== null) rows.push(["clipped flow", percent(video.clipped, 3) + " of the values"]);
  if (video.bound !== null) rows.push(["full colour", "at " + video.bound + " px per frame"]);
  if (video.segments) rows.push(["segments", number(video.segments)]);
  if (video.copies.length) rows.push(["same bytes", video.copies.join(", ")]);
  for (const i of video.odd) rows.push([data.oddities[i][1], data.oddities[i][2]]);
  find("dialog dl").replaceChildren(...rows.filter(([, value]) => value !== "")
    .flatMap(([name, value]) => [made("dt", "", name), made("dd", "", value)]));
};
const put = (place) => {
  current = place;
  const video = shown[place], clip = frame(video, "div");
  clip.style.setProperty("--ratio", data.modalities.length * video.width / video.height);
  find("dialog h2").textContent = video.id;
  stop(stage.querySelector(".clip") ?? stage);
  stage.replaceChildren(clip);
  play(clip);
  if (movie()) {
    movie().addEventListener("play", paused);
    movie().addEventListener("pause", paused);
    movie().addEventListener("loadedmetadata", pace);
    if (calm.matches) movie().pause();
  }
  paused();
  describe(video);
  find("#before").disabled = place < 1;
  find("#after").disabled = place + 1 >= shown.length;
};
const open = (place) => {
  put(place);
  dialog.showModal();
};
const go = (by) => { if (shown[current + by]) put(current + by); };
const toggle = () => {
  const video = movie();
  if (video) video.paused ? video.play() : video.pause();
};
find("#before").addEventListener("click", () => go(-1));
find("#after").addEventListener("click", () => go(1));
find("#close").addEventListener("click", () => dialog.close());
pause.addEventListener("click", toggle);
speed.addEventListener("input", pace);
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
dialog.addEventListener("close", () => {
  stop(stage.querySelector(".clip"));
  page = Math.floor(current / PER_PAGE);
  if (!shown.slice(page * PER_PAGE, page * PER_PAGE + 1)
      .some((video) => cards.firstChild && cards.firstChild.dataset.id === video.id)) draw();
  cards.children[current % PER_PAGE].querySelector("button").focus();
});
dialog.addEventListener("keydown", (event) => {
  if (event.target.matches("select")) return;
  if (event.key === "ArrowLeft") go(-1);
  else if (event.key === "ArrowRight") go(1);
  else if (event.key === " " && !event.target.matches("button")) toggle();
  else return;
  event.preventDefault();
});
recall();
"""
)
