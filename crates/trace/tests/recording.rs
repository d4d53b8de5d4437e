//! What a loop writes, a viewer reads.

mod support;

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use ironloop_trace::{
    Area, Event, Facts, Flags, Life, Load, Mark, Moment, NewTask, ObjectKind, Op, Outcome, Reason, Recorder,
    Report, Sizes, Slot, State, StringId, Subject, Switch, Waker,
};
use support::{Directory, FACTS, open, read, recorder, small, task};

#[test]
fn a_loop_that_nobody_watches_has_a_page_and_nothing_more() {
    let directory = Directory::new();
    let mut recorder = Recorder::new(&directory.place(), &FACTS, small()).unwrap();
    recorder.beat(1);
    recorder.beat(1);
    recorder.asleep(true);
    assert!(recorder.recording().is_none());
    assert!(!recorder.look().unwrap());
    assert_eq!(std::fs::metadata(recorder.path().unwrap()).unwrap().len(), 4096);

    let file = open(&recorder);
    let header = file.header();
    assert_eq!((header.items, header.asleep), (2, true));
    assert_eq!(header.process, std::process::id());
    assert_eq!((header.name.as_str(), header.program.as_str()), ("MainThread", "python app.py"));
    assert!(!header.recorded);
    assert_eq!(file.life(), Life::Running);
    assert!(file.snapshot().unwrap().tasks.is_empty());
}

#[test]
fn the_file_goes_with_its_loop_unless_it_is_kept() {
    let directory = Directory::new();
    let one = recorder(&directory, small());
    let mut other = recorder(&directory, small());
    let kept = other.keep().unwrap();
    drop(one);
    drop(other);
    assert_eq!(directory.files(), std::slice::from_ref(&kept));
    assert_eq!(read(&kept).life(), Life::Ended);
}

#[test]
fn a_viewer_does_not_shorten_what_was_asked_for() {
    let directory = Directory::new();
    let recorder = recorder(&directory, small());
    let path = recorder.path().unwrap();
    let page = || std::fs::read(path).unwrap()[..4096].to_vec();
    let (before, switch) = (page(), Switch::of(path).unwrap());
    switch.on(1).unwrap();
    assert!(page() == before);
}

#[test]
fn a_viewer_switches_the_recording_on_and_off() {
    let directory = Directory::new();
    let mut recorder = Recorder::new(&directory.place(), &FACTS, small()).unwrap();
    let switch = Switch::of(recorder.path().unwrap()).unwrap();
    let mut file = open(&recorder);

    switch.on(60).unwrap();
    assert!(recorder.look().unwrap());
    let mark = recorder.recording().unwrap().task_made(&task(1));
    assert!(recorder.recording().unwrap().find(mark).is_some());
    assert!(file.look().unwrap().recording);
    assert_eq!(file.snapshot().unwrap().tasks.len(), 1);

    switch.off().unwrap();
    assert!(recorder.look().unwrap());
    assert!(recorder.recording().is_none());
    assert!(!file.look().unwrap().recording);

    // What a task kept of the first recording does not lead to another one's row in the second.
    switch.on(60).unwrap();
    assert!(recorder.look().unwrap());
    let area = recorder.recording().unwrap();
    assert_eq!(area.find(mark), None);
    let other = area.task_made(&task(2));
    assert_eq!(area.find(mark), None);
    assert!(area.find(other).is_some());
    file.look().unwrap();
    assert_eq!(file.snapshot().unwrap().tasks[0].number, 2);
}

#[test]
fn a_viewer_that_is_gone_asks_for_nothing() {
    let directory = Directory::new();
    let mut recorder = Recorder::new(&directory.place(), &FACTS, small()).unwrap();
    // Seconds that are long gone.
    let word = 1_u64.to_le_bytes();
    let path = recorder.path().unwrap().to_owned();
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &word, 16 * 8).unwrap();
    assert!(!recorder.look().unwrap());
    assert!(!recorder.is_recording());
}

