//! Turns over the kernel: who is watched, what is reported, when it is asked.

mod turns;

use std::io::Write;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;

use ironloop_driver::{Driver, Events, Interest, Ready, Timeout, Trigger};
use ironloop_engine::{Plan, Slot, deadline};
use ironloop_reactor::{Approach, Registration};
use turns::{Happening, Turns};

type Words = Turns<&'static str>;

const LEVEL: (Interest, Trigger) = (Interest::READABLE, Trigger::Level);
const READABLE: Ready = Ready { readable: true, writable: false, hung_up: false };

fn pair() -> (UnixStream, UnixStream) {
    UnixStream::pair().expect("descriptors are left")
}

fn watch(turns: &mut Words, fd: RawFd, name: &'static str) -> Slot {
    let (poller, sources) = turns.reactor.watching().expect("it is open");
    sources.insert(poller, fd, LEVEL, name, &mut Vec::new()).expect("it can be watched")
}

fn say(peer: &mut UnixStream) {
    peer.write_all(b"x").expect("there is room");
}

#[test]
fn a_source_is_reported_as_long_as_it_is_ready_and_not_after_its_end() {
    let mut turns = Words::new();
    let (ours, mut theirs) = pair();
    let slot = watch(&mut turns, ours.as_raw_fd(), "socket");
    say(&mut theirs);
    for _ in 0..2 {
        assert_eq!(turns.turn(), [Happening::Event(slot, READABLE)]);
        assert_eq!(turns.reactor.sources.get(slot), Some(&"socket"));
    }
    let (poller, sources) = turns.reactor.watching().expect("it is open");
    assert_eq!(sources.remove(poller, ours.as_raw_fd()), Some("socket"));
    turns.reactor.engine.push(Happening::Word("something"));
    assert_eq!(turns.turn(), [Happening::Word("something")]);
    assert_eq!(turns.reactor.sources.get(slot), None);
}

#[test]
fn timers_end_a_wait_and_what_is_ready_spares_it() {
    let mut turns = Words::new();
    let due = Driver::Kernel.now() as f64 / 1e9 + 0.002;
    turns.reactor.engine.schedule(deadline::at(due), "late");
    turns.reactor.engine.push(Happening::Word("ready"));
    assert_eq!(turns.turn(), [Happening::Word("ready")]);
    assert_ne!(turns.approach, Approach::Sleep);
    // A wait may end early, for a signal that nobody hears of.
    let mut happened = Vec::new();
    while happened.is_empty() {
        happened = turns.turn();
        assert!(turns.approach == Approach::Sleep || !happened.is_empty());
    }
    assert_eq!(happened, [Happening::Word("late")]);
    assert!(Driver::Kernel.now() as f64 / 1e9 >= due);
}

#[test]
fn a_busy_loop_that_watches_nothing_rarely_asks_the_kernel() {
    let mut turns = Words::new();
    let mut asked = 0;
    for _ in 0..200 {
        turns.reactor.engine.push(Happening::Word("busy"));
        turns.turn();
        asked += u32::from(turns.approach == Approach::Look);
    }
    assert!((1..10).contains(&asked), "{asked} times");
}

#[test]
fn who_has_read_all_that_was_reported_first_does_what_that_has_woken() {
    let mut turns = Words::new();
    let (ours, mut theirs) = pair();
    watch(&mut turns, ours.as_raw_fd(), "socket");
    say(&mut theirs);
    assert_eq!(turns.turn().len(), 1);
    turns.reactor.note_emptied();
    turns.reactor.engine.push(Happening::Word("woken"));
    assert_eq!(turns.turn(), [Happening::Word("woken")]);
    assert_eq!(turns.approach, Approach::Skip);
    // Not twice in a row.
    turns.reactor.engine.push(Happening::Word("woken again"));
    assert_eq!(turns.turn().len(), 2);
    assert_eq!(turns.approach, Approach::Look);
}

