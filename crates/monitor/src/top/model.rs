//! What the terminal view shows: the last look at the file, and what was counted since the first.

use std::collections::HashMap;

use hdrhistogram::Histogram;
use ironloop_trace::{File, Life, Moment, Slot, Snapshot, State, TaskRow, Unreadable};

use crate::graph::Graph;
use crate::history::History;
use crate::warnings::{self, Warning};
use crate::words::Words;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Column {
    InState,
    Number,
    Steps,
    Running,
    Ready,
    Longest,
    Name,
}

impl Column {
    pub const ALL: [Self; 7] =
        [Self::InState, Self::Number, Self::Steps, Self::Running, Self::Ready, Self::Longest, Self::Name];

    pub fn word(self) -> &'static str {
        match self {
            Self::InState => "time in state",
            Self::Number => "number",
            Self::Steps => "steps",
            Self::Running => "running",
            Self::Ready => "ready",
            Self::Longest => "longest step",
            Self::Name => "name",
        }
    }
}

pub struct Model {
    pub file: File,
    pub snapshot: Snapshot,
    pub graph: Graph,
    pub warnings: Vec<Warning>,
    /// In nanoseconds: how long steps ran, how long tasks had been ready, how long turns took.
    pub steps: Histogram<u64>,
    pub ready: Histogram<u64>,
    pub turns: Histogram<u64>,
    /// Of the last turn: how many were ready after it.
    pub depth: u32,
    pub missed: u64,
    pub filter: String,
    pub typing: Option<String>,
    pub sort: Column,
    pub down: bool,
    pub ended: bool,
    pub detail: bool,
    pub paused: bool,
    /// The tasks in sight, as places in the snapshot; and which line is chosen.
    pub lines: Vec<usize>,
    pub line: usize,
    life: Life,
    history: History,
    next: u64,
}

/// Events that are read at one look; what comes faster is missed, and said to be.
const EVENTS: usize = 1 << 18;

fn histogram() -> Histogram<u64> {
    // Two figures, up to an hour: a few kilobytes. These bounds are ones it takes.
    let mut histogram = Histogram::new_with_bounds(1, 3_600_000_000_000, 2).expect("bounds in order");
    histogram.auto(true);
    histogram
}

impl Model {
    pub fn new(file: File) -> Self {
        let snapshot = Snapshot::default();
        Self {
            life: file.life(),
            file,
            graph: Graph::new(&snapshot),
            snapshot,
            warnings: Vec::new(),
            steps: histogram(),
            ready: histogram(),
            turns: histogram(),
            depth: 0,
            missed: 0,
            filter: String::new(),
            typing: None,
            sort: Column::InState,
            down: true,
            ended: false,
            detail: false,
            paused: false,
            lines: Vec::new(),
            line: 0,
            history: History::default(),
            next: 0,
        }
    }

    pub fn life(&self) -> Life {
        self.life
    }

    /// Reads what is new.
    pub fn look(&mut self) -> Result<(), Unreadable> {
        if self.paused {
            return Ok(());
        }
        self.file.look()?;
        self.life = self.file.life();
        let events = self.file.events(self.next, EVENTS)?;
        self.missed += events.missed;
        self.next = events.next;
        let calibration = self.file.header().calibration;
        self.history.read(&events.events, |at| calibration.since_birth(at));
        let nanos = |ticks: f32| calibration.nanos(f64::from(ticks)) as u64;
        for event in &events.events {
            match event.what {
                Moment::Step { run, ready, .. } => {
                    self.steps.saturating_record(nanos(run));
                    self.ready.saturating_record(nanos(ready));
                }
                Moment::Turn { run, ready, .. } => {
                    self.turns.saturating_record(nanos(run));
                    self.depth = ready;
                }
                _ => {}
            }
        }
        let chosen = self.chosen().map(|task| task.number);
        self.snapshot = self.file.snapshot()?;
        self.graph = Graph::new(&self.snapshot);
        self.warnings = warnings::all(self.words(), &self.graph, &self.history);
        self.arrange();
        // The chosen task stays chosen wherever it is now.
        if let Some(number) = chosen {
            let line = self.lines.iter().position(|&place| self.snapshot.tasks[place].number == number);
            self.line = line.unwrap_or(self.line.min(self.lines.len().saturating_sub(1)));
        }
        Ok(())
    }

