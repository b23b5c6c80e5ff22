//! What came of a job, out of what the watchdog saw and what the server says.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use portwright_core::job::{Job, JobError, JobOutcome, JobReport, OUT_OF_DISK};

use super::{
    error::WorkerError,
    protocol::{Answer, Exited, Status},
};
use crate::process::{Breach, Overrun, Watched};

/// How much of a log's end is kept with a crash.
const TAIL_BYTES: u64 = 8 << 10;

/// The most values of an answer: that on a whole library, and that on one model type.
const MOST_OF_LIBRARY: usize = 4 << 20;
const MOST_OF_TYPE: usize = 200_000;

/// The report of a job. `exited` is absent where the server died before it could say how the job ended.
pub(super) fn report(
    job: &Job,
    watched: &Watched,
    exited: Option<Exited>,
    log: &Path,
) -> Result<JobReport, WorkerError> {
    let isolation = exited.as_ref().and_then(|exited| exited.isolation.clone());
    let caged = isolation.is_some();
    let largest_process = exited
        .as_ref()
        .map_or(0, |exited| exited.peak_resident_bytes);
    let outcome = match (watched.breach, exited) {
        (Some(breach), _) => breached(breach, log),
        (None, None) => crashed("the server that forked it died".to_owned(), log),
        (None, Some(exited)) if exited.too_large => JobOutcome::Failed {
            error: JobError {
                exception: "AnswerTooLarge".to_owned(),
                message: "the answer is too large".to_owned(),
                ..JobError::default()
            },
        },
        (None, Some(exited)) => match (exited.answer.as_deref().map(Answer::read), exited.status) {
            (Some(Answer::Ok(result)), Status::Code(0)) => JobOutcome::Done { result },
            (Some(Answer::Error(told)), Status::Code(0)) if caged => JobOutcome::Failed {
                error: Answer::into_error(told),
            },
            // Without a mode no job ran: the error is the cage's.
            (Some(Answer::Error(told)), _) if !caged => {
                return Err(WorkerError::NotCaged(Answer::into_error(told).message));
            }
            (_, status) => crashed(name_status(&status), log),
        },
    };
    let most = match job {
        Job::Catalogue => MOST_OF_LIBRARY,
        _ => MOST_OF_TYPE,
    };
    Ok(JobReport {
        outcome: outcome.bounded(most),
        peak_resident_bytes: watched.usage.peak_resident_bytes.max(largest_process),
        wall_seconds: watched.usage.wall.as_secs_f64(),
        cpu_seconds: watched.usage.cpu.as_secs_f64(),
        isolation: isolation.unwrap_or_else(|| "unknown".to_owned()),
    })
}

fn breached(breach: Breach, log: &Path) -> JobOutcome {
    match breach {
        Breach::TimedOut { limit } => JobOutcome::TimedOut {
            seconds: limit.as_secs_f64(),
        },
        Breach::OutOfCpu { limit, .. } => JobOutcome::TimedOut {
            seconds: limit.as_secs_f64(),
        },
        Breach::OutOfMemory { peak, limit } => JobOutcome::OutOfMemory {
            peak_bytes: peak,
            limit_bytes: limit,
        },
        Breach::TooManyProcesses { .. } => crashed(format!("ended because {breach}"), log),
        Breach::Disk(overrun) => out_of_disk(&overrun),
    }
}

/// A job that left more on the disk than it may. What it printed has nothing to do with that.
pub(crate) fn out_of_disk(overrun: &Overrun) -> JobOutcome {
    JobOutcome::Crashed {
        status: OUT_OF_DISK.to_owned(),
        log: overrun.to_string(),
    }
}

fn crashed(status: String, log: &Path) -> JobOutcome {
    let log = tail(log).unwrap_or_else(|error| format!("(its log cannot be read: {error})"));
    JobOutcome::Crashed { status, log }
}

fn name_status(status: &Status) -> String {
    match status {
        Status::Code(code) => format!("exit code {code} without an answer"),
        Status::Signal(signal) => format!("signal {signal}"),
    }
}

