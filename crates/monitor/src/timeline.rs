//! Events told as lanes: a lane a task, a step a stretch of it. Rows of the file's table are used again; a lane
//! is one task for ever. What lies before the oldest event is filled in from the tables, as far as they know.

use std::collections::HashMap;

use ironloop_trace::{
    BlockKind, Event, Events, File, Moment, Op, Reason, Report, Slot, Snapshot, State, StringId, Subject,
    Waker,
};

use crate::graph::Graph;
use crate::history::History;
use crate::warnings;

/// The lane of callbacks that are no task's.
pub const CALLBACKS: u32 = 0;

#[derive(Clone, Default, Debug)]
pub struct Lane {
    pub number: u64,
    pub name: String,
    pub coroutine: String,
    pub place: String,
    pub parent: Option<u32>,
    /// Nanoseconds since the file was made.
    pub made: f64,
    pub ended: Option<f64>,
    /// How it stands, by the last that is known.
    pub state: Option<State>,
    pub about: u32,
    /// Where it waits, if it does and that is known.
    pub waits_at: String,
}

/// Who woke a task: a lane, or one of these.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    Lane(u32),
    Timer,
    Kernel,
    Thread,
    Callback,
    Unknown,
}

impl By {
    /// Below zero where it is no lane.
    pub fn code(self) -> i32 {
        match self {
            Self::Lane(lane) => lane.cast_signed(),
            Self::Timer => -2,
            Self::Kernel => -3,
            Self::Thread => -4,
            Self::Callback => -5,
            Self::Unknown => -1,
        }
    }
}

/// Times are nanoseconds, moments those since the file was made.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    pub lane: u32,
    pub start: f64,
    pub run: f32,
    pub ready: f32,
    pub by: By,
    pub then: State,
    /// What it waits for next, or which callback it was: a number among `abouts`.
    pub about: u32,
}

#[derive(Clone, Copy, Debug)]
pub struct Turn {
    pub start: f64,
    pub run: f32,
    pub waited: f32,
    pub items: u32,
}

/// What has a moment and a text.
#[derive(Clone, Debug)]
pub struct Note {
    pub at: f64,
    /// 0 where it lasts no time.
    pub length: f64,
    pub lane: Option<u32>,
    pub kind: &'static str,
    pub text: String,
}

#[derive(Default)]
pub struct Timeline {
    pub lanes: Vec<Lane>,
    pub steps: Vec<Step>,
    pub turns: Vec<Turn>,
    pub notes: Vec<Note>,
    pub abouts: Vec<String>,
    /// What is wrong, as far as it stands so at the last look: the kind, and the text.
    pub warnings: Vec<(&'static str, String)>,
    /// Events that were gone before they could be read.
    pub missed: u64,
    next: u64,
    here: HashMap<Slot, u32>,
    objects: HashMap<Slot, String>,
    known: HashMap<String, u32>,
    reported: HashMap<u32, usize>,
    history: History,
}

/// A timer that is so many nanoseconds late gets a note.
const LATE: f64 = 10e6;
/// Events that are read at once.
const STRETCH: usize = 1 << 16;
/// Notes that are kept; more of them no one reads.
const NOTES: usize = 10_000;

impl Timeline {
    /// All that a file holds.
    pub fn of(file: &mut File) -> Result<Self, ironloop_trace::Unreadable> {
        let mut timeline = Self::default();
        timeline.follow(file)?;
        Ok(timeline)
    }

    /// What has happened since.
    pub fn follow(&mut self, file: &mut File) -> Result<(), ironloop_trace::Unreadable> {
        file.look()?;
        let snapshot = file.snapshot()?;
        if self.lanes.is_empty() {
            self.lanes.push(Lane { name: "callbacks".into(), ..Lane::default() });
            self.about(String::new());
        }
        for object in &snapshot.objects {
            let name = crate::words::Words { file, snapshot: &snapshot }.object(object);
            self.objects.entry(object.slot).or_insert(name);
        }
        let until = file.header().head;
        while self.next < until {
            let events = file.events(self.next, STRETCH)?;
            self.missed += events.missed;
            self.next = events.next;
            let empty = events.events.is_empty() && events.unknown == 0;
            self.read(file, &snapshot, &events);
            if empty {
                break;
            }
        }
        for row in &snapshot.tasks {
            let lane = self.lane(file, &snapshot, row.slot, row.made);
            // The row may be another task's by the time that its events are read.
            if self.lanes[lane as usize].number == row.number {
                let about = self.subject(file, row.state, row.subject);
                let lane = &mut self.lanes[lane as usize];
                (lane.state, lane.about) = (Some(row.state), about);
                let suspended = matches!(row.state, State::Suspended(_));
                lane.waits_at = if suspended { file.text(row.waits_at).into() } else { String::new() };
            }
        }
        let words = crate::words::Words { file, snapshot: &snapshot };
        let warnings = warnings::all(words, &Graph::new(&snapshot), &self.history);
        self.warnings = warnings.into_iter().map(|warning| (warning.kind.word(), warning.text)).collect();
        for (id, report) in &snapshot.reports {
            self.block(file, id.0, report);
        }
        Ok(())
    }

