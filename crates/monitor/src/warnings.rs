//! What is wrong, as far as a recording shows it; each named by who does it and what it does.

use ironloop_trace::{BlockKind, Flags, ObjectKind, Report, Slot, State, TaskRow};

use crate::graph::Graph;
use crate::history::History;
use crate::words::{Words, time};

#[derive(Clone, PartialEq, Debug)]
pub struct Warning {
    pub kind: Kind,
    /// The task to look at.
    pub task: Option<Slot>,
    pub text: String,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    Deadlock,
    Blocked,
    WaitsForEver,
    NeverRetrieved,
    QueueGrows,
    NeverYielded,
    SlowStep,
}

impl Kind {
    pub fn word(self) -> &'static str {
        match self {
            Self::Deadlock => "deadlock",
            Self::Blocked => "blocked the loop",
            Self::WaitsForEver => "waits for ever",
            Self::NeverRetrieved => "exception never retrieved",
            Self::QueueGrows => "queue that grows",
            Self::NeverYielded => "never yielded",
            Self::SlowStep => "long step",
        }
    }
}

/// A step that takes as long holds everybody up; asyncio's debug mode calls it slow.
const SLOW: f64 = 100e6;
/// A task that has run as long altogether, in a single step, never yields.
const NEVER_YIELDS: f64 = 10e6;
pub fn all(words: Words<'_>, graph: &Graph, history: &History) -> Vec<Warning> {
    let Words { file, snapshot } = words;
    let calibration = &file.header().calibration;
    let mut all = Vec::new();
    for cycle in graph.deadlocks(words.snapshot, history) {
        let of = |slot: &Slot| {
            let waits = snapshot.task(*slot).map(|task| words.waits_for(task)).unwrap_or_default();
            format!("{} waits for {waits}", words.task(*slot))
        };
        let text = cycle.iter().map(of).collect::<Vec<_>>().join("; ");
        all.push(Warning { kind: Kind::Deadlock, task: cycle.first().copied(), text });
    }
    for (_, report) in &snapshot.reports {
        all.push(blocked(words, report));
    }
    for task in &snapshot.tasks {
        let warn = |kind, text| Warning { kind, task: Some(task.slot), text };
        if task.flags.has(Flags::FORSAKEN) && matches!(task.state, State::Suspended(_)) {
            let what = words.waits_for(task);
            let text = format!("{} waits for {what}, which nobody else holds", task.name);
            all.push(warn(Kind::WaitsForEver, text));
        }
        if task.flags.has(Flags::NEVER_RETRIEVED) {
            let text = format!("nobody asked {} how it ended; it failed", task.name);
            all.push(warn(Kind::NeverRetrieved, text));
        }
        let longest = calibration.nanos(f64::from(task.longest));
        if let Some(kind) = long(task, longest, calibration.between(task.since, snapshot.now)) {
            let running = task.state == State::Running;
            let lasting = if running { calibration.between(task.since, snapshot.now) } else { 0.0 };
            let shown = lasting.max(longest);
            let text = match kind {
                Kind::NeverYielded if running => {
                    format!("{} has run for {} and has not yielded once", task.name, time(shown))
                }
                Kind::NeverYielded => format!("{} ran for {} without yielding", task.name, time(shown)),
                _ => format!("a step of {} took {}", task.name, time(shown)),
            };
            all.push(warn(kind, text));
        }
    }
    for queue in &snapshot.objects {
        if let Some(first) = history.grown_from(queue).filter(|_| queue.kind == ObjectKind::Queue) {
            let text = format!(
                "{} has grown from {first} to {} ({} put, {} got)",
                words.object(queue),
                queue.length,
                queue.ins,
                queue.outs
            );
            all.push(Warning { kind: Kind::QueueGrows, task: None, text });
        }
    }
    all.sort_by_key(|warning| warning.kind);
    all
}

/// Whether a task's longest step, or the one that lasts, is too long; and whether it is all there was.
fn long(task: &TaskRow, longest: f64, lasting: f64) -> Option<Kind> {
    let only = task.steps == 0 && task.state == State::Running && lasting > NEVER_YIELDS;
    let whole = task.steps == 1 && task.state.is_completed() && longest > NEVER_YIELDS;
    let slow = longest > SLOW || task.state == State::Running && lasting > SLOW;
    if only || whole { Some(Kind::NeverYielded) } else { slow.then_some(Kind::SlowStep) }
}

fn blocked(words: Words<'_>, report: &Report) -> Warning {
    let calibration = &words.file.header().calibration;
    let nanos = |ticks: f32| calibration.nanos(f64::from(ticks));
    let who = match report.kind {
        BlockKind::Crowd => format!("{} callbacks in one turn", report.items),
        BlockKind::Lock => "another thread, with Python's lock,".into(),
        BlockKind::One if report.who.is_empty() => "a callback".into(),
        BlockKind::One => report.who.clone(),
    };
    let frame = report.stack.lines().next().unwrap_or_default();
    let mut parts = frame.split('\t');
    let (function, file, line) = (parts.next(), parts.next(), parts.next());
    let place = match (function, file, line) {
        (Some(function), Some(file), Some(line)) => format!(" in {function}, {file}:{line}"),
        _ => String::new(),
    };
    let told = nanos(report.wall);
    let until_now = calibration.between(report.began, words.snapshot.now);
    let wall = if report.over { told } else { told.max(until_now) };
    let working = if report.cpu > report.wall / 2.0 { "computing" } else { "waiting" };
    let lasts = if report.over { "blocked the loop for" } else { "blocks the loop, since" };
    let text = format!("{who} {lasts} {}{place} ({working})", time(wall));
    Warning { kind: Kind::Blocked, task: report.task.map(|(slot, _)| slot), text }
}
