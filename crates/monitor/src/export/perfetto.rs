//! Perfetto's protobuf: the few messages of its format that a time line of tasks needs, by their published
//! numbers. Names are interned; each lane is a track.

use std::collections::HashMap;
use std::io::{self, Write};

use ironloop_trace::File;
use prost::Message;

use crate::timeline::{By, CALLBACKS, Timeline};

#[derive(Clone, PartialEq, Message)]
struct Trace {
    #[prost(message, repeated, tag = "1")]
    packet: Vec<Packet>,
}

#[derive(Clone, PartialEq, Message)]
struct Packet {
    #[prost(uint64, optional, tag = "8")]
    timestamp: Option<u64>,
    #[prost(uint32, optional, tag = "10")]
    sequence: Option<u32>,
    #[prost(message, optional, tag = "11")]
    event: Option<TrackEvent>,
    #[prost(message, optional, tag = "12")]
    interned: Option<Interned>,
    #[prost(uint32, optional, tag = "13")]
    flags: Option<u32>,
    #[prost(message, optional, tag = "60")]
    track: Option<Track>,
}

#[derive(Clone, PartialEq, Message)]
struct TrackEvent {
    #[prost(message, repeated, tag = "4")]
    annotations: Vec<Annotation>,
    #[prost(int32, optional, tag = "9")]
    kind: Option<i32>,
    #[prost(uint64, optional, tag = "10")]
    name: Option<u64>,
    #[prost(uint64, optional, tag = "11")]
    track: Option<u64>,
    #[prost(fixed64, repeated, packed = "false", tag = "47")]
    flows: Vec<u64>,
    #[prost(fixed64, repeated, packed = "false", tag = "48")]
    ending_flows: Vec<u64>,
}

#[derive(Clone, PartialEq, Message)]
struct Annotation {
    #[prost(string, optional, tag = "10")]
    name: Option<String>,
    #[prost(string, optional, tag = "6")]
    text: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct Interned {
    #[prost(message, repeated, tag = "2")]
    names: Vec<Name>,
}

#[derive(Clone, PartialEq, Message)]
struct Name {
    #[prost(uint64, optional, tag = "1")]
    number: Option<u64>,
    #[prost(string, optional, tag = "2")]
    name: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct Track {
    #[prost(uint64, optional, tag = "1")]
    uuid: Option<u64>,
    #[prost(string, optional, tag = "2")]
    name: Option<String>,
    #[prost(message, optional, tag = "3")]
    process: Option<Process>,
    #[prost(uint64, optional, tag = "5")]
    parent: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
struct Process {
    #[prost(int32, optional, tag = "1")]
    pid: Option<i32>,
    #[prost(string, optional, tag = "6")]
    name: Option<String>,
}

const BEGIN: i32 = 1;
const END: i32 = 2;
const INSTANT: i32 = 3;
/// The one sequence of packets that there is, and what its first one says: all that was interned is gone.
const SEQUENCE: u32 = 1;
const CLEARED: u32 = 1;
const NEEDS_WHAT_WAS_INTERNED: u32 = 2;

const PROCESS: u64 = 1;
const TURNS: u64 = 2;
const LANES: u64 = 1000;

struct Writer<'a> {
    out: &'a mut dyn Write,
    names: HashMap<String, u64>,
    first: bool,
}

impl Writer<'_> {
    fn packet(&mut self, packet: Packet) -> io::Result<()> {
        self.out.write_all(&Trace { packet: vec![packet] }.encode_to_vec())
    }

    fn track(&mut self, track: Track) -> io::Result<()> {
        self.packet(Packet { track: Some(track), sequence: Some(SEQUENCE), ..Packet::default() })
    }

    fn event(&mut self, at: f64, name: Option<&str>, mut event: TrackEvent) -> io::Result<()> {
        let mut interned = None;
        if let Some(name) = name {
            let next = self.names.len() as u64 + 1;
            let number = *self.names.entry(name.to_owned()).or_insert(next);
            if number == next {
                let name = Name { number: Some(number), name: Some(name.to_owned()) };
                interned = Some(Interned { names: vec![name] });
            }
            event.name = Some(number);
        }
        let cleared = if std::mem::take(&mut self.first) { CLEARED } else { 0 };
        self.packet(Packet {
            timestamp: Some(at.max(0.0) as u64),
            sequence: Some(SEQUENCE),
            event: Some(event),
            interned,
            flags: Some(NEEDS_WHAT_WAS_INTERNED | cleared),
            ..Packet::default()
        })
    }

    fn stretch(&mut self, at: f64, length: f64, name: &str, event: TrackEvent) -> io::Result<()> {
        let end = TrackEvent { kind: Some(END), track: event.track, ..TrackEvent::default() };
        self.event(at, Some(name), TrackEvent { kind: Some(BEGIN), ..event })?;
        self.event(at + length, None, end)
    }
}

fn annotation(name: &str, text: &str) -> Annotation {
    Annotation { name: Some(name.into()), text: Some(text.into()) }
}

pub(super) fn write(out: &mut dyn Write, file: &File, timeline: &Timeline) -> io::Result<()> {
    let header = file.header();
    let mut writer = Writer { out, names: HashMap::new(), first: true };
    let process = Process { pid: Some(header.process.cast_signed()), name: Some(header.program.clone()) };
    writer.track(Track { uuid: Some(PROCESS), process: Some(process), ..Track::default() })?;
    let lanes = timeline.lanes.iter().enumerate();
    let tracks =
        lanes.map(|(lane, of)| (LANES + lane as u64, of.name.clone())).chain([(TURNS, "turns".into())]);
    for (uuid, name) in tracks {
        writer.track(Track {
            uuid: Some(uuid),
            name: Some(name),
            parent: Some(PROCESS),
            ..Track::default()
        })?;
    }
    let born = header.calibration.wall(header.calibration.born()) as f64;
    let on = |track| TrackEvent { track: Some(track), ..TrackEvent::default() };
    for (number, step) in timeline.steps.iter().enumerate() {
        let (track, start) = (LANES + u64::from(step.lane), born + step.start);
        let about = &timeline.abouts[step.about as usize];
        let name = if step.lane == CALLBACKS { about } else { "RUNNING" };
        let mut event = on(track);
        if step.lane != CALLBACKS {
            event.annotations.push(annotation(step.then.word(), about));
        }
        let flow = number as u64 + 1;
        let ready = f64::from(step.ready);
        if let (By::Lane(waker), true) = (step.by, ready > 0.0) {
            let mut wake = on(LANES + u64::from(waker));
            (wake.kind, wake.flows) = (Some(INSTANT), vec![flow]);
            writer.event(start - ready, Some("wakes"), wake)?;
            event.ending_flows.push(flow);
        }
        if ready > 0.0 {
            writer.stretch(start - ready, ready, "READY", on(track))?;
        }
        writer.stretch(start, step.run.into(), name, event)?;
    }
    for turn in &timeline.turns {
        writer.stretch(born + turn.start, turn.run.into(), "turn", on(TURNS))?;
    }
    for note in &timeline.notes {
        let track = note.lane.map_or(TURNS, |lane| LANES + u64::from(lane));
        let mut event = on(track);
        event.annotations.push(annotation("text", &note.text));
        if note.length > 0.0 {
            writer.stretch(born + note.at, note.length, note.kind, event)?;
        } else {
            writer.event(born + note.at, Some(note.kind), TrackEvent { kind: Some(INSTANT), ..event })?;
        }
    }
    Ok(())
}
