//! A finding: a typed diagnosis of a failed attempt, with a signature that is the same for the same cause in other
//! types.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    backend::Backend,
    job::{JobError, JobOutcome, OUT_OF_DISK},
};

/// Where an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    Analyse,
    Instantiate,
    Forward,
    /// The eager reference is not finite, hollow, or does not depend on an input.
    Reference,
    Generate,
    Export,
    Load,
    Execute,
    Compare,
    Test,
}

impl Stage {
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Analyse => "analyse",
            Stage::Instantiate => "instantiate",
            Stage::Forward => "forward",
            Stage::Reference => "reference",
            Stage::Generate => "generate",
            Stage::Export => "export",
            Stage::Load => "load",
            Stage::Execute => "execute",
            Stage::Compare => "compare",
            Stage::Test => "test",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The normalised form of an error: class, message without numbers, paths and quoted names, and the innermost
/// library function.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Signature(pub String);

impl Signature {
    /// Normalises an exception.
    pub fn of_error(error: &JobError) -> Self {
        let place = error
            .frames
            .last()
            .map(|frame| format!(" @ {}", frame.function))
            .unwrap_or_default();
        Signature(format!(
            "{}: {}{place}",
            error.exception,
            normalise(&error.message)
        ))
    }

    /// A signature that is already a fixed phrase.
    pub fn phrase(text: impl Into<String>) -> Self {
        Signature(text.into())
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How many lines of a detail that an error announces a message has.
const DETAIL: usize = 2;

/// How the signature of a job begins that was not done within its limit of time.
const TIMED_OUT: &str = "timed out";

/// A typed diagnosis of a failed attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    pub stage: Stage,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<Backend>,
    pub signature: Signature,
    /// One sentence for people.
    pub message: String,
    /// The error as met, where there was one; where an artefact's values differ, where they first do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<JobError>,
    /// What a person can do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Finding {
    /// Whether `other` is the same failure: it was met at the same stage and has the same signature.
    pub fn is_same(&self, other: &Finding) -> bool {
        self.stage == other.stage && self.signature == other.signature
    }

    /// Whether a job was not done within its limit of time.
    pub fn timed_out(&self) -> bool {
        self.signature.0.starts_with(TIMED_OUT)
    }

    /// The finding of a job that did not answer; `None` for one that did.
    pub fn of_outcome(
        stage: Stage,
        backend: Option<Backend>,
        outcome: &JobOutcome,
    ) -> Option<Self> {
        let (signature, message, error, hint) = match outcome {
            JobOutcome::Done { .. } => return None,
            JobOutcome::Failed { error } => (
                Signature::of_error(error),
                first_line(&format!(
                    "{}: {}",
                    error.exception,
                    error.message.trim_start()
                )),
                Some(error.clone()),
                None,
            ),
            JobOutcome::TimedOut { seconds } => (
                Signature::phrase(format!("{TIMED_OUT} @ {stage}")),
                format!("no answer within {seconds:.0} s"),
                None,
                Some("allow a job more time with `--limit-seconds`".to_owned()),
            ),
            JobOutcome::OutOfMemory {
                peak_bytes,
                limit_bytes,
            } => (
                Signature::phrase(format!("out of memory @ {stage}")),
                format!(
                    "the process tree reached {} MiB of resident memory; the limit is {} MiB",
                    peak_bytes >> 20,
                    limit_bytes >> 20
                ),
                None,
                Some("allow a job more memory with `--limit-memory`".to_owned()),
            ),
            JobOutcome::Crashed { status, log } => (
                Signature::phrase(format!("crashed ({status}) @ {stage}")),
                format!("the worker died ({status}){}", last_line(log)),
                None,
                (status == OUT_OF_DISK).then(|| {
                    "allow a job more of the disk with `--limit-disk`; `portwright clean` makes room".to_owned()
                }),
            ),
        };
        Some(Finding {
            stage,
            backend,
            signature,
            message,
            error,
            hint,
        })
    }
}

/// The text with everything removed that differs between two occurrences of one cause.
fn normalise(message: &str) -> String {
    let line = telling(message);
    let mut out = String::with_capacity(line.len());
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\'' | '"' | '`' => {
                // A quoted name; an apostrophe inside a word is no quote.
                let inside_word =
                    c == '\'' && out.chars().last().is_some_and(char::is_alphanumeric);
                let tail: String = rest.clone().collect();
                match tail.find(c) {
                    Some(end) if !inside_word => {
                        out.push('_');
                        let count = tail[..end].chars().count() + 1;
                        for _ in 0..count {
                            rest.next();
                        }
                    }
                    _ => out.push(c),
                }
            }
            '0'..='9' => {
                while rest.peek().is_some_and(|c| c.is_ascii_digit() || *c == '.') {
                    rest.next();
                }
                if !out.ends_with('#') {
                    out.push('#');
                }
            }
            '/' if rest.peek().is_some_and(|c| c.is_ascii_alphanumeric()) => {
                while rest.peek().is_some_and(|c| !c.is_whitespace()) {
                    rest.next();
                }
                out.push_str("PATH");
            }
            _ => out.push(c),
        }
        if out.len() > 160 {
            break;
        }
    }
    out.trim().to_owned()
}

