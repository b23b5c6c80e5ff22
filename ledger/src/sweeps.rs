//! Sweeps: which names were asked for, and the row of each that has ended.

use portwright_core::{Digest, SweepId, sweep::Row};
use rusqlite::{OptionalExtension, params};
use serde_json::Value;

use crate::{
    Ledger,
    error::{self, Result, decode, encode},
    runs::{name, now_ms},
};

/// A sweep that is about to begin.
#[derive(Clone, Debug)]
pub struct NewSweep {
    /// The digest of everything that makes two launches the same sweep.
    pub key: Digest,
    pub library_version: String,
    pub settings: Value,
    /// What is to be swept, in order.
    pub names: Vec<String>,
}

/// A sweep as it is recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Sweep {
    pub id: SweepId,
    pub key: Digest,
    pub library_version: String,
    pub settings: Value,
    pub names: Vec<String>,
    /// Milliseconds since 1970-01-01 UTC.
    pub started_ms: u64,
    /// `None` while it runs, and for one that was killed.
    pub finished_ms: Option<u64>,
}

const COLUMNS: &str = "id, key, library_version, settings, names, started_ms, finished_ms";

impl Ledger {
    /// Begins a sweep and gives it its name.
    pub fn begin_sweep(&self, new: &NewSweep) -> Result<Sweep> {
        let settings = encode("the settings of a sweep", &new.settings)?;
        let names = encode("the names of a sweep", &new.names)?;
        self.write(|transaction| {
            let now = now_ms();
            loop {
                let id = name("sweep", now);
                let added = transaction
                    .execute(
                        "INSERT OR IGNORE INTO sweeps (id, key, library_version, settings, names, started_ms) VALUES (?, ?, ?, ?, ?, ?)",
                        params![id, new.key.as_str(), new.library_version, settings, names, now],
                    )
                    .map_err(|source| self.failed(source))?;
                if added == 1 {
                    return Ok(Sweep {
                        id: SweepId::new(id),
                        key: new.key.clone(),
                        library_version: new.library_version.clone(),
                        settings: new.settings.clone(),
                        names: new.names.clone(),
                        started_ms: now,
                        finished_ms: None,
                    });
                }
            }
        })
    }

    /// The latest sweep with this key that has not ended.
    pub fn unfinished_sweep(&self, key: &Digest) -> Result<Option<Sweep>> {
        Ok(self
            .sweeps()?
            .into_iter()
            .find(|sweep| sweep.key == *key && sweep.finished_ms.is_none()))
    }

    /// Every sweep, the latest first.
    pub fn sweeps(&self) -> Result<Vec<Sweep>> {
        type Raw = (String, String, String, String, String, u64, Option<u64>);
        let rows: Vec<Raw> = {
            let connection = self.connection();
            let mut statement = connection
                .prepare(&format!("SELECT {COLUMNS} FROM sweeps ORDER BY rowid DESC"))
                .map_err(|source| self.failed(source))?;
            statement
                .query_map([], |row| {
                    Ok((
                        row.get(0)?,
                        row.get(1)?,
                        row.get(2)?,
                        row.get(3)?,
                        row.get(4)?,
                        row.get(5)?,
                        row.get(6)?,
                    ))
                })
                .and_then(Iterator::collect)
                .map_err(|source| self.failed(source))?
        };
        rows.into_iter()
            .map(
                |(id, key, library_version, settings, names, started_ms, finished_ms)| {
                    Ok(Sweep {
                        id: SweepId::new(id),
                        key: error::digest(&key)?,
                        library_version,
                        settings: decode("the settings of a sweep", &settings)?,
                        names: decode("the names of a sweep", &names)?,
                        started_ms,
                        finished_ms,
                    })
                },
            )
            .collect()
    }

    /// Keeps the rows of names that have ended, all of them or none; a later row of a name replaces an earlier one.
    pub fn record_rows(&self, sweep: &SweepId, rows: &[Row]) -> Result<()> {
        let written = rows
            .iter()
            .map(|row| Ok((&row.name, encode("a row of a sweep", row)?)))
            .collect::<Result<Vec<_>>>()?;
        self.write(|transaction| {
            let mut statement = transaction
                .prepare("INSERT OR REPLACE INTO sweep_rows (sweep, name, json) VALUES (?, ?, ?)")
                .map_err(|source| self.failed(source))?;
            for (name, json) in &written {
                statement
                    .execute(params![sweep.as_str(), name, json])
                    .map_err(|source| self.failed(source))?;
            }
            Ok(())
        })
    }

