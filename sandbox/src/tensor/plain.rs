//! Opens files that hostile code may have left.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Component, Path, PathBuf},
};

use super::TensorError;

/// Opens a plain file below `root` without following any link on the way; answers with its length.
///
/// The job that could swap a folder for a link has ended, so looking at each part first is no race.
pub fn open_plain(
    root: &Path,
    relative: &Path,
    largest: u64,
) -> Result<(File, PathBuf, u64), TensorError> {
    let mut path = root.to_owned();
    for part in relative.components() {
        let Component::Normal(part) = part else {
            return Err(TensorError::Outside {
                path: relative.to_owned(),
            });
        };
        path.push(part);
        let kind = fs::symlink_metadata(&path)
            .map_err(|source| missing(&path, source))?
            .file_type();
        if kind.is_symlink() {
            return Err(TensorError::NotPlain {
                path,
                what: "a symbolic link",
            });
        }
    }
    let file = OpenOptions::new()
        .read(true)
        // A pipe in the file's place must not make the judge wait.
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open(&path)
        .map_err(|source| missing(&path, source))?;
    let meta = file.metadata().map_err(|source| TensorError::Io {
        path: path.clone(),
        source,
    })?;
    if !meta.is_file() {
        return Err(TensorError::NotPlain {
            path,
            what: "a folder, a pipe or a device",
        });
    }
    if meta.nlink() > 1 {
        return Err(TensorError::NotPlain {
            path,
            what: "a second name of another file",
        });
    }
    if meta.len() > largest {
        return Err(TensorError::TooLarge {
            path,
            bytes: meta.len(),
        });
    }
    Ok((file, path, meta.len()))
}

fn missing(path: &Path, source: std::io::Error) -> TensorError {
    let path = path.to_owned();
    match source.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => {
            TensorError::Missing { path }
        }
        _ => TensorError::Io { path, source },
    }
}
