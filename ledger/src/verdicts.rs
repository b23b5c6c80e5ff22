//! Verdicts, and the judge's secrets.

use portwright_core::{
    RunId,
    event::{Event, Record},
    verdict::BackendVerdict,
};
use rusqlite::{OptionalExtension, params};
use serde_json::Value;

use crate::{
    Ledger,
    error::{Result, decode, encode},
};

/// A verdict as it is recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedVerdict {
    pub verdict: BackendVerdict,
    /// Whether it is the word of the fresh verification.
    pub fresh: bool,
}

impl Ledger {
    /// Records the judge's word on a backend and its [`Event::VerdictReached`] together. A later word replaces an
    /// earlier one here; the events keep both.
    pub fn record_verdict(
        &self,
        run: &RunId,
        verdict: &BackendVerdict,
        fresh: bool,
    ) -> Result<Record> {
        let json = encode("a verdict", verdict)?;
        let event = Event::VerdictReached {
            verdict: Box::new(verdict.clone()),
            fresh,
        };
        self.write(|transaction| {
            let record = self.append_in(transaction, run, &event)?;
            transaction
                .execute(
                    "INSERT OR REPLACE INTO verdicts (run, backend, fresh, json) VALUES (?, ?, ?, ?)",
                    params![run.as_str(), verdict.backend.as_str(), fresh, json],
                )
                .map_err(|source| self.failed(source))?;
            Ok(record)
        })
    }

    /// The last word on each backend, in the order in which backends are shown, that of the fresh verification second.
    pub fn verdicts(&self, run: &RunId) -> Result<Vec<RecordedVerdict>> {
        let rows: Vec<(bool, String)> = {
            let connection = self.connection();
            let mut statement = connection
                .prepare("SELECT fresh, json FROM verdicts WHERE run = ?")
                .map_err(|source| self.failed(source))?;
            statement
                .query_map([run.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
                .and_then(Iterator::collect)
                .map_err(|source| self.failed(source))?
        };
        let mut verdicts = rows
            .into_iter()
            .map(|(fresh, json)| {
                Ok(RecordedVerdict {
                    verdict: decode("a verdict", &json)?,
                    fresh,
                })
            })
            .collect::<Result<Vec<_>>>()?;
        verdicts.sort_by_key(|recorded| (recorded.verdict.backend, recorded.fresh));
        Ok(verdicts)
    }

    /// The judge's seeds for a run: those kept when it began, else `draw`n now and kept, so that a resumed run is
    /// judged on the same inputs. **For the judge only**: an agent that knew them could fit an answer to them, so
    /// nothing else may call this and no event, step key or result may hold what it returns before the verdict is
    /// reached.
    pub fn seeds_for_judge(&self, run: &RunId, draw: impl FnOnce() -> Value) -> Result<Value> {
        self.write(|transaction| {
            let kept: Option<String> = transaction
                .query_row(
                    "SELECT json FROM seeds WHERE run = ?",
                    [run.as_str()],
                    |row| row.get(0),
                )
                .optional()
                .map_err(|source| self.failed(source))?;
            if let Some(json) = kept {
                return decode("the seeds of the judge", &json);
            }
            let seeds = draw();
            transaction
                .execute(
                    "INSERT INTO seeds (run, json) VALUES (?, ?)",
                    params![run.as_str(), encode("the seeds of the judge", &seeds)?],
                )
                .map_err(|source| self.failed(source))?;
            Ok(seeds)
        })
    }
}

#[cfg(test)]
mod tests {
    use portwright_core::{
        Backend, Finding, Signature, Stage, Verdict, event::Event, verdict::BackendVerdict,
    };
    use serde_json::json;

    use crate::{Ledger, testing::begin};

    fn failed(backend: Backend, message: &str) -> BackendVerdict {
        BackendVerdict {
            backend,
            verdict: Verdict::Fail,
            evidence: None,
            finding: Some(Finding {
                stage: Stage::Compare,
                backend: Some(backend),
                signature: Signature::phrase("differs"),
                message: message.to_owned(),
                error: None,
                hint: None,
            }),
        }
    }

    #[test]
    fn the_last_word_on_each_backend_stays_and_every_word_is_an_event() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path()).unwrap();
        let run = begin(&ledger);
        let words = [
            (Backend::OPENVINO, "a", false),
            (Backend::TORCH_CPU, "b", true),
            (Backend::TORCH_CPU, "c", false),
            (Backend::OPENVINO, "d", false),
        ];
        for (backend, message, fresh) in words {
            ledger
                .record_verdict(&run, &failed(backend, message), fresh)
                .unwrap();
        }
        let kept: Vec<_> = ledger
            .verdicts(&run)
            .unwrap()
            .into_iter()
            .map(|recorded| recorded.verdict.finding.unwrap().message)
            .collect();
        assert_eq!(kept, ["c", "b", "d"]);
        let events = ledger.events(&run).unwrap();
        let reached = events
            .iter()
            .filter(|record| matches!(record.event, Event::VerdictReached { .. }));
        assert_eq!(reached.count(), 4);
    }

    #[test]
    fn a_resumed_run_is_judged_with_the_seeds_it_began_with() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path()).unwrap();
        let run = begin(&ledger);
        let draw = || json!([1, 2, 3]);
        assert_eq!(ledger.seeds_for_judge(&run, draw).unwrap(), draw());
        drop(ledger);
        let ledger = Ledger::open(folder.path()).unwrap();
        let again = ledger.seeds_for_judge(&run, || json!("other")).unwrap();
        assert_eq!(again, draw());
    }
}
