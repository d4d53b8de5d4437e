//! What recording costs, an event: `cargo run --release -p ironloop-trace --example cost`.

use std::hint::black_box;
use std::time::Instant;

use ironloop_trace::{
    Facts, Flags, Moment, NewTask, Outcome, Place, Reason, Recorder, Sizes, State, StringId, Subject, Waker,
};

const TIMES: u32 = 1_000_000;

fn main() {
    let started = Instant::now();
    let mut recorder = Recorder::new(&Place::Standard, &Facts::default(), Sizes::default()).expect("a page");
    println!("{:<18} {:7.1} us", "the page:", started.elapsed().as_nanos() as f64 / 1e3);
    measure("off, the test:", || {
        black_box(black_box(&mut recorder).recording().is_some());
    });
    measure("the heartbeat:", || black_box(&recorder).beat(1));
    measure("looking, off:", || {
        black_box(&mut recorder).look().expect("no error");
    });
    let started = Instant::now();
    recorder.record_for_ever().expect("a recording");
    println!("{:<18} {:7.1} us", "the recording:", started.elapsed().as_nanos() as f64 / 1e3);
    let task = NewTask {
        number: 1,
        by: Waker::Unknown,
        name: "",
        coroutine: StringId::NONE,
        place: StringId::NONE,
        state: State::Ready,
        subject: Subject::Nothing,
        flags: Flags::default(),
    };
    let area = recorder.recording().expect("a recording");
    let marks: Vec<_> = (1..=1000).map(|number| area.task_made(&NewTask { number, ..task })).collect();
    measure("an event:", || {
        black_box(&mut recorder).recording().expect("on").note(1, Moment::Mark(StringId(1)));
    });
    let mut next = marks.iter().cycle();
    measure("a step:", || {
        let area = black_box(&mut recorder).recording().expect("on");
        let slot = area.find(*next.next().expect("endless")).expect("a row");
        area.step_begins(slot);
        area.step_ends(slot, State::Suspended(Reason::Future), Subject::Nothing);
    });
    measure("a step that goes on:", || {
        let area = black_box(&mut recorder).recording().expect("on");
        let slot = area.find(*next.next().expect("endless")).expect("a row");
        area.step_begins(slot);
        area.step_goes_on(slot);
    });
    measure("a wake, a step:", || {
        let area = black_box(&mut recorder).recording().expect("on");
        let slot = area.find(*next.next().expect("endless")).expect("a row");
        area.woken(slot, Waker::Kernel);
        area.step_begins(slot);
        area.step_ends(slot, State::Suspended(Reason::Future), Subject::Nothing);
    });
    measure("making, ending:", || {
        let area = black_box(&mut recorder).recording().expect("on");
        let mark = area.task_made(&task);
        let slot = area.find(mark).expect("a row");
        area.step_begins(slot);
        area.step_ends(slot, State::Completed(Outcome::Result), Subject::Nothing);
    });
}

fn measure(what: &str, mut work: impl FnMut()) {
    let once = |_| {
        let started = Instant::now();
        for _ in 0..TIMES {
            work();
        }
        started.elapsed().as_nanos() as f64 / f64::from(TIMES)
    };
    println!("{what:<18} {:7.1} ns", (0..5).map(once).fold(f64::INFINITY, f64::min));
}
