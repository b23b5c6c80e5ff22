//! The progress of a sweep: one line on a terminal, a line now and then elsewhere.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use portwright_agents::{driver::Observer, sweep::SweepObserver};
use portwright_core::{SweepId, Verdict, event::Record, sweep::Row, text};

use crate::{output, session::Progress};

/// Between two lines where there is no terminal.
const PAUSE: Duration = Duration::from_secs(30);

/// Shows how far a sweep is on stderr.
pub struct Gauge {
    bar: ProgressBar,
    terminal: bool,
    quiet: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    all: usize,
    done: usize,
    passed: usize,
    /// What jobs were really run for in this process, and so tells how long the rest takes.
    worked: usize,
    began: Option<Instant>,
    said: Option<Instant>,
    running: BTreeSet<String>,
}

impl Gauge {
    /// `terminal` says whether stderr is one; `quiet` shows nothing at all.
    pub fn new(terminal: bool, quiet: bool) -> Self {
        let target = if terminal && !quiet {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            bar.set_style(style);
        }
        if terminal && !quiet {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Self {
            bar,
            terminal,
            quiet,
            state: Mutex::default(),
        }
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves whole numbers behind.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self, state: &mut State) {
        let elapsed = state.began.map_or(Duration::ZERO, |began| began.elapsed());
        let text = progress(state, elapsed);
        self.bar.set_message(text::line(&text));
        let due = state.said.is_none_or(|said| said.elapsed() >= PAUSE) || state.done == state.all;
        if !self.terminal && !self.quiet && due {
            state.said = Some(Instant::now());
            output::aside(&text);
        }
    }
}

/// `123/768 · 101 pass · 0:21:40 left · bert, vit`. The time left is that of the types worked on so far, each as long as
/// the average, which is fair because their order mixes families; it is not told before there is something to go by.
fn progress(state: &State, elapsed: Duration) -> String {
    let mut text = format!("{}/{} · {} pass", state.done, state.all, state.passed);
    if state.worked >= 5 && state.done < state.all {
        let each = elapsed.as_secs_f64() / state.worked as f64;
        let left = (each * (state.all - state.done) as f64).round() as u64;
        text.push_str(&format!(
            " · about {}:{:02}:{:02} left",
            left / 3600,
            left / 60 % 60,
            left % 60
        ));
    }
    let running: Vec<&str> = state.running.iter().map(String::as_str).collect();
    if !running.is_empty() {
        text.push_str(" · ");
        text.push_str(&running.join(", "));
    }
    text
}

/// Whether a name passes on every backend that it was taken to.
fn passed(row: &Row) -> bool {
    !row.verdicts.is_empty() && row.verdicts.iter().all(|v| v.verdict == Verdict::Pass)
}

impl SweepObserver for Gauge {
    fn began(&self, sweep: &SweepId, ended: &[Row], all: usize) {
        let done = ended.len();
        let mut state = self.state();
        state.all = all;
        state.done = done;
        state.passed = ended.iter().filter(|row| passed(row)).count();
        state.began = Some(Instant::now());
        let again = if done > 0 {
            format!(" goes on where it stopped, {done} of {all} done")
        } else {
            format!(" of {all} types")
        };
        self.line(&format!("{sweep}{again}"));
    }

    fn started(&self, name: &str) {
        let mut state = self.state();
        state.running.insert(name.to_owned());
        self.show(&mut state);
    }

    fn set_aside(&self, name: &str) {
        let mut state = self.state();
        state.running.remove(name);
        self.show(&mut state);
    }

    fn ended(&self, row: &Row) {
        let mut state = self.state();
        state.running.remove(&row.name);
        state.done += 1;
        // What was remembered, in whole or in part, tells nothing of how long the rest takes.
        state.worked += usize::from(!row.cpu_seconds.is_empty());
        state.passed += usize::from(passed(row));
        self.show(&mut state);
    }
}

impl Observer for Gauge {
    fn event(&self, record: &Record) {
        tracing::debug!(run = %record.run, event = ?record.event, "event");
    }

    fn waiting(&self, pid: Option<u32>) {
        let who = pid.map_or_else(
            || "another process".to_owned(),
            |pid| format!("process {pid}"),
        );
        self.line(&format!("{who} works on one of the types; waiting for it"));
    }
}

impl Progress for Gauge {
    fn line(&self, text: &str) {
        if self.quiet {
            return;
        }
        if self.terminal {
            self.bar.suspend(|| output::aside(text));
        } else {
            output::aside(text);
        }
    }

    fn doing(&self, text: &str) {
        self.bar.set_message(text::line(text));
        if !self.terminal && !self.quiet {
            output::aside(&format!("  {text}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use portwright_core::Backend;

    use super::*;
    use crate::report::matrix::samples;

    fn state(done: usize, worked: usize) -> State {
        State {
            all: 100,
            done,
            passed: 7,
            worked,
            running: BTreeSet::from(["vit".to_owned(), "bert".to_owned()]),
            ..State::default()
        }
    }

    #[test]
    fn the_time_left_is_that_of_what_was_worked_on() {
        // Fifty were found in the ledger: they cost nothing and tell nothing.
        let text = progress(&state(60, 10), Duration::from_secs(100));
        assert_eq!(text, "60/100 · 7 pass · about 0:06:40 left · bert, vit");
    }

    #[test]
    fn what_passed_before_a_sweep_goes_on_is_counted() {
        let gauge = Gauge::new(false, true);
        let mut passes = samples::row("bert");
        passes.verdicts = vec![samples::pass(Backend::TORCH_CPU)];
        let mut fails = samples::row("vit");
        fails.verdicts = vec![samples::failed(Backend::TORCH_CPU, "x", None)];
        gauge.began(&SweepId::new("sweep"), &[passes, fails], 5);
        assert_eq!(gauge.state().passed, 1);
    }

    #[test]
    fn no_time_is_told_before_there_is_something_to_go_by() {
        let text = progress(&state(2, 2), Duration::from_secs(100));
        assert_eq!(text, "2/100 · 7 pass · bert, vit");
    }
}