#[test]
fn a_step_is_one_event_and_a_changed_row() {
    let directory = Directory::new();
    let mut recorder = recorder(&directory, small());
    let area = recorder.recording().unwrap();
    let coroutine = area.string("serve");
    let place = area.string("app.py:12");
    assert_eq!(area.string("serve"), coroutine);
    let made = NewTask { name: "waiter", coroutine, place, ..task(7) };
    let mark = area.task_made(&made);
    let slot = area.find(mark).unwrap();
    area.turn_begins();
    area.step_begins(slot);
    area.step_ends(slot, State::Suspended(Reason::Sleep), Subject::Until(area.now() + 1_000_000));
    area.woken(slot, Waker::Timer);

    let mut file = open(&recorder);
    let row = &file.snapshot().unwrap().tasks[0];
    assert_eq!((row.number, row.name.as_str(), row.steps), (7, "waiter", 1));
    assert_eq!(file.text(row.coroutine), "serve");
    assert_eq!(file.text(row.place), "app.py:12");
    assert_eq!((row.state, row.subject), (State::Ready, Subject::Woken(Waker::Timer)));
    assert!(row.longest as u64 <= row.run && row.made <= row.since);

    let events = file.events(0, 100).unwrap();
    assert_eq!((events.first, events.next, events.missed, events.unknown), (0, 3, 0, 0));
    let [made, name, step] = &events.events[..] else { panic!("{events:?}") };
    assert!(matches!(made.what, Moment::Made { number: 7, .. }));
    assert_eq!(name.what, Moment::Name(*b"waiter\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"));
    let Moment::Step { task, waker, then, subject, .. } = step.what else { panic!("{step:?}") };
    assert_eq!((task, waker), (slot, Waker::Unknown));
    assert_eq!(then, State::Suspended(Reason::Sleep));
    assert!(matches!(subject, Subject::Until(until) if until > step.at));
}

#[test]
fn the_task_that_runs_is_shown_running() {
    let directory = Directory::new();
    let mut recorder = recorder(&directory, small());
    let area = recorder.recording().unwrap();
    let mark = area.task_made(&task(1));
    let slot = area.find(mark).unwrap();
    area.step_begins(slot);
    assert_eq!(recorder.reporter().unwrap().running(), Some((slot, 1)));
    let file = open(&recorder);
    assert_eq!(file.snapshot().unwrap().tasks[0].state, State::Running);
}

#[test]
fn an_ended_task_keeps_its_row_for_a_while_and_its_mark_leads_nowhere() {
    let directory = Directory::new();
    let mut recorder = recorder(&directory, small());
    let area = recorder.recording().unwrap();
    let marks: Vec<Mark> = (1..=1000)
        .map(|number| {
            let mark = area.task_made(&task(number));
            let slot = area.find(mark).unwrap();
            area.step_begins(slot);
            area.step_ends(slot, State::Completed(Outcome::Error), Subject::Nothing);
            mark
        })
        .collect();
    assert!(marks.iter().all(|&mark| area.find(mark).is_none()));
    let file = open(&recorder);
    let rows = file.snapshot().unwrap().tasks;
    assert!(rows.len() < 100, "{} rows of 1000 tasks", rows.len());
    assert!(rows.iter().all(|row| row.state == State::Completed(Outcome::Error)));
    assert!(rows.iter().any(|row| row.number == 1000));
    assert_eq!(file.header().tasks_made, 1000);
}

#[test]
fn the_oldest_events_go_and_are_counted() {
    let directory = Directory::new();
    let mut recorder = recorder(&directory, small());
    let area = recorder.recording().unwrap();
    for number in 0..5000_u32 {
        area.note(u64::from(number), Moment::Mark(StringId(number)));
    }
    let mut file = open(&recorder);
    let events = file.events(0, usize::MAX).unwrap();
    assert_eq!(events.next, 5000);
    // All that the ring holds but the one that is written next.
    assert_eq!(events.first, 5000 - 1023);
    assert_eq!(events.missed, events.first);
    assert_eq!(file.header().drops.events, events.missed);
    let marks: Vec<_> = events.events.iter().map(|event| event.what).collect();
    let expected: Vec<_> = (events.first as u32..5000).map(|number| Moment::Mark(StringId(number))).collect();
    assert_eq!(marks, expected);
    let rest = file.events(4990, 4).unwrap();
    assert_eq!((rest.first, rest.next, rest.missed, rest.events.len()), (4990, 4994, 0, 4));
}

