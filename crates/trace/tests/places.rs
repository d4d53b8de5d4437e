//! Where no file can be had the loop runs without, and says why.

#![allow(clippy::unwrap_used)]

mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;

use ironloop_trace::{Facts, File, Life, Place, Recorder, Refusal, check_directory};
use support::{Directory, FACTS, read, recorder, small, task};

fn refusal(place: &Place) -> Refusal {
    Recorder::new(place, &Facts::default(), small()).err().expect("a refusal")
}

#[test]
fn the_directory_is_made_for_its_owner_alone_and_so_is_the_file() {
    let directory = Directory::new();
    let recorder = recorder(&directory, small());
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory.0), 0o700);
    assert_eq!(mode(recorder.path().unwrap()), 0o600);
}

#[test]
fn a_viewer_looks_where_a_loop_would_write_and_makes_no_directory() {
    let (directory, link) = (Directory::new(), Directory::new());
    assert!(check_directory(&directory.0).is_err() && !directory.0.exists());
    fs::create_dir(&directory.0).unwrap();
    fs::set_permissions(&directory.0, Permissions::from_mode(0o755)).unwrap();
    assert!(check_directory(&directory.0).is_err());
    fs::set_permissions(&directory.0, Permissions::from_mode(0o700)).unwrap();
    assert!(check_directory(&directory.0).is_ok());
    symlink(&directory.0, &link.0).unwrap();
    let linked = check_directory(&link.0);
    fs::remove_file(&link.0).unwrap();
    assert!(linked.is_err());
}

#[test]
fn a_directory_that_others_may_enter_is_refused() {
    let directory = Directory::new();
    fs::create_dir(&directory.0).unwrap();
    fs::set_permissions(&directory.0, Permissions::from_mode(0o755)).unwrap();
    let refusal = refusal(&directory.place());
    assert!(matches!(refusal, Refusal::OpenToOthers { mode: 0o755, .. }), "{refusal}");
}

#[test]
fn a_directory_of_somebody_else_is_refused() {
    let directory = Directory::new();
    fs::create_dir(&directory.0).unwrap();
    fs::set_permissions(&directory.0, Permissions::from_mode(0o700)).unwrap();
    if std::os::unix::fs::chown(&directory.0, Some(54321), None).is_err() {
        return; // only root may give a directory away
    }
    let refusal = refusal(&directory.place());
    assert!(matches!(refusal, Refusal::SomebodyElses { owner: 54321, .. }), "{refusal}");
}

#[test]
fn a_link_in_the_place_of_the_directory_is_refused() {
    let (directory, link) = (Directory::new(), Directory::new());
    fs::create_dir(&directory.0).unwrap();
    fs::set_permissions(&directory.0, Permissions::from_mode(0o700)).unwrap();
    symlink(&directory.0, &link.0).unwrap();
    let refused = refusal(&link.place());
    fs::remove_file(&link.0).unwrap();
    assert!(matches!(refused, Refusal::System { .. }), "{refused}");
}

#[test]
fn a_disk_is_no_place() {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("on-a-disk");
    let refused = refusal(&Place::In(directory.clone()));
    let _ = fs::remove_dir(&directory);
    // A target directory in memory is one.
    assert!(matches!(refused, Refusal::OnADisk(_)), "{refused}");
}

#[test]
fn loops_of_one_process_number_have_files_of_their_own() {
    let directory = Directory::new();
    let loops = [(); 3].map(|()| recorder(&directory, small()));
    assert_eq!(directory.files().len(), 3);
    for recorder in &loops {
        assert_eq!(read(recorder.path().unwrap()).header().process, std::process::id());
    }
}

#[test]
fn a_recording_whose_file_is_gone_is_refused_once() {
    let directory = Directory::new();
    let mut recorder = Recorder::new(&directory.place(), &FACTS, small()).unwrap();
    fs::remove_file(recorder.path().unwrap()).unwrap();
    let refused = recorder.record_for_ever().unwrap_err();
    assert!(matches!(refused, Refusal::Gone(_)), "{refused}");
    assert!(recorder.recording().is_none());
    assert!(!recorder.look().unwrap());
}

