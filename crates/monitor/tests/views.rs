//! What the viewers say of files whose story is known.

#![allow(clippy::unwrap_used)]

mod synthetic;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;

use ironloop_monitor::timeline::Timeline;
use ironloop_monitor::top::{Model, draw, interrupts, press};
use ironloop_monitor::warnings::Kind;
use ironloop_monitor::{export, tree, web};
use ironloop_trace::{Flags, ObjectKind, Op, Outcome, Reason, State, Subject, Waker};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use synthetic::{Loop, blocked, deadlock, long_step, many, restaurant};

fn looked(at: &Loop) -> Model {
    let mut model = Model::new(at.open());
    model.look().unwrap();
    model
}

fn kinds(model: &Model) -> Vec<Kind> {
    model.warnings.iter().map(|warning| warning.kind).collect()
}

#[test]
fn control_c_leaves_and_c_does_not() {
    assert!(interrupts(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)));
    assert!(!interrupts(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::NONE)));
}

#[test]
fn the_tree_says_who_waits_for_whom() {
    let text = tree::text(&mut restaurant().open()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[1].starts_with("main restaurant(): SUSPENDED on group guests, 2 to go, for "), "{text}");
    assert!(lines[2].starts_with("\u{251c}\u{2500} guest-5 dine(): SUSPENDED on future, for "), "{text}");
    assert!(lines[3].starts_with("\u{2514}\u{2500} guest-6"), "{text}");
    assert!(lines[4].starts_with("waiter serve(): SUSPENDED on socket read, descriptor 7"), "{text}");
    assert!(lines[5].starts_with("cook cook(): SUSPENDED on get of Queue orders, 0 in it"), "{text}");
    let json = tree::json(&mut restaurant().open()).unwrap();
    assert_eq!(json["tasks"][0]["awaits"][1]["name"], "guest-6");
}

#[test]
fn a_deadlock_of_two_locks_is_named() {
    let at = deadlock();
    let model = looked(&at);
    assert_eq!(kinds(&model), [Kind::Deadlock]);
    let text = "anna waits for Lock right, held by bert; bert waits for Lock left, held by anna";
    assert_eq!(model.warnings[0].text, text);
    assert!(tree::text(&mut at.open()).unwrap().contains(text));
}

#[test]
fn a_deadlock_of_a_lock_and_a_queue_is_named_if_one_alone_puts_into_it() {
    for others in [0, 1] {
        let mut at = Loop::new(1 << 10);
        let (eater, cook) =
            (at.task(1, "eater", "eat", Waker::Unknown), at.task(2, "cook", "cook", Waker::Unknown));
        let other = at.task(3, "other", "cook", Waker::Unknown);
        let (table, dishes) =
            (at.object(ObjectKind::Lock, 1, "table", 0), at.object(ObjectKind::Queue, 2, "dishes", 0));
        for putter in [cook, other].into_iter().take(1 + others) {
            at.area().did(dishes, Op::Put, Waker::Task(putter), 1);
            at.area().did(dishes, Op::Got, Waker::Task(eater), 0);
        }
        at.area().did(table, Op::Taken, Waker::Task(eater), 0);
        at.step(eater, 1, State::Suspended(Reason::QueueGet), Subject::Object(dishes, 0));
        at.step(cook, 1, State::Suspended(Reason::Lock), Subject::Object(table, 0));
        at.step(other, 1, State::Suspended(Reason::Sleep), Subject::Nothing);
        let model = looked(&at);
        if others == 0 {
            assert_eq!(kinds(&model), [Kind::Deadlock]);
            let text =
                "eater waits for get of Queue dishes, 0 in it; cook waits for Lock table, held by eater";
            assert_eq!(model.warnings[0].text, text);
        } else {
            assert_eq!(kinds(&model), []);
        }
    }
}

#[test]
fn a_block_is_named_while_it_lasts() {
    let model = looked(&blocked());
    assert!(kinds(&model).contains(&Kind::Blocked));
    let text = &model.warnings[0].text;
    assert!(
        text.starts_with("fetcher blocks the loop, since ") && text.contains("in sleep, app.py:7"),
        "{text}"
    );
    assert!(kinds(&model).contains(&Kind::NeverYielded));
}

#[test]
fn a_queue_that_grows_is_named_and_one_that_breathes_is_not() {
    let mut at = Loop::new(1 << 10);
    let grows = at.object(ObjectKind::Queue, 1, "jobs", 0);
    let breathes = at.object(ObjectKind::Queue, 2, "mail", 0);
    let mut model = Model::new(at.open());
    for look in 0..10 {
        at.area().did(grows, Op::Put, Waker::Unknown, 10 * look);
        at.area().did(breathes, Op::Put, Waker::Unknown, if look % 3 == 0 { 1 } else { 5 * look });
        // Another stretch of time.
        std::thread::sleep(std::time::Duration::from_millis(60));
        at.area().turn_begins();
        model.look().unwrap();
    }
    assert_eq!(kinds(&model), [Kind::QueueGrows]);
    assert_eq!(model.warnings[0].text, "Queue jobs has grown from 0 to 90 (10 put, 0 got)");
}

