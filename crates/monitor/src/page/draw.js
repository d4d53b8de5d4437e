// The canvas. A frame costs what it shows: lanes in sight times columns of pixels, however many steps there are.
const colours = { run: "#5cc98a", ready: "#e0a63c", suspended: "#33435c", blocked: "#e5484d", note: "#b891f0", text: "#d8dce3",
  dim: "#8a93a1", about: "#9fb0cc", line: "#2a2f38", error: "#e5484d", cancelled: "#b891f0", result: "#8a93a1", back: "#15181d" };
const LANE = 20, NAMES = 190, RULER = 22;
// A step that takes as long holds everybody up: it is drawn as a block.
const LONG = 100e6;
const view = { from: 0, to: 1, top: 0, lanes: [], chosen: null, width: 1, height: 1 };

const canvas = document.getElementById("lanes"), pen = canvas.getContext("2d");
const overview = document.getElementById("overview"), brush = overview.getContext("2d");

function fit(canvas, pen) {
  const scale = devicePixelRatio || 1, box = canvas.getBoundingClientRect();
  if (canvas.width !== Math.round(box.width * scale) || canvas.height !== Math.round(box.height * scale)) {
    canvas.width = Math.round(box.width * scale);
    canvas.height = Math.round(box.height * scale);
  }
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  return box;
}

const xOf = (moment) => NAMES + (moment - view.from) / (view.to - view.from) * (view.width - NAMES);
const momentAt = (x) => view.from + (x - NAMES) / (view.width - NAMES) * (view.to - view.from);

let asked = false;
function redraw() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => { asked = false; draw(); });
}

function draw() {
  const began = performance.now(), box = fit(canvas, pen);
  view.width = box.width;
  view.height = box.height;
  pen.fillStyle = colours.back;
  pen.fillRect(0, 0, box.width, box.height);
  pen.font = "11px system-ui, sans-serif";
  pen.textBaseline = "middle";
  const first = Math.floor(view.top / LANE), count = Math.ceil((box.height - RULER) / LANE) + 1;
  const shown = new Map();
  for (let row = first; row < Math.min(view.lanes.length, first + count); row++) {
    const y = RULER + row * LANE - view.top;
    shown.set(view.lanes[row].index, y);
    drawLane(view.lanes[row], y);
  }
  drawBlocks(box);
  drawArrows(shown);
  drawRuler(box);
  drawOverview();
  view.frame = performance.now() - began;
}

function drawLane(lane, y) {
  const { start, run, ready, then } = columns, array = lane.steps.array, length = lane.steps.length;
  const nanosAPixel = (view.to - view.from) / (view.width - NAMES);
  const begin = Math.max(NAMES, xOf(lane.made)), end = Math.min(view.width, xOf(lane.ended === null ? data.last : lane.ended));
  if (end > begin && lane.index) {
    pen.fillStyle = colours.suspended;
    pen.fillRect(begin, y + 4, end - begin, LANE - 8);
  }
  let i = firstAfter(lane, view.from);
  if (i > 0) label(lane, i - 1, NAMES, y);
  while (i < length) {
    const step = array[i], at = start.array[step];
    if (at - ready.array[step] > view.to) break;
    const x = xOf(at), width = run.array[step] / nanosAPixel;
    if (ready.array[step] / nanosAPixel > 0.3) {
      const left = Math.max(NAMES, xOf(at - ready.array[step]));
      pen.fillStyle = colours.ready;
      pen.fillRect(left, y + 7, Math.max(0.5, x - left), LANE - 14);
    }
    if (width >= 1.5) {
      pen.fillStyle = step === view.chosen ? "#fff" : run.array[step] >= LONG ? colours.blocked : colours.run;
      pen.fillRect(Math.max(NAMES, x), y + 2, Math.min(view.width, x + width) - Math.max(NAMES, x), LANE - 4);
      if (width > 60) {
        pen.fillStyle = "#0b1f14";
        const text = lane.index ? `then ${data.abouts[columns.about.array[step]] || "ready"}` : data.abouts[columns.about.array[step]];
        pen.save(); pen.beginPath(); pen.rect(x, y, width, LANE); pen.clip();
        pen.fillText(text, Math.max(NAMES, x) + 4, y + LANE / 2); pen.restore();
      }
      label(lane, i++, x + width, y);
      continue;
    }
    // Many steps in one column of pixels: as high as the part of its time that they ran.
    const pixel = Math.max(NAMES, Math.floor(x)), until = momentAt(pixel + 1);
    let j = firstAfter(lane, until);
    if (j <= i) j = i + 1;
    const ran = (j < length ? lane.before.array[j] : lane.run) - lane.before.array[i];
    const part = Math.min(1, ran / nanosAPixel);
    pen.fillStyle = colours.run;
    const high = 3 + part * (LANE - 7);
    pen.fillRect(pixel, y + LANE / 2 - high / 2, 1, high);
    label(lane, j - 1, pixel + 1, y);
    i = j;
  }
  if (lane.ended !== null && end > NAMES && end < view.width) {
    pen.fillStyle = colours[lane.about] || colours.dim;
    pen.fillRect(end - 1, y + 1, 3, LANE - 2);
  }
  for (const note of lane.notes) {
    if (note.at + note.length < view.from || note.at > view.to) continue;
    pen.fillStyle = note.kind === "blocked" ? colours.blocked : colours.note;
    const x = xOf(note.at);
    if (note.length) pen.fillRect(Math.max(NAMES, x), y + LANE - 4, Math.max(2, xOf(note.at + note.length) - Math.max(NAMES, x)), 4);
    else { pen.beginPath(); pen.arc(x, y + LANE / 2, 4, 0, 7); pen.fill(); }
  }
  pen.fillStyle = colours.back;
  pen.fillRect(0, y, NAMES - 4, LANE);
  pen.fillStyle = lane.ended === null ? colours.text : colours.dim;
  pen.save(); pen.beginPath(); pen.rect(0, y, NAMES - 8, LANE); pen.clip();
  pen.fillText(lane.coroutine && lane.name !== lane.coroutine ? `${lane.name}  ${lane.coroutine}` : lane.name, 8, y + LANE / 2);
  pen.restore();
}

