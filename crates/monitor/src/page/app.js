// What a person does: zoom, move, search, choose; and the table. Live, the page asks for what is new.
const get = (id) => document.getElementById(id);
const scroll = get("scroll");
let live = false, order = { by: "number", down: false };

function bounds(from, to) {
  const least = 200, most = (data.last - data.first) * 1.02 + least;
  const span = Math.min(most, Math.max(least, to - from)), middle = (from + to) / 2;
  view.from = Math.min(Math.max(middle - span / 2, data.first - span * 0.5), data.last - span * 0.5);
  view.to = view.from + span;
  redraw();
}
const all = () => bounds(data.first - (data.last - data.first) * 0.005, data.last + (data.last - data.first) * 0.005);

function zoom(x, factor) {
  const at = momentAt(Math.max(NAMES, x));
  bounds(at - (at - view.from) * factor, at + (view.to - at) * factor);
}
function move(part) {
  const by = (view.to - view.from) * part;
  bounds(view.from + by, view.to + by);
}

function choose() {
  const words = get("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const text = (lane) => `${lane.name} ${lane.coroutine} ${lane.state} ${lane.about} ${lane.place}`.toLowerCase();
  view.lanes = data.lanes.filter((lane) => (lane.index || lane.steps.length) && words.every((word) => text(lane).includes(word)));
  // Those that were there before the recording were met in no order.
  view.lanes.sort((a, b) => a.number - b.number || a.index - b.index);
  get("height").style.height = `${view.lanes.length * LANE + RULER}px`;
  table();
  redraw();
}

const heads = [["name", "task"], ["coroutine", "coroutine"], ["state", "state"], ["about", "waits for, or ended by"],
  ["count", "steps"], ["run", "running"], ["ready", "ready"], ["longest", "longest"], ["place", "made at"]];
const ROWS = 500;
function table() {
  const value = (lane) => order.by === "count" ? lane.steps.length : lane[order.by];
  const rows = [...view.lanes].sort((a, b) => {
    const [x, y] = [value(a), value(b)], less = typeof x === "number" ? x - y : String(x).localeCompare(String(y));
    return order.down ? -less : less;
  });
  const body = document.querySelector("tbody");
  body.replaceChildren(...rows.slice(0, ROWS).map((lane) => {
    const row = document.createElement("tr");
    for (const [key] of heads) {
      const cell = row.insertCell();
      const times = ["run", "ready", "longest"].includes(key);
      cell.textContent = key === "count" ? lane.steps.length.toLocaleString("en") : times ? time(lane[key]) : lane[key];
      if (times || key === "count") cell.className = "number";
      if (key === "place") {
        cell.title = lane.place;
        cell.textContent = lane.place.slice(lane.place.lastIndexOf("/") + 1);
      }
    }
    row.onclick = () => show(lane);
    return row;
  }));
}

// While nothing is chosen: what is wrong; what held everybody up, the longest first; and the keys.
const KEYS = "wheel, W S: zoom   drag, A D: move   F: all   /: search\nclick: a step, or a task by its name";
function summary() {
  if (chosen) return;
  const box = get("detail"), { start, run, lane } = columns;
  const long = [...data.long].sort((a, b) => run.array[b] - run.array[a]).slice(0, 50);
  const title = data.long.length ? `${data.long.length} step${data.long.length > 1 ? "s" : ""} of 100 ms or more:` : "No step took 100 ms or more.";
  const wrong = data.meta.warnings.slice(0, 50).map(([kind, text]) => {
    const line = document.createElement("div");
    line.className = "warning";
    line.textContent = `${kind}: ${text}`;
    return line;
  });
  box.replaceChildren(`${KEYS}\n\n`, ...wrong, `${wrong.length ? "\n" : ""}${title}\n`, ...long.map((step) => {
    const link = document.createElement("a"), of = data.lanes[lane.array[step]];
    link.textContent = `${time(run.array[step])}  ${of.name}  ${of.coroutine}  at ${time(start.array[step] - data.first)}`;
    link.onclick = () => {
      bounds(start.array[step] - run.array[step], start.array[step] + 2 * run.array[step]);
      reveal(of);
      detail(of, step);
    };
    return link;
  }));
}

function reveal(lane) {
  const row = view.lanes.indexOf(lane);
  if (row >= 0) scroll.scrollTop = row * LANE - view.height / 2;
}

function show(lane) {
  reveal(lane);
  const end = lane.ended === null ? data.last : lane.ended, length = Math.max(1000, end - lane.made);
  bounds(lane.made - length * 0.1, end + length * 0.1);
  detail(lane, null);
}

let chosen = false;
function detail(lane, step) {
  chosen = true;
  view.chosen = step;
  const out = [`${lane.name}  ${lane.coroutine}`];
  if (lane.parent !== null) out.push(`made by ${data.lanes[lane.parent].name}`);
  if (lane.place) out.push(`made at ${lane.place}`);
  if (lane.waitsAt) out.push(`waits at ${lane.waitsAt}`);
  out.push(`${lane.state} ${lane.about}`, `${lane.steps.length} steps, running ${time(lane.run)}, ready ${time(lane.ready)}, longest ${time(lane.longest)}`);
  if (step !== null) {
    const { start, run, ready, by, about, then } = columns;
    const next = ["", "READY", "SUSPENDED on ", "COMPLETED by ", "COMPLETED by ", "COMPLETED by "][then.array[step]];
    out.push("", `step at ${time(start.array[step] - data.first)}`, `ran for ${time(run.array[step])}`,
      `was ready for ${time(ready.array[step])}${waker(by.array[step]) && `, woken by ${waker(by.array[step])}`}`,
      lane.index ? `then ${next}${data.abouts[about.array[step]]}` : data.abouts[about.array[step]]);
  }
  for (const note of lane.notes) out.push("", `${note.kind}${note.length ? ` for ${time(note.length)}` : ""}`, note.text.replaceAll("\t", "  "));
  get("detail").textContent = out.join("\n");
  redraw();
}

canvas.onwheel = (event) => {
  event.preventDefault();
  if (event.shiftKey || event.offsetX < NAMES) scroll.scrollTop += event.deltaY;
  else zoom(event.offsetX, Math.exp(event.deltaY * 0.0015));
};
canvas.onpointerdown = (event) => {
  const from = view.from, to = view.to, top = scroll.scrollTop, x = event.offsetX, y = event.offsetY;
  let moved = false;
  canvas.setPointerCapture(event.pointerId);
  canvas.onpointermove = (event) => {
    moved ||= Math.abs(event.offsetX - x) + Math.abs(event.offsetY - y) > 3;
    const by = (event.offsetX - x) / (view.width - NAMES) * (to - from);
    scroll.scrollTop = top - (event.offsetY - y);
    bounds(from - by, to - by);
  };
  canvas.onpointerup = () => {
    canvas.onpointermove = canvas.onpointerup = null;
    const lane = view.lanes[Math.floor((y - RULER + view.top) / LANE)];
    if (moved || !lane) return;
    if (x < NAMES) return show(lane);
    const slack = (view.to - view.from) / view.width * 3, place = firstAfter(lane, momentAt(x) - slack);
    detail(lane, place < lane.steps.length ? lane.steps.array[place] : null);
  };
};
overview.onpointerdown = overview.onpointermove = (event) => {
  if (!event.buttons) return;
  const at = data.first + event.offsetX / overview.clientWidth * (data.last - data.first), half = (view.to - view.from) / 2;
  bounds(at - half, at + half);
};
scroll.onscroll = () => { view.top = scroll.scrollTop; redraw(); };
get("search").oninput = choose;
onresize = redraw;
onkeydown = (event) => {
  if (event.target === get("search")) return;
  const middle = (view.width + NAMES) / 2;
  const keys = { w: () => zoom(middle, 0.7), s: () => zoom(middle, 1.4), a: () => move(-0.2), d: () => move(0.2), f: all,
    Escape: () => { chosen = false; view.chosen = null; summary(); redraw(); }, ArrowLeft: () => move(-0.2), ArrowRight: () => move(0.2), "/": () => { event.preventDefault(); get("search").focus(); } };
  keys[event.key]?.();
};
document.querySelector("thead tr").append(...heads.map(([key, title]) => {
  const head = document.createElement("th");
  head.textContent = title;
  if (["count", "run", "ready", "longest"].includes(key)) head.className = "number";
  head.onclick = () => { order = { by: key, down: order.by === key ? !order.down : head.className === "number" }; table(); };
  return head;
}));

get("legend").append(...[["running", "run"], ["ready", "ready"], ["suspended", "suspended"], ["100 ms or more", "blocked"],
  ["cancelled", "cancelled"]].map(([word, colour]) => {
  const entry = document.createElement("span");
  entry.textContent = word;
  entry.style.setProperty("--colour", colours[colour]);
  return entry;
}));

function about() {
  const meta = data.meta, missed = meta.missed ? `, ${meta.missed.toLocaleString("en")} events lost` : "";
  // The interpreter's folder says little.
  get("program").textContent = meta.program.replace(/^\S*\/(?=\S)/, "");
  get("program").title = meta.program;
  summary();
  get("about").textContent = `process ${meta.process}, ${live ? "live, " : ""}${meta.life}: ${(data.lanes.length - 1).toLocaleString("en")} tasks, ${data.steps.toLocaleString("en")} steps${missed}`;
}

const STRETCH = 20e9;
async function follow() {
  const query = location.search + (location.search ? "&" : "?");
  const meta = await (await fetch(`meta${query}lanes=${data.lanes.length}`)).json();
  const chunk = await (await fetch(`data${query}steps=${data.steps}&turns=${data.turns}`)).arrayBuffer();
  const atEnd = !data.steps || view.to >= data.last;
  addMeta(meta);
  addChunk(chunk);
  about();
  choose();
  // Who looks at the end stays there; at first the last stretch is in sight, then as much as one has chosen.
  const span = data.last - data.first;
  if (atEnd && (span < STRETCH || view.to - view.from < 1000)) all();
  else if (atEnd) {
    const width = Math.min(view.to - view.from, view.to - view.from > span / 1.1 ? STRETCH : Infinity);
    bounds(data.last - width * 0.99, data.last + width * 0.01);
  }
}

(async () => {
  const packed = get("data");
  if (packed) {
    addMeta(JSON.parse(get("meta").textContent));
    addChunk(await unpack(packed.textContent));
    about();
    choose();
    all();
  } else {
    live = true;
    for (;;) {
      try { await follow(); } catch (error) { get("about").textContent = `the viewer is gone (${error.message})`; }
      await new Promise((done) => setTimeout(done, 500));
    }
  }
  window.shown = true;
})();
