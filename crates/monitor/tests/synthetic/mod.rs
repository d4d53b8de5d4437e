//! Files as a loop would write them, with times that are made up: the restaurant of a guide to async/await, a
//! deadlock, a queue that grows, many events.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::path::PathBuf;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use ironloop_trace::{
    Area, Facts, File, Flags, Mark, Moment, NewTask, ObjectKind, Op, Outcome, Place, Reason, Recorder,
    Report, Sizes, Slot, State, StringId, Subject, Waker,
};

pub struct Loop {
    pub recorder: Recorder,
    directory: PathBuf,
}

impl Loop {
    pub fn new(events: usize) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let directory = PathBuf::from(format!("/dev/shm/ironloop-monitor-test-{}-{number}", process::id()));
        let facts =
            Facts { name: "MainThread", runtime: "synthetic", program: "python restaurant.py", clock: None };
        let sizes = Sizes::with_events(events);
        let mut recorder = Recorder::new(&Place::In(directory.clone()), &facts, sizes).unwrap();
        recorder.record_for_ever().unwrap();
        Self { recorder, directory }
    }

    pub fn area(&mut self) -> &mut Area {
        self.recorder.recording().unwrap()
    }

    pub fn open(&self) -> File {
        File::open(self.recorder.path().unwrap()).unwrap()
    }

    pub fn task(&mut self, number: u64, name: &str, coroutine: &str, by: Waker) -> Slot {
        let area = self.area();
        let (coroutine, place) = (area.string(coroutine), area.string("restaurant.py:12"));
        let (state, subject, flags) = (State::Ready, Subject::Woken(by), Flags::default());
        let mark = area.task_made(&NewTask { number, by, name, coroutine, place, state, subject, flags });
        area.find(mark).unwrap()
    }

    pub fn object(&mut self, kind: ObjectKind, number: u64, label: &str, limit: u32) -> Slot {
        let area = self.area();
        let label = area.string(label);
        let mark: Mark = area.object_made(kind, number, label, limit);
        area.find_object(mark).unwrap()
    }

    /// A step that really takes so many microseconds.
    pub fn step(&mut self, task: Slot, micros: u64, then: State, subject: Subject) {
        let area = self.area();
        area.step_begins(task);
        spin(micros);
        area.step_ends(task, then, subject);
    }

    pub fn woken(&mut self, task: Slot, by: Waker) {
        self.area().woken(task, by);
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

pub fn spin(micros: u64) {
    let begun = std::time::Instant::now();
    while begun.elapsed().as_micros() < u128::from(micros) {
        std::hint::spin_loop();
    }
}

const DONE: State = State::Completed(Outcome::Result);

/// A waiter takes orders into a queue, a cook takes them out and holds the stove, guests wait for their meals.
pub fn restaurant() -> Loop {
    let mut at = Loop::new(1 << 14);
    let main = at.task(1, "main", "restaurant", Waker::Unknown);
    let orders = at.object(ObjectKind::Queue, 1, "orders", 10);
    let stove = at.object(ObjectKind::Lock, 2, "stove", 0);
    let guests = at.object(ObjectKind::Group, 3, "guests", 0);
    let waiter = at.task(2, "waiter", "serve", Waker::Task(main));
    let cook = at.task(3, "cook", "cook", Waker::Task(main));
    let eaters: Vec<Slot> =
        (0..6).map(|n| at.task(4 + n, &format!("guest-{}", n + 1), "dine", Waker::Task(main))).collect();
    for &guest in &eaters {
        at.area().belongs(guest, guests);
    }
    at.area().did(guests, Op::Put, Waker::Task(main), 6);
    at.step(main, 120, State::Suspended(Reason::Group), Subject::Object(guests, 6));
    at.step(waiter, 30, State::Suspended(Reason::SocketRead), Subject::Descriptor(7));
    at.step(cook, 20, State::Suspended(Reason::QueueGet), Subject::Object(orders, 0));
    for (n, &guest) in eaters.iter().enumerate() {
        at.area().turn_begins();
        at.step(guest, 40, State::Suspended(Reason::Future), Subject::Nothing);
        at.woken(waiter, Waker::Kernel);
        spin(50);
        at.step(waiter, 60, State::Suspended(Reason::SocketRead), Subject::Descriptor(7));
        at.area().did(orders, Op::Put, Waker::Task(waiter), 1);
        at.woken(cook, Waker::Task(waiter));
        spin(30);
        at.area().did(orders, Op::Got, Waker::Task(cook), 0);
        at.area().did(stove, Op::Taken, Waker::Task(cook), 0);
        let until = at.area().now() + 2_000_000;
        at.step(cook, 80, State::Suspended(Reason::Sleep), Subject::Until(until));
        spin(150);
        at.woken(cook, Waker::Timer);
        at.area().did(stove, Op::Released, Waker::Task(cook), 1);
        at.step(cook, 40, State::Suspended(Reason::QueueGet), Subject::Object(orders, 0));
        if n < 4 {
            at.woken(guest, Waker::Task(cook));
            spin(20);
            at.step(guest, 90, DONE, Subject::Nothing);
        }
        at.area().turn_ends(5, 0, 1);
        spin(200);
    }
    at.area().calibrate();
    at
}

/// Two tasks that took two locks in two orders.
pub fn deadlock() -> Loop {
    let mut at = Loop::new(1 << 10);
    let (anna, bert) =
        (at.task(1, "anna", "move", Waker::Unknown), at.task(2, "bert", "move", Waker::Unknown));
    let (left, right) =
        (at.object(ObjectKind::Lock, 1, "left", 0), at.object(ObjectKind::Lock, 2, "right", 0));
    at.area().did(left, Op::Taken, Waker::Task(anna), 0);
    at.area().did(right, Op::Taken, Waker::Task(bert), 0);
    at.step(anna, 10, State::Suspended(Reason::Lock), Subject::Object(right, 0));
    at.step(bert, 10, State::Suspended(Reason::Lock), Subject::Object(left, 0));
    at.area().calibrate();
    at
}

/// The task that blocks, and the watchdog's word.
pub fn blocked() -> Loop {
    let mut at = Loop::new(1 << 10);
    let task = at.task(9, "fetcher", "fetch", Waker::Unknown);
    at.area().step_begins(task);
    let began = at.area().now();
    spin(20_000);
    let reporter = at.recorder.reporter().unwrap();
    let wall = (reporter.now() - began) as f32;
    let stack = "sleep\tapp.py\t7\nfetch\tapp.py\t31\n".to_owned();
    reporter.begin(&Report {
        began,
        wall,
        stack,
        who: "fetcher".into(),
        task: Some((task, 9)),
        ..Report::default()
    });
    at.area().calibrate();
    at
}

/// A step of more than 100 ms.
pub fn long_step() -> Loop {
    let mut at = Loop::new(1 << 10);
    let task = at.task(1, "blocker", "block", Waker::Unknown);
    at.area().turn_begins();
    at.step(task, 120_000, State::Suspended(Reason::Sleep), Subject::Nothing);
    at.area().turn_ends(1, 0, 1);
    at.area().calibrate();
    at
}

/// So many steps of so many tasks that wake each other.
pub fn many(steps: usize, tasks: u64) -> Loop {
    let mut at = Loop::new(steps + tasks as usize * 3 + 10);
    let all: Vec<Slot> =
        (1..=tasks).map(|n| at.task(n, &format!("worker-{n}"), "work", Waker::Unknown)).collect();
    let area = at.area();
    let mut number = 1_u64;
    let mut last = all[0];
    for _ in 0..steps {
        number = number.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let task = all[(number >> 33) as usize % all.len()];
        area.woken(task, Waker::Task(last));
        area.step_begins(task);
        area.step_ends(task, State::Suspended(Reason::Future), Subject::Nothing);
        last = task;
    }
    area.note(area.now(), Moment::Mark(StringId::NONE));
    area.calibrate();
    at
}
