//! One process builds, the others wait: a lock on a file that tells who holds it.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
    process::{self, Stdio},
};

use super::{
    error::{EnvironmentError, io_error},
    progress::Progress,
};

/// A held lock; it is free again when this and every [`BuildLock::as_stdin`] are gone.
///
/// It is never unlocked by hand: a child that outlives its parent must go on holding it.
pub(super) struct BuildLock {
    file: File,
    path: PathBuf,
}

impl BuildLock {
    /// Takes the lock, and tells whom it waits for where another process holds it.
    pub fn take(path: &Path, progress: &mut dyn FnMut(Progress)) -> Result<Self, EnvironmentError> {
        let mut lock = Self::open(path)?;
        match lock.file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                progress(Progress::Waiting { pid: lock.holder() });
                lock.file.lock().map_err(io_error("lock", path))?;
            }
            Err(TryLockError::Error(source)) => return Err(io_error("lock", path)(source)),
        }
        lock.write_holder()?;
        Ok(lock)
    }

    /// Takes the lock if it is free; `None` if another process holds it.
    pub fn try_take(path: &Path) -> Result<Option<Self>, EnvironmentError> {
        let lock = Self::open(path)?;
        match lock.file.try_lock() {
            Ok(()) => Ok(Some(lock)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(io_error("lock", path)(source)),
        }
    }

    /// The lock as the standard input of a child, so that it stays held while the child lives, even if we are killed.
    pub fn as_stdin(&self) -> Result<Stdio, EnvironmentError> {
        let file = self
            .file
            .try_clone()
            .map_err(io_error("share the lock", &self.path))?;
        Ok(Stdio::from(file))
    }

    fn open(path: &Path) -> Result<Self, EnvironmentError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(io_error("open the lock", path))?;
        Ok(Self {
            file,
            path: path.to_owned(),
        })
    }

    /// The process that wrote itself down; `None` in the moment before it has.
    fn holder(&mut self) -> Option<u32> {
        let mut text = String::new();
        self.file.read_to_string(&mut text).ok()?;
        text.trim().parse().ok()
    }

    fn write_holder(&mut self) -> Result<(), EnvironmentError> {
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", process::id())
        };
        write(&mut self.file).map_err(io_error("write the lock", &self.path))
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_held_lock_is_not_given_twice() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.lock");
        let held = BuildLock::take(&path, &mut |_| {}).unwrap();
        assert!(BuildLock::try_take(&path).unwrap().is_none());
        drop(held);
        // A process that another test forks at this moment holds the lock until it executes its program: wait for it.
        BuildLock::take(&path, &mut |_| {}).unwrap();
    }

    #[test]
    fn a_child_goes_on_holding_the_lock_of_a_parent_that_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.lock");
        let held = BuildLock::take(&path, &mut |_| {}).unwrap();
        let mut child = Command::new("sleep")
            .arg("600")
            .stdin(held.as_stdin().unwrap())
            .spawn()
            .unwrap();
        drop(held);
        assert!(BuildLock::try_take(&path).unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(BuildLock::try_take(&path).unwrap().is_some());
    }
}