#[test]
fn every_kind_of_event_reads_as_it_was_written() {
    let directory = Directory::new();
    let mut recorder = recorder(&directory, small());
    let (task, object) = (Slot(3), Slot(0));
    let (label, by) = (StringId(9), Waker::Task(Slot(1)));
    let all = [
        Moment::Cancel { task, by: Waker::Timer, why: label },
        Moment::Call { label, waker: Waker::Kernel, run: 1.5, late: 0.0 },
        Moment::Turn { run: 2e9, waited: 3.0, items: 4, ready: u32::MAX, timers: 6 },
        Moment::Blocked { wall: 1.0, cpu: 0.5, task: None, report: 7, over: true },
        Moment::Blocked { wall: 1.0, cpu: 0.5, task: Some(task), report: 0, over: false },
        Moment::Collected { run: 4.0, generation: 2, objects: 1_000_000 },
        Moment::Job { label, by, run: 1.0, waited: 2.0 },
        Moment::Object { object, op: Op::Taken, by, value: u32::MAX },
        Moment::ObjectMade { object, kind: ObjectKind::Queue, number: u64::MAX, label },
        Moment::Connection { fd: -1, op: Op::Received, bytes: u64::MAX },
        Moment::NeverRetrieved { task: Some(task), error: label },
        Moment::Mark(label),
        Moment::Made { task, by, number: 12, coroutine: label, place: StringId(u32::MAX) },
    ];
    let area = recorder.recording().unwrap();
    let now = area.now();
    for what in all {
        area.note(now, what);
    }
    let read: Vec<Event> = open(&recorder).events(0, 100).unwrap().events;
    assert_eq!(read, all.map(|what| Event { at: now, what }));
}

#[test]
fn a_lock_has_its_owner_and_a_queue_its_length() {
    let directory = Directory::new();
    let mut recorder = recorder(&directory, small());
    let area = recorder.recording().unwrap();
    let label = area.string("orders");
    let marks = [ObjectKind::Lock, ObjectKind::Queue].map(|kind| area.object_made(kind, 5, label, 10));
    let [lock, queue] = marks.map(|mark| area.find_object(mark).unwrap());
    let mark = area.task_made(&task(1));
    let owner = area.find(mark).unwrap();
    area.did(lock, Op::Taken, Waker::Task(owner), 0);
    for length in 1..=3 {
        area.did(queue, Op::Put, Waker::Task(Slot(4)), length);
    }
    area.did(queue, Op::Got, Waker::Task(Slot(5)), 2);
    let file = open(&recorder);
    let rows = file.snapshot().unwrap().objects;
    assert_eq!((rows[0].kind, rows[0].owner), (ObjectKind::Lock, Waker::Task(owner)));
    let queue = &rows[1];
    assert_eq!((queue.length, queue.most, queue.ins, queue.outs, queue.limit), (2, 3, 3, 1, 10));
    assert_eq!(file.text(queue.label), "orders");

    let area = recorder.recording().unwrap();
    area.did(lock, Op::Released, Waker::Task(owner), 0);
    area.object_gone(Slot(1));
    let rows = file.snapshot().unwrap().objects;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].owner, Waker::Unknown);
}

