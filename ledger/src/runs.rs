//! Runs: one launch for one type.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::{SystemTime, UNIX_EPOCH},
};

use portwright_core::{
    Digest, ModelType, RunId,
    event::{Event, Record},
};
use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde_json::Value;

use crate::{
    Ledger,
    error::{self, Result, decode, encode},
};

/// A launch that is about to begin.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// The digest of everything that makes two launches the same run: target, settings, versions.
    pub key: Digest,
    /// What the user named.
    pub target: String,
    pub model_type: ModelType,
    pub settings: Value,
}

/// A run as it is recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    pub id: RunId,
    pub key: Digest,
    pub target: String,
    pub model_type: ModelType,
    pub settings: Value,
    /// Milliseconds since 1970-01-01 UTC.
    pub started_ms: u64,
    /// `None` while it runs, and for one that was killed.
    pub finished_ms: Option<u64>,
    pub exit_code: Option<u8>,
}

const COLUMNS: &str = "id, key, target, model_type, settings, started_ms, finished_ms, exit_code";

impl Ledger {
    /// Begins a run, gives it its name, and records [`Event::RunStarted`] with it.
    pub fn begin_run(&self, new: &NewRun) -> Result<Run> {
        let settings = encode("the settings of a run", &new.settings)?;
        let event = Event::RunStarted {
            target: new.target.clone(),
            settings: new.settings.clone(),
        };
        self.write(|transaction| {
            let now = now_ms();
            let id = self.unused_id(transaction, &new.model_type, now)?;
            transaction
                .execute(
                    "INSERT INTO runs (id, key, target, model_type, settings, started_ms) VALUES (?, ?, ?, ?, ?, ?)",
                    params![id.as_str(), new.key.as_str(), new.target, new.model_type.as_str(), settings, now],
                )
                .map_err(|source| self.failed(source))?;
            self.append_in(transaction, &id, &event)?;
            Ok(Run {
                id,
                key: new.key.clone(),
                target: new.target.clone(),
                model_type: new.model_type.clone(),
                settings: new.settings.clone(),
                started_ms: now,
                finished_ms: None,
                exit_code: None,
            })
        })
    }

    /// The latest run with this key, finished or not.
    pub fn find_run_by_key(&self, key: &Digest) -> Result<Option<Run>> {
        self.one_run(
            &format!("SELECT {COLUMNS} FROM runs WHERE key = ? ORDER BY rowid DESC LIMIT 1"),
            key.as_str(),
        )
    }

    /// The run with this name.
    pub fn run(&self, id: &RunId) -> Result<Option<Run>> {
        self.one_run(
            &format!("SELECT {COLUMNS} FROM runs WHERE id = ?"),
            id.as_str(),
        )
    }

    /// Every run, the latest first.
    pub fn runs(&self) -> Result<Vec<Run>> {
        let connection = self.connection();
        let mut statement = connection
            .prepare(&format!("SELECT {COLUMNS} FROM runs ORDER BY rowid DESC"))
            .map_err(|source| self.failed(source))?;
        let rows: Vec<RawRun> = statement
            .query_map([], RawRun::read)
            .and_then(Iterator::collect)
            .map_err(|source| self.failed(source))?;
        rows.into_iter().map(RawRun::typed).collect()
    }

    /// Goes on with a run that was killed, recording [`Event::RunResumed`]. Refused for a finished one.
    pub fn resume(&self, id: &RunId) -> Result<Record> {
        self.append_event(id, &Event::RunResumed)
    }

    /// Ends a run, recording [`Event::RunFinished`]; nothing can be added to it afterwards.
    pub fn finish_run(&self, id: &RunId, exit_code: u8) -> Result<Record> {
        self.write(|transaction| {
            let record = self.append_in(transaction, id, &Event::RunFinished { exit_code })?;
            transaction
                .execute(
                    "UPDATE runs SET finished_ms = ?, exit_code = ? WHERE id = ?",
                    params![record.unix_ms, exit_code, id.as_str()],
                )
                .map_err(|source| self.failed(source))?;
            Ok(record)
        })
    }

    fn one_run(&self, query: &str, parameter: &str) -> Result<Option<Run>> {
        self.connection()
            .query_row(query, [parameter], RawRun::read)
            .optional()
            .map_err(|source| self.failed(source))?
            .map(RawRun::typed)
            .transpose()
    }

    fn unused_id(
        &self,
        transaction: &Transaction<'_>,
        model_type: &ModelType,
        now: u64,
    ) -> Result<RunId> {
        loop {
            let id = name(&model_type.slug(), now);
            let taken: bool = transaction
                .query_row("SELECT count(*) > 0 FROM runs WHERE id = ?", [&id], |row| {
                    row.get(0)
                })
                .map_err(|source| self.failed(source))?;
            if !taken {
                return Ok(RunId::new(id));
            }
        }
    }
}

