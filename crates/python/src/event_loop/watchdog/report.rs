//! What is said of a block, and where.

use std::fmt::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use ironloop_driver::tell_on_stderr;
use ironloop_frames::{Place, Stack};
use ironloop_trace::{BlockKind, Reporter};

use super::polled::Polled;
use super::saving::Recording;
use super::subject::Subject;

/// Files of debuggers: they stop the loop on purpose, and somebody sits before them.
const DEBUGGERS: [&str; 3] = ["/bdb.py", "/pdb.py", "pydevd.py"];

/// Whose the stack is.
#[derive(Clone)]
pub(super) enum Where {
    /// The loop's thread.
    Loop,
    /// The thread that has the interpreter's lock, for which the loop waits.
    Holder,
    /// It could not be read.
    Unknown,
    /// Nothing can be, for this reason.
    Blind(&'static str),
}

/// A block.
#[derive(Clone)]
pub(super) struct Report {
    pub(super) nanos: i64,
    /// The processor time of the loop's thread meanwhile.
    pub(super) cpu: Option<i64>,
    /// The part of the looks at which the collector ran.
    pub(super) collecting: f64,
    /// 1, or how many make a turn long of which none is.
    pub(super) items: u64,
    pub(super) subject: Option<Subject>,
    /// The Rust future that is polled.
    pub(super) polled: Option<Polled>,
    pub(super) stack: Stack,
    pub(super) place: Where,
    /// The inner calls of the thread that has the interpreter's lock meanwhile, if it is another.
    pub(super) holder: Vec<Place>,
}

static SILENT: AtomicBool = AtomicBool::new(false);

/// There is no standard error.
pub(super) fn be_silent() {
    SILENT.store(true, Ordering::Relaxed);
}

/// What has to go out once nothing is locked: a text, and the recording that shows how it came to that.
pub(super) struct Said {
    text: String,
    recording: Option<Recording>,
}

impl Said {
    /// To standard error; and to where recordings are saved.
    pub(super) fn publish(self) {
        if !SILENT.load(Ordering::Relaxed) {
            tell_on_stderr(&self.text);
        }
        let Some(word) = self.recording.and_then(Recording::save) else { return };
        if !SILENT.load(Ordering::Relaxed) {
            tell_on_stderr(&format!("ironloop: {word}\n"));
        }
    }
}

impl Report {
    pub(super) fn is_a_debuggers(&self) -> bool {
        self.stack.places.iter().any(|place| DEBUGGERS.iter().any(|name| place.file.ends_with(name)))
    }

    /// The qualified name of the coroutine that the task runs.
    pub(super) fn coroutine(&self) -> Option<&str> {
        let outermost = self.stack.places.first().filter(|_| !self.stack.cut)?;
        self.subject.as_ref().map(|_| outermost.function.as_str())
    }

    /// While it lasts; a second time if it goes on and on.
    pub(super) fn begun(&self, again: bool, recording: Option<Recording>) -> Said {
        let text = format!("ironloop: {}\n", self.sentence(if again { "is still" } else { "is" }));
        Said { text, recording }
    }

    /// When it is over.
    pub(super) fn over(&self, recording: Option<Recording>) -> Said {
        let text = format!("ironloop: the event loop goes on, after {}\n", seconds(self.nanos));
        Said { text, recording }
    }

    /// As it stands in the loop's file, where times are the file's clock's: now, when it has lasted so long.
    pub(super) fn told(&self, pen: &Reporter, over: bool) -> ironloop_trace::Report {
        let mut stack =
            self.polled.as_ref().map_or_else(String::new, |polled| format!("{}\n", polled.line()));
        for Place { function, file, line } in self.stack.places.iter().rev() {
            // To write to a string cannot fail.
            let _ = writeln!(stack, "{function}\t{file}\t{line}");
        }
        let wall = pen.ticks(self.nanos);
        ironloop_trace::Report {
            kind: match self.place {
                _ if self.items > 1 => BlockKind::Crowd,
                Where::Holder => BlockKind::Lock,
                _ => BlockKind::One,
            },
            items: u32::try_from(self.items).unwrap_or(u32::MAX),
            began: pen.now().saturating_sub(wall as u64),
            wall,
            cpu: pen.ticks(self.cpu.unwrap_or(0)),
            collecting: wall * self.collecting as f32,
            task: self.subject.as_ref().and_then(|_| pen.running()),
            who: self
                .subject
                .as_ref()
                .map(|subject| subject.name.clone().unwrap_or("?".to_owned()))
                .unwrap_or_default(),
            over,
            stack,
        }
    }

    /// The whole, when it is over.
    pub(super) fn text(&self) -> String {
        self.sentence("was")
    }

    fn sentence(&self, is: &str) -> String {
        let mut text = String::new();
        // To write to a string cannot fail.
        let _ = self.write(&mut text, is);
        text.truncate(text.trim_end().len());
        text
    }

    fn write(&self, out: &mut String, is: &str) -> std::fmt::Result {
        let time = seconds(self.nanos);
        if self.items > 1 {
            write!(out, "{} callbacks in one turn of the event loop have taken {time}", self.items)?;
        } else if matches!(self.place, Where::Holder) {
            write!(out, "the event loop {is} blocked for {time}: another thread holds Python's lock")?;
        } else {
            write!(out, "the event loop {is} blocked for {time}")?;
        }
        if let Some(cpu) = self.cpu {
            write!(out, ", {} of it on a processor", seconds(cpu))?;
        }
        if self.collecting > 0.0 {
            write!(out, ", {:.0} % in the garbage collector", 100.0 * self.collecting)?;
        }
        if let Some(subject) = &self.subject {
            let by = if self.items > 1 { "now" } else { "by" };
            write!(out, "; {by} task {}", subject.name.as_deref().unwrap_or("?"))?;
            if let Some(coroutine) = self.coroutine() {
                write!(out, " ({coroutine})")?;
            }
            for awaiter in &subject.awaiters {
                write!(out, ", awaited by {awaiter}")?;
            }
        }
        if let Some(polled) = &self.polled {
            write!(out, "; in Rust {}", polled.text())?;
        }
        out.push('\n');
        match self.place {
            Where::Unknown => writeln!(out, "  (its stack could not be read)")?,
            Where::Blind(why) => writeln!(out, "  (its stack cannot be read: {why})")?,
            Where::Loop if self.stack.places.is_empty() && self.polled.is_none() => {
                writeln!(out, "  (in no Python code of the program's: a callback in C, or the loop itself)")?;
            }
            Where::Loop | Where::Holder => {}
        }
        if self.stack.cut {
            writeln!(out, "  ...")?;
        }
        for place in &self.stack.places {
            writeln!(out, "  {place}")?;
        }
        if self.stack.restless {
            writeln!(out, "  (and what that calls, too short to be seen)")?;
        }
        if !self.holder.is_empty() {
            writeln!(out, "  meanwhile another thread has Python's lock:")?;
        }
        for place in &self.holder {
            writeln!(out, "    {place}")?;
        }
        Ok(())
    }
}

fn seconds(nanos: i64) -> String {
    format!("{:.3} s", nanos as f64 / 1e9)
}
