//! What a loop did, in numbers, in Prometheus' text format: counted out of the events since the first look, so a
//! viewer that keeps one of these and looks often enough misses none; how many it missed is among them.

use std::collections::BTreeMap;
use std::fmt::Write;

use ironloop_trace::{File, Histogram, State, Tally, Unreadable};

/// Upper bounds in seconds.
const BOUNDS: [f64; 17] =
    [1e-6, 1e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
/// Events that are read at once.
const EVENTS: usize = 1 << 16;

#[derive(Default)]
pub struct Metrics {
    tally: Tally,
}

impl Metrics {
    /// Counts what is new.
    pub fn follow(&mut self, file: &mut File) -> Result<(), Unreadable> {
        let until = file.look()?.head;
        while self.tally.next < until {
            let events = file.events(self.tally.next, EVENTS)?;
            let stays = events.next == self.tally.next;
            self.tally.missed += events.missed;
            self.tally.next = events.next;
            events.events.iter().for_each(|event| self.tally.add(event));
            if stays {
                break;
            }
        }
        Ok(())
    }

    /// All of it, as text.
    pub fn text(&self, file: &File) -> Result<String, Unreadable> {
        let (header, snapshot) = (file.header(), file.snapshot()?);
        let mut out = String::new();
        let mut one = |name: &str, kind: &str, help: &str, value: u64| {
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
        };
        one("ironloop_items_total", "counter", "Callbacks and steps that were performed.", header.items);
        one("ironloop_tasks_made_total", "counter", "Tasks that were made or met.", header.tasks_made);
        one(
            "ironloop_events_missed_total",
            "counter",
            "Events that were gone before a look.",
            self.tally.missed,
        );
        one("ironloop_received_bytes_total", "counter", "Bytes from connections.", header.received);
        one("ironloop_sent_bytes_total", "counter", "Bytes to connections.", header.sent);
        let refused = header.drops.tasks + header.drops.objects + header.drops.strings;
        let help = "Tasks, locks, queues and names that found no room in the recording.";
        one("ironloop_rows_refused_total", "counter", help, refused);
        if let Some(load) = header.load {
            one("ironloop_transports", "gauge", "Transports that are open.", load.transports);
            one("ironloop_connections_total", "counter", "Transports that were opened.", load.connections);
            one("ironloop_buffered_bytes", "gauge", "Bytes written that wait for the kernel.", load.unsent);
        }
        one("ironloop_ready", "gauge", "Items that were ready after the last turn.", self.tally.depth.into());
        one("ironloop_timers", "gauge", "Timers that waited after the last turn.", self.tally.timers.into());
        let mut states: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        for task in snapshot.tasks.iter().filter(|task| !task.state.is_completed()) {
            let reason = if let State::Suspended(reason) = task.state { reason.word() } else { "" };
            *states.entry((task.state.word(), reason)).or_default() += 1;
        }
        let _ = writeln!(out, "# HELP ironloop_tasks Tasks by state and by what they wait for.");
        let _ = writeln!(out, "# TYPE ironloop_tasks gauge");
        for ((state, reason), count) in states {
            let _ = writeln!(out, "ironloop_tasks{{state=\"{state}\",reason=\"{reason}\"}} {count}");
        }
        let Tally { steps, ready, turns, late, .. } = &self.tally;
        for (histogram, name, help) in [
            (steps, "ironloop_step_seconds", "How long steps of tasks ran."),
            (ready, "ironloop_ready_seconds", "How long tasks were ready before they ran."),
            (turns, "ironloop_turn_seconds", "How long turns of the loop took."),
            (late, "ironloop_lag_seconds", "How late callbacks of timers ran."),
        ] {
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} histogram");
            write(&mut out, name, histogram, header.calibration.nanos(1.0) / 1e9);
        }
        Ok(out)
    }
}

fn write(out: &mut String, name: &str, histogram: &Histogram, seconds_a_tick: f64) {
    for bound in BOUNDS {
        let below = histogram.below(bound / seconds_a_tick);
        let _ = writeln!(out, "{name}_bucket{{le=\"{bound}\"}} {below}");
    }
    let (sum, count) = (histogram.sum() * seconds_a_tick, histogram.count());
    let _ = writeln!(out, "{name}_bucket{{le=\"+Inf\"}} {count}\n{name}_sum {sum}\n{name}_count {count}");
}
