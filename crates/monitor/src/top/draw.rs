//! The view, drawn.

use hdrhistogram::Histogram;
use ironloop_trace::{State, TaskRow};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Paragraph, Row, Table, TableState, Wrap};

use super::model::Model;
use crate::words::{command, count, time};

const DIM: Style = Style::new().fg(Color::DarkGray);
const WARNINGS: usize = 6;

pub fn draw(frame: &mut Frame<'_>, model: &mut Model) {
    let warnings = model.warnings.len().min(WARNINGS) as u16;
    let lines = if warnings > 0 { warnings + 2 } else { 0 };
    let [head, times, wrong, body, foot] = Layout::vertical([
        Constraint::Length(3),
        Constraint::Length(6),
        Constraint::Length(lines),
        Constraint::Min(3),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(Paragraph::new(header(model)), head);
    frame.render_widget(Paragraph::new(histograms(model)).block(Block::bordered().title(" times ")), times);
    if warnings > 0 {
        let text: Vec<Line<'_>> = model
            .warnings
            .iter()
            .take(WARNINGS)
            .map(|warning| {
                let kind = Span::styled(format!("{}: ", warning.kind.word()), Style::new().fg(Color::Red));
                Line::from(vec![kind, Span::raw(warning.text.clone())])
            })
            .collect();
        let count = model.warnings.len();
        let title = format!(" {count} warning{} ", if count == 1 { "" } else { "s" });
        frame.render_widget(Paragraph::new(text).block(Block::bordered().title(title)), wrong);
    }
    if model.detail {
        detail(frame, body, model)
    } else {
        tasks(frame, body, model)
    }
    frame.render_widget(Paragraph::new(keys(model)), foot);
}

fn header(model: &Model) -> Vec<Line<'static>> {
    let header = model.file.header();
    let drops = header.drops;
    let mut about = format!("process {} ({}), {}", header.process, header.name, model.life().word());
    if !header.recorded {
        about.push_str(", waits for its recording");
    }
    if model.paused {
        about.push_str(", view paused");
    }
    let mut counts =
        vec![Span::raw(format!("{} tasks", count(model.by_state().iter().map(|s| s.1 as u64).sum())))];
    for (word, number) in model.by_state().into_iter().take(8) {
        counts.push(Span::styled(format!("  {word} "), DIM));
        counts.push(Span::raw(count(number as u64)));
    }
    let lost = [
        (model.missed, "events"),
        (drops.tasks, "tasks"),
        (drops.objects, "objects"),
        (drops.strings, "names"),
    ];
    let lost: Vec<_> =
        lost.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", count(*n))).collect();
    let mut third = format!(
        "{} made, {} items performed, {} ready after the last turn",
        count(header.tasks_made),
        count(header.items),
        model.depth
    );
    if let Some(load) = header.load.filter(|load| load.connections > 0) {
        third.push_str(&format!("; {} transports", count(load.transports)));
        if load.unsent > 0 {
            third.push_str(&format!(", {} bytes wait in them", count(load.unsent)));
        }
    }
    if !lost.is_empty() {
        third.push_str(&format!("; not seen: {}", lost.join(", ")));
    }
    let program =
        Span::styled(command(&header.program).to_owned(), Style::new().add_modifier(Modifier::BOLD));
    vec![
        Line::from(vec![program, Span::styled(format!("  {about}"), DIM)]),
        Line::from(counts),
        Line::from(Span::styled(third, DIM)),
    ]
}

/// A line each: the quantiles, and a picture of all between them; below it what its columns stand for.
fn histograms(model: &Model) -> Vec<Line<'static>> {
    let mut lines: Vec<Line<'static>> =
        [("steps ran", &model.steps), ("were ready", &model.ready), ("turns took", &model.turns)]
            .into_iter()
            .map(|(name, histogram)| {
                let at = |quantile: f64| time(histogram.value_at_quantile(quantile) as f64);
                let text = if histogram.is_empty() {
                    "none yet".to_owned()
                } else {
                    let max = time(histogram.max() as f64);
                    format!("50% {:>8}  99% {:>8}  99.9% {:>8}  max {max:>8}", at(0.5), at(0.99), at(0.999))
                };
                let text = format!("{text:<57}");
                Line::from(vec![
                    Span::styled(format!("{name:<11}"), DIM),
                    Span::raw(format!("{text}  ")),
                    Span::styled(bars(histogram), Style::new().fg(Color::Green)),
                ])
            })
            .collect();
    let scale = ["100ns", "10\u{b5}s", "1ms", "100ms"].map(|mark| format!("{mark:<6}")).concat();
    lines.push(Line::from(Span::styled(format!("{:70}{scale}", ""), DIM)));
    lines
}

/// How many there are of each length, from 100 ns to 10 s, three columns a power of ten.
fn bars(histogram: &Histogram<u64>) -> String {
    const SIGNS: [char; 9] =
        [' ', '\u{2581}', '\u{2582}', '\u{2583}', '\u{2584}', '\u{2585}', '\u{2586}', '\u{2587}', '\u{2588}'];
    let bound = |place: i32| 10_f64.powf(2.0 + f64::from(place) / 3.0) as u64;
    let counts: Vec<u64> =
        (0..24).map(|place| histogram.count_between(bound(place), bound(place + 1) - 1)).collect();
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    // By the logarithm: one that is rare is what one looks for.
    let height = |number: u64| {
        if number == 0 { 0 } else { 1 + (7.0 * (number as f64).ln() / (most as f64).ln().max(1.0)) as usize }
    };
    counts.into_iter().map(|number| SIGNS[height(number).min(8)]).collect()
}

