//! The page: one file that needs no other and no network. What it draws comes as JSON (lanes, texts, notes) and
//! as columns of numbers, packed.

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use ironloop_trace::{File, State};
use serde_json::{Value, json};

use crate::timeline::{By, Timeline};

const HTML: &str = include_str!("../page/index.html");
const STYLE: &str = include_str!("../page/style.css");
const SCRIPTS: [&str; 3] =
    [include_str!("../page/data.js"), include_str!("../page/draw.js"), include_str!("../page/app.js")];

/// The page with something in the place of its data.
fn page(out: &mut dyn Write, data: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let (head, rest) = HTML.split_once("/*STYLE*/").unwrap_or((HTML, ""));
    let (body, rest) = rest.split_once("<!--DATA-->").unwrap_or((rest, ""));
    let (script, tail) = rest.split_once("/*SCRIPT*/").unwrap_or((rest, ""));
    write!(out, "{head}{STYLE}{body}")?;
    data(out)?;
    write!(out, "{script}{}{tail}", SCRIPTS.join("\n"))
}

pub(super) fn write(out: &mut dyn Write, file: &File, timeline: &Timeline) -> io::Result<()> {
    page(out, |out| {
        // No text of a recording can end the element that it stands in.
        let meta = meta(file, timeline, 0).to_string().replace('<', "\\u003c");
        writeln!(out, "<script type=\"application/json\" id=\"meta\">{meta}</script>")?;
        let mut packed = ZlibEncoder::new(Vec::new(), Compression::default());
        packed.write_all(&chunk(timeline, 0, 0))?;
        write!(out, "<script type=\"text/plain\" id=\"data\">")?;
        out.write_all(STANDARD.encode(packed.finish()?).as_bytes())?;
        writeln!(out, "</script>")
    })
}

/// The page without data: it asks for them, live.
pub fn whole() -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    page(&mut out, |_| Ok(()))?;
    Ok(out)
}

/// What the page draws beside steps and turns. Lanes from number `from` on; how they stand, of all.
pub fn meta(file: &File, timeline: &Timeline, from: usize) -> Value {
    let header = file.header();
    let lanes: Vec<Value> = timeline
        .lanes
        .iter()
        .enumerate()
        .skip(from)
        .map(|(_, lane)| json!([lane.number, lane.name, lane.coroutine, lane.place, lane.parent, lane.made]))
        .collect();
    let ends: Vec<Value> = timeline
        .lanes
        .iter()
        .map(|lane| {
            let about = timeline.abouts.get(lane.about as usize);
            json!([lane.ended, lane.state.map_or("", State::word), about, lane.waits_at])
        })
        .collect();
    let notes: Vec<Value> = timeline
        .notes
        .iter()
        .map(|note| json!([note.at, note.length, note.lane, note.kind, note.text]))
        .collect();
    json!({
        "process": header.process,
        "loop": header.name,
        "program": header.program,
        "runtime": header.runtime,
        "life": file.life().word(),
        "missed": timeline.missed,
        "now": header.calibration.since_birth(file.now()),
        "born": header.calibration.wall(header.calibration.born()) / 1_000_000,
        "from": from,
        "lanes": lanes,
        "ends": ends,
        "notes": notes,
        "warnings": timeline.warnings,
        "abouts": timeline.abouts,
    })
}

/// Steps and turns from two numbers on, column by column; each column begins at a multiple of eight bytes.
///
/// ```text
/// steps u32, turns u32 | start f64… | run f32… | ready f32… | lane u32… | by i32… | about u32… | then u8…
///                      | start f64… | run f32… | waited f32… | items u32…
/// ```
pub fn chunk(timeline: &Timeline, steps: usize, turns: usize) -> Vec<u8> {
    let steps = timeline.steps.get(steps..).unwrap_or_default();
    let turns = timeline.turns.get(turns..).unwrap_or_default();
    let mut out = Vec::with_capacity(steps.len() * 40 + turns.len() * 24 + 64);
    out.extend_from_slice(&(steps.len() as u32).to_le_bytes());
    out.extend_from_slice(&(turns.len() as u32).to_le_bytes());
    column(&mut out, steps, |step| step.start.to_le_bytes());
    column(&mut out, steps, |step| step.run.to_le_bytes());
    column(&mut out, steps, |step| step.ready.to_le_bytes());
    column(&mut out, steps, |step| step.lane.to_le_bytes());
    column(&mut out, steps, |step| By::code(step.by).to_le_bytes());
    column(&mut out, steps, |step| step.about.to_le_bytes());
    column(&mut out, steps, |step| {
        [match step.then {
            State::Ready | State::Running => 1_u8,
            State::Suspended(_) => 2,
            State::Completed(outcome) => 3 + outcome as u8,
        }]
    });
    column(&mut out, turns, |turn| turn.start.to_le_bytes());
    column(&mut out, turns, |turn| turn.run.to_le_bytes());
    column(&mut out, turns, |turn| turn.waited.to_le_bytes());
    column(&mut out, turns, |turn| turn.items.to_le_bytes());
    out
}

fn column<T, const N: usize>(out: &mut Vec<u8>, rows: &[T], bytes: impl Fn(&T) -> [u8; N]) {
    rows.iter().for_each(|row| out.extend_from_slice(&bytes(row)));
    out.resize(out.len().next_multiple_of(8), 0);
}
