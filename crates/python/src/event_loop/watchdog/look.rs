//! A look at one loop, by the thread.

use ironloop_reactor::{Doing, Finding};
use ironloop_trace::ReportId;

use super::polled::Polled;
use super::registry::{Seen, Watched};
use super::report::{Report, Said, Where};
use super::saving::Recording;
use super::subject::Subject;
use crate::event_loop::Item;
use crate::ffi::stack_of_others::{Eyes, ThreadState};

/// So many calls are shown of a thread that has the lock.
const SHOWN: usize = 3;

impl Watched {
    pub(super) fn is_asleep(&self) -> bool {
        matches!(self.pulse.beat().doing, Doing::Asleep | Doing::Away)
    }

    /// Nobody has looked for a while.
    pub(super) fn forget(&mut self, now: i64) {
        self.stretch.forget(now);
        if self.open.is_none() {
            self.begin_stretch(None);
        }
    }

    /// Looks, and adds what there is to say; whether the loop sleeps.
    pub(super) fn look(
        &mut self,
        eyes: Result<&Eyes, &&'static str>,
        now: i64,
        said: &mut Vec<Said>,
    ) -> bool {
        let beat = self.pulse.beat();
        let finding = self.stretch.look(beat, now);
        if self.stretch.turn_since() == now {
            self.turn_cpu = self.cpu().unwrap_or(0);
        }
        if self.stretch.since() == now {
            self.begin_stretch(eyes.ok());
        } else if let Ok(eyes) = eyes {
            self.seen.looks += 1;
            self.seen.collecting += u32::from(eyes.is_collecting(self.thread));
            let holder = eyes.other_holder(self.thread);
            self.seen.holder = self.seen.holder.filter(|known| holder == Some(*known));
        }
        match finding {
            None => {}
            Some(Finding::Over { nanos }) => {
                if let Some((report, id)) = self.open.take() {
                    let report = Report { nanos, ..report };
                    said.push(report.over(self.write(&report, id, true).1));
                    self.hand_over(report);
                }
            }
            Some(Finding::Crowded { nanos, items }) => {
                let report = self.report(eyes, nanos, beat.subject, self.thread);
                let cpu = self.cpu().map(|cpu| cpu - self.turn_cpu);
                let report = Report { items, cpu, ..report };
                if !report.is_a_debuggers() {
                    said.push(report.begun(false, self.write(&report, None, true).1));
                    self.hand_over(report);
                }
            }
            Some(Finding::LockedOut { nanos, again }) => {
                let holder = eyes.ok().and_then(|eyes| eyes.other_holder(self.thread));
                let mut report = self.report(eyes, nanos, 0, holder.unwrap_or(self.thread));
                report.place = if holder.is_some() { Where::Holder } else { Where::Unknown };
                self.note(report, again, said);
            }
            Some(Finding::Blocked { nanos, again }) => {
                let mut report = self.report(eyes, nanos, beat.subject, self.thread);
                // It may wait for the lock. What another thread does with it is worth a word, but is no proof.
                let idle = report.cpu.is_some_and(|cpu| cpu < nanos / 10);
                if let (true, Ok(eyes), Some(holder)) = (idle, eyes, self.seen.holder) {
                    let mut places = eyes.stack(holder, 0).unwrap_or_default().places;
                    report.holder = places.split_off(places.len().saturating_sub(SHOWN));
                }
                self.note(report, again, said);
            }
        }
        matches!(beat.doing, Doing::Asleep | Doing::Away)
    }

    /// The run ends with a stretch that was reported, or it does not.
    pub(super) fn close(&mut self, now: i64) {
        if let Some((report, id)) = self.open.take() {
            let report = Report { nanos: now - self.stretch.since(), ..report };
            self.write(&report, id, true);
            self.closed.push(report);
        }
    }

    /// Into the loop's file, if it has one: what the report is called there, and what is to be saved.
    fn write(
        &self,
        report: &Report,
        id: Option<ReportId>,
        over: bool,
    ) -> (Option<ReportId>, Option<Recording>) {
        let Some(pen) = &self.pen else { return (None, None) };
        let told = report.told(pen, over);
        let id = id.map_or_else(
            || pen.begin(&told),
            |id| {
                pen.again(id, &told);
                id
            },
        );
        (Some(id), Recording::of(pen, id))
    }

    fn note(&mut self, report: Report, again: bool, said: &mut Vec<Said>) {
        if report.is_a_debuggers() {
            return;
        }
        let known = self.open.as_ref().and_then(|(_, id)| *id);
        // The first was nearer to what the block began with; the second says that it goes on.
        let first = self.open.as_ref().map(|(first, _)| Report { nanos: report.nanos, ..first.clone() });
        let (id, recording) = self.write(first.as_ref().unwrap_or(&report), known, false);
        said.push(report.begun(again, recording));
        self.open.get_or_insert((report, id));
    }

    /// The loop's own thread tells the program of it, when it gets to that.
    fn hand_over(&mut self, report: Report) {
        self.closed.push(report);
        // A loop that is closed is told at the end of its run. What comes back has nothing of Python's.
        let _ = self.remote.deliver(Item::Blocked);
    }

    fn report(
        &self,
        eyes: Result<&Eyes, &&'static str>,
        nanos: i64,
        subject: usize,
        whose: ThreadState,
    ) -> Report {
        let cpu = self.cpu().map(|cpu| (cpu - self.seen.cpu).max(0));
        let collecting = match self.seen.looks {
            0 => 0.0,
            looks => f64::from(self.seen.collecting) / f64::from(looks),
        };
        // The frames outside of the run are the loop's own thread's.
        let outside = if whose == self.thread { self.outside } else { 0 };
        let (stack, place) = match eyes {
            Err(blind) => (None, Where::Blind(blind)),
            Ok(eyes) => match eyes.stack(whose, outside) {
                None => (None, Where::Unknown),
                Some(stack) => (Some(stack), Where::Loop),
            },
        };
        let subject = eyes.ok().and_then(|eyes| Subject::of(eyes, subject));
        let polled =
            eyes.ok().filter(|_| whose == self.thread).and_then(|eyes| Polled::of(eyes, self.polled));
        Report {
            nanos,
            cpu,
            collecting,
            items: 1,
            subject,
            polled,
            stack: stack.unwrap_or_default(),
            place,
            holder: Vec::new(),
        }
    }

    /// The processor time of the loop's thread.
    fn cpu(&self) -> Option<i64> {
        self.clock.and_then(|clock| clock.now())
    }

    fn begin_stretch(&mut self, eyes: Option<&Eyes>) {
        let cpu = self.cpu().unwrap_or(0);
        let holder = eyes.and_then(|eyes| eyes.other_holder(self.thread));
        self.seen = Seen { cpu, holder, ..Seen::default() };
    }
}