#[test]
fn what_a_task_cannot_say_itself_is_named() {
    let mut at = Loop::new(1 << 10);
    let lost = at.task(1, "lost", "wait", Waker::Unknown);
    at.step(lost, 1, State::Suspended(Reason::Future), Subject::Nothing);
    at.area().flag(lost, Flags::FORSAKEN, true);
    let failed = at.task(2, "failed", "fail", Waker::Unknown);
    at.step(failed, 1, State::Completed(Outcome::Error), Subject::Nothing);
    let error = at.area().string("ValueError");
    at.area().never_retrieved(Some(failed), error);
    let hog = at.task(3, "hog", "hog", Waker::Unknown);
    at.step(hog, 15_000, State::Completed(Outcome::Result), Subject::Nothing);
    let model = looked(&at);
    assert_eq!(kinds(&model), [Kind::WaitsForEver, Kind::NeverRetrieved, Kind::NeverYielded]);
}

#[test]
fn the_time_line_has_each_task_once_with_its_name() {
    let mut file = restaurant().open();
    let timeline = Timeline::of(&mut file).unwrap();
    let names: Vec<_> = timeline.lanes.iter().map(|lane| lane.name.as_str()).collect();
    assert_eq!(names[..5], ["callbacks", "main", "waiter", "cook", "guest-1"]);
    assert_eq!(names.len(), 10);
    assert_eq!(timeline.lanes[4].parent, Some(1));
    assert_eq!(timeline.lanes.iter().filter(|lane| lane.ended.is_some()).count(), 4);
    assert!(timeline.steps.windows(2).all(|pair| pair[0].start <= pair[1].start));
    assert!(timeline.abouts.iter().any(|about| about == "get of Queue orders"));
}

#[test]
fn each_format_is_written() {
    let at = restaurant();
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    for name in ["run.html", "run.json", "run.perfetto"] {
        export::to(&folder.join(name), &mut at.open()).unwrap();
    }
    let json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join("run.json")).unwrap()).unwrap();
    assert!(json["traceEvents"].as_array().unwrap().len() > 50);
    let page = std::fs::read_to_string(folder.join("run.html")).unwrap();
    assert!(page.contains("id=\"meta\"") && !page.contains("src=") && !page.contains("http"));
    assert!(export::to("run.txt".as_ref(), &mut at.open()).is_err());
}

#[test]
fn the_page_is_served_to_who_knows_the_token() {
    let at = restaurant();
    let mut server = web::Server::new(at.open(), 0).unwrap();
    let address = server.address().unwrap();
    let (host, query) = address.strip_prefix("http://").unwrap().split_once("/").unwrap();
    let mut ask = |target: &str| {
        let mut peer = TcpStream::connect(host).unwrap();
        write!(peer, "GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
        server.serve_one().unwrap();
        let mut answer = Vec::new();
        peer.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    };
    assert!(ask("/").starts_with("HTTP/1.1 403"));
    assert!(ask("/?token=0").starts_with("HTTP/1.1 403"));
    assert!(ask(&format!("/{query}")).contains("<canvas"));
    assert!(ask(&format!("/meta{query}&lanes=0")).contains("guest-6"));
    assert!(ask(&format!("/data{query}&steps=0")).starts_with("HTTP/1.1 200"));
    let metrics = ask(&format!("/metrics{query}"));
    assert!(metrics.contains("ironloop_tasks{state=\"SUSPENDED\",reason=\"queue get\"} 1\n"), "{metrics}");
    let count = |text: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix("ironloop_step_seconds_count "));
        line.unwrap().parse().unwrap()
    };
    assert!(metrics.contains(&format!("ironloop_step_seconds_bucket{{le=\"+Inf\"}} {}\n", count(&metrics))));
    // It counts on from the last look, and nothing twice.
    assert!(count(&metrics) > 20);
    assert_eq!(count(&ask(&format!("/metrics{query}"))), count(&metrics));
    assert!(ask(&format!("/etc/passwd{query}")).starts_with("HTTP/1.1 404"));
}

#[test]
fn the_terminal_view_shows_tasks_and_one_in_detail() {
    let at = restaurant();
    let mut model = looked(&at);
    let mut terminal = Terminal::new(TestBackend::new(150, 30)).unwrap();
    let mut screen = |model: &mut Model| {
        terminal.draw(|frame| draw(frame, model)).unwrap();
        terminal.backend().to_string()
    };
    let text = screen(&mut model);
    assert!(text.contains("get of Queue orders") && text.contains("5 tasks by time in state"), "{text}");
    for sign in "/guest-6".chars() {
        press(&mut model, KeyCode::Char(sign));
    }
    press(&mut model, KeyCode::Enter);
    assert_eq!(model.lines.len(), 1);
    press(&mut model, KeyCode::Enter);
    let text = screen(&mut model);
    assert!(text.contains("awaited by    main") && text.contains("restaurant.py:12"), "{text}");
    assert!(!press(&mut model, KeyCode::Char('q')));
}

/// For looking, and for `make browser`: `IRONLOOP_LOOK=FOLDER cargo test … -- --ignored files_to_look_at`.
#[test]
#[ignore = "writes files for a person"]
fn files_to_look_at() {
    let folder = PathBuf::from(std::env::var("IRONLOOP_LOOK").unwrap());
    std::fs::create_dir_all(&folder).unwrap();
    for (name, at) in [
        ("restaurant", restaurant()),
        ("deadlock", deadlock()),
        ("blocked", long_step()),
        ("million", many(1_000_000, 2_000)),
    ] {
        let begun = std::time::Instant::now();
        export::to(&folder.join(format!("{name}.html")), &mut at.open()).unwrap();
        println!("{name}: {:?}", begun.elapsed());
        export::to(&folder.join(format!("{name}.perfetto")), &mut at.open()).unwrap();
        let path = at.recorder.path().unwrap();
        std::process::Command::new("cp")
            .arg("--sparse=always")
            .args([path, &folder.join(format!("{name}.loop"))])
            .status()
            .unwrap();
    }
}