/// Runs a test of this file that is left out otherwise in a mount namespace with a small tmpfs; says whether it
/// could be had.
fn in_a_small_tmpfs(test: &str, size: &str) -> bool {
    let mount =
        format!("mount -t tmpfs -o size={size},mode=700 tmpfs /mnt && exec \"$0\" --exact {test} --ignored");
    let can = Command::new("unshare").args(["-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).output();
    if !can.is_ok_and(|done| done.status.success()) {
        return false;
    }
    let this = std::env::current_exe().unwrap();
    let done = Command::new("unshare").args(["-m", "sh", "-c", &mount]).arg(this).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    assert!(String::from_utf8_lossy(&done.stdout).contains("1 passed"));
    true
}

#[test]
fn a_full_tmpfs_is_a_refusal_and_no_signal() {
    in_a_small_tmpfs("full_for_a_recording", "64k");
    in_a_small_tmpfs("full_for_more_rows", "900k");
}

#[test]
#[ignore = "in a small tmpfs of its own"]
fn full_for_a_recording() {
    let place = Place::In("/mnt/loops".into());
    let mut recorder = Recorder::new(&place, &FACTS, small()).unwrap();
    let refused = recorder.record_for_ever().unwrap_err();
    assert!(refused.to_string().contains("No space left"), "{refused}");
    assert!(recorder.recording().is_none());
    assert_eq!(fs::metadata(recorder.path().unwrap()).unwrap().len(), 4096);
    recorder.beat(1);
    fs::write("/mnt/rest", vec![1; 1 << 16]).unwrap_err();
    let refused = refusal(&place);
    assert!(refused.to_string().contains("No space left"), "{refused}");
    assert_eq!(fs::read_dir("/mnt/loops").unwrap().count(), 1);
}

#[test]
#[ignore = "in a small tmpfs of its own"]
fn full_for_more_rows() {
    let place = Place::In("/mnt/loops".into());
    let mut recorder = Recorder::new(&place, &FACTS, small()).unwrap();
    recorder.record_for_ever().unwrap();
    fs::write("/mnt/rest", vec![1; 1 << 20]).unwrap_err();
    let area = recorder.recording().unwrap();
    for number in 1..=5000 {
        area.task_made(&task(number));
    }
    let file = File::open(recorder.path().unwrap()).unwrap();
    assert_eq!(file.snapshot().unwrap().tasks.len(), 2048);
    assert_eq!(file.header().drops.tasks, 5000 - 2048);
}

#[test]
fn what_the_dead_left_is_swept_and_the_last_recordings_stay() {
    let directory = Directory::new();
    let page = fs::read(recorder(&directory, small()).path().unwrap()).unwrap();
    // Nobody has this number: it is past what the kernel gives.
    let nobody = 0x4000_1234_u32;
    let write = |number: u32, bytes: usize| {
        let mut file = page.clone();
        file[16..20].copy_from_slice(&nobody.to_le_bytes());
        file.truncate(bytes);
        fs::write(directory.0.join(format!("{nobody}.{number}")), file).unwrap();
    };
    for number in 1..=6 {
        write(number, 4096);
    }
    for number in 11..=16 {
        write(number, 8192);
    }
    fs::write(directory.0.join("notes.txt"), "somebody's").unwrap();
    let elsewhere = directory.0.join(format!("{nobody}.99"));
    write(99, 4096);
    let mut foreign = fs::read(&elsewhere).unwrap();
    foreign[24] ^= 1; // another namespace
    fs::write(&elsewhere, foreign).unwrap();

    let _recorder = recorder(&directory, small());
    // Four recordings, a stranger's text, the page from elsewhere, and the new one.
    assert_eq!(directory.files().len(), 7, "{:?}", directory.files());
    assert_eq!(read(&directory.0.join(format!("{nobody}.16"))).life(), Life::Killed);
    assert_eq!(read(&elsewhere).life(), Life::Elsewhere);
}
