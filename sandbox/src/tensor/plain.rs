//! Opens files that hostile code may have left.

use std::{
    fs::File,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use super::TensorError;
use crate::plain::{self, PlainError};

/// Opens a plain file of a job's own below `root` without following any link on the way; answers with its length.
pub fn open_plain(
    root: &Path,
    relative: &Path,
    largest: u64,
) -> Result<(File, PathBuf, u64), TensorError> {
    let (file, path, length) = plain::open(root, relative, largest).map_err(typed)?;
    let meta = file.metadata().map_err(|source| TensorError::Io {
        path: path.clone(),
        source,
    })?;
    if meta.nlink() > 1 {
        return Err(TensorError::NotPlain {
            path,
            what: "a second name of another file",
        });
    }
    Ok((file, path, length))
}

fn typed(error: PlainError) -> TensorError {
    match error {
        PlainError::Missing { path } => TensorError::Missing { path },
        PlainError::NotPlain { path, what } => TensorError::NotPlain { path, what },
        PlainError::Outside { path } => TensorError::Outside { path },
        PlainError::TooLarge { path, bytes, .. } => TensorError::TooLarge { path, bytes },
        PlainError::NotText { path } => TensorError::Malformed {
            path,
            why: "it is not UTF-8 text".to_owned(),
        },
        PlainError::Io { path, source } => TensorError::Io { path, source },
    }
}
