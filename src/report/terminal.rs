//! Events on a terminal: a live region where there is one, lines that are only added where there is none.

use super::{Style, seconds};
use crate::event::{Event, Part, Progress, Stage};
use crate::mask::Mask;
use anstyle::{AnsiColor, Style as Paint};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// After this much silence a log says what the run is doing, so that nobody takes it for dead.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// More lines for parts of steps would push everything else off the screen.
const MOST_BARS: usize = 6;

/// A step that has not ended.
struct Active {
    since: Instant,
    text: String,
    spinner: Option<ProgressBar>,
    /// The lines of its parts, by their names.
    bars: BTreeMap<String, ProgressBar>,
}

struct Terminal<'a> {
    style: Style,
    mask: &'a Mask,
    live: Option<MultiProgress>,
    active: BTreeMap<(Stage, String), Active>,
    last_printed: Instant,
}

/// Shows events until the last sender is gone.
pub(super) fn show(receiver: &Receiver<Event>, style: Style, mask: &Mask) {
    let live = style.live.then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr()));
    let mut terminal = Terminal { style, mask, live, active: BTreeMap::new(), last_printed: Instant::now() };
    loop {
        match receiver.recv_timeout(HEARTBEAT) {
            Ok(event) => terminal.event(event),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        terminal.heartbeat();
    }
    if let Some(live) = terminal.live {
        let _ = live.clear();
    }
}

