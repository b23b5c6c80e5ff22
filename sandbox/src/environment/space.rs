//! How much space a file system still has for this user.

use std::{
    ffi::CString,
    io, mem,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
};

use super::error::{EnvironmentError, io_error};

/// The bytes that this user may still write below `folder`, which need not exist yet.
pub fn free_bytes(folder: &Path) -> Result<u64, EnvironmentError> {
    let existing = existing_ancestor(folder);
    statvfs(&existing).map_err(io_error("ask for the free space of", existing))
}

/// Refuses to start what would fill the disk.
pub(super) fn require(folder: &Path, needed: u64) -> Result<(), EnvironmentError> {
    let free = free_bytes(folder)?;
    if free < needed {
        return Err(EnvironmentError::NoSpace {
            folder: folder.to_owned(),
            needed,
            free,
        });
    }
    Ok(())
}

/// Whether two folders, which need not exist yet, would share one file system.
pub(super) fn same_device(one: &Path, other: &Path) -> bool {
    let device = |path: &Path| {
        existing_ancestor(path)
            .metadata()
            .map(|data| data.dev())
            .ok()
    };
    device(one) == device(other)
}

fn existing_ancestor(folder: &Path) -> PathBuf {
    folder
        .ancestors()
        .find(|path| path.exists())
        .unwrap_or(Path::new("."))
        .to_owned()
}

fn statvfs(path: &Path) -> io::Result<u64> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: all-zero bytes are a valid `statvfs`, which holds only integers.
    let mut answer: libc::statvfs = unsafe { mem::zeroed() };
    // SAFETY: `path` is a terminated string and `answer` a writable `statvfs`; both outlive the call.
    if unsafe { libc::statvfs(path.as_ptr(), &mut answer) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // The widths of these fields differ between platforms.
    #[allow(clippy::unnecessary_cast)]
    Ok((answer.f_bavail as u64).saturating_mul(answer.f_frsize as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_does_not_exist_yet_is_measured_at_its_parent() {
        let here = tempfile::tempdir().unwrap();
        assert!(free_bytes(&here.path().join("a/b/c")).unwrap() > 0);
        assert!(same_device(here.path(), &here.path().join("a/b")));
    }

    #[test]
    fn asking_for_more_than_there_is_names_both_amounts() {
        let here = tempfile::tempdir().unwrap();
        let error = require(here.path(), u64::MAX).unwrap_err();
        assert!(matches!(
            error,
            EnvironmentError::NoSpace {
                needed: u64::MAX,
                ..
            }
        ));
        assert!(error.hint().contains("PORTWRIGHT_CACHE_DIR"));
    }
}