/// A row before its digest and its JSON are read.
struct RawRun {
    run: Run,
    key: String,
    settings: String,
}

impl RawRun {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(RawRun {
            run: Run {
                id: RunId::new(row.get::<_, String>(0)?),
                key: Digest::of(""),
                target: row.get(2)?,
                model_type: ModelType::new(row.get::<_, String>(3)?),
                settings: Value::Null,
                started_ms: row.get(5)?,
                finished_ms: row.get(6)?,
                exit_code: row.get(7)?,
            },
            key: row.get(1)?,
            settings: row.get(4)?,
        })
    }

    fn typed(self) -> Result<Run> {
        Ok(Run {
            key: error::digest(&self.key)?,
            settings: decode("the settings of a run", &self.settings)?,
            ..self.run
        })
    }
}

/// A name that sorts by time and can be read aloud, with a few random digits.
pub(crate) fn name(what: &str, now: u64) -> String {
    // The standard library's hasher keys are random: enough for a name that only has to be unused.
    let digits = RandomState::new().build_hasher().finish() & 0xffff;
    format!("{what}-{}-{digits:04x}", utc(now / 1000))
}

/// Milliseconds since 1970-01-01 UTC; 0 for a clock that stands before it.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_millis() as u64)
}

/// The time as `20261122T033000`, so that names of runs sort by time.
fn utc(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Howard Hinnant's civil calendar: eras of 400 years of which each begins on a first of March.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LedgerError;
    use crate::testing::{begin, decided, new_run};

    fn ledger() -> (tempfile::TempDir, Ledger) {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path()).unwrap();
        (folder, ledger)
    }

    #[test]
    fn the_time_in_a_run_s_name_is_the_calendar_s() {
        assert_eq!(utc(0), "19700101T000000");
        assert_eq!(utc(951_782_400), "20000229T000000");
        assert_eq!(utc(1_795_318_200), "20261122T033000");
        assert_eq!(utc(4_107_542_399), "21000228T235959");
        assert_eq!(utc(4_107_542_400), "21000301T000000");
    }

    #[test]
    fn a_run_is_read_back_as_it_was_begun() {
        let (_folder, ledger) = ledger();
        let run = ledger.begin_run(&new_run("xlm-roberta")).unwrap();
        assert!(run.id.as_str().starts_with("xlm_roberta-2"), "{}", run.id);
        assert_eq!(ledger.run(&run.id).unwrap(), Some(run.clone()));
        assert_eq!(ledger.runs().unwrap(), [run]);
    }

    #[test]
    fn a_killed_run_is_found_by_its_key_and_goes_on() {
        let (_folder, ledger) = ledger();
        let run = ledger.begin_run(&new_run("bert")).unwrap();
        ledger.begin_run(&new_run("vit")).unwrap();
        let found = ledger.find_run_by_key(&run.key).unwrap().unwrap();
        assert_eq!(found, run);
        assert_eq!(found.finished_ms, None);
        assert_eq!(ledger.resume(&found.id).unwrap().sequence, 2);
    }

    #[test]
    fn an_unknown_key_finds_nothing() {
        let (_folder, ledger) = ledger();
        assert_eq!(ledger.find_run_by_key(&Digest::of("x")).unwrap(), None);
    }

    #[test]
    fn the_latest_of_two_runs_with_one_key_is_found() {
        let (_folder, ledger) = ledger();
        let first = ledger.begin_run(&new_run("bert")).unwrap();
        ledger.finish_run(&first.id, 0).unwrap();
        let second = ledger.begin_run(&new_run("bert")).unwrap();
        assert_ne!(first.id, second.id);
        let found = ledger.find_run_by_key(&first.key).unwrap().unwrap();
        assert_eq!(found.id, second.id);
    }

    #[test]
    fn a_finished_run_keeps_its_exit_code_and_takes_nothing_more() {
        let (_folder, ledger) = ledger();
        let run = begin(&ledger);
        ledger.finish_run(&run, 3).unwrap();
        assert_eq!(ledger.run(&run).unwrap().unwrap().exit_code, Some(3));
        for refused in [
            ledger.finish_run(&run, 0),
            ledger.resume(&run),
            ledger.append_event(&run, &decided("late")),
        ] {
            assert!(matches!(refused, Err(LedgerError::RunFinished { .. })));
        }
    }

    #[test]
    fn a_run_that_nobody_began_is_named() {
        let (_folder, ledger) = ledger();
        let error = ledger.resume(&RunId::new("bert-1")).unwrap_err();
        assert!(error.to_string().contains("bert-1"));
    }
}