    /// The row of one name.
    pub fn row(&self, sweep: &SweepId, name: &str) -> Result<Option<Row>> {
        let json: Option<String> = self
            .connection()
            .query_row(
                "SELECT json FROM sweep_rows WHERE sweep = ? AND name = ?",
                params![sweep.as_str(), name],
                |row| row.get(0),
            )
            .optional()
            .map_err(|source| self.failed(source))?;
        json.map(|json| decode("a row of a sweep", &json))
            .transpose()
    }

    /// The rows of a sweep, in the order of their names.
    pub fn rows(&self, sweep: &SweepId) -> Result<Vec<Row>> {
        let rows: Vec<String> = {
            let connection = self.connection();
            let mut statement = connection
                .prepare("SELECT json FROM sweep_rows WHERE sweep = ? ORDER BY name")
                .map_err(|source| self.failed(source))?;
            statement
                .query_map([sweep.as_str()], |row| row.get(0))
                .and_then(Iterator::collect)
                .map_err(|source| self.failed(source))?
        };
        rows.iter()
            .map(|json| decode("a row of a sweep", json))
            .collect()
    }

    /// Ends a sweep.
    pub fn finish_sweep(&self, sweep: &SweepId) -> Result<()> {
        self.write(|transaction| {
            transaction
                .execute(
                    "UPDATE sweeps SET finished_ms = ? WHERE id = ?",
                    params![now_ms(), sweep.as_str()],
                )
                .map_err(|source| self.failed(source))?;
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use portwright_core::{Family, Kind, ModelType, RunId, sweep};
    use serde_json::json;

    use super::*;

    fn ledger() -> (tempfile::TempDir, Ledger) {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path()).unwrap();
        (folder, ledger)
    }

    fn new_sweep() -> NewSweep {
        NewSweep {
            key: Digest::of("sweep"),
            library_version: "5.20.2".into(),
            settings: json!({"jobs": 2}),
            names: vec!["bert".into(), "vit".into()],
        }
    }

    fn row(name: &str, seconds: f64) -> Row {
        Row {
            schema: sweep::SCHEMA,
            name: name.into(),
            model_type: ModelType::new(name),
            kind: Kind::Base,
            family: Family::EncoderOnly,
            through: None,
            run: RunId::new("run"),
            class: None,
            verdicts: Vec::new(),
            generation: Vec::new(),
            reused: false,
            seconds,
            cpu_seconds: BTreeMap::new(),
            peak_resident_bytes: 0,
            exercised: Vec::new(),
        }
    }

    #[test]
    fn a_killed_sweep_is_found_by_its_key_with_the_rows_that_ended() {
        let (_folder, ledger) = ledger();
        let sweep = ledger.begin_sweep(&new_sweep()).unwrap();
        let both = [row("vit", 1.0), row("bert", 1.0)];
        ledger.record_rows(&sweep.id, &both).unwrap();
        ledger.record_rows(&sweep.id, &[row("bert", 2.0)]).unwrap();
        let found = ledger.unfinished_sweep(&sweep.key).unwrap().unwrap();
        assert_eq!(found, sweep);
        let rows = ledger.rows(&found.id).unwrap();
        assert_eq!(rows, [row("bert", 2.0), row("vit", 1.0)]);
        assert_eq!(ledger.row(&found.id, "gpt2").unwrap(), None);
    }

    #[test]
    fn a_sweep_that_ended_is_not_gone_on_with() {
        let (_folder, ledger) = ledger();
        let first = ledger.begin_sweep(&new_sweep()).unwrap();
        ledger.finish_sweep(&first.id).unwrap();
        assert_eq!(ledger.unfinished_sweep(&first.key).unwrap(), None);
        let second = ledger.begin_sweep(&new_sweep()).unwrap();
        let ids: Vec<SweepId> = ledger.sweeps().unwrap().into_iter().map(|s| s.id).collect();
        assert_eq!(ids, [second.id, first.id]);
        assert!(ledger.sweeps().unwrap()[1].finished_ms.is_some());
    }
}
