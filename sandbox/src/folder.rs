//! Removing what jobs leave: folders that code nobody has read has filled, after it has ended.
//!
//! Such folders may lie in each other by the thousand, where a walk that goes down runs out of stack or of descriptors,
//! and may forbid their owner to look into them. So what lies deep is moved up before it is removed, and folders are
//! opened to their owner first. No link is followed.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Removes a folder with all that is in it; what is not there is removed already.
pub fn remove(folder: &Path) -> io::Result<()> {
    match fs::symlink_metadata(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(there) if there.is_dir() => {
            empty(folder)?;
            fs::remove_dir(folder)
        }
        Ok(_) => fs::remove_file(folder),
    }
}

/// Removes all that is in a folder, and leaves the folder.
pub fn empty(folder: &Path) -> io::Result<()> {
    let mut waiting = Vec::new();
    let mut number = 0_u64;
    clear(folder, &mut |child| {
        waiting.push(child);
        Ok(())
    })?;
    while let Some(child) = waiting.pop() {
        clear(&child, &mut |grandchild| {
            let place = unused(folder, &mut number)?;
            fs::rename(&grandchild, &place)?;
            waiting.push(place);
            Ok(())
        })?;
        fs::remove_dir(&child)?;
    }
    Ok(())
}

/// Removes the files of a folder, and hands its folders on, opened to their owner.
fn clear(folder: &Path, handed: &mut dyn FnMut(PathBuf) -> io::Result<()>) -> io::Result<()> {
    fs::set_permissions(folder, Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            // A folder is moved only by who may write to it.
            fs::set_permissions(entry.path(), Permissions::from_mode(0o700))?;
            handed(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// A name that is not taken.
fn unused(folder: &Path, number: &mut u64) -> io::Result<PathBuf> {
    loop {
        *number += 1;
        let place = folder.join(format!("removed-{number}"));
        match fs::symlink_metadata(&place) {
            Ok(_) => continue,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(place),
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_is_not_there_is_removed_already() {
        let folder = tempfile::tempdir().unwrap();
        remove(&folder.path().join("absent")).unwrap();
    }

    #[test]
    fn links_are_removed_and_what_they_lead_to_stays() {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("kept");
        fs::create_dir(&kept).unwrap();
        fs::write(kept.join("file"), "kept").unwrap();
        let work = folder.path().join("work");
        fs::create_dir_all(work.join("a/b")).unwrap();
        symlink(&kept, work.join("a/link")).unwrap();
        symlink(&kept, work.join("removed-1")).unwrap();
        remove(&work).unwrap();
        assert!(!work.exists());
        assert_eq!(fs::read_to_string(kept.join("file")).unwrap(), "kept");
        symlink(&kept, &work).unwrap();
        remove(&work).unwrap();
        assert!(kept.join("file").exists());
    }

    #[test]
    fn folders_deeper_than_any_path_and_closed_ones_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let work = folder.path().join("work");
        let closed = work.join("closed");
        fs::create_dir_all(closed.join("below")).unwrap();
        fs::set_permissions(&closed, Permissions::from_mode(0o000)).unwrap();
        // Built from its deepest folder up, since no path would reach it.
        let (mut deep, mut other) = (folder.path().join("1"), folder.path().join("2"));
        fs::create_dir(&deep).unwrap();
        for _ in 0..3000 {
            fs::create_dir(&other).unwrap();
            fs::rename(&deep, other.join("d")).unwrap();
            std::mem::swap(&mut deep, &mut other);
        }
        fs::rename(&deep, work.join("deep")).unwrap();
        remove(&work).unwrap();
        assert!(!work.exists());
    }
}
