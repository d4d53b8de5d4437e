//! The examples print what stands in their heads.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What a program's first lines say that it prints.
fn promised(source: &str) -> String {
    let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
    let text = lines.map(|line| line.strip_prefix(' ').unwrap_or(line));
    let block = text.skip_while(|line| *line != "```text").skip(1).take_while(|line| *line != "```");
    block.flat_map(|line| [line, "\n"]).collect()
}

/// Where cargo has put the examples, beside this test.
fn built(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("it has a path");
    let profile = test.ancestors().nth(2).expect("it is in target/profile/deps");
    profile.join("examples").join(name)
}

fn prints_what_it_promises(name: &str) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name).with_extension("rs");
    let promised = promised(&std::fs::read_to_string(&source).expect("it is there"));
    assert!(!promised.is_empty(), "{name} promises nothing");
    let output =
        Command::new(built(name)).output().expect("`cargo test` without a filter builds the examples");
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), promised, "{name}");
}

macro_rules! examples {
    ($($(#[$attribute:meta])* $name:ident),* $(,)?) => {$(
        #[test]
        $(#[$attribute])*
        fn $name() {
            prints_what_it_promises(stringify!($name));
        }
    )*};
}

examples! {
    echo,
    gather,
    #[cfg(feature = "example-http")]
    http,
    producer_consumer,
    restaurant,
    timeouts,
}

/// The blocks of a page that begin with this line.
fn blocks<'a>(page: &'a str, begin: &'a str) -> impl Iterator<Item = &'a str> {
    page.split("\n```").filter_map(move |block| block.strip_prefix(begin)?.strip_prefix('\n'))
}

#[test]
fn the_page_shows_the_examples_as_they_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: PathBuf| std::fs::read_to_string(path).expect("it is there");
    let page = read(root.join("../../docs/rust.md"));
    let mut outputs = String::new();
    for name in ["echo", "producer_consumer", "restaurant", "timeouts", "time"] {
        let folder = if name == "time" { "tests" } else { "examples" };
        let source = read(root.join(folder).join(name).with_extension("rs"));
        let begin = format!("rust title=\"{name}.rs\"");
        let shown: Vec<_> = blocks(&page, &begin).collect();
        assert!(!shown.is_empty(), "{name} is not shown");
        for block in shown {
            assert!(block.split("\n\n").all(|piece| source.contains(piece)), "{name}: {block}");
        }
        outputs += &promised(&source);
    }
    assert!(blocks(&page, "text").all(|block| outputs.contains(block)));
}