// What a task waits for after one of its steps, where there is room until it is ready again.
function label(lane, i, left, y) {
  const { start, ready, about, then } = columns, step = lane.steps.array[i], next = lane.steps.array[i + 1];
  if (!lane.index || then.array[step] !== 2) return;
  const last = lane.ended === null ? data.last : lane.ended;
  const right = Math.min(view.width, xOf(i + 1 < lane.steps.length ? start.array[next] - ready.array[next] : last));
  left = Math.max(NAMES, left);
  if (right - left < 45) return;
  pen.fillStyle = colours.about;
  pen.save(); pen.beginPath(); pen.rect(left, y, right - left - 3, LANE); pen.clip();
  pen.fillText(data.abouts[about.array[step]], left + 4, y + LANE / 2);
  pen.restore();
}

function drawBlocks(box) {
  for (const note of data.notes) {
    if (note.kind !== "blocked" || note.at + note.length < view.from || note.at > view.to) continue;
    const left = Math.max(NAMES, xOf(note.at)), right = Math.min(view.width, xOf(note.at + note.length));
    pen.fillStyle = "rgba(229,72,77,0.16)";
    pen.fillRect(left, RULER, Math.max(1, right - left), box.height);
  }
}

function drawArrows(shown) {
  const { start, ready, by } = columns, arrows = [];
  for (const [index, y] of shown) {
    const lane = data.lanes[index];
    for (let i = firstAfter(lane, view.from); i < lane.steps.length && arrows.length <= 600; i++) {
      const step = lane.steps.array[i], woken = start.array[step] - ready.array[step];
      if (woken > view.to) break;
      const from = shown.get(by.array[step]);
      if (by.array[step] > 0 && from !== undefined && from !== y) arrows.push([xOf(woken), from, xOf(start.array[step]), y]);
    }
  }
  if (arrows.length > 600) return; // too many to tell apart: from nearer
  pen.strokeStyle = "rgba(216,220,227,0.55)";
  pen.fillStyle = "rgba(216,220,227,0.8)";
  for (const [x, from, to, y] of arrows) {
    if (x < NAMES) continue;
    const down = y > from, a = from + (down ? LANE - 3 : 3), b = y + (down ? 3 : LANE - 3);
    pen.beginPath();
    pen.moveTo(x, a);
    pen.bezierCurveTo(x, (a + b) / 2, to, (a + b) / 2, to, b);
    pen.stroke();
    pen.beginPath();
    pen.moveTo(to, b); pen.lineTo(to - 3, b + (down ? -5 : 5)); pen.lineTo(to + 3, b + (down ? -5 : 5));
    pen.fill();
  }
}

function drawRuler(box) {
  pen.fillStyle = "#1c2027";
  pen.fillRect(0, 0, box.width, RULER);
  const span = view.to - view.from, rough = span / 8, ten = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * ten).find((n) => n >= rough);
  pen.fillStyle = colours.dim;
  // From near, all marks would read the same: they count from the first one in sight, which is named at the left.
  const first = Math.ceil((view.from - data.first) / step) * step, near = first > 200 * step ? first : 0;
  for (let at = first; at < view.to - data.first; at += step) {
    const x = xOf(at + data.first);
    pen.fillRect(x, RULER - 5, 1, 5);
    pen.fillText(near ? `+${time(at - near)}` : time(at), x + 3, 9);
  }
  pen.fillText(near ? `from ${Number((near / 1e6).toFixed(3))} ms` : `${time(span)} in sight`, 8, RULER / 2);
}

// The whole: how busy the loop was in each column, its blocks, and what is in sight.
let busy = null;
function drawOverview() {
  const box = fit(overview, brush), width = Math.max(1, Math.floor(box.width)), span = data.last - data.first;
  if (!busy || busy.steps !== data.steps || busy.width !== width) {
    busy = { steps: data.steps, width, parts: new Float64Array(width) };
    const { start, run } = columns;
    for (let i = 0; i < data.steps; i++) {
      let at = (start.array[i] - data.first) / span * width, left = run.array[i] / span * width;
      while (left > 0 && at < width) {
        const here = Math.min(left, Math.floor(at) + 1 - at);
        busy.parts[Math.max(0, Math.floor(at))] += here;
        left -= here;
        at += here || 1;
      }
    }
  }
  brush.fillStyle = colours.back;
  brush.fillRect(0, 0, box.width, box.height);
  brush.fillStyle = colours.run;
  const at = (moment) => (moment - data.first) / span * box.width;
  busy.parts.forEach((part, x) => brush.fillRect(x, box.height - Math.min(1, part) * box.height, 1, Math.min(1, part) * box.height));
  brush.fillStyle = colours.blocked;
  for (const step of data.long) {
    const left = at(columns.start.array[step]);
    brush.fillRect(left, 0, Math.max(2, at(columns.start.array[step] + columns.run.array[step]) - left), box.height);
  }
  for (const note of data.notes) if (note.kind === "blocked") brush.fillRect(at(note.at), 0, Math.max(2, at(note.at + note.length) - at(note.at)), 6);
  brush.fillStyle = "rgba(255,255,255,0.12)";
  brush.fillRect(at(view.from), 0, Math.max(2, at(view.to) - at(view.from)), box.height);
}
