//! A child that is forked leaves its parent's file alone; a process that became another one is not its writer.

mod support;

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use ironloop_trace::{Life, Moment, Recorder, StringId};
use support::{Directory, FACTS, open, read, recorder, small};

#[test]
fn a_forked_child_writes_nothing_into_its_parents_file() {
    let directory = Directory::new();
    let mut recorder = recorder(&directory, small());
    recorder.recording().unwrap().note(0, Moment::Mark(StringId(1)));
    // SAFETY: the child asks its copy of the recorder, drops it and leaves by `_exit`: it takes no lock that
    // another thread of this process may have held.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let refused = recorder.recording().is_none() && !recorder.look().unwrap_or(true);
        recorder.beat(1);
        drop(recorder);
        // SAFETY: ends the child, without what the parent wants done at its own end.
        unsafe { libc::_exit(if refused { 0 } else { 1 }) };
    }
    let mut status = 1;
    // SAFETY: waits for the child of above, into a number that is there.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(status, 0);
    recorder.recording().unwrap().note(0, Moment::Mark(StringId(2)));
    let file = open(&recorder);
    assert_eq!((file.header().head, file.header().items), (2, 0));
    assert_eq!(file.life(), Life::Running);
}

#[test]
#[ignore = "the process that becomes another one"]
fn becomes_cat() {
    let place = ironloop_trace::Place::In(std::env::var("IRONLOOP_TEST_PLACE").unwrap().into());
    let _recorder = Recorder::new(&place, &FACTS, small()).unwrap();
    panic!("{}", Command::new("cat").exec());
}

#[test]
fn a_process_that_became_another_one_is_not_the_writer() {
    let directory = Directory::new();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "becomes_cat", "--ignored", "--nocapture"])
        .env("IRONLOOP_TEST_PLACE", &directory.0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let program = format!("/proc/{}/comm", child.id());
    while std::fs::read_to_string(&program).unwrap().trim() != "cat" {
        std::thread::yield_now();
    }
    let [path] = &directory.files()[..] else { panic!("{:?}", directory.files()) };
    let file = read(path);
    assert_eq!((file.header().process, file.life()), (child.id(), Life::Killed));
    child.kill().unwrap();
    child.wait().unwrap();
}
