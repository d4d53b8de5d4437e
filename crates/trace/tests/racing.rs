//! A reader beside a writer that never rests: what it takes is whole.

mod support;

use std::thread;

use ironloop_trace::{Moment, ObjectKind, Op, StringId, Waker};
use support::{Directory, open, recorder, small};

/// A row that changes faster than it can be copied twice is never whole for a reader; no loop does that.
const EVENTS_A_ROW: u64 = 100;

#[test]
fn what_a_reader_takes_is_whole_while_the_writer_runs() {
    let directory = Directory::new();
    let mut recorder = recorder(&directory, small());
    let mut file = open(&recorder);
    let (events, rows) = thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let (mut next, mut events, mut rows) = (0, 0, 0);
            while events < 200_000 || rows < 2_000 {
                let taken = file.events(next, usize::MAX).unwrap();
                assert_eq!(taken.unknown, 0);
                for (number, event) in (taken.first..).zip(&taken.events) {
                    match event.what {
                        Moment::Mark(StringId(mark)) => assert_eq!((mark, event.at), (number as u32, number)),
                        Moment::Object { value, .. } => assert_eq!(value, number as u32),
                        Moment::ObjectMade { .. } => assert_eq!(number, 0),
                        other => panic!("{other:?}"),
                    }
                }
                events += taken.events.len();
                next = taken.next;
                let snapshot = file.snapshot().unwrap();
                if snapshot.torn > 0 {
                    // The writer was stopped in the middle of the row, and not awake again meanwhile.
                    continue;
                }
                for row in &snapshot.objects {
                    assert_eq!(row.length, row.most);
                    assert_eq!(row.length, row.ins * EVENTS_A_ROW as u32);
                    rows += 1;
                }
            }
            (events, rows)
        });
        let area = recorder.recording().unwrap();
        let mark = area.object_made(ObjectKind::Queue, 0, StringId::NONE, 0);
        let queue = area.find_object(mark).unwrap();
        for number in 1_u64.. {
            if number % EVENTS_A_ROW == 0 {
                area.did(queue, Op::Put, Waker::Unknown, number as u32);
            } else {
                area.note(number, Moment::Mark(StringId(number as u32)));
            }
            if reading.is_finished() {
                break;
            }
        }
        reading.join().unwrap()
    });
    assert!(events >= 200_000 && rows >= 2_000);
}
