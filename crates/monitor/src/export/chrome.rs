//! Chrome's JSON: for its old viewer and for tools that read it. Big recordings are Perfetto's.

use std::io::{self, Write};

use ironloop_trace::{File, State};
use serde_json::{Value, json};

use crate::timeline::{By, Timeline};

pub(super) fn write(out: &mut dyn Write, file: &File, timeline: &Timeline) -> io::Result<()> {
    let process = file.header().process;
    write!(out, "{{\"displayTimeUnit\":\"ns\",\"traceEvents\":[")?;
    let mut first = true;
    let mut put = |out: &mut dyn Write, event: Value| {
        let comma = if std::mem::take(&mut first) { "" } else { ",\n" };
        write!(out, "{comma}{event}")
    };
    let micros = |nanos: f64| nanos / 1e3;
    // Lane 0 is that of callbacks; the loop has one behind all others.
    let turns = timeline.lanes.len();
    let names = timeline.lanes.iter().map(|lane| lane.name.as_str()).chain(["turns"]);
    for (lane, name) in names.enumerate() {
        let args = json!({"name": name});
        put(out, json!({"ph": "M", "name": "thread_name", "pid": process, "tid": lane, "args": args}))?;
    }
    let args = json!({"name": file.header().program});
    put(out, json!({"ph": "M", "name": "process_name", "pid": process, "args": args}))?;
    for (number, step) in timeline.steps.iter().enumerate() {
        let (start, lane) = (micros(step.start), step.lane);
        let about = &timeline.abouts[step.about as usize];
        let name = if lane == crate::timeline::CALLBACKS { about } else { "RUNNING" };
        let then = step.then.word();
        put(
            out,
            json!({
                "ph": "X", "name": name, "cat": "step", "pid": process, "tid": lane,
                "ts": start, "dur": micros(step.run.into()),
                "args": {"then": then, "waits for": about, "ready": micros(step.ready.into()),
                         "woken by": timeline.by_name(step.by)},
            }),
        )?;
        if let (By::Lane(waker), true) = (step.by, step.ready > 0.0) {
            let woken = micros(step.start - f64::from(step.ready));
            for (ph, ts, tid) in [("s", woken, waker), ("f", start, lane)] {
                put(
                    out,
                    json!({
                        "ph": ph, "id": number, "name": "wakes", "cat": "wake", "bp": "e", "pid": process,
                        "tid": tid, "ts": ts,
                    }),
                )?;
            }
        }
        if let State::Completed(outcome) = step.then
            && lane != crate::timeline::CALLBACKS
        {
            put(
                out,
                json!({
                    "ph": "i", "s": "t", "name": outcome.word(), "pid": process, "tid": lane,
                    "ts": micros(step.start + f64::from(step.run)),
                }),
            )?;
        }
    }
    for turn in &timeline.turns {
        put(
            out,
            json!({
                "ph": "X", "name": "turn", "cat": "turn", "pid": process, "tid": turns,
                "ts": micros(turn.start), "dur": micros(turn.run.into()), "args": {"items": turn.items},
            }),
        )?;
    }
    for note in &timeline.notes {
        let lane = note.lane.map_or(turns, |lane| lane as usize);
        put(
            out,
            json!({
                "ph": "X", "name": note.kind, "cat": note.kind, "pid": process, "tid": lane,
                "ts": micros(note.at), "dur": micros(note.length), "args": {"text": note.text},
            }),
        )?;
    }
    writeln!(out, "]}}")
}
