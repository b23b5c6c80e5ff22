//! Opening the database: its identity, its format, its soundness and how hard it flushes.

use std::{
    fs::{File, OpenOptions},
    path::Path,
    time::Duration,
};

use rusqlite::{Connection, TransactionBehavior};

use crate::error::{self, LedgerError, Result};

/// `PWLD`, written into the file's header, so that a database of another program is never taken for a ledger.
const APPLICATION: i64 = 0x5057_4C44;

/// The steps from each format to the next; the number of steps is the format this version writes.
const FORMATS: [&str; 3] = [
    include_str!("schema.sql"),
    include_str!("sweeps.sql"),
    include_str!("lessons.sql"),
];

/// How long a transaction waits for one of another process. Transactions take milliseconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// Opens the ledger's database, creates or migrates it, and refuses what is damaged, foreign or newer.
pub(crate) fn open(folder: &Path, database: &Path) -> Result<Connection> {
    // Creation and the change to the write-ahead log do not queue up in SQLite as transactions do, hence one at a time.
    let _turn = turn(folder)?;
    let failed = |source| error::sqlite(database, source);

    let mut connection = Connection::open(database).map_err(failed)?;
    connection.busy_timeout(PATIENCE).map_err(failed)?;
    check_identity(&connection, database)?;
    check_soundness(&connection, database)?;
    if connection.is_readonly(rusqlite::MAIN_DB).map_err(failed)? {
        return Err(LedgerError::ReadOnly {
            path: database.to_owned(),
            detail: "it was opened for reading only".to_owned(),
        });
    }
    connection
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0))
        .map_err(failed)?;
    connection
        .pragma_update(None, "synchronous", "FULL")
        .map_err(failed)?;
    connection
        .pragma_update(None, "foreign_keys", true)
        .map_err(failed)?;
    migrate(&mut connection, database)?;
    Ok(connection)
}

fn turn(folder: &Path) -> Result<File> {
    let path = folder.join("open.lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(error::io("open", &path))?;
    file.lock().map_err(error::io("lock", &path))?;
    Ok(file)
}

fn pragma(connection: &Connection, database: &Path, name: &str) -> Result<i64> {
    connection
        .pragma_query_value(None, name, |row| row.get(0))
        .map_err(|source| error::sqlite(database, source))
}

fn check_identity(connection: &Connection, database: &Path) -> Result<()> {
    let application = pragma(connection, database, "application_id")?;
    let version = pragma(connection, database, "user_version")?;
    if application != APPLICATION {
        let tables: i64 = connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .map_err(|source| error::sqlite(database, source))?;
        // An empty database is one whose creation was interrupted.
        if tables > 0 || version != 0 {
            return Err(LedgerError::Foreign {
                path: database.to_owned(),
            });
        }
    }
    let known = FORMATS.len() as i64;
    if version > known {
        return Err(LedgerError::Newer {
            path: database.to_owned(),
            found: version,
            known,
        });
    }
    Ok(())
}

fn check_soundness(connection: &Connection, database: &Path) -> Result<()> {
    let word: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|source| error::sqlite(database, source))?;
    if word == "ok" {
        return Ok(());
    }
    Err(LedgerError::Corrupt {
        path: database.to_owned(),
        detail: word,
    })
}

