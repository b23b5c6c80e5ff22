//! The live view of a run: a spinner with the current step on a terminal, plain lines elsewhere.

use std::{sync::Mutex, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use portwright_agents::driver::Observer;
use portwright_core::event::{Event, Record};

/// Shows events on stderr as they happen.
pub struct Live {
    bar: ProgressBar,
    terminal: bool,
    quiet: bool,
    current: Mutex<String>,
}

impl Live {
    /// `terminal` says whether stderr is one; `quiet` shows nothing at all.
    pub fn new(terminal: bool, quiet: bool) -> Self {
        let bar = if terminal && !quiet {
            ProgressBar::new_spinner()
        } else {
            ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden())
        };
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed:>4}") {
            bar.set_style(style);
        }
        if terminal && !quiet {
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        Self {
            bar,
            terminal,
            quiet,
            current: Mutex::new(String::new()),
        }
    }

    /// One line that stays.
    pub fn line(&self, text: &str) {
        if self.quiet {
            return;
        }
        if self.terminal {
            self.bar.println(text);
        } else {
            eprintln!("{text}");
        }
    }

    /// What is being done now.
    pub fn doing(&self, text: &str) {
        if let Ok(mut current) = self.current.lock() {
            if *current == text {
                return;
            }
            text.clone_into(&mut current);
        }
        self.bar.set_message(text.to_owned());
        if !self.terminal && !self.quiet {
            eprintln!("  {text}");
        }
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Observer for Live {
    fn event(&self, record: &Record) {
        match &record.event {
            Event::RunStarted { target, .. } => {
                self.line(&format!("run {} of {target}", record.run))
            }
            Event::RunResumed => self.line(&format!("run {} goes on where it stopped", record.run)),
            Event::StepStarted { step, .. } => self.doing(step),
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
            Event::Decided { agent, what } => self.line(&format!("  {agent}: {what}")),
            Event::VerdictReached { verdict, fresh } => {
                let how = if *fresh { ", afresh" } else { "" };
                self.line(&format!(
                    "  {}: {}{how}",
                    verdict.backend,
                    verdict.verdict.as_str()
                ));
            }
            Event::Committed { .. } | Event::RunFinished { .. } => {}
        }
    }

    fn waiting(&self, pid: Option<u32>) {
        let who = pid.map_or_else(
            || "another process".to_owned(),
            |pid| format!("process {pid}"),
        );
        self.line(&format!("{who} works on the same run; waiting for it"));
    }
}