#[test]
fn who_has_ended_is_no_owner_and_whose_row_it_is_then_is_none_either() {
    let directory = Directory::new();
    let mut recorder = recorder(&directory, small());
    let area = recorder.recording().unwrap();
    let lock = area.object_made(ObjectKind::Lock, 5, StringId::NONE, 0);
    let lock = area.find_object(lock).unwrap();
    let mark = area.task_made(&task(1));
    let owner = area.find(mark).unwrap();
    area.did(lock, Op::Taken, Waker::Task(owner), 0);
    assert_eq!(area.object_row(lock).unwrap().owner, Waker::Task(owner));
    area.step_begins(owner);
    area.step_ends(owner, State::Completed(Outcome::Result), Subject::Nothing);
    assert_eq!(area.object_row(lock).unwrap().owner, Waker::Unknown);
    let shares_the_row = (2..5000).any(|number| {
        let mark = area.task_made(&task(number));
        let row = area.find(mark).unwrap();
        if row != owner {
            area.step_ends(row, State::Completed(Outcome::Result), Subject::Nothing);
        }
        row == owner
    });
    assert!(shares_the_row);
    assert_eq!(area.object_row(lock).unwrap().owner, Waker::Unknown);
    assert_eq!(open(&recorder).snapshot().unwrap().objects[0].owner, Waker::Unknown);
}

#[test]
fn a_simulated_clock_stands_before_viewers() {
    static CLOCK: AtomicI64 = AtomicI64::new(5_000);
    let directory = Directory::new();
    let facts = Facts { clock: Some(&CLOCK), ..FACTS };
    let mut recorder = Recorder::new(&directory.place(), &facts, small()).unwrap();
    recorder.record_for_ever().unwrap();
    let area = recorder.recording().unwrap();
    CLOCK.store(1_000_000_000, Ordering::Relaxed);
    area.turn_begins();
    area.turn_ends(0, 0, 0);
    std::thread::sleep(Duration::from_millis(20));
    let file = open(&recorder);
    assert_eq!((file.life(), file.now()), (Life::Running, 1_000_000_000));
    assert_eq!(file.snapshot().unwrap().now, 1_000_000_000);
    CLOCK.store(2_000_000_000, Ordering::Relaxed);
    recorder.recording().unwrap().calibrate();
    assert_eq!(open(&recorder).now(), 2_000_000_000);
}

#[test]
fn who_outlives_a_group_belongs_to_none() {
    let directory = Directory::new();
    let mut recorder = recorder(&directory, small());
    let area = recorder.recording().unwrap();
    let group = area.object_made(ObjectKind::Group, 5, StringId::NONE, 0);
    let group = area.find_object(group).unwrap();
    let mark = area.task_made(&task(1));
    let member = area.find(mark).unwrap();
    area.belongs(member, group);
    area.object_gone(group);
    assert_eq!(open(&recorder).snapshot().unwrap().tasks[0].group, None);
}

#[test]
fn a_group_that_waits_for_a_while_does_not_take_tasks_from_another() {
    let directory = Directory::new();
    let mut recorder = recorder(&directory, small());
    let group_of = |recorder: &Recorder| open(recorder).snapshot().unwrap().tasks[0].group;
    let area = recorder.recording().unwrap();
    let mark = area.task_made(&task(1));
    let member = area.find(mark).unwrap();
    let [first, second, third] = [5, 6, 7].map(|number| {
        let mark = area.object_made(ObjectKind::Group, number, StringId::NONE, 0);
        area.find_object(mark).unwrap()
    });
    for group in [first, second, second, third] {
        area.belongs(member, group);
    }
    assert_eq!(group_of(&recorder), Some(first));
    recorder.recording().unwrap().object_gone(second);
    assert_eq!(group_of(&recorder), Some(first));
    recorder.recording().unwrap().object_gone(first);
    assert_eq!(group_of(&recorder), Some(third));
    recorder.recording().unwrap().object_gone(third);
    assert_eq!(group_of(&recorder), None);
}

#[test]
fn the_step_after_which_a_group_is_found_says_so() {
    let directory = Directory::new();
    let mut recorder = recorder(&directory, small());
    let area = recorder.recording().unwrap();
    let mark = area.task_made(&task(1));
    let waits = area.find(mark).unwrap();
    area.step_ends(waits, State::Suspended(Reason::Future), Subject::Nothing);
    let mark = area.object_made(ObjectKind::Group, 5, StringId::NONE, 0);
    let group = Subject::Object(area.find_object(mark).unwrap(), 0);
    area.waits_for(waits, Reason::Group, group);
    let events = open(&recorder).events(0, 100).unwrap().events;
    let steps: Vec<_> = events
        .iter()
        .filter_map(|event| match event.what {
            Moment::Step { then, subject, .. } => Some((then, subject)),
            _ => None,
        })
        .collect();
    assert_eq!(steps, [(State::Suspended(Reason::Group), group)]);
}

