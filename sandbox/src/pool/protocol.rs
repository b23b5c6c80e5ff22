//! The lines that travel between the pool and the Python server.

use std::collections::BTreeMap;

use portwright_core::job::{Job, JobError, PROTOCOL};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::WorkerError;

/// A job for the server.
#[derive(Debug, Serialize)]
pub(super) struct Request<'a> {
    protocol: u32,
    pub id: &'a str,
    pub job: &'a Job,
    pub work: &'a str,
    pub policy: &'a str,
    pub cage: Option<&'a str>,
    pub log: &'a str,
    /// The most bytes of an answer that are read.
    most: u64,
    /// The server reaps the job's supervisor when it is released, so that its pid stays its own while it is watched.
    hold: bool,
}

impl<'a> Request<'a> {
    pub fn new(
        id: &'a str,
        job: &'a Job,
        work: &'a str,
        policy: &'a str,
        cage: Option<&'a str>,
        log: &'a str,
        most: u64,
    ) -> Self {
        Self {
            protocol: PROTOCOL,
            id,
            job,
            work,
            policy,
            cage,
            log,
            most,
            hold: true,
        }
    }
}

/// A message as the line that travels.
pub(super) fn to_line(message: &impl Serialize) -> Result<Vec<u8>, WorkerError> {
    let mut line =
        serde_json::to_vec(message).map_err(|error| WorkerError::Refused(error.to_string()))?;
    line.push(b'\n');
    Ok(line)
}

/// The line by which the watchdog lets go of a job.
pub(super) fn release(id: &str) -> Vec<u8> {
    format!("{}\n", json!({ "release": id })).into_bytes()
}

/// What the server says.
#[derive(Debug, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(super) enum Event {
    Ready {
        protocol: u32,
        versions: BTreeMap<String, String>,
    },
    Started {
        id: String,
        pid: i32,
    },
    Exited(Exited),
    /// A request that was none; without an id where it could not be read.
    Refused {
        id: Option<String>,
        error: String,
    },
}

/// The end of a job's process.
#[derive(Debug, Deserialize)]
pub(super) struct Exited {
    pub id: String,
    pub status: Status,
    /// The walls it stood behind; absent where it never entered them.
    pub isolation: Option<String>,
    /// The most that any one of its processes held, as the kernel tells whoever reaps them: the watchdog can come too late
    /// for a short job.
    pub peak_resident_bytes: u64,
    /// What the job wrote, as it is: only who reads it with every bound may look into it.
    pub answer: Option<String>,
    /// Whether it answered with more than it may, and so with nothing.
    #[serde(default)]
    pub too_large: bool,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Status {
    Code(i32),
    Signal(i32),
}

/// What a job answered. It was written by a process that ran code nobody has read.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Answer {
    Ok(Value),
    Error(Value),
}

impl Answer {
    /// Reads what a job wrote. What is no answer is an error of the job's, whatever it is: JSON that is nested too deep, a
    /// number that none can hold, half a character.
    pub fn read(text: &str) -> Self {
        serde_json::from_str(text)
            .unwrap_or_else(|error| Answer::Error(json!(JobError::malformed(&error.to_string()))))
    }

    /// The error that a job told, or one that says that it told nonsense.
    pub fn into_error(told: Value) -> JobError {
        serde_json::from_value(told).unwrap_or_else(|error| {
            JobError::malformed(&format!("its error is described in another form: {error}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_of_the_server_is_read() {
        for line in [
            r#"{"protocol":1,"event":"ready","versions":{"torch":"2"}}"#,
            r#"{"id":"7","event":"started","pid":12}"#,
            r#"{"id":"7","event":"exited","status":{"code":0},"isolation":"none","peak_resident_bytes":1,"answer":"{\"ok\":{}}"}"#,
            r#"{"id":"7","event":"exited","status":{"signal":9},"isolation":null,"peak_resident_bytes":1,"answer":null,"too_large":true}"#,
            r#"{"id":null,"event":"refused","error":"no"}"#,
        ] {
            serde_json::from_str::<Event>(line).unwrap();
        }
    }

    #[test]
    fn an_answer_that_cannot_be_read_is_an_error_of_its_job() {
        let deep = format!("{{\"ok\":{}{}}}", "[".repeat(1_000), "]".repeat(1_000));
        for text in [
            deep.as_str(),
            r#"{"ok": 1e999}"#,
            r#"{"ok": NaN}"#,
            r#"{"ok": "\ud800"}"#,
            r#"{"ok": 1, "error": 2}"#,
            r#"{"pass": 1}"#,
            r#"null{"ok": 1}"#,
            "",
        ] {
            let Answer::Error(told) = Answer::read(text) else {
                panic!("read: {text}");
            };
            assert_eq!(Answer::into_error(told).exception, "MalformedAnswer");
        }
        assert_eq!(Answer::read(r#"{"ok": 5}"#), Answer::Ok(json!(5)));
    }

    #[test]
    fn an_error_in_another_form_is_still_an_error() {
        let error = Answer::into_error(serde_json::json!({"exception": 3}));
        assert_eq!(error.exception, "MalformedAnswer");
    }
}
