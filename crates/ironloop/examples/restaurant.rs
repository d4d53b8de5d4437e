//! One waiter, three tables: the numbered steps show when he switches from one to another.
//!
//! The waiter is the loop's one thread. Whenever a future awaits the kitchen, it gives him back to the loop,
//! and the loop sends him to whoever is ready next. The Python twin is `examples/restaurant.py`.
//!
//! ```text
//! One table after another:
//!  1 window sits down
//!  2 window orders risotto
//!  3 window gets risotto
//!  4 window pays
//!  5 window leaves
//!  6 terrace sits down
//!  7 terrace orders fish soup
//!  8 terrace gets fish soup
//!  9 terrace pays
//! 10 terrace leaves
//! 11 corner sits down
//! 12 corner orders olives
//! 13 corner gets olives
//! 14 corner pays
//! 15 corner leaves
//!
//! All tables at once:
//!  1 window sits down
//!  2 window orders risotto
//!  3     terrace sits down
//!  4     terrace orders fish soup
//!  5         corner sits down
//!  6         corner orders olives
//!  7         corner gets olives
//!  8         corner pays
//!  9         corner leaves
//! 10     terrace gets fish soup
//! 11     terrace pays
//! 12     terrace leaves
//! 13 window gets risotto
//! 14 window pays
//! 15 window leaves
//!
//! The bills, in the order of the call: window's, terrace's, corner's
//! The same fifteen steps, in less time: true
//! ```

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use ironloop::time::{Instant, sleep};
use ironloop::{block_on, gather};

struct Table {
    name: &'static str,
    dish: &'static str,
    cooking: Duration,
}

const TABLES: [Table; 3] = [
    Table { name: "window", dish: "risotto", cooking: Duration::from_millis(60) },
    Table { name: "terrace", dish: "fish soup", cooking: Duration::from_millis(40) },
    Table { name: "corner", dish: "olives", cooking: Duration::from_millis(20) },
];

/// Numbers each step. Nobody else runs between two awaits, so a cell is enough.
#[derive(Default)]
struct Waiter {
    steps: Cell<u32>,
}

impl Waiter {
    fn does(&self, column: usize, what: &str) {
        self.steps.set(self.steps.get() + 1);
        println!("{:2} {}{what}", self.steps.get(), " ".repeat(4 * column));
    }

    async fn serve(self: Rc<Self>, table: &Table, column: usize) -> String {
        let Table { name, dish, cooking } = table;
        self.does(column, &format!("{name} sits down"));
        self.does(column, &format!("{name} orders {dish}"));
        sleep(*cooking).await; // the kitchen cooks: the waiter is free to go
        self.does(column, &format!("{name} gets {dish}"));
        self.does(column, &format!("{name} pays"));
        self.does(column, &format!("{name} leaves"));
        format!("{name}'s")
    }
}

async fn one_after_another() {
    let waiter = Rc::new(Waiter::default());
    for table in &TABLES {
        Rc::clone(&waiter).serve(table, 0).await;
    }
}

async fn all_at_once() -> Vec<String> {
    let waiter = Rc::new(Waiter::default());
    gather(TABLES.iter().enumerate().map(|(column, table)| Rc::clone(&waiter).serve(table, column))).await
}

fn main() {
    block_on(async {
        println!("One table after another:");
        let begin = Instant::now();
        one_after_another().await;
        let in_turn = begin.elapsed();

        println!("\nAll tables at once:");
        let begin = Instant::now();
        let bills = all_at_once().await;
        let at_once = begin.elapsed();

        println!("\nThe bills, in the order of the call: {}", bills.join(", "));
        // In turn the waits add up; at once only the longest of them counts.
        println!("The same fifteen steps, in less time: {}", at_once < in_turn);
    });
}
