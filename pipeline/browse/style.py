"""Style of the pages of a store."""

from motion_shards.page_frame import colours

COLOURS = colours(
    light="--link: #0a58b0; --train: #3d7fc1; --test: #d9822b; --rest: #b4bac1; "
    "--odd: #8a4b00; --odd-band: #fdf1dd;",
    dark="--link: #79b8ff; --train: #5b9bdc; --test: #e39a4f; --rest: #59616a; "
    "--odd: #f0c080; --odd-band: #3a2c16;",
)
STYLE = """\
* { box-sizing: border-box; }
html { scroll-padding-top: 4rem; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
  font-variant-numeric: tabular-nums; }
main, .top > div { max-width: 86rem; margin: 0 auto; padding: 0 1.5rem; }
main { padding-bottom: 5rem; }
a { color: var(--link); text-decoration: none; }
a:hover { text-decoration: underline; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; border-radius: 4px; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0; overflow-wrap: anywhere;
  letter-spacing: -.01em; }
h2 { font-size: 1.15rem; margin: 0 0 .25rem; }
p { margin: 0 0 .75rem; max-width: 52rem; }
section { margin-top: 2.75rem; }
section > p { color: var(--soft); }
.soft { color: var(--soft); }
code, .mono { font: .86em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
  overflow-wrap: anywhere; }
.top { position: sticky; top: 0; z-index: 2; background: var(--paper);
  border-bottom: 1px solid var(--line); }
.top > div { display: flex; flex-wrap: wrap; gap: .2rem 1.25rem; align-items: baseline;
  padding-top: .6rem; padding-bottom: .6rem; }
.top b { font-weight: 650; overflow-wrap: anywhere; margin-right: auto; }
.head { padding-top: 2.25rem; display: flex; flex-wrap: wrap; gap: 1rem 3rem;
  align-items: flex-end; justify-content: space-between; }
.head p { margin: .35rem 0 0; color: var(--soft); }
.legend { display: flex; gap: .9rem; align-items: center; color: var(--soft);
  font-size: .85rem; line-height: 1.4; }
.legend img { width: 60px; height: 60px; flex: none; }
.numbers { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr));
  gap: 1px; background: var(--line); border: 1px solid var(--line); border-radius: 8px;
  overflow: hidden; margin: 1.5rem 0 0; }
.numbers div { background: var(--paper); padding: .8rem 1rem; }
.numbers dt { color: var(--soft); font-size: .82rem; }
.numbers dd { margin: 0; font-size: 1.35rem; font-weight: 600; letter-spacing: -.01em; }
.numbers small { font-size: .8rem; font-weight: 400; color: var(--soft); display: block;
  letter-spacing: 0; }
.button, button, select, input { font: inherit; color: var(--ink); background: var(--paper);
  border: 1px solid var(--line); border-radius: 6px; padding: .3rem .65rem; }
.button, button { cursor: pointer; }
.button:hover, button:hover { background: var(--band); text-decoration: none; }
button:disabled { color: var(--rest); cursor: default; background: none; }
.bars { list-style: none; margin: .75rem 0 0; padding: 0; columns: 21rem; column-gap: 2.5rem; }
.bars li { display: grid; grid-template-columns: minmax(0, 9.5rem) 1fr 3.5rem; gap: .75rem;
  align-items: center; break-inside: avoid; padding: .12rem 0; }
.bars a, .bars .name { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.bar { display: flex; height: .7rem; border-radius: 2px; overflow: hidden; }
.bar i { display: block; height: 100%; }
.train { background: var(--train); } .test { background: var(--test); }
.rest { background: var(--rest); }
.count { text-align: right; color: var(--soft); }
.key { display: flex; flex-wrap: wrap; gap: .3rem 1.25rem; align-items: center;
  color: var(--soft); margin-top: .5rem; }
.key i { display: inline-block; width: .7rem; height: .7rem; border-radius: 2px;
  margin-right: .4rem; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(24rem, 1fr));
  gap: 2.75rem 3rem; margin-top: 2.75rem; }
.pair section { margin: 0; min-width: 0; }
@media (max-width: 30rem) { .pair { grid-template-columns: minmax(0, 1fr); } }
svg { display: block; width: 100%; height: auto; margin-top: .75rem; }
svg rect { fill: var(--train); } svg text { fill: var(--soft); font-size: 12px; }
svg line { stroke: var(--line); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin-top: .5rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .9rem .35rem 0;
  border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
th { color: var(--soft); font-weight: 500; }
td.n, th.n { text-align: right; white-space: nowrap; }
tr :last-child { padding-right: 0; }
.facts { display: grid; grid-template-columns: minmax(7rem, auto) 1fr; gap: .3rem 1.25rem;
  margin: .6rem 0 0; }
.facts dt { color: var(--soft); } .facts dd { margin: 0; overflow-wrap: anywhere; }
.cards { display: grid; gap: 1.4rem 1.25rem; margin-top: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, var(--card, 22rem)), 1fr)); }
.card { min-width: 0; color: inherit; display: block; }
.card:hover { text-decoration: none; }
.clip { position: relative; display: block; width: 100%; padding: 0; border: 0;
  border-radius: 4px; overflow: hidden; background: var(--band); cursor: pointer;
  aspect-ratio: var(--ratio, 4); }
.clip img, .clip video { position: absolute; inset: 0; width: 100%; height: 100%;
  object-fit: contain; display: block; }
.clip video { opacity: 0; } .clip video.on { opacity: 1; }
.clip::after { content: ""; position: absolute; inset: 0; border-radius: 4px;
  border: 1px solid rgb(128 128 128 / .3); pointer-events: none; }
.clip .missing { position: absolute; inset: 0; padding: 1rem; color: var(--odd);
  background: var(--odd-band); font-size: .85rem; text-align: left; overflow: auto; }
.caption { margin-top: .35rem; display: flex; flex-wrap: wrap; justify-content: space-between;
  gap: 0 1rem; }
.caption b { font-weight: 600; overflow-wrap: anywhere; }
.caption span { color: var(--soft); }
.tags { display: flex; flex-wrap: wrap; gap: .3rem; }
.tags i { font-style: normal; font-size: .8rem; line-height: 1.35; padding: 0 .45rem;
  border-radius: 4px; color: var(--odd); background: var(--odd-band); margin-top: .2rem; }
.filters { display: flex; flex-wrap: wrap; gap: .6rem .75rem; align-items: center;
  padding: 1.4rem 0 .2rem; }
.filters input[type=search] { flex: 1 1 14rem; max-width: 24rem; min-width: 8rem; }
.filters select { max-width: 15rem; }
.filters label { white-space: nowrap; }
.pages { display: flex; flex-wrap: wrap; gap: .6rem 1rem; align-items: center;
  color: var(--soft); margin-top: .4rem; }
.keys { margin: 2.5rem 0 0; }
.pages .grow { margin-right: auto; }
.columns { display: flex; color: var(--soft); font-size: .85rem; }
.columns span { flex: 1; text-align: center; }
dialog { width: min(96vw, 66rem); max-height: 94vh; border: 1px solid var(--line);
  border-radius: 10px; padding: 1.25rem 1.5rem 1.5rem; background: var(--paper);
  color: var(--ink); }
dialog::backdrop { background: rgb(0 0 0 / .55); }
dialog header { display: flex; gap: 1rem; align-items: start; margin-bottom: .75rem; }
dialog h2 { margin: 0 auto 0 0; overflow-wrap: anywhere; }
dialog .clip { cursor: default; }
.controls { display: flex; flex-wrap: wrap; gap: .5rem; align-items: center; margin-top: .75rem; }
.controls .grow { margin-right: auto; }
kbd { font: .8em ui-monospace, monospace; border: 1px solid var(--line); border-radius: 4px;
  padding: .05rem .35rem; color: var(--soft); }
.none { padding: 3rem 0; color: var(--soft); }
[hidden] { display: none !important; }
@media print { .top, .filters, .controls { display: none; } .card { break-inside: avoid; } }
"""