/// The end of a log.
pub(super) fn tail(log: &Path) -> io::Result<String> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::process::Usage;

    fn exited(mut line: serde_json::Value) -> Option<Exited> {
        if line["peak_resident_bytes"].is_null() {
            line["peak_resident_bytes"] = json!(1);
        }
        if !line["answer"].is_null() {
            line["answer"] = json!(line["answer"].to_string());
        }
        Some(serde_json::from_value(line).unwrap())
    }

    fn outcome(breach: Option<Breach>, exited: Option<Exited>) -> JobOutcome {
        let watched = Watched {
            breach,
            usage: Usage::default(),
        };
        report(&Job::Catalogue, &watched, exited, Path::new("/no/such/log"))
            .unwrap()
            .outcome
    }

    #[test]
    fn an_answer_is_done_only_with_a_clean_end() {
        let ok =
            json!({"id": "1", "status": {"code": 0}, "isolation": "none", "answer": {"ok": 5}});
        assert_eq!(
            outcome(None, exited(ok)),
            JobOutcome::Done { result: json!(5) }
        );
        let killed =
            json!({"id": "1", "status": {"signal": 11}, "isolation": "none", "answer": {"ok": 5}});
        assert!(
            matches!(outcome(None, exited(killed)), JobOutcome::Crashed { status, .. } if status == "signal 11")
        );
    }

    #[test]
    fn a_job_too_short_for_the_watchdog_has_used_the_memory_of_its_largest_process() {
        let ok = json!({"id": "1", "status": {"code": 0}, "isolation": "none", "peak_resident_bytes": 4096,
            "answer": {"ok": 5}});
        let report = report(
            &Job::Catalogue,
            &Watched::default(),
            exited(ok),
            Path::new("/no"),
        )
        .unwrap();
        assert_eq!(report.peak_resident_bytes, 4096);
    }

    #[test]
    fn a_broken_limit_outranks_an_answer() {
        let ok =
            json!({"id": "1", "status": {"code": 0}, "isolation": "none", "answer": {"ok": 5}});
        let breach = Breach::OutOfMemory { peak: 9, limit: 8 };
        assert_eq!(
            outcome(Some(breach), exited(ok)),
            JobOutcome::OutOfMemory {
                peak_bytes: 9,
                limit_bytes: 8
            }
        );
    }

    #[test]
    fn what_a_job_says_is_bounded() {
        let said = "\u{1b}[2J\r\n  openvino pass\u{202e}";
        let error = json!({"id": "1", "status": {"code": 0}, "isolation": "none", "answer":
            {"error": {"exception": said, "message": said.repeat(10_000)}}});
        let JobOutcome::Failed { error } = outcome(None, exited(error)) else {
            panic!("not a failure");
        };
        assert_eq!(error.exception, "\\u{1b}[2J openvino pass\\u{202e}");
        assert!(error.message.len() < 100_000 && !error.message.contains('\u{1b}'));
        let many = json!({"id": "1", "status": {"code": 0}, "isolation": "none", "answer": {"ok": vec![0; MOST_OF_TYPE]}});
        let job = Job::Pytest {
            skillset: String::new(),
        };
        let report = report(&job, &Watched::default(), exited(many), Path::new("/no")).unwrap();
        assert!(matches!(report.outcome, JobOutcome::Failed { .. }));
    }

    #[test]
    fn an_end_without_an_answer_is_a_crash() {
        let silent = json!({"id": "1", "status": {"code": 0}, "isolation": "none", "answer": null});
        assert!(matches!(
            outcome(None, exited(silent)),
            JobOutcome::Crashed { .. }
        ));
        assert!(matches!(outcome(None, None), JobOutcome::Crashed { .. }));
    }

    #[test]
    fn a_job_that_was_never_caged_is_an_error_with_its_hint() {
        let refused = json!({"id": "1", "status": {"code": 1}, "isolation": null,
            "answer": {"error": {"exception": "CageError", "message": "no walls\nhint: update"}}});
        let error = report(
            &Job::Catalogue,
            &Watched::default(),
            exited(refused),
            Path::new("/no"),
        )
        .unwrap_err();
        assert_eq!(error.hint(), "update");
    }

    #[test]
    fn an_answer_that_is_too_large_is_a_failure_with_that_name() {
        let long = json!({"id": "1", "status": {"signal": 13}, "isolation": "none", "answer": null, "too_large": true});
        let JobOutcome::Failed { error } = outcome(None, exited(long)) else {
            panic!("not a failure");
        };
        assert_eq!(error.message, "the answer is too large");
    }

    #[test]
    fn a_job_that_left_too_much_says_what() {
        let breach = Breach::Disk(Overrun::Files { count: 3, limit: 2 });
        let JobOutcome::Crashed { status, log } = outcome(Some(breach), None) else {
            panic!("not a crash");
        };
        assert_eq!(status, OUT_OF_DISK);
        assert!(log.contains("3 files and folders"), "{log}");
    }

    #[test]
    fn only_the_end_of_a_long_log_is_kept() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "x".repeat(100_000) + "end").unwrap();
        let tail = tail(file.path()).unwrap();
        assert!(tail.len() as u64 <= TAIL_BYTES && tail.ends_with("end"));
    }
}
