//! How things are called before people: times, tasks, what they wait for.

use ironloop_trace::{File, ObjectRow, Reason, Slot, Snapshot, State, Subject, TaskRow, Waker};

/// A length of time with three figures: `1.23 ms`.
pub fn time(nanos: f64) -> String {
    let (value, unit) = match nanos {
        n if n < 1e3 => (n, "ns"),
        n if n < 1e6 => (n / 1e3, "\u{b5}s"),
        n if n < 1e9 => (n / 1e6, "ms"),
        n if n < 120e9 => (n / 1e9, "s"),
        n if n < 7200e9 => (n / 60e9, "min"),
        n => (n / 3600e9, "h"),
    };
    let figures = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.figures$} {unit}")
}

/// A count with its thousands apart.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A name that others have given, in one line and with nothing in it that a terminal obeys.
pub fn one_line(text: &str) -> String {
    text.chars().map(|sign| if sign.is_control() { '\u{b7}' } else { sign }).collect()
}

/// A command line without the folder of its interpreter, which says little.
pub fn command(program: &str) -> &str {
    let (first, _) = program.split_once(' ').unwrap_or((program, ""));
    first.rfind('/').map_or(program, |end| &program[end + 1..])
}

/// A moment of a recording put into words: needs the file for its strings, the tables for who is who.
#[derive(Clone, Copy)]
pub struct Words<'a> {
    pub file: &'a File,
    pub snapshot: &'a Snapshot,
}

impl Words<'_> {
    pub fn task(&self, slot: Slot) -> String {
        self.snapshot.task(slot).map_or_else(|| "a task that is gone".into(), |task| task.name.clone())
    }

    pub fn waker(&self, waker: Waker) -> Option<String> {
        Some(match waker {
            Waker::Task(slot) => self.task(slot),
            Waker::Timer => "a timer".into(),
            Waker::Kernel => "the kernel".into(),
            Waker::Thread => "another thread".into(),
            Waker::Callback => "a callback".into(),
            Waker::Unknown => return None,
        })
    }

    pub fn object(&self, object: &ObjectRow) -> String {
        let label = self.file.text(object.label);
        if label.is_empty() {
            format!("{} {}", object.kind.word(), object.number)
        } else {
            format!("{} {label}", object.kind.word())
        }
    }

    /// What a suspended task waits for: the reason and its object. Empty for any other state.
    pub fn waits_for(&self, task: &TaskRow) -> String {
        match task.state {
            State::Suspended(reason) => self.reason(reason, task.subject),
            State::Ready => match task.subject {
                Subject::Woken(waker) => {
                    self.waker(waker).map(|by| format!("to run; woken by {by}")).unwrap_or_default()
                }
                _ => String::new(),
            },
            State::Completed(outcome) => outcome.word().into(),
            State::Running => String::new(),
        }
    }

    fn reason(&self, reason: Reason, subject: Subject) -> String {
        let word = reason.word();
        match subject {
            Subject::Until(until) => {
                let calibration = &self.file.header().calibration;
                let left = calibration.between(self.snapshot.now, until);
                if left > 0.0 { format!("{word}, {} to go", time(left)) } else { format!("{word}, over") }
            }
            Subject::Task(slot) => format!("task {}", self.task(slot)),
            Subject::Object(slot, value) => match self.snapshot.object(slot) {
                Some(object) => {
                    let name = self.object(object);
                    let more = match (reason, self.waker(object.owner)) {
                        (Reason::Lock | Reason::Condition, Some(owner)) => format!(", held by {owner}"),
                        (Reason::QueueGet | Reason::QueuePut | Reason::QueueJoin, _) => {
                            format!(", {} in it", object.length)
                        }
                        (Reason::Group, _) => format!(", {} to go", object.length),
                        _ => String::new(),
                    };
                    match reason {
                        Reason::QueueGet | Reason::QueuePut | Reason::QueueJoin => {
                            format!("{} of {name}{more}", &word["queue ".len()..])
                        }
                        _ => format!("{name}{more}"),
                    }
                }
                None => format!("{word}, {value}"),
            },
            Subject::Descriptor(fd) => format!("{word}, descriptor {fd}"),
            Subject::Process(number) => format!("{word} {number}"),
            Subject::Named(string) => match self.file.text(string) {
                "" => word.into(),
                text => format!("{word} {text}"),
            },
            Subject::Nothing | Subject::Woken(_) => word.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_figures() {
        assert_eq!(
            [0.0, 999.0, 1_234.0, 45_600_000.0, 3e9, 3600e9].map(time),
            ["0.00 ns", "999 ns", "1.23 \u{b5}s", "45.6 ms", "3.00 s", "60.0 min"]
        );
        assert_eq!(command("/usr/bin/python app.py /tmp/x"), "python app.py /tmp/x");
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
    }
}
