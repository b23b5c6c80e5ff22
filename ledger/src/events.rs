//! Events: what happened in a run, in its order.

use portwright_core::{
    RunId,
    event::{Event, Record},
};
use rusqlite::{OptionalExtension, Transaction, params};

use crate::{
    Ledger,
    error::{LedgerError, Result, decode, encode},
    runs::now_ms,
};

impl Ledger {
    /// Appends an event. When this returns, the event is on the disk: the next step may begin.
    pub fn append_event(&self, run: &RunId, event: &Event) -> Result<Record> {
        self.write(|transaction| self.append_in(transaction, run, event))
    }

    /// The events of a run, in order.
    pub fn events(&self, run: &RunId) -> Result<Vec<Record>> {
        let rows: Vec<(u64, u64, String)> = {
            let connection = self.connection();
            let mut statement = connection
                .prepare(
                    "SELECT sequence, unix_ms, json FROM events WHERE run = ? ORDER BY sequence",
                )
                .map_err(|source| self.failed(source))?;
            statement
                .query_map([run.as_str()], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                })
                .and_then(Iterator::collect)
                .map_err(|source| self.failed(source))?
        };
        rows.into_iter()
            .map(|(sequence, unix_ms, json)| {
                Ok(Record {
                    run: run.clone(),
                    sequence,
                    unix_ms,
                    event: decode("an event", &json)?,
                })
            })
            .collect()
    }

    /// Appends an event in a transaction that records more than the event.
    pub(crate) fn append_in(
        &self,
        transaction: &Transaction<'_>,
        run: &RunId,
        event: &Event,
    ) -> Result<Record> {
        let finished: Option<bool> = transaction
            .query_row(
                "SELECT finished_ms IS NOT NULL FROM runs WHERE id = ?",
                [run.as_str()],
                |row| row.get(0),
            )
            .optional()
            .map_err(|source| self.failed(source))?;
        match finished {
            None => return Err(LedgerError::UnknownRun { run: run.clone() }),
            Some(true) => return Err(LedgerError::RunFinished { run: run.clone() }),
            Some(false) => {}
        }
        let json = encode("an event", event)?;
        let unix_ms = now_ms();
        let sequence: u64 = transaction
            .query_row(
                "INSERT INTO events (run, sequence, unix_ms, json)
                 SELECT ?1, coalesce(max(sequence), 0) + 1, ?2, ?3 FROM events WHERE run = ?1
                 RETURNING sequence",
                params![run.as_str(), unix_ms, json],
                |row| row.get(0),
            )
            .map_err(|source| self.failed(source))?;
        Ok(Record {
            run: run.clone(),
            sequence,
            unix_ms,
            event: event.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use crate::{
        Ledger,
        testing::{begin, decided},
    };

    #[test]
    fn events_come_back_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path()).unwrap();
        let run = begin(&ledger);
        let mut appended = ledger.events(&run).unwrap();
        for what in ["a", "b", "c"] {
            appended.push(ledger.append_event(&run, &decided(what)).unwrap());
        }
        assert_eq!(ledger.events(&run).unwrap(), appended);
        let sequences: Vec<u64> = appended.iter().map(|record| record.sequence).collect();
        assert_eq!(sequences, [1, 2, 3, 4]);
    }

    #[test]
    fn two_writers_at_once_lose_nothing_and_leave_no_gap() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path()).unwrap();
        let run = begin(&ledger);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    // A connection of its own, as another process has.
                    let ledger = Ledger::open(folder.path()).unwrap();
                    for _ in 0..50 {
                        ledger.append_event(&run, &decided("x")).unwrap();
                    }
                });
            }
        });
        let sequences: Vec<u64> = ledger
            .events(&run)
            .unwrap()
            .iter()
            .map(|record| record.sequence)
            .collect();
        assert_eq!(sequences, (1..=101).collect::<Vec<u64>>());
    }
}