/// The first line that says what happened, with those that it announces by a colon, cut to a sentence's length.
fn first_line(text: &str) -> String {
    let cause = telling(text);
    let mut line = cause.clone();
    if cause.ends_with(':') {
        let after = text
            .lines()
            .map(str::trim)
            .skip_while(|it| !cause.ends_with(it) || it.is_empty());
        let detail = after
            .skip(1)
            .filter(|it| !it.is_empty() && !it.starts_with("Model wasn't"));
        for said in detail.take(DETAIL) {
            line.push(' ');
            line.push_str(said.trim_start_matches("-- "));
        }
    }
    match line.char_indices().nth(300) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// The first line that says what happened. OpenVINO first says where in its own source, on lines of their own.
fn telling(text: &str) -> String {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or("");
    let place = |line: &str| line.starts_with("Check '") && line.contains("' failed at ");
    match first
        .find("Exception from ")
        .filter(|_| first.ends_with(':'))
    {
        Some(at) => {
            let cause = lines.find(|line| !place(line)).unwrap_or("");
            format!("{}{cause}", &first[..at])
        }
        None => first.to_owned(),
    }
}

fn last_line(log: &str) -> String {
    match log.lines().rev().find(|line| !line.trim().is_empty()) {
        Some(line) => format!("; it last said: {}", first_line(line)),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(message: &str) -> JobError {
        JobError {
            exception: "ValueError".into(),
            message: message.into(),
            ..JobError::default()
        }
    }

    #[test]
    fn two_occurrences_of_one_cause_have_one_signature() {
        let a = Signature::of_error(&error(
            "hidden size 64 is not a multiple of 'heads' 12 in /a/b.py",
        ));
        let b = Signature::of_error(&error(
            "hidden size 33 is not a multiple of 'num' 5 in /c/d.py",
        ));
        assert_eq!(a, b);
        assert_eq!(
            a.0,
            "ValueError: hidden size # is not a multiple of _ # in PATH"
        );
    }

    #[test]
    fn an_apostrophe_is_no_quote() {
        assert_eq!(normalise("it doesn't fit 'x'"), "it doesn't fit _");
    }

    #[test]
    fn the_cause_is_told_and_not_the_place_in_the_runtimes_source() {
        let text = "RuntimeError: Exception from src/infer_request.cpp:224:\nCheck 'a == b' failed at src/x.cpp:6:\nThe input tensor size is wrong\n";
        assert_eq!(
            first_line(text),
            "RuntimeError: The input tensor size is wrong"
        );
        assert_eq!(first_line("plain\nmore"), "plain");
    }

    #[test]
    fn what_an_error_announces_is_told_too() {
        let text = "RuntimeError: Exception from src/core.cpp:84:\nCheck 'false' failed at src/x.cpp:151:\nConversion failed:\nModel wasn't fully converted. Log:\n-- Scatter-20 with a message:\nthe rank is 0\n\nSummary:\n";
        assert_eq!(
            first_line(text),
            "RuntimeError: Conversion failed: Scatter-20 with a message: the rank is 0"
        );
        assert_eq!(
            normalise("Conversion failed:\nthe rank is 0"),
            "Conversion failed:"
        );
    }

    #[test]
    fn an_answer_is_no_finding() {
        let done = JobOutcome::Done {
            result: serde_json::Value::Null,
        };
        assert!(Finding::of_outcome(Stage::Forward, None, &done).is_none());
    }

    #[test]
    fn a_failure_is_the_same_at_its_stage_and_with_its_signature_only() {
        let of = |stage, outcome| Finding::of_outcome(stage, None, &outcome).unwrap();
        let slow = |seconds| of(Stage::Export, JobOutcome::TimedOut { seconds });
        assert!(slow(10.0).is_same(&slow(20.0)) && slow(10.0).timed_out());
        let failed = |text| of(Stage::Export, JobOutcome::Failed { error: error(text) });
        assert!(!failed("a").is_same(&failed("b")) && !failed("a").timed_out());
        let earlier = JobOutcome::TimedOut { seconds: 10.0 };
        assert!(!slow(10.0).is_same(&of(Stage::Forward, earlier)));
    }

    #[test]
    fn a_crash_says_what_the_worker_last_said() {
        let crash = JobOutcome::Crashed {
            status: "signal 11".into(),
            log: "a\nboom\n".into(),
        };
        let finding = Finding::of_outcome(Stage::Execute, None, &crash).unwrap();
        assert!(finding.message.contains("boom"));
    }
}
