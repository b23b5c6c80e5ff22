//! What can go wrong with a ledger, and what to do about it.

use std::{io, path::Path, path::PathBuf};

use portwright_core::{Digest, RunId};
use rusqlite::ErrorCode;
use serde::{Serialize, de::DeserializeOwned};

/// The result of everything a ledger does.
pub type Result<T, E = LedgerError> = std::result::Result<T, E>;

/// Why the ledger could not do what was asked. [`LedgerError::hint`] names the cure.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error("the ledger `{}` is damaged: {detail}", path.display())]
    Corrupt { path: PathBuf, detail: String },
    #[error("`{}` is a database of another program, not a ledger", path.display())]
    Foreign { path: PathBuf },
    #[error(
        "the ledger `{}` was written by a newer Portwright (format {found}; this one knows up to {known})",
        path.display()
    )]
    Newer {
        path: PathBuf,
        found: i64,
        known: i64,
    },
    #[error("`{}` cannot be written: {detail}", path.display())]
    ReadOnly { path: PathBuf, detail: String },
    #[error("the disk (or the quota or file size limit) under `{}` is full: {detail}", path.display())]
    DiskFull { path: PathBuf, detail: String },
    #[error("the ledger `{}` is kept busy by another process", path.display())]
    Busy { path: PathBuf },
    #[error("another process works on this run{}", holder.map(|pid| format!(" (process {pid})")).unwrap_or_default())]
    Locked { path: PathBuf, holder: Option<u32> },
    #[error("cannot {doing} `{}`: {source}", path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("the ledger `{}` refused: {source}", path.display())]
    Sqlite {
        path: PathBuf,
        source: rusqlite::Error,
    },
    #[error("{what} does not survive being written as JSON: {source}")]
    Unwritable {
        what: &'static str,
        source: serde_json::Error,
    },
    #[error("{what} in the ledger cannot be read back: {source}")]
    Unreadable {
        what: &'static str,
        source: serde_json::Error,
    },
    #[error("the ledger knows no run `{run}`")]
    UnknownRun { run: RunId },
    #[error("the run `{run}` is finished; nothing can be added to it")]
    RunFinished { run: RunId },
    #[error("`{text}` is no digest")]
    NotADigest { text: String },
    #[error("the store has no artefact {digest}")]
    ArtefactMissing { digest: Digest, path: PathBuf },
    #[error("the artefact {digest} is damaged: the file `{}` has other bytes (their digest is {found})", path.display())]
    ArtefactCorrupt {
        digest: Digest,
        path: PathBuf,
        found: Digest,
    },
    #[error("`{}` is no plain file or folder of plain files: {why}", path.display())]
    NotPlain { path: PathBuf, why: &'static str },
    #[error("the artefact is too large: {why}")]
    TooLarge { why: String },
}

impl LedgerError {
    /// What a person can do about it.
    pub fn hint(&self) -> String {
        match self {
            LedgerError::Corrupt { path, .. } => format!(
                "move `{0}` (with `{0}-wal` and `{0}-shm`, where they are) out of the way and run again; a new ledger is begun, and the artefacts in `store/` stay usable",
                path.display()
            ),
            LedgerError::Foreign { path } => format!(
                "name another folder for the ledger, or move `{}` away",
                path.display()
            ),
            LedgerError::Newer { path, .. } => format!(
                "use the newer Portwright, or name another folder for the ledger (this one is `{}`)",
                path.display()
            ),
            LedgerError::ReadOnly { path, .. } => format!(
                "make `{}` writable for you, or name another folder for the ledger",
                path.display()
            ),
            LedgerError::DiskFull { path, .. } => format!(
                "free some space (or raise the quota or limit) under `{}`, then give the same command again: it goes on where it stopped",
                path.display()
            ),
            LedgerError::Busy { .. } => {
                "wait for the other process, or end it, then give the same command again".to_owned()
            }
            LedgerError::Locked { holder, .. } => match holder {
                Some(pid) => format!("wait for process {pid}, or end it: this run then goes on where it stopped"),
                None => "wait for the other process, or end it: this run then goes on where it stopped".to_owned(),
            },
            LedgerError::Io { path, .. } => {
                format!("check that `{}` exists and can be reached", path.display())
            }
            LedgerError::Sqlite { path, .. } => format!(
                "give the same command again; if it persists, move `{}` away and report this message",
                path.display()
            ),
            LedgerError::Unwritable { .. } => {
                "this is a defect of Portwright (most often a number that is not finite): report this message".to_owned()
            }
            LedgerError::Unreadable { .. } => {
                "the record was written by another version of Portwright: use that one, or name another folder for the ledger".to_owned()
            }
            LedgerError::UnknownRun { .. } => {
                "check the run's name and that this is the ledger it was recorded in".to_owned()
            }
            LedgerError::RunFinished { .. } => "begin a new run".to_owned(),
            LedgerError::NotADigest { .. } => {
                "a digest is 64 lower-case hexadecimal digits".to_owned()
            }
            LedgerError::ArtefactMissing { path, .. } => format!(
                "it was removed from `{}`; run the command again and it is built anew",
                path.display()
            ),
            LedgerError::ArtefactCorrupt { path, .. } => format!(
                "delete `{}` and run the command again: it is built anew",
                path.display()
            ),
            LedgerError::NotPlain { .. } => {
                "an artefact is a plain file, or a folder of plain files, with no symbolic link in its path".to_owned()
            }
            LedgerError::TooLarge { .. } => {
                "allow a job more of the disk with `--limit-disk`".to_owned()
            }
        }
    }
}

/// Types an error of the file system.
pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LedgerError {
    let path = path.to_owned();
    move |source| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            LedgerError::DiskFull {
                path,
                detail: source.to_string(),
            }
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            LedgerError::ReadOnly {
                path,
                detail: source.to_string(),
            }
        }
        _ => LedgerError::Io {
            doing,
            path,
            source,
        },
    }
}

/// Types an error of SQLite.
pub(crate) fn sqlite(path: &Path, source: rusqlite::Error) -> LedgerError {
    let path = path.to_owned();
    let detail = source.to_string();
    match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            LedgerError::Corrupt { path, detail }
        }
        Some(ErrorCode::DiskFull) => LedgerError::DiskFull { path, detail },
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            LedgerError::ReadOnly { path, detail }
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => LedgerError::Busy { path },
        _ => LedgerError::Sqlite { path, source },
    }
}

/// Writes a value as JSON, and makes sure that it can be read back: JSON has no infinity and no not-a-number, and such
/// a value must be refused now, not when somebody opens the run next year.
pub(crate) fn encode<T: Serialize + DeserializeOwned>(
    what: &'static str,
    value: &T,
) -> Result<String> {
    let text =
        serde_json::to_string(value).map_err(|source| LedgerError::Unwritable { what, source })?;
    serde_json::from_str::<T>(&text).map_err(|source| LedgerError::Unwritable { what, source })?;
    Ok(text)
}

/// Reads a value back.
pub(crate) fn decode<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|source| LedgerError::Unreadable { what, source })
}

/// A digest that was read from a record may be anything; only a well-formed one may become a path.
pub(crate) fn digest(text: &str) -> Result<Digest> {
    Digest::parse(text).ok_or_else(|| LedgerError::NotADigest {
        text: text.to_owned(),
    })
}