#[test]
fn a_group_counts_its_members_down() {
    let directory = Directory::new();
    let mut recorder = recorder(&directory, small());
    let area = recorder.recording().unwrap();
    let [one, other] = [1, 2].map(|number| {
        let mark = area.task_made(&task(number));
        area.find(mark).unwrap()
    });
    let [group, besides] = [5, 6].map(|number| {
        let mark = area.object_made(ObjectKind::Group, number, StringId::NONE, 0);
        let group = area.find_object(mark).unwrap();
        for task in [one, other] {
            area.belongs(task, group);
        }
        area.did(group, Op::Put, Waker::Unknown, 2);
        group
    });
    let left = |area: &Area| [group, besides].map(|group| area.object_row(group).unwrap().length);
    assert_eq!(left(area), [2, 2]);
    area.step_ends(one, State::Completed(Outcome::Result), Subject::Nothing);
    assert_eq!(left(area), [1, 1]);
    area.object_gone(group);
    area.step_ends(other, State::Completed(Outcome::Error), Subject::Nothing);
    assert_eq!(area.object_row(besides).unwrap().length, 0);
}

#[test]
fn a_row_that_was_kept_is_nobodys_after_a_pause() {
    let directory = Directory::new();
    let mut recorder = Recorder::new(&directory.place(), &FACTS, small()).unwrap();
    let switch = Switch::of(recorder.path().unwrap()).unwrap();
    switch.on(1000).unwrap();
    assert!(recorder.look().unwrap());
    let area = recorder.recording().unwrap();
    let mark = area.object_made(ObjectKind::Lock, 5, StringId::NONE, 0);
    let slot = area.find_object(mark).unwrap();
    let kept = area.keep(slot);
    assert_eq!(area.kept(kept), Some(slot));
    switch.off().unwrap();
    assert!(recorder.look().unwrap());
    switch.on(1000).unwrap();
    assert!(recorder.look().unwrap());
    assert_eq!(recorder.recording().unwrap().kept(kept), None);
}

#[test]
fn tables_grow_to_their_ends_and_refuse_the_rest() {
    let directory = Directory::new();
    let mut recorder = recorder(&directory, small());
    let area = recorder.recording().unwrap();
    let found = (1..=5000).filter(|&number| {
        let mark = area.task_made(&task(number));
        area.find(mark).is_some()
    });
    assert_eq!(found.count(), 4096);
    for number in 0..3000 {
        area.string(&format!("text {number}"));
    }
    let mut file = open(&recorder);
    file.look().unwrap();
    assert_eq!(file.snapshot().unwrap().tasks.len(), 4096);
    assert_eq!(file.header().drops.tasks, 5000 - 4096);
    assert!(file.header().drops.strings > 0);
    assert_eq!(file.texts().count() as u64, 3000 - file.header().drops.strings);
}

#[test]
fn a_cancelled_task_says_by_whom() {
    let directory = Directory::new();
    let mut recorder = recorder(&directory, small());
    let area = recorder.recording().unwrap();
    let mark = area.task_made(&task(1));
    let slot = area.find(mark).unwrap();
    area.belongs(slot, Slot(8));
    area.cancelled(slot, Waker::Task(Slot(77)), StringId(5));
    area.cancelled(slot, Waker::Timer, StringId::NONE);
    let file = open(&recorder);
    let row = &file.snapshot().unwrap().tasks[0];
    assert_eq!((row.cancelled_by, row.group), (Waker::Task(Slot(77)), Some(Slot(8))));
    assert!(row.flags.has(Flags::CANCELLING));
}

