// The recording: columns of steps and turns, lanes, notes. Times are nanoseconds since the file was made.
const data = { steps: 0, turns: 0, lanes: [], notes: [], abouts: [], long: [], meta: null, first: 0, last: 1 };

class Column {
  constructor(type) { this.array = new type(1024); this.length = 0; }
  add(more) {
    const need = this.length + more.length;
    if (need > this.array.length) {
      const bigger = new this.array.constructor(Math.max(need, this.array.length * 2));
      bigger.set(this.array.subarray(0, this.length));
      this.array = bigger;
    }
    this.array.set(more, this.length);
    this.length = need;
  }
}

const columns = {
  start: new Column(Float64Array), run: new Column(Float32Array), ready: new Column(Float32Array),
  lane: new Column(Uint32Array), by: new Column(Int32Array), about: new Column(Uint32Array), then: new Column(Uint8Array),
};
const turnColumns = {
  start: new Column(Float64Array), run: new Column(Float32Array), waited: new Column(Float32Array),
  items: new Column(Uint32Array),
};

function addChunk(buffer) {
  const [steps, turns] = new Uint32Array(buffer, 0, 2);
  let place = 8;
  for (const [count, group] of [[steps, columns], [turns, turnColumns]]) {
    for (const column of Object.values(group)) {
      const type = column.array.constructor;
      column.add(new type(buffer, place, count));
      place = (place + count * type.BYTES_PER_ELEMENT + 7) & ~7;
    }
  }
  // Each lane has the numbers of its steps, in order of time; and how long it had run before each.
  for (let i = data.steps; i < data.steps + steps; i++) {
    const lane = laneAt(columns.lane.array[i]);
    lane.steps.add([i]);
    lane.before.add([lane.run]);
    lane.run += columns.run.array[i];
    lane.ready += columns.ready.array[i];
    if (columns.run.array[i] >= LONG) data.long.push(i);
    lane.longest = Math.max(lane.longest, columns.run.array[i]);
  }
  data.steps += steps;
  data.turns += turns;
  if (data.steps) {
    data.first = columns.start.array[0] - columns.ready.array[0];
    const end = data.steps - 1;
    data.last = Math.max(data.first + 1, columns.start.array[end] + columns.run.array[end]);
  }
}

function laneAt(index) {
  while (data.lanes.length <= index) {
    data.lanes.push({ index: data.lanes.length, number: 0, name: "?", coroutine: "", place: "", parent: null, made: 0,
      ended: null, state: "", about: "", waitsAt: "", run: 0, ready: 0, longest: 0,
      steps: new Column(Uint32Array), before: new Column(Float64Array), notes: [] });
  }
  return data.lanes[index];
}

function addMeta(meta) {
  meta.lanes.forEach(([number, name, coroutine, place, parent, made], i) =>
    Object.assign(laneAt(meta.from + i), { number, name, coroutine, place, parent, made }));
  meta.ends.forEach(([ended, state, about, waitsAt], i) => Object.assign(laneAt(i), { ended, state, about: about || "", waitsAt }));
  for (const lane of data.lanes) lane.notes = [];
  data.notes = meta.notes.map(([at, length, lane, kind, text]) => ({ at, length, lane, kind, text }));
  for (const note of data.notes) if (note.lane !== null) laneAt(note.lane).notes.push(note);
  data.abouts = meta.abouts;
  data.meta = meta;
  data.last = Math.max(data.last, ...data.notes.slice(-100).map((note) => note.at + note.length));
}

// The first of a lane's steps that ends after a moment.
function firstAfter(lane, moment) {
  const { start, run } = columns;
  let low = 0, high = lane.steps.length;
  while (low < high) {
    const middle = (low + high) >> 1, step = lane.steps.array[middle];
    if (start.array[step] + run.array[step] <= moment) low = middle + 1; else high = middle;
  }
  return low;
}

async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).arrayBuffer();
}

function time(nanos) {
  const [size, unit] = nanos < 1e3 ? [1, "ns"] : nanos < 1e6 ? [1e3, "µs"] : nanos < 1e9 ? [1e6, "ms"] : [1e9, "s"];
  if (!nanos) return "0";
  return `${Number((nanos / size).toPrecision(3))} ${unit}`;
}

const wakers = { "-2": "a timer", "-3": "the kernel", "-4": "another thread", "-5": "a callback" };
const waker = (by) => by >= 0 ? data.lanes[by].name : wakers[by] || "";