fn colour(task: &TaskRow) -> Color {
    match task.state {
        State::Running => Color::Green,
        State::Ready => Color::Yellow,
        State::Suspended(_) => Color::Blue,
        State::Completed(_) => Color::DarkGray,
    }
}

fn tasks(frame: &mut Frame<'_>, area: Rect, model: &mut Model) {
    let words = model.words();
    let high = usize::from(area.height.saturating_sub(3)).max(1);
    // Only what is in sight is put into words.
    let first = model.line.saturating_sub(high / 2).min(model.lines.len().saturating_sub(high));
    let rows = model.lines.iter().skip(first).take(high).map(|&place| {
        let task = &model.snapshot.tasks[place];
        let warned = model.warnings.iter().any(|warning| warning.task == Some(task.slot));
        Row::new([
            Cell::from(if warned { "!" } else { " " }).style(Style::new().fg(Color::Red)),
            Cell::from(task.name.clone()),
            Cell::from(words.file.text(task.coroutine).to_owned()),
            Cell::from(task.state.word()).style(Style::new().fg(colour(task))),
            Cell::from(format!("{:>8}", time(model.in_state(task)))),
            Cell::from(words.waits_for(task)),
            Cell::from(format!("{:>9}", count(task.steps.into()))),
            Cell::from(format!("{:>8}", time(model.nanos(task.run)))),
            Cell::from(format!("{:>8}", time(model.nanos(task.ready)))),
            Cell::from(format!("{:>8}", time(model.nanos(task.longest as u64)))),
        ])
    });
    let widths = [
        Constraint::Length(1),
        Constraint::Min(14),
        Constraint::Min(12),
        Constraint::Length(9),
        Constraint::Length(8),
        Constraint::Fill(2),
        Constraint::Length(9),
        Constraint::Length(8),
        Constraint::Length(8),
        Constraint::Length(8),
    ];
    let heads = [
        "",
        "task",
        "coroutine",
        "state",
        "for",
        "waits for",
        "    steps",
        " running",
        "   ready",
        " longest",
    ];
    let arrow = if model.down { '\u{2193}' } else { '\u{2191}' };
    let title = format!(" {} tasks by {} {arrow} ", count(model.lines.len() as u64), model.sort.word());
    let table = Table::new(rows, widths)
        .header(Row::new(heads).style(DIM))
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED))
        .block(Block::bordered().title(title));
    let mut state = TableState::new().with_selected(Some(model.line - first.min(model.line)));
    frame.render_stateful_widget(table, area, &mut state);
}

fn detail(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let Some(task) = model.chosen() else { return };
    let words = model.words();
    let pair = |name: &str, value: String| {
        Line::from(vec![Span::styled(format!("{name:<14}"), DIM), Span::raw(value)])
    };
    let state = format!("{} for {}", task.state.word(), time(model.in_state(task)));
    let age = model.file.header().calibration.between(task.made, model.snapshot.now);
    let mut lines: Vec<Line<'_>> = [
        ("coroutine", words.file.text(task.coroutine).into()),
        ("state", state),
        ("waits for", words.waits_for(task)),
        ("waits at", words.file.text(task.waits_at).into()),
        ("made", format!("{} ago", time(age))),
        ("made at", words.file.text(task.place).into()),
        ("made by", words.waker(task.by).unwrap_or_default()),
        ("steps", count(task.steps.into())),
        ("running", time(model.nanos(task.run))),
        ("ready", time(model.nanos(task.ready))),
        ("longest step", time(model.nanos(task.longest as u64))),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .map(|(name, value)| pair(name, value))
    .collect();
    let why = words.file.text(task.cancelled_why).to_owned();
    if let Some(by) = (!why.is_empty()).then_some(why).or_else(|| words.waker(task.cancelled_by)) {
        lines.push(pair("cancelled by", by));
    }
    let by: Vec<_> = model.graph.awaited_by(task.slot).iter().map(|&slot| words.task(slot)).collect();
    if !by.is_empty() {
        lines.push(pair("awaited by", by.join(", ")));
    }
    lines.push(Line::from(""));
    lines.push(Line::from(Span::styled("chain of awaits", DIM)));
    for (depth, slot) in model.chain(task.slot).into_iter().take(30).enumerate() {
        if let Some(link) = model.snapshot.task(slot) {
            let waits = words.waits_for(link);
            let on = if matches!(link.state, State::Suspended(_)) { " on " } else { " " };
            let indent =
                if depth == 0 { String::new() } else { format!("{}\u{2514} ", "  ".repeat(depth - 1)) };
            let text = format!("{indent}{}: {}{on}{waits}", link.name, link.state.word());
            lines.push(Line::from(Span::styled(text, Style::new().fg(colour(link)))));
        }
    }
    for warning in model.warnings.iter().filter(|warning| warning.task == Some(task.slot)) {
        let text = format!("{}: {}", warning.kind.word(), warning.text);
        lines.push(Line::from(Span::styled(text, Style::new().fg(Color::Red))));
    }
    let block = Block::bordered().title(format!(" {} ", task.name));
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }).block(block), area);
}

fn keys(model: &Model) -> Line<'static> {
    if let Some(filter) = &model.typing {
        return Line::from(format!("/{filter}\u{2588}"));
    }
    let filter = if model.filter.is_empty() { String::new() } else { format!("  [{}]", model.filter) };
    let text = format!(
        "q leave  \u{2191}\u{2193} choose  enter detail  s sort  r reverse  / filter  e ended  space pause{filter}"
    );
    Line::from(Span::styled(text, DIM))
}