#[test]
fn what_another_has_waited_for_is_reported_until_it_comes_back() {
    let mut turns = Words::new();
    let (ours, mut theirs) = pair();
    let (fd, poller) = (ours.as_raw_fd(), turns.reactor.poller().expect("it is open"));
    let slot = watch(&mut turns, fd, "socket");
    say(&mut theirs);
    let mut events = Events::with_capacity(8);
    for _ in 0..2 {
        Driver::Kernel.wait(&poller, &mut events, Timeout::Now).expect("it can look");
        assert!(!turns.reactor.report(&events, |_| true));
        assert_eq!(turns.reactor.reported(), [(fd, READABLE)]);
    }
    turns.reactor.take_back(fd, READABLE);
    assert_eq!(turns.reactor.reported(), []);
    turns.reactor.cut();
    assert_eq!(turns.reactor.pop(), Some(Happening::Event(slot, READABLE)));
    // Another thread ends such a wait, too.
    std::thread::scope(|scope| {
        let remote = turns.remote();
        assert_eq!(turns.reactor.approach_kernel(Timeout::Never), Approach::Sleep);
        scope.spawn(move || remote.wake().expect("it can be woken"));
        let (poller, sources) = turns.reactor.watching().expect("it is open");
        sources.remove(poller, fd);
        Driver::Kernel.wait(poller, &mut events, Timeout::Never).expect("it can wait");
        turns.reactor.remote().wake_up();
        assert!(turns.reactor.report(&events, |_| true));
    });
}

/// A descriptor is closed behind the loop's back while a copy of it lives: the kernel goes on reporting what
/// nobody can name.
#[test]
fn who_has_lost_a_number_hears_of_it_and_the_kernel_stops_reporting_it() {
    let mut turns = Words::new();
    let (hears, mut theirs) = pair();
    let (does_not, mut others) = pair();
    let (lives, mut friends) = pair();
    let copies = [hears.try_clone(), does_not.try_clone()];
    let told = watch(&mut turns, hears.as_raw_fd(), "hears");
    let untold = watch(&mut turns, does_not.as_raw_fd(), "does not hear");
    let (signals, mut signal) = pair();
    turns.reactor.watch_signals(signals.as_raw_fd()).expect("it can be watched");
    let gone = does_not.as_raw_fd();
    drop((hears, does_not));
    let living = watch(&mut turns, lives.as_raw_fd(), "lives");
    say(&mut theirs);
    say(&mut others);
    let happened = turns.turn();
    assert!(happened.contains(&Happening::Event(told, READABLE)));
    // The loop gives one up, and cannot say so to the kernel: the next report is of a slot that nobody has.
    let (poller, sources) = turns.reactor.watching().expect("it is open");
    assert_eq!(sources.remove(poller, gone), Some("does not hear"));
    let lost = Ready { readable: true, writable: true, hung_up: true };
    let happened = turns.turn();
    assert!(happened.contains(&Happening::Event(untold, READABLE)), "{happened:?}");
    assert!(happened.contains(&Happening::Event(told, lost)), "{happened:?}");
    // From now on it is quiet, but for who is watched still.
    say(&mut friends);
    assert_eq!(turns.turn(), [Happening::Event(living, READABLE)]);
    signal.write_all(&[2]).expect("there is room");
    assert_eq!(turns.turn(), [Happening::Event(living, READABLE)]);
    drop(copies);
}

#[test]
fn a_registration_widens_at_once_and_narrows_when_it_is_told_to() {
    let mut turns = Words::new();
    let (ours, mut theirs) = pair();
    let fd = ours.as_raw_fd();
    let mut registration = Registration::default();
    let mut bin = Vec::new();
    let mut watching = turns.reactor.watching().expect("it is open");
    registration
        .widen((watching.0, &mut *watching.1), fd, Interest::default(), || "never", &mut bin)
        .expect("nothing to do");
    assert!(!registration.is_watched());
    registration
        .widen((watching.0, &mut *watching.1), fd, Interest::READABLE, || "socket", &mut bin)
        .expect("it can");
    assert!(registration.covers(Interest::READABLE) && !registration.covers(Interest::BOTH));
    registration
        .widen((watching.0, &mut *watching.1), fd, Interest::BOTH, || "again", &mut bin)
        .expect("it can");
    let error = registration.widen((watching.0, &mut *watching.1), -1, Interest::BOTH, || "again", &mut bin);
    assert!(error.is_ok(), "there is nothing to tell the kernel");
    watching = turns.reactor.watching().expect("it is open");
    assert!(registration.narrow(watching, -1, Interest::READABLE).is_err(), "it was closed behind our back");
    say(&mut theirs);
    let [Happening::Event(slot, ready)] = turns.turn()[..] else { panic!("one source") };
    assert!(ready.readable && ready.writable);
    watching = turns.reactor.watching().expect("it is open");
    assert_eq!(registration.narrow(watching, fd, Interest::READABLE).expect("it can"), None);
    assert_eq!(turns.turn(), [Happening::Event(slot, READABLE)]);
    watching = turns.reactor.watching().expect("it is open");
    assert_eq!(registration.narrow(watching, fd, Interest::default()).expect("it can"), Some("socket"));
    assert!(turns.reactor.sources.is_empty() && bin.is_empty());
}