#[test]
fn what_a_text_holds_cannot_steer_a_terminal() {
    let directory = Directory::new();
    let mut recorder = recorder(&directory, small());
    let area = recorder.recording().unwrap();
    let text = area.string("\x1b[2Jred\r\u{85}");
    area.task_made(&NewTask { name: "\x07bell\x1b]0;", ..task(1) });
    let file = open(&recorder);
    assert_eq!(file.text(text), "\u{b7}[2Jred\u{b7}\u{b7}");
    assert_eq!(file.snapshot().unwrap().tasks[0].name, "\u{b7}bell\u{b7}]0;");
}

#[test]
fn a_block_is_reported_while_it_lasts_with_and_without_a_recording() {
    let directory = Directory::new();
    for records in [false, true] {
        let mut recorder = Recorder::new(&directory.place(), &FACTS, small()).unwrap();
        if records {
            recorder.record_for_ever().unwrap();
        }
        let reporter = recorder.reporter().unwrap();
        let stack = "fetch\t/app.py\t7\nmain\t/app.py\t31\n".to_owned();
        let mut report = Report { wall: 1e8, stack, task: Some((Slot(1), 9)), ..Report::default() };
        let id = std::thread::spawn(move || {
            let id = reporter.begin(&report);
            report.wall = 1e9;
            report.over = true;
            reporter.again(id, &report);
            (id, report)
        });
        let (id, report) = id.join().unwrap();
        assert_eq!(open(&recorder).snapshot().unwrap().reports, [(id, report)]);
    }
}

#[test]
fn the_clock_is_told_in_nanoseconds() {
    let directory = Directory::new();
    let mut recorder = recorder(&directory, small());
    let begun = std::time::Instant::now();
    let first = recorder.recording().unwrap().now();
    while begun.elapsed().as_millis() < 20 {
        std::hint::spin_loop();
    }
    let area = recorder.recording().unwrap();
    area.turn_begins();
    let passed = begun.elapsed().as_nanos() as f64;
    let last = area.now();
    area.turn_ends(0, 0, 0);
    let file = open(&recorder);
    let told = file.header().calibration.between(first, last);
    assert!((told / passed - 1.0).abs() < 0.2, "{told} told, {passed} passed");
}

#[test]
fn who_asks_first_for_numbers_does_not_wait_for_all_events() {
    let directory = Directory::new();
    let mut recorder = recorder(&directory, Sizes { events: 1 << 15, ..small() });
    let area = recorder.recording().unwrap();
    let mark = area.task_made(&task(1));
    let slot = area.find(mark).unwrap();
    for _ in 0..30_000 {
        area.step_goes_on(slot);
    }
    let tally = area.tally();
    assert_eq!((tally.steps.count(), tally.missed), (20_000, 10_001));
    area.step_goes_on(slot);
    assert_eq!(area.tally().steps.count(), 20_001);
}

#[test]
fn transports_stand_in_the_page_and_events_are_counted_without_a_gap() {
    let directory = Directory::new();
    let mut recorder = recorder(&directory, small());
    let area = recorder.recording().unwrap();
    let load = Load { transports: 3, connections: 7, unsent: 1 << 40 };
    area.load(load);
    let mark = area.task_made(&task(1));
    let slot = area.find(mark).unwrap();
    let step = |area: &mut ironloop_trace::Area| {
        area.turn_begins();
        area.step_begins(slot);
        area.step_ends(slot, State::Ready, Subject::Nothing);
        area.turn_ends(1, 1, 2);
    };
    step(area);
    assert_eq!(area.tally().steps.count(), 1);
    // More than the ring holds, by far.
    for _ in 0..10_000 {
        step(area);
        assert!(area.states() == [(State::Ready, 1)]);
    }
    let tally = area.tally();
    assert_eq!((tally.missed, tally.depth, tally.timers), (0, 1, 2));
    assert_eq!((tally.steps.count(), tally.turns.count()), (10_001, 10_001));
    assert_eq!(open(&recorder).header().load, Some(load));
}
