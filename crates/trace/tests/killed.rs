//! A writer that is killed at whatever instant leaves a file that opens, in which every event before the count
//! is whole. `make killed` does it 1,000 times.

#![allow(clippy::unwrap_used)]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use ironloop_trace::{
    Life, Moment, ObjectKind, Op, Place, Reason, Recorder, State, StringId, Subject, Waker,
};
use support::{Directory, FACTS, read, small, task};

#[test]
#[ignore = "the process that is killed"]
fn writer() {
    let place = Place::In(std::env::var("IRONLOOP_TEST_PLACE").unwrap().into());
    let mut recorder = Recorder::new(&place, &FACTS, small()).unwrap();
    recorder.record_for_ever().unwrap();
    let path = recorder.path().unwrap().display().to_string();
    let area = recorder.recording().unwrap();
    let queue = area.object_made(ObjectKind::Queue, 0, StringId::NONE, 0);
    let queue = area.find_object(queue).unwrap();
    let mark = area.task_made(&task(1));
    let slot = area.find(mark).unwrap();
    println!("\nat {path}");
    std::io::stdout().flush().unwrap();
    // Events 0 and 1 are those of the making.
    for number in (2_u64..).step_by(3) {
        area.note(number, Moment::Mark(StringId(number as u32)));
        area.did(queue, Op::Put, Waker::Unknown, (number + 1) as u32);
        area.step_begins(slot);
        area.step_ends(slot, State::Suspended(Reason::QueueGet), Subject::Object(queue, 5));
    }
}

#[test]
fn every_event_before_the_head_is_whole_after_a_kill() {
    let kills = std::env::var("IRONLOOP_KILLS").map_or(20, |kills| kills.parse().unwrap());
    let directory = Directory::new();
    let (mut events, mut torn) = (0, 0);
    for kill in 0..kills {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "writer", "--ignored", "--nocapture"])
            .env("IRONLOOP_TEST_PLACE", &directory.0)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let path =
            output.lines().find_map(|line| line.unwrap().strip_prefix("at ").map(str::to_owned)).unwrap();
        // Spread over the first milliseconds, so that kills hit the ring's first round and later ones.
        thread::sleep(Duration::from_micros(kill * 7919 % 5000));
        child.kill().unwrap();
        child.wait().unwrap();

        let mut file = read(path.as_ref());
        assert_eq!(file.life(), Life::Killed);
        let taken = file.events(0, usize::MAX).unwrap();
        assert_eq!(taken.next, file.header().head);
        assert_eq!((taken.unknown, taken.events.len() as u64), (0, taken.next - taken.first));
        for (number, event) in (taken.first..).zip(&taken.events) {
            let whole = match event.what {
                Moment::ObjectMade { .. } => number == 0,
                Moment::Made { .. } => number == 1,
                Moment::Mark(StringId(mark)) => {
                    number % 3 == 2 && mark == number as u32 && event.at == number
                }
                Moment::Object { value, .. } => number % 3 == 0 && value == number as u32,
                Moment::Step { then, .. } => number % 3 == 1 && then == State::Suspended(Reason::QueueGet),
                _ => false,
            };
            assert!(whole, "event {number} after kill {kill}: {event:?}");
        }
        events += taken.events.len();
        let snapshot = file.snapshot().unwrap();
        assert_eq!((snapshot.tasks.len(), snapshot.objects.len()), (1, 1));
        torn += snapshot.torn;
        std::fs::remove_file(path).unwrap();
    }
    println!("{kills} kills, {events} events, all whole; {torn} rows half written");
}
