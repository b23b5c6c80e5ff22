//! The live view of a run: on a terminal the current step and a table of backends, plain lines elsewhere.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use portwright_agents::{driver::Observer, llm::Coming};
use portwright_core::{
    Backend,
    event::{Event, Record},
    text,
};

use super::table::Style;
use crate::{output, session::Progress};

/// Shows events on stderr as they happen.
pub struct Live {
    screen: MultiProgress,
    /// What is being done now.
    step: ProgressBar,
    /// One line for each backend that was reached.
    backends: Mutex<BTreeMap<Backend, ProgressBar>>,
    terminal: bool,
    quiet: bool,
    style: Style,
}

impl Live {
    /// `terminal` says whether stderr is one; `quiet` shows nothing at all.
    pub fn new(terminal: bool, quiet: bool, style: Style) -> Self {
        let shown = terminal && !quiet;
        let target = if shown {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let screen = MultiProgress::with_draw_target(target);
        let step = screen.add(ProgressBar::new_spinner());
        if let Ok(template) = ProgressStyle::with_template("{spinner} {msg} {elapsed:>4}") {
            step.set_style(template);
        }
        if shown {
            step.enable_steady_tick(Duration::from_millis(100));
        }
        Self {
            screen,
            step,
            backends: Mutex::default(),
            terminal,
            quiet,
            style,
        }
    }

    /// Takes everything off the screen that does not stay.
    pub fn finish(&self) {
        for bar in self.rows().values() {
            bar.finish_and_clear();
        }
        self.step.finish_and_clear();
    }

    fn rows(&self) -> MutexGuard<'_, BTreeMap<Backend, ProgressBar>> {
        // A panic elsewhere leaves whole lines behind.
        self.backends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows where a backend is in its row of the table.
    fn backend(&self, backend: Backend, state: String) {
        let mut rows = self.rows();
        let row = rows.entry(backend).or_insert_with(|| {
            let row = self.screen.add(ProgressBar::new_spinner());
            let template = format!("    {{prefix:<{}}} {{msg}}", Backend::width());
            if let Ok(template) = ProgressStyle::with_template(&template) {
                row.set_style(template);
            }
            row.set_prefix(backend.as_str());
            row
        });
        row.set_message(state);
    }
}

/// The backend that a step such as `run openvino` is for; an artefact, as in `build onnx`, is for every backend that reads it.
fn backend_of(step: &str) -> Option<(&str, Backend)> {
    let (doing, backend) = step.split_once(' ')?;
    Some((doing, backend.parse().ok()?))
}

impl Progress for Live {
    fn line(&self, text: &str) {
        if self.quiet {
            return;
        }
        if self.terminal {
            self.step.suspend(|| output::aside(text));
        } else {
            output::aside(text);
        }
    }

    fn doing(&self, text: &str) {
        if self.step.message() == text {
            return;
        }
        self.step.set_message(text::line(text));
        if !self.terminal && !self.quiet {
            output::aside(&format!("  {text}"));
        }
    }
}

impl Observer for Live {
    fn event(&self, record: &Record) {
        match &record.event {
            Event::RunStarted { target, .. } => {
                self.line(&format!("run {} of {}", record.run, text::line(target)))
            }
            Event::RunResumed => self.line(&format!("run {} goes on where it stopped", record.run)),
            Event::StepStarted { step, .. } => {
                self.doing(step);
                if let Some((doing, backend)) = backend_of(step) {
                    self.backend(backend, format!("{doing} …"));
                }
            }
            Event::StepFinished {
                step,
                seconds,
                reused: false,
                ..
            } => {
                tracing::info!(step, seconds, "step finished");
            }
            Event::StepFinished {
                step, reused: true, ..
            } => tracing::info!(step, "step reused"),
            Event::Decided { .. } | Event::Consulted { .. } => {
                self.line(&format!("  {}", output::describe(&record.event)))
            }
            Event::VerdictReached { verdict, fresh } => {
                let how = if *fresh { ", afresh" } else { "" };
                self.backend(
                    verdict.backend,
                    format!("{}{how}", self.style.verdict(verdict.verdict)),
                );
                if !self.terminal {
                    self.line(&format!(
                        "  {}: {}{how}",
                        verdict.backend,
                        verdict.verdict.as_str()
                    ));
                }
            }
            Event::Committed { .. } | Event::RunFinished { .. } => {}
        }
    }

    fn coming(&self, coming: &Coming<'_>) {
        // A line for every piece is for a screen that replaces it.
        if self.terminal {
            self.doing(&format!(
                "{} answers: {} tokens, {:.0} s ({} of {} tokens spent before)",
                coming.model,
                coming.pieces,
                coming.seconds,
                coming.spent.tokens,
                coming.budget.tokens
            ));
        }
    }

    fn waiting(&self, pid: Option<u32>) {
        let who = pid.map_or_else(
            || "another process".to_owned(),
            |pid| format!("process {pid}"),
        );
        let text = format!("{who} works on the same run; waiting for it");
        // Said even when quiet: who waits without a word seems to hang.
        if self.quiet {
            output::aside(&text)
        } else {
            self.line(&text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_of_a_backend_is_shown_in_its_row() {
        assert_eq!(backend_of("run openvino"), Some(("run", Backend::OPENVINO)));
        assert_eq!(backend_of("build onnx"), None);
        assert_eq!(
            backend_of("run torch-cpu"),
            Some(("run", Backend::TORCH_CPU))
        );
        assert_eq!(backend_of("test the skillset"), None);
        assert_eq!(backend_of("commit"), None);
    }
}