    pub fn words(&self) -> Words<'_> {
        Words { file: &self.file, snapshot: &self.snapshot }
    }

    pub fn in_state(&self, task: &TaskRow) -> f64 {
        self.file.header().calibration.between(task.since, self.snapshot.now)
    }

    pub fn nanos(&self, ticks: u64) -> f64 {
        self.file.header().calibration.nanos(ticks as f64)
    }

    /// Which lines there are, in which order.
    pub fn arrange(&mut self) {
        let words: Vec<String> = self.filter.to_lowercase().split_whitespace().map(str::to_owned).collect();
        let tasks = &self.snapshot.tasks;
        let fits = |task: &TaskRow| {
            let text = || {
                let of = self.words();
                let (coroutine, waits) = (self.file.text(task.coroutine), of.waits_for(task));
                format!("{} {coroutine} {} {waits}", task.name, task.state.word()).to_lowercase()
            };
            (self.ended || !task.state.is_completed())
                && (words.is_empty() || {
                    let text = text();
                    words.iter().all(|word| text.contains(word))
                })
        };
        let mut lines: Vec<usize> = (0..tasks.len()).filter(|&place| fits(&tasks[place])).collect();
        match self.sort {
            Column::InState => lines.sort_by_key(|&place| u64::MAX - tasks[place].since),
            Column::Number => lines.sort_by_key(|&place| tasks[place].number),
            Column::Steps => lines.sort_by_key(|&place| tasks[place].steps),
            Column::Running => lines.sort_by_key(|&place| tasks[place].run),
            Column::Ready => lines.sort_by_key(|&place| tasks[place].ready),
            Column::Longest => lines.sort_by(|&a, &b| tasks[a].longest.total_cmp(&tasks[b].longest)),
            Column::Name => lines.sort_by(|&a, &b| tasks[a].name.cmp(&tasks[b].name)),
        }
        if self.down {
            lines.reverse();
        }
        self.lines = lines;
        self.line = self.line.min(self.lines.len().saturating_sub(1));
    }

    pub fn chosen(&self) -> Option<&TaskRow> {
        self.snapshot.tasks.get(*self.lines.get(self.line)?)
    }

    pub fn move_by(&mut self, lines: isize) {
        self.line = self.line.saturating_add_signed(lines).min(self.lines.len().saturating_sub(1));
    }

    pub fn sort_next(&mut self) {
        let place = Column::ALL.iter().position(|&column| column == self.sort).unwrap_or(0);
        self.sort = Column::ALL[(place + 1) % Column::ALL.len()];
        self.arrange();
    }

    pub fn turn_round(&mut self) {
        self.down = !self.down;
        self.arrange();
    }

    pub fn toggle_ended(&mut self) {
        self.ended = !self.ended;
        self.arrange();
    }

    /// How many tasks are in each state: RUNNING, READY, SUSPENDED by reason.
    pub fn by_state(&self) -> Vec<(String, usize)> {
        let mut counts: HashMap<String, usize> = HashMap::new();
        for task in &self.snapshot.tasks {
            let word = match task.state {
                State::Completed(_) => continue,
                State::Suspended(reason) => reason.word().to_owned(),
                state => state.word().to_owned(),
            };
            *counts.entry(word).or_default() += 1;
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        counts
    }

    pub fn chain(&self, task: Slot) -> Vec<Slot> {
        self.graph.chain(task, &self.snapshot, &self.history)
    }
}