    fn read(&mut self, file: &File, snapshot: &Snapshot, events: &Events) {
        let calibration = file.header().calibration;
        let since = |at: u64| calibration.since_birth(at);
        self.history.read(&events.events, since);
        let nanos = |ticks: f32| calibration.nanos(f64::from(ticks)) as f32;
        let mut name: Option<(u32, String)> = None;
        for &Event { at, what } in &events.events {
            match what {
                Moment::Name(piece) => {
                    if let Some((lane, text)) = &mut name {
                        let end = piece.iter().position(|&byte| byte == 0).unwrap_or(piece.len());
                        text.push_str(&String::from_utf8_lossy(&piece[..end]));
                        self.lanes[*lane as usize].name = shown(text);
                    }
                    continue;
                }
                Moment::Made { task, by, number, coroutine, place } => {
                    let lane = self.lanes.len() as u32;
                    let parent = match by {
                        Waker::Task(slot) => self.here.get(&slot).copied(),
                        _ => None,
                    };
                    self.lanes.push(Lane {
                        number,
                        name: format!("Task-{number}"),
                        coroutine: file.text(coroutine).into(),
                        place: file.text(place).into(),
                        parent,
                        made: since(at),
                        state: Some(State::Ready),
                        ..Lane::default()
                    });
                    self.here.insert(task, lane);
                    name = Some((lane, String::new()));
                    continue;
                }
                Moment::Step { task, waker, run, ready, then, subject } => {
                    let lane = self.lane(file, snapshot, task, at);
                    let by = self.by(waker);
                    let about = self.subject(file, then, subject);
                    let (start, run, ready) = (since(at), nanos(run), nanos(ready));
                    self.steps.push(Step { lane, start, run, ready, by, then, about });
                    let lane = &mut self.lanes[lane as usize];
                    (lane.state, lane.about) = (Some(then), about);
                    if then.is_completed() {
                        lane.ended = Some(start + f64::from(run));
                    }
                }
                Moment::Call { label, waker, run, late } => {
                    let about = self.about(file.text(label).into());
                    let late = f64::from(nanos(late));
                    if late > LATE {
                        let text = format!("{} was {} late", file.text(label), crate::words::time(late));
                        self.note(since(at), 0.0, Some(CALLBACKS), "late timer", text);
                    }
                    let (by, start, run) = (self.by(waker), since(at), nanos(run));
                    let then = State::Completed(ironloop_trace::Outcome::Result);
                    self.steps.push(Step { lane: CALLBACKS, start, run, ready: 0.0, by, then, about });
                }
                Moment::Turn { run, waited, items, .. } => {
                    self.turns.push(Turn { start: since(at), run: nanos(run), waited: nanos(waited), items });
                }
                Moment::ObjectMade { object, kind, number, label } => {
                    let label = file.text(label);
                    let name = match label {
                        "" => format!("{} {number}", kind.word()),
                        label => format!("{} {label}", kind.word()),
                    };
                    self.objects.insert(object, name);
                }
                Moment::Cancel { task, by, why } => {
                    let lane = self.lane(file, snapshot, task, at);
                    let by = match file.text(why) {
                        "" => self.by_name(self.by(by)),
                        why => why,
                    };
                    self.note(since(at), 0.0, Some(lane), "cancelled", format!("cancelled by {by}"));
                }
                Moment::NeverRetrieved { task, error } => {
                    let lane = task.map(|task| self.lane(file, snapshot, task, at));
                    let text = format!("{} was never retrieved", file.text(error));
                    self.note(since(at), 0.0, lane, "never retrieved", text);
                }
                Moment::Collected { run, generation, objects } => {
                    let text = format!("generation {generation}, {objects} objects");
                    self.note(since(at), nanos(run).into(), None, "collector", text);
                }
                Moment::Job { label, run, waited, .. } => {
                    let text =
                        format!("{} (waited {})", file.text(label), crate::words::time(nanos(waited).into()));
                    self.note(since(at), nanos(run).into(), None, "executor", text);
                }
                Moment::Mark(text) => {
                    let text = file.text(text).to_owned();
                    self.note(since(at), 0.0, None, "mark", text);
                }
                // Reports say it with the stack; bytes and lengths are for other views.
                Moment::Blocked { .. } | Moment::Object { .. } => {}
                Moment::Connection { fd, op, bytes } => {
                    if !matches!(op, Op::Received | Op::Sent) {
                        let _ = bytes;
                        let text = format!("descriptor {fd} {}", op.word());
                        self.note(since(at), 0.0, None, "connection", text);
                    }
                }
            }
            name = None;
        }
    }

