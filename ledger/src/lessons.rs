//! Lessons: what runs taught about repairs. They are kept as they came; the rules that follow from them are somebody
//! else's to conclude.

use portwright_core::{Digest, RunId};
use rusqlite::params;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Ledger,
    error::{Result, decode, encode},
};

impl Ledger {
    /// Keeps a lesson of a run. One that is there already, word for word, is kept once.
    pub fn record_lesson<T: Serialize + DeserializeOwned>(
        &self,
        run: &RunId,
        lesson: &T,
    ) -> Result<()> {
        let json = encode("a lesson", lesson)?;
        let key = Digest::of(&json);
        self.write(|transaction| {
            transaction
                .execute(
                    "INSERT OR IGNORE INTO lessons (key, run, json) VALUES (?, ?, ?)",
                    params![key.as_str(), run.as_str(), json],
                )
                .map_err(|source| self.failed(source))?;
            Ok(())
        })
    }

    /// Every lesson, the oldest first.
    pub fn lessons<T: DeserializeOwned>(&self) -> Result<Vec<T>> {
        let rows: Vec<String> = {
            let connection = self.connection();
            let mut statement = connection
                .prepare("SELECT json FROM lessons ORDER BY rowid")
                .map_err(|source| self.failed(source))?;
            statement
                .query_map([], |row| row.get(0))
                .and_then(Iterator::collect)
                .map_err(|source| self.failed(source))?
        };
        rows.iter().map(|json| decode("a lesson", json)).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::{Ledger, LedgerError, testing};

    #[test]
    fn lessons_are_kept_in_order_and_each_once() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path()).unwrap();
        let run = testing::begin(&ledger);
        for number in [2, 1, 2] {
            ledger.record_lesson(&run, &json!({ "n": number })).unwrap();
        }
        drop(ledger);
        let ledger = Ledger::open(folder.path()).unwrap();
        let lessons: Vec<Value> = ledger.lessons().unwrap();
        assert_eq!(lessons, [json!({ "n": 2 }), json!({ "n": 1 })]);
    }

    #[test]
    fn a_lesson_that_cannot_be_read_is_an_error_and_not_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path()).unwrap();
        let run = testing::begin(&ledger);
        ledger.record_lesson(&run, &json!("text")).unwrap();
        let error = ledger.lessons::<u32>().unwrap_err();
        assert!(!matches!(error, LedgerError::Corrupt { .. }), "{error:?}");
        assert!(error.to_string().contains("a lesson"), "{error}");
    }

    #[test]
    fn a_ledger_of_the_format_before_is_taken_along() {
        let folder = tempfile::tempdir().unwrap();
        drop(Ledger::open(folder.path()).unwrap());
        let connection = rusqlite::Connection::open(folder.path().join("ledger.sqlite")).unwrap();
        connection
            .execute_batch("DROP TABLE lessons; PRAGMA user_version = 2;")
            .unwrap();
        drop(connection);
        let ledger = Ledger::open(folder.path()).unwrap();
        assert!(ledger.lessons::<Value>().unwrap().is_empty());
    }
}
