//! Finished steps: what is here is never done again.

use portwright_core::{
    Digest, RunId,
    event::{Event, Record},
};
use rusqlite::{OptionalExtension, params};
use serde_json::Value;

use crate::{
    Ledger,
    error::{self, Result, decode, encode},
    runs::now_ms,
};

/// A step that has just been done. Its artefacts are in the store already.
#[derive(Clone, Debug)]
pub struct NewStep<'a> {
    /// The digest of everything that can change the result.
    pub key: &'a Digest,
    pub step: &'a str,
    pub run: &'a RunId,
    pub result: &'a Value,
    pub artefacts: &'a [Digest],
    pub seconds: f64,
}

/// A step as it is recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub step: String,
    /// The run that did it, which need not be the one that asks.
    pub run: RunId,
    pub result: Value,
    pub artefacts: Vec<Digest>,
    /// Milliseconds since 1970-01-01 UTC.
    pub finished_ms: u64,
}

impl Ledger {
    /// The result of the step with this key, if any run has finished it. A step whose artefacts were removed from the
    /// store counts as not done, so that it is done again instead of failing later on.
    pub fn step_result(&self, key: &Digest) -> Result<Option<Step>> {
        let row: Option<(String, String, String, String, u64)> = self
            .connection()
            .query_row(
                "SELECT step, run, result, artefacts, finished_ms FROM steps WHERE key = ?",
                [key.as_str()],
                |row| {
                    Ok((
                        row.get(0)?,
                        row.get(1)?,
                        row.get(2)?,
                        row.get(3)?,
                        row.get(4)?,
                    ))
                },
            )
            .optional()
            .map_err(|source| self.failed(source))?;
        let Some((step, run, result, artefacts, finished_ms)) = row else {
            return Ok(None);
        };
        let artefacts: Vec<Digest> = decode("the artefacts of a step", &artefacts)?;
        for artefact in &artefacts {
            if !self.store.contains(artefact)? {
                return Ok(None);
            }
        }
        Ok(Some(Step {
            step,
            run: RunId::new(run),
            result: decode("the result of a step", &result)?,
            artefacts,
            finished_ms,
        }))
    }

    /// Records a finished step and its [`Event::StepFinished`] together. Of two results with one key the later stays:
    /// it was only computed because the earlier one could no longer be used.
    pub fn record_step(&self, new: &NewStep<'_>) -> Result<Record> {
        for artefact in new.artefacts {
            if !self.store.contains(artefact)? {
                return Err(error::LedgerError::ArtefactMissing {
                    digest: artefact.clone(),
                    path: self.store.folder().to_owned(),
                });
            }
        }
        let result = encode("the result of a step", new.result)?;
        let artefacts = encode("the artefacts of a step", &new.artefacts.to_vec())?;
        let event = Event::StepFinished {
            step: new.step.to_owned(),
            key: new.key.clone(),
            reused: false,
            seconds: new.seconds,
        };
        self.write(|transaction| {
            let record = self.append_in(transaction, new.run, &event)?;
            transaction
                .execute(
                    "INSERT OR REPLACE INTO steps (key, step, run, result, artefacts, finished_ms) VALUES (?, ?, ?, ?, ?, ?)",
                    params![new.key.as_str(), new.step, new.run.as_str(), result, artefacts, now_ms()],
                )
                .map_err(|source| self.failed(source))?;
            Ok(record)
        })
    }
}

#[cfg(test)]
mod tests {
    use portwright_core::{Digest, event::Event};
    use serde_json::json;

    use super::NewStep;
    use crate::{Ledger, LedgerError, testing::begin};

    #[test]
    fn a_finished_step_is_known_to_every_run() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path()).unwrap();
        let (first, _second) = (begin(&ledger), begin(&ledger));
        let key = Digest::of("key");
        assert_eq!(ledger.step_result(&key).unwrap(), None);
        let artefact = ledger.store().put_bytes(b"weights").unwrap();
        let record = ledger
            .record_step(&NewStep {
                key: &key,
                step: "build",
                run: &first,
                result: &json!({"main": "model.onnx"}),
                artefacts: std::slice::from_ref(&artefact),
                seconds: 1.5,
            })
            .unwrap();
        assert!(matches!(record.event, Event::StepFinished { .. }));
        let step = ledger.step_result(&key).unwrap().unwrap();
        assert_eq!(step.result, json!({"main": "model.onnx"}));
        assert_eq!(step.artefacts, [artefact]);
        assert_eq!(step.run, first);
    }

    #[test]
    fn a_step_whose_artefact_was_removed_is_done_again() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path()).unwrap();
        let run = begin(&ledger);
        let artefact = ledger.store().put_bytes(b"weights").unwrap();
        let key = Digest::of("key");
        let step = NewStep {
            key: &key,
            step: "build",
            run: &run,
            result: &json!(1),
            artefacts: std::slice::from_ref(&artefact),
            seconds: 0.0,
        };
        ledger.record_step(&step).unwrap();
        std::fs::remove_file(ledger.store().get(&artefact).unwrap()).unwrap();
        assert_eq!(ledger.step_result(&key).unwrap(), None);
        ledger.store().put_bytes(b"weights").unwrap();
        ledger.record_step(&step).unwrap();
        assert!(ledger.step_result(&key).unwrap().is_some());
    }

    #[test]
    fn a_step_cannot_be_recorded_before_its_artefact_is_stored() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path()).unwrap();
        let run = begin(&ledger);
        let key = Digest::of("key");
        let error = ledger
            .record_step(&NewStep {
                key: &key,
                step: "build",
                run: &run,
                result: &json!(1),
                artefacts: &[Digest::of("absent")],
                seconds: 0.0,
            })
            .unwrap_err();
        assert!(matches!(error, LedgerError::ArtefactMissing { .. }));
        assert_eq!(ledger.step_result(&key).unwrap(), None);
        assert_eq!(ledger.events(&run).unwrap().len(), 1);
    }
}
