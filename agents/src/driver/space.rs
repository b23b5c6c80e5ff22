//! Whether a job failed because there is no space left, found out by the main process itself.
//!
//! A full disk says nothing of a model type: it ends the launch, and the step stays to be done. But a job can say anything,
//! and can fill a disk on purpose. So its words only raise the question. The answer is how much the file systems have, how
//! much they have once the failed job's own files are gone, and whether a file can be written.

use std::{
    io::{self, Write as _},
    path::Path,
};

use portwright_core::job::{JobOutcome, JobReport};
use portwright_sandbox::{environment::free_bytes, folder};

use super::DriverError;

/// Below so much space the next steps of a launch would not get far.
const ENOUGH: u64 = 256 << 20;

/// What is written to see whether a quota is used up, of which the free space says nothing.
const TRIED: usize = 16 << 20;

/// What libraries say of a disk or a quota that is used up, in C's words or in Rust's.
const FULL: [&str; 3] = [
    "No space left on device",
    "(os error 28)",
    "Disk quota exceeded",
];

/// Ends the launch where a job failed for want of space that it has not taken itself. `store` is the ledger's folder.
pub fn had_space(report: &JobReport, work: &Path, store: &Path) -> Result<(), DriverError> {
    answered(report, work, store, &room)
}

/// The same, with `room` for how much a folder's file system still has.
fn answered(
    report: &JobReport,
    work: &Path,
    store: &Path,
    room: &dyn Fn(&Path) -> Result<u64, DriverError>,
) -> Result<(), DriverError> {
    let failed = match &report.outcome {
        // The answer of a test run: the tests may have met it.
        JobOutcome::Done { result } => result["failed"].as_u64().is_some_and(|failed| failed > 0),
        _ => true,
    };
    if !failed {
        return Ok(());
    }
    let text = serde_json::to_string(&report.outcome)?;
    let says_so = FULL.iter().any(|words| text.contains(words));
    let has_enough = || -> Result<bool, DriverError> {
        Ok(room(work)? >= ENOUGH && room(store)? >= ENOUGH && (!says_so || can_write(work)))
    };
    if has_enough()? {
        // Whatever it says is a finding like any other.
        return Ok(());
    }
    // Nothing of a failed job is needed again, and what filled the disk may be its own.
    empty(work)?;
    if says_so && !has_enough()? {
        return Err(DriverError::folder(work, io::ErrorKind::StorageFull.into()));
    }
    Ok(())
}

fn room(folder: &Path) -> Result<u64, DriverError> {
    free_bytes(folder).map_err(|error| DriverError::folder(folder, io::Error::other(error)))
}

/// Whether a file of some size can be written; the file is gone afterwards.
fn can_write(folder: &Path) -> bool {
    let tried = || -> io::Result<()> {
        let mut file = tempfile::tempfile_in(folder)?;
        file.write_all(&vec![0; TRIED])?;
        file.sync_data()
    };
    !matches!(
        tried().map_err(|error| error.kind()),
        Err(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    )
}

/// Removes what lies in a folder.
fn empty(work: &Path) -> Result<(), DriverError> {
    folder::empty(work).map_err(|source| DriverError::folder(work, source))
}

/// Removes a folder, where there is one, whatever a job has left in it.
pub fn remove_folder(work: &Path) -> Result<(), DriverError> {
    folder::remove(work).map_err(|source| DriverError::folder(work, source))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use portwright_core::job::JobError;
    use serde_json::json;

    use super::*;

    const WORDS: &str = "I/O error: No space left on device (os error 28)";

    fn report(outcome: JobOutcome) -> JobReport {
        JobReport {
            outcome,
            peak_resident_bytes: 0,
            wall_seconds: 0.0,
            cpu_seconds: 0.0,
            isolation: "none".into(),
        }
    }

    fn failed(message: &str) -> JobReport {
        report(JobOutcome::Failed {
            error: JobError {
                message: message.into(),
                ..JobError::default()
            },
        })
    }

    fn tests(failed: u32) -> JobReport {
        report(JobOutcome::Done {
            result: json!({"passed": 1, "failed": failed, "messages": [WORDS]}),
        })
    }

    /// Room for a folder whose disk has `free` bytes beside what its files take.
    fn disk(folder: &Path, free: u64) -> impl Fn(&Path) -> Result<u64, DriverError> {
        let folder = folder.to_owned();
        move |_| {
            let used = fs::read_dir(&folder).unwrap();
            let used: u64 = used.map(|it| it.unwrap().metadata().unwrap().len()).sum();
            Ok(free.saturating_sub(used))
        }
    }

    #[test]
    fn the_words_of_a_job_are_no_full_disk() {
        let work = tempfile::tempdir().unwrap();
        for report in [failed(WORDS), failed("Disk quota exceeded"), tests(1)] {
            had_space(&report, work.path(), work.path()).unwrap();
        }
    }

    #[test]
    fn a_full_disk_ends_the_launch_and_is_no_finding() {
        let work = tempfile::tempdir().unwrap();
        let met = |report| answered(&report, work.path(), work.path(), &disk(work.path(), 1000));
        for report in [failed(WORDS), tests(1)] {
            let ended = met(report).unwrap_err();
            assert_eq!(ended.blame(), crate::driver::Blame::Storage);
            assert!(ended.hint().unwrap().contains("free some space"));
        }
        // Neither an answer nor a failure of another kind is about the disk.
        met(tests(0)).unwrap();
        met(failed("shapes differ")).unwrap();
    }

    #[test]
    fn a_disk_that_the_job_itself_has_filled_is_the_jobs_failure() {
        let work = tempfile::tempdir().unwrap();
        let file = fs::File::create(work.path().join("filler")).unwrap();
        file.set_len(ENOUGH).unwrap();
        let room = disk(work.path(), ENOUGH + 1000);
        answered(&failed(WORDS), work.path(), work.path(), &room).unwrap();
        assert_eq!(fs::read_dir(work.path()).unwrap().count(), 0);
    }
}