impl Terminal<'_> {
    fn event(&mut self, event: Event) {
        match event {
            Event::Step { stage, subject, progress, text } => {
                let text = self.mask.line(&text);
                match progress {
                    Progress::Doing | Progress::Waiting => self.begin(stage, subject, progress, text),
                    Progress::Done | Progress::Unchanged | Progress::Failed => {
                        self.end(stage, subject, progress, &text)
                    }
                }
            }
            Event::Progress { stage, subject, text, parts } => self.progress(stage, subject, &text, &parts),
            Event::Output { subject, line } => self.output(&subject, &self.mask.line(&line)),
            Event::Warning { text } => {
                let warning = self.paint(AnsiColor::Yellow, "warning:");
                self.print(&format!("{warning} {}", self.mask.line(&text)));
            }
        }
    }

    fn begin(&mut self, stage: Stage, subject: String, progress: Progress, text: String) {
        let line = self.step(stage, &subject, progress, &text);
        let known = self.active.remove(&(stage, subject.clone()));
        let is_news = known.as_ref().is_none_or(|known| known.text != text);
        let (since, mut spinner, bars) = match known {
            Some(known) => (known.since, known.spinner, known.bars),
            None => (Instant::now(), None, BTreeMap::new()),
        };
        match &self.live {
            Some(live) => {
                let spinner = spinner.get_or_insert_with(|| new_spinner(live, line.clone()));
                spinner.set_message(line);
            }
            None if is_news => self.print(&line),
            None => {}
        }
        self.active.insert((stage, subject), Active { since, text, spinner, bars });
    }

    /// A log gets no line for it; its heartbeat has the last one.
    fn progress(&mut self, stage: Stage, subject: String, text: &str, parts: &[Part]) {
        let text = self.mask.line(text);
        let line = self.step(stage, &subject, Progress::Doing, &text);
        let others = |(key, active): (&(Stage, String), &Active)| {
            if key.0 == stage && key.1 == subject { 0 } else { active.bars.len() }
        };
        let room = MOST_BARS.saturating_sub(self.active.iter().map(others).sum());
        let Some(active) = self.active.get_mut(&(stage, subject)) else { return };
        active.text = text;
        if let (Some(live), Some(spinner)) = (&self.live, &active.spinner) {
            spinner.set_message(line);
            show_parts(live, spinner, &mut active.bars, &parts[..parts.len().min(room)]);
        }
    }

    fn end(&mut self, stage: Stage, subject: String, progress: Progress, text: &str) {
        let mut line = self.step(stage, &subject, progress, text);
        if let Some(active) = self.active.remove(&(stage, subject)) {
            line.push_str(&format!(" ({})", seconds(active.since.elapsed())));
            active.bars.into_values().chain(active.spinner).for_each(|bar| bar.finish_and_clear());
        }
        self.print(&line);
    }

    /// On a terminal the last line of a tool stands beside its step; a log gets every line.
    fn output(&mut self, subject: &str, line: &str) {
        let spinner = self
            .active
            .iter()
            .find(|((_, active), _)| active == subject)
            .and_then(|(_, active)| active.spinner.as_ref());
        match spinner {
            Some(spinner) => {
                let message = spinner.message();
                let head = message.split(" │ ").next().unwrap_or_default().to_owned();
                spinner.set_message(format!("{head} │ {line}"));
            }
            None => self.print(&format!("  {subject} │ {line}")),
        }
    }

    fn heartbeat(&mut self) {
        if self.live.is_some() || self.active.is_empty() || self.last_printed.elapsed() < HEARTBEAT {
            return;
        }
        let line = |((stage, subject), active): (&(Stage, String), &Active)| {
            format!(
                "◎ {:<6} {subject}  still: {} ({})",
                stage.as_str(),
                active.text,
                seconds(active.since.elapsed())
            )
        };
        let lines: Vec<String> = self.active.iter().map(line).collect();
        lines.iter().for_each(|line| self.print(line));
    }

    fn step(&self, stage: Stage, subject: &str, progress: Progress, text: &str) -> String {
        let (sign, colour) = match progress {
            Progress::Doing => ("►", AnsiColor::Cyan),
            Progress::Waiting => ("◎", AnsiColor::Cyan),
            Progress::Done => ("✔", AnsiColor::Green),
            Progress::Unchanged => ("=", AnsiColor::Green),
            Progress::Failed => ("✗", AnsiColor::Red),
        };
        format!("{} {:<6} {subject}  {text}", self.paint(colour, sign), stage.as_str())
    }

    fn paint(&self, colour: AnsiColor, text: &str) -> String {
        if !self.style.colour {
            return text.to_owned();
        }
        let paint = Paint::new().fg_color(Some(colour.into())).bold();
        format!("{paint}{text}{paint:#}")
    }

    fn print(&mut self, line: &str) {
        self.last_printed = Instant::now();
        let printed = match &self.live {
            Some(live) => live.println(line),
            None => writeln!(std::io::stderr().lock(), "{line}"),
        };
        // A terminal that went away must not end the run.
        drop(printed);
    }
}

/// A line below `spinner` for each of the parts, and for no other.
fn show_parts(
    live: &MultiProgress,
    spinner: &ProgressBar,
    bars: &mut BTreeMap<String, ProgressBar>,
    parts: &[Part],
) {
    bars.retain(|name, bar| {
        let stays = parts.iter().any(|part| part.name == *name);
        if !stays {
            bar.finish_and_clear();
            live.remove(bar);
        }
        stays
    });
    for Part { name, moved, size } in parts {
        let bar = bars.entry(name.clone()).or_insert_with(|| {
            let style =
                ProgressStyle::with_template("    {msg} {bar:20} {decimal_bytes} of {decimal_total_bytes}");
            let bar = ProgressBar::new(*size).with_message(name.clone());
            live.insert_after(spinner, style.into_iter().fold(bar, ProgressBar::with_style))
        });
        bar.set_position(*moved);
    }
}

/// The message comes first: a spinner that ticks without one leaves an empty line behind.
fn new_spinner(live: &MultiProgress, message: String) -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_msg} {elapsed:.dim}");
    let spinner = ProgressBar::new_spinner().with_message(message);
    let spinner = live.add(style.into_iter().fold(spinner, ProgressBar::with_style));
    spinner.enable_steady_tick(Duration::from_millis(200));
    spinner
}