fn migrate(connection: &mut Connection, database: &Path) -> Result<()> {
    let failed = |source| error::sqlite(database, source);
    let version = pragma(connection, database, "user_version")?;
    let done = usize::try_from(version).unwrap_or(0);
    for (index, step) in FORMATS.iter().enumerate().skip(done) {
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed)?;
        transaction.execute_batch(step).map_err(failed)?;
        transaction
            .pragma_update(None, "application_id", APPLICATION)
            .map_err(failed)?;
        transaction
            .pragma_update(None, "user_version", index as i64 + 1)
            .map_err(failed)?;
        transaction.commit().map_err(failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rusqlite::Connection;

    use crate::{Ledger, LedgerError, testing};

    #[test]
    fn a_ledger_opens_again() {
        let folder = tempfile::tempdir().unwrap();
        drop(Ledger::open(folder.path().join("new/ledger")).unwrap());
        Ledger::open(folder.path().join("new/ledger")).unwrap();
    }

    #[test]
    fn the_log_is_flushed_with_every_transaction() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path()).unwrap();
        let connection = ledger.connection();
        let read = |name| {
            connection
                .pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0))
                .unwrap()
        };
        assert_eq!(read("journal_mode"), "wal".to_owned().into());
        assert_eq!(read("synchronous"), 2.into());
    }

    #[test]
    fn a_file_that_is_no_database_is_named_and_can_be_moved_away() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ledger.sqlite");
        fs::write(&file, "not a database, ".repeat(1000)).unwrap();
        let error = Ledger::open(folder.path()).unwrap_err();
        assert!(matches!(&error, LedgerError::Corrupt { .. }), "{error:?}");
        assert!(error.hint().contains("move"));
        assert!(error.hint().contains("ledger.sqlite"));

        fs::rename(&file, folder.path().join("old.sqlite")).unwrap();
        Ledger::open(folder.path()).unwrap();
    }

    #[test]
    fn a_ledger_with_overwritten_pages_is_refused_as_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path()).unwrap();
        let run = testing::begin(&ledger);
        for _ in 0..200 {
            ledger.append_event(&run, &testing::decided("x")).unwrap();
        }
        drop(ledger);
        let file = folder.path().join("ledger.sqlite");
        let mut bytes = fs::read(&file).unwrap();
        let end = bytes.len();
        assert!(end > 8192);
        bytes[4096..end].fill(0xA5);
        fs::write(&file, bytes).unwrap();
        let error = Ledger::open(folder.path()).unwrap_err();
        assert!(matches!(error, LedgerError::Corrupt { .. }), "{error:?}");
    }

    #[test]
    fn a_ledger_of_a_newer_version_is_refused_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        drop(Ledger::open(folder.path()).unwrap());
        let file = folder.path().join("ledger.sqlite");
        let connection = Connection::open(&file).unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        drop(connection);
        let before = fs::read(&file).unwrap();
        let error = Ledger::open(folder.path()).unwrap_err();
        assert!(
            matches!(error, LedgerError::Newer { found: 99, .. }),
            "{error:?}"
        );
        assert_eq!(fs::read(&file).unwrap(), before);
    }

    #[test]
    fn a_database_of_another_program_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let connection = Connection::open(folder.path().join("ledger.sqlite")).unwrap();
        connection.execute_batch("CREATE TABLE songs (x)").unwrap();
        drop(connection);
        let error = Ledger::open(folder.path()).unwrap_err();
        assert!(matches!(error, LedgerError::Foreign { .. }), "{error:?}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_read_only_folder_is_named_with_the_cure() {
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().join("there");
        drop(Ledger::open(&there).unwrap());
        testing::unwritable(&[folder.path(), &there], || {
            for name in ["there", "absent"] {
                let error = Ledger::open(folder.path().join(name)).unwrap_err();
                assert!(matches!(error, LedgerError::ReadOnly { .. }), "{error:?}");
                assert!(error.hint().contains("writable"));
            }
        });
    }

    #[test]
    fn a_full_disk_is_typed_and_keeps_what_was_acknowledged() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path()).unwrap();
        let run = testing::begin(&ledger);
        ledger
            .connection()
            .pragma_update(None, "max_page_count", 20)
            .unwrap();
        let mut acknowledged = ledger.events(&run).unwrap().len();
        let error = loop {
            match ledger.append_event(&run, &testing::decided(&"x".repeat(1000))) {
                Ok(_) => acknowledged += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, LedgerError::DiskFull { .. }), "{error:?}");
        assert!(error.hint().contains("free some space"));
        drop(ledger);
        let ledger = Ledger::open(folder.path()).unwrap();
        assert_eq!(ledger.events(&run).unwrap().len(), acknowledged);
    }
}