    /// The lane of who sits in a row at a moment.
    fn lane(&mut self, file: &File, snapshot: &Snapshot, slot: Slot, at: u64) -> u32 {
        if let Some(&lane) = self.here.get(&slot) {
            return lane;
        }
        let row = snapshot.task(slot).filter(|row| row.made <= at);
        let made = row.map_or(at, |row| row.made);
        let lane = Lane {
            number: row.map_or(0, |row| row.number),
            name: row.map_or_else(|| format!("a task in row {}", slot.0), |row| row.name.clone()),
            coroutine: row.map_or("", |row| file.text(row.coroutine)).into(),
            place: row.map_or("", |row| file.text(row.place)).into(),
            made: file.header().calibration.since_birth(made),
            ..Lane::default()
        };
        let index = self.lanes.len() as u32;
        self.lanes.push(lane);
        self.here.insert(slot, index);
        index
    }

    fn by(&self, waker: Waker) -> By {
        match waker {
            Waker::Task(slot) => self.here.get(&slot).map_or(By::Unknown, |&lane| By::Lane(lane)),
            Waker::Timer => By::Timer,
            Waker::Kernel => By::Kernel,
            Waker::Thread => By::Thread,
            Waker::Callback => By::Callback,
            Waker::Unknown => By::Unknown,
        }
    }

    pub fn by_name(&self, by: By) -> &str {
        match by {
            By::Lane(lane) => &self.lanes[lane as usize].name,
            By::Timer => "a timer",
            By::Kernel => "the kernel",
            By::Thread => "another thread",
            By::Callback => "a callback",
            By::Unknown => "",
        }
    }

    fn about(&mut self, text: String) -> u32 {
        if let Some(&number) = self.known.get(&text) {
            return number;
        }
        let number = self.abouts.len() as u32;
        self.abouts.push(text.clone());
        self.known.insert(text, number);
        number
    }

    /// What a state is about, without what changes each time.
    fn subject(&mut self, file: &File, state: State, subject: Subject) -> u32 {
        let text = match (state, subject) {
            (State::Completed(outcome), _) => outcome.word().to_owned(),
            (State::Suspended(reason), subject) => {
                let word = reason.word();
                match subject {
                    Subject::Object(slot, _) => match self.objects.get(&slot) {
                        Some(name)
                            if matches!(reason, Reason::QueueGet | Reason::QueuePut | Reason::QueueJoin) =>
                        {
                            format!("{} of {name}", &word["queue ".len()..])
                        }
                        Some(name) => name.clone(),
                        None => word.to_owned(),
                    },
                    Subject::Task(slot) => match self.here.get(&slot) {
                        Some(&lane) => format!("task {}", self.lanes[lane as usize].name),
                        None => word.to_owned(),
                    },
                    Subject::Descriptor(fd) => format!("{word} {fd}"),
                    Subject::Named(string) if string != StringId::NONE => {
                        format!("{word} {}", file.text(string))
                    }
                    _ => word.to_owned(),
                }
            }
            _ => String::new(),
        };
        self.about(text)
    }

    fn note(&mut self, at: f64, length: f64, lane: Option<u32>, kind: &'static str, text: String) {
        if self.notes.len() < NOTES {
            self.notes.push(Note { at, length, lane, kind, text });
        }
    }

    fn block(&mut self, file: &File, id: u32, report: &Report) {
        let calibration = file.header().calibration;
        let length = calibration.nanos(f64::from(report.wall));
        let at = calibration.since_birth(report.began);
        let lane = report.task.and_then(|(_, number)| {
            let place = self.lanes.iter().position(|lane| lane.number == number)?;
            Some(place as u32)
        });
        // As a traceback has it: the innermost call last.
        let places = report.stack.lines().rev().filter_map(|line| {
            let (function, place) = line.split_once('\t')?;
            Some(format!("{function} ({})", place.replace('\t', ":")))
        });
        let who = match report.kind {
            BlockKind::Crowd => format!("{} callbacks in one turn", report.items),
            BlockKind::Lock => "another thread has Python's lock".into(),
            BlockKind::One if report.who.is_empty() => "a callback".into(),
            BlockKind::One => report.who.clone(),
        };
        let text = std::iter::once(who).chain(places).collect::<Vec<_>>().join("\n");
        match self.reported.get(&id) {
            Some(&place) => (self.notes[place].at, self.notes[place].length) = (at, length),
            None => {
                self.reported.insert(id, self.notes.len());
                self.notes.push(Note { at, length, lane, kind: "blocked", text });
            }
        }
    }
}

fn shown(text: &str) -> String {
    text.chars().map(|sign| if sign.is_control() { '\u{b7}' } else { sign }).collect()
}
