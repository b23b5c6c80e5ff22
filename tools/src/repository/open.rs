//! Opening the skillset repository, or creating it.

use std::{fs, io, path::Path};

use git2::{ErrorCode, Repository, RepositoryInitOptions, RepositoryOpenFlags};

use super::{RepositoryError, Result, error};

/// Opens the repository at `path` (with a work tree, bare, or a linked work tree), or creates one there if the
/// folder is absent or empty. A repository further up is not meant: skillsets would land among the files of another
/// project.
pub(super) fn open_or_create(path: &Path) -> Result<Repository> {
    if let Some(repository) = open(path)? {
        return Ok(repository);
    }
    match fs::read_dir(path) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                // Another process may have created it since the first look.
                return open(path)?.ok_or_else(|| RepositoryError::NotARepository {
                    path: path.to_owned(),
                });
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(path).map_err(error::io("create", path))?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(RepositoryError::NotARepository {
                path: path.to_owned(),
            });
        }
        Err(error) => return Err(error::io("list", path)(error)),
    }
    create(path)?;
    open(path)?.ok_or_else(|| RepositoryError::NotARepository {
        path: path.to_owned(),
    })
}

/// The repository at `path`, if there is one.
pub(super) fn open(path: &Path) -> Result<Option<Repository>> {
    let no_ceiling: [&str; 0] = [];
    match Repository::open_ext(path, RepositoryOpenFlags::NO_SEARCH, no_ceiling) {
        Ok(repository) => Ok(Some(repository)),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error::typed("open", path, error)),
    }
}

/// Creates a repository in an empty folder, in one step: it is made beside the folder and moved over it, so that a kill
/// leaves no half repository, and of two processes at once one finds that of the other.
fn create(path: &Path) -> Result<()> {
    let path = path.canonicalize().map_err(error::io("resolve", path))?;
    let beside = path.parent().unwrap_or(&path);
    let made = tempfile::Builder::new()
        .prefix(".portwright-init-")
        .permissions(
            fs::metadata(&path)
                .map_err(error::io("look at", &path))?
                .permissions(),
        )
        .tempdir_in(beside)
        .map_err(error::io("create a folder in", beside))?;
    let mut options = RepositoryInitOptions::new();
    // The user's template may hold hooks; this repository is Portwright's.
    options
        .initial_head("main")
        .external_template(false)
        .no_reinit(true);
    Repository::init_opts(made.path(), &options)
        .map_err(|source| error::typed("create", &path, source))?;
    match fs::rename(made.path(), &path) {
        Ok(()) => {
            // What it named is the repository now; there is nothing left to remove.
            let _moved = made.keep();
            Ok(())
        }
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists
            ) =>
        {
            Ok(())
        }
        Err(error) => Err(error::io("move the new repository to", &path)(error)),
    }
}
