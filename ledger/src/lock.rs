//! One process works on a run at a time.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::Write,
    path::{Path, PathBuf},
};

use portwright_core::Digest;

use crate::error::{self, LedgerError, Result};

/// The process that works on a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// `None` in the instant between taking the lock and writing the number down.
    pub pid: Option<u32>,
}

/// The right to work on the run with some key. The operating system takes it back when the process ends, however it
/// ends, so a killed run never blocks the next. The lock file itself stays: removing it would let two processes hold
/// locks on two files of one name.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
    /// Held by every run together, and by nobody else while one is worked on.
    _together: File,
}

/// The right to remove what no record names yet: no run of the ledger is being worked on while this is held, and none
/// begins.
#[derive(Debug)]
pub struct Alone {
    _file: File,
}

impl Alone {
    /// Takes the right, or answers with nothing at once where a run is being worked on.
    pub fn try_acquire(folder: &Path) -> Result<Option<Self>> {
        let (path, file) = open_named(folder, TOGETHER)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(error::io("lock", &path)(source)),
        }
    }
}

/// The lock that all runs hold together.
const TOGETHER: &str = "any";

fn together(folder: &Path) -> Result<File> {
    let (path, file) = open_named(folder, TOGETHER)?;
    // Who is alone takes seconds: files are removed, and nothing is computed.
    file.lock_shared().map_err(error::io("lock", &path))?;
    Ok(file)
}

impl RunLock {
    /// Takes the lock in the ledger's `folder`, or says at once that another process has it.
    pub fn try_acquire(folder: &Path, key: &Digest) -> Result<Self> {
        let together = together(folder)?;
        let (path, file) = open(folder, key)?;
        match file.try_lock() {
            Ok(()) => Self::held(&path, file, together),
            Err(TryLockError::WouldBlock) => Err(LedgerError::Locked {
                holder: holder(&path)?.pid,
                path,
            }),
            Err(TryLockError::Error(source)) => Err(error::io("lock", &path)(source)),
        }
    }

    /// Takes the lock, waiting for it where another process has it; `waiting` is told once who that is. It blocks the
    /// thread.
    pub fn acquire(folder: &Path, key: &Digest, waiting: impl FnOnce(Holder)) -> Result<Self> {
        let (path, file) = open(folder, key)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                waiting(holder(&path)?);
                file.lock().map_err(error::io("lock", &path))?;
            }
            Err(TryLockError::Error(source)) => return Err(error::io("lock", &path)(source)),
        }
        Self::held(&path, file, together(folder)?)
    }

    fn held(path: &Path, mut file: File, together: File) -> Result<Self> {
        file.set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(error::io("write", path))?;
        Ok(Self {
            _file: file,
            _together: together,
        })
    }
}

fn open(folder: &Path, key: &Digest) -> Result<(PathBuf, File)> {
    open_named(folder, error::digest(key.as_str())?.as_str())
}

fn open_named(folder: &Path, name: &str) -> Result<(PathBuf, File)> {
    let locks = folder.join("locks");
    fs::create_dir_all(&locks).map_err(error::io("create", &locks))?;
    let path = locks.join(format!("{name}.lock"));
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(error::io("open", &path))?;
    Ok((path, file))
}

fn holder(path: &Path) -> Result<Holder> {
    let text = fs::read_to_string(path).map_err(error::io("read", path))?;
    Ok(Holder {
        pid: text.trim().parse().ok(),
    })
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread};

    use super::*;

    #[test]
    fn a_second_process_is_told_who_holds_the_run() {
        let folder = tempfile::tempdir().unwrap();
        let key = Digest::of("run");
        let held = RunLock::try_acquire(folder.path(), &key).unwrap();
        let error = RunLock::try_acquire(folder.path(), &key).unwrap_err();
        let pid = std::process::id();
        assert!(matches!(error, LedgerError::Locked { holder: Some(p), .. } if p == pid));
        assert!(error.hint().contains(&pid.to_string()));
        drop(held);
        RunLock::try_acquire(folder.path(), &key).unwrap();
    }

    #[test]
    fn nobody_is_alone_while_a_run_is_being_worked_on() {
        let folder = tempfile::tempdir().unwrap();
        let one = RunLock::try_acquire(folder.path(), &Digest::of("one")).unwrap();
        let two = RunLock::try_acquire(folder.path(), &Digest::of("two")).unwrap();
        drop(one);
        assert!(Alone::try_acquire(folder.path()).unwrap().is_none());
        drop(two);
        assert!(Alone::try_acquire(folder.path()).unwrap().is_some());
    }

    #[test]
    fn another_run_is_not_in_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let _one = RunLock::try_acquire(folder.path(), &Digest::of("one")).unwrap();
        RunLock::try_acquire(folder.path(), &Digest::of("two")).unwrap();
    }

    #[test]
    fn one_who_waits_is_told_for_whom_and_gets_the_run_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let key = Digest::of("run");
        let held = RunLock::try_acquire(folder.path(), &key).unwrap();
        let (told, hears) = mpsc::channel();
        thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                RunLock::acquire(folder.path(), &key, |holder| told.send(holder).unwrap())
            });
            let holder = hears.recv().unwrap();
            assert_eq!(holder.pid, Some(std::process::id()));
            drop(held);
            waiter.join().unwrap().unwrap();
        });
    }
}
