//! The tree of awaits: who waits for whom, once, as text or JSON. A root is a task that nobody waits for.

use std::collections::HashSet;
use std::fmt::Write;

use ironloop_trace::{File, Flags, Slot, Snapshot, State, TaskRow, Unreadable};
use serde_json::{Value, json};

use crate::graph::Graph;
use crate::history::History;
use crate::warnings;
use crate::words::{Words, command, time};

/// A chain of awaits that is longer is cut: a damaged file may hold one without end.
const DEEPEST: usize = 100;

struct Tree<'a> {
    words: Words<'a>,
    graph: Graph,
    seen: HashSet<Slot>,
}

fn of<'a>(file: &'a File, snapshot: &'a Snapshot) -> Tree<'a> {
    Tree { words: Words { file, snapshot }, graph: Graph::new(snapshot), seen: HashSet::new() }
}

pub fn text(file: &mut File) -> Result<String, Unreadable> {
    let history = History::of(file)?;
    let snapshot = file.snapshot()?;
    let mut tree = of(file, &snapshot);
    let header = file.header();
    let mut out = format!(
        "{} ({}), {}: {}\n",
        header.process,
        header.name,
        file.life().word(),
        command(&header.program)
    );
    if !header.recorded {
        out.push_str("not recorded: nothing is known of its tasks\n");
    }
    for root in tree.roots() {
        tree.write(&mut out, root, "", "");
    }
    for warning in warnings::all(tree.words, &tree.graph, &history) {
        let _ = writeln!(out, "! {}: {}", warning.kind.word(), warning.text);
    }
    Ok(out)
}

pub fn json(file: &mut File) -> Result<Value, Unreadable> {
    let history = History::of(file)?;
    let snapshot = file.snapshot()?;
    let mut tree = of(file, &snapshot);
    let header = file.header();
    let roots = tree.roots();
    let tasks: Vec<Value> = roots.into_iter().map(|root| tree.value(root, 0)).collect();
    let warnings: Vec<Value> = warnings::all(tree.words, &tree.graph, &history)
        .into_iter()
        .map(|warning| json!({"kind": warning.kind.word(), "text": warning.text}))
        .collect();
    Ok(json!({
        "process": header.process,
        "loop": header.name,
        "life": file.life().word(),
        "program": header.program,
        "recorded": header.recorded,
        "tasks": tasks,
        "warnings": warnings,
    }))
}

impl Tree<'_> {
    /// Those that nobody waits for, and one of each cycle; in the order in which they were made.
    fn roots(&self) -> Vec<Slot> {
        let living = || self.words.snapshot.tasks.iter().filter(|task| !task.state.is_completed());
        let mut roots: Vec<&TaskRow> =
            living().filter(|task| self.graph.awaited_by(task.slot).is_empty()).collect();
        let mut reached = HashSet::new();
        let mut next: Vec<Slot> = roots.iter().map(|task| task.slot).collect();
        let mut rest = living();
        loop {
            while let Some(slot) = next.pop() {
                if reached.insert(slot) {
                    next.extend(self.graph.awaits(slot));
                }
            }
            match rest.find(|task| !reached.contains(&task.slot)) {
                Some(task) => {
                    roots.push(task);
                    next.push(task.slot);
                }
                None => break,
            }
        }
        roots.sort_by_key(|task| task.number);
        roots.into_iter().map(|task| task.slot).collect()
    }

    fn children(&self, slot: Slot) -> Vec<Slot> {
        let mut children = self.graph.awaits(slot).to_vec();
        children.sort_by_key(|&slot| self.words.snapshot.task(slot).map(|task| task.number));
        children
    }

    fn write(&mut self, out: &mut String, slot: Slot, first: &str, rest: &str) {
        let Some(task) = self.words.snapshot.task(slot) else { return };
        let again = !self.seen.insert(slot) || rest.chars().count() > 3 * DEEPEST;
        let _ = writeln!(
            out,
            "{first}{}",
            if again { format!("{} (above)", task.name) } else { self.line(task) }
        );
        if again {
            return;
        }
        let children = self.children(slot);
        for (index, child) in children.iter().enumerate() {
            let last = index + 1 == children.len();
            let (first, more) =
                if last { ("\u{2514}\u{2500} ", "   ") } else { ("\u{251c}\u{2500} ", "\u{2502}  ") };
            self.write(out, *child, &format!("{rest}{first}"), &format!("{rest}{more}"));
        }
    }

    fn line(&self, task: &TaskRow) -> String {
        let Words { file, snapshot } = self.words;
        let calibration = &file.header().calibration;
        let since = time(calibration.between(task.since, snapshot.now));
        let coroutine = match file.text(task.coroutine) {
            "" => String::new(),
            text if task.flags.has(Flags::RUST) => format!(" {text} {}", file.text(task.place)),
            text => format!(" {text}()"),
        };
        let at = match file.text(task.waits_at) {
            "" => String::new(),
            text => format!(" at {text}"),
        };
        let what = self.words.waits_for(task);
        let what = match task.state {
            State::Suspended(_) => format!(" on {what}{at}"),
            _ if what.is_empty() => String::new(),
            _ => format!(" {what}"),
        };
        format!("{}{coroutine}: {}{what}, for {since}", task.name, task.state.word())
    }

    fn value(&mut self, slot: Slot, depth: usize) -> Value {
        let Some(task) = self.words.snapshot.task(slot) else { return Value::Null };
        let Words { file, snapshot } = self.words;
        let calibration = &file.header().calibration;
        let again = !self.seen.insert(slot) || depth > DEEPEST;
        let children = if again { Vec::new() } else { self.children(slot) };
        let awaits: Vec<Value> = children.into_iter().map(|child| self.value(child, depth + 1)).collect();
        let seconds = |nanos: f64| nanos / 1e9;
        json!({
            "kind": if task.flags.has(Flags::RUST) { "Rust future" } else { "task" },
            "number": task.number,
            "name": task.name,
            "coroutine": file.text(task.coroutine),
            "made_at": file.text(task.place),
            "waits_at": file.text(task.waits_at),
            "state": task.state.word(),
            "waits_for": self.words.waits_for(task),
            "seconds_in_state": seconds(calibration.between(task.since, snapshot.now)),
            "steps": task.steps,
            "seconds_running": seconds(calibration.nanos(task.run as f64)),
            "seconds_ready": seconds(calibration.nanos(task.ready as f64)),
            "longest_step": seconds(calibration.nanos(f64::from(task.longest))),
            "above": again,
            "awaits": awaits,
        })
    }
}