#[test]
fn a_number_that_was_closed_and_opened_anew_has_one_source_and_old_events_find_nobody() {
    let mut turns = Words::new();
    let (ours, mut theirs) = pair();
    let fd = ours.as_raw_fd();
    let old = watch(&mut turns, fd, "old");
    say(&mut theirs);
    let mut bin = Vec::new();
    let (poller, sources) = turns.reactor.watching().expect("it is open");
    let new = sources.insert(poller, fd, LEVEL, "new", &mut bin).expect("it can be watched");
    assert_eq!(bin, ["old"]);
    assert_ne!(old, new);
    assert_eq!(turns.turn(), [Happening::Event(new, READABLE)]);
    assert_eq!(turns.reactor.sources.get(old), None);
    let (poller, sources) = turns.reactor.watching().expect("it is open");
    assert!(sources.remove_slot(poller, fd, old).is_none());
    assert_eq!(sources.remove_slot(poller, fd, new), Some("new"));
    assert!(sources.insert(poller, -1, LEVEL, "nobody's", &mut bin).is_err());
    assert_eq!(bin, ["old", "nobody's"]);
    assert!(sources.is_empty());
}

#[test]
fn a_closed_reactor_hands_over_all_that_it_held() {
    let mut turns = Words::new();
    let (ours, _theirs) = pair();
    watch(&mut turns, ours.as_raw_fd(), "socket");
    turns.reactor.engine.push(Happening::Word("ready"));
    turns.reactor.engine.push_afterwards(Happening::Word("follows"));
    turns.reactor.engine.schedule(deadline::at(1e9), "later");
    assert!(turns.remote().deliver(Happening::Word("mail")).expect("it can be woken").is_none());
    assert_eq!(turns.close(), 5);
    assert!(turns.reactor.poller().is_none() && turns.reactor.watching().is_none());
    let refused = turns.remote().deliver(Happening::Word("late")).expect("nobody is woken");
    assert_eq!(refused, Some(Happening::Word("late")));
    turns.remote().wake().expect("nobody is woken");
}

#[test]
fn what_is_closed_next_is_left_to_the_kernel_and_an_unknown_copy_is_found_out() {
    let mut turns = Words::new();
    let (other, _others) = pair();
    watch(&mut turns, other.as_raw_fd(), "other");
    let (ours, mut theirs) = pair();
    let mut registration = Registration::default();
    let (poller, sources) = turns.reactor.watching().expect("it is open");
    registration
        .widen((poller, sources), ours.as_raw_fd(), Interest::READABLE, || "socket", &mut Vec::new())
        .expect("it can be watched");
    say(&mut theirs);
    // A copy of which nothing says that it exists keeps the registration.
    let copy = ours.try_clone().expect("descriptors are left");
    let (poller, sources) = turns.reactor.watching().expect("it is open");
    assert_eq!(registration.end_closing((poller, sources)), Some("socket"));
    assert!(!registration.is_watched());
    drop(ours);
    // So it is reported once more, to nobody, and then the set is built anew.
    for reported in [1, 0] {
        turns.reactor.engine.push(Happening::Word("something"));
        assert_eq!(turns.turn().len(), 1 + reported);
    }
    drop(copy);
}

#[test]
fn what_another_thread_makes_ready_after_the_plan_keeps_the_loop_awake() {
    let mut turns = Words::new();
    let mut events = Events::with_capacity(1);
    turns.reactor.collect_mail();
    assert_eq!(turns.reactor.begin(&mut events), Plan::Wait);
    turns.reactor.push_from_thread(Happening::Word("ready"));
    assert!(turns.reactor.has_mail());
    assert_eq!(turns.reactor.approach(Timeout::Never, false), Approach::Look);
    assert_eq!(turns.turn(), [Happening::Word("ready")]);
    assert!(!turns.reactor.has_mail());
}
