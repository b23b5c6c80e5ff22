//! Committing a skillset, without touching anything of the user's.
//!
//! Blobs, trees and the commit are built in the object database, and one new branch is pointed at the commit. The
//! index, the work tree and the current branch are never read for their content and never written, so it does not
//! matter whether they are dirty, or whether there is a work tree at all.
//!
//! The branch is created last and in one step. A kill before that leaves objects that nothing refers to, which
//! `git gc` removes one day; a kill after it leaves a finished commit, which the resumed run recognises as its own.
//! (Git, by default, does not flush objects to the disk: after a power loss a commit may have to be made again.)

mod error;
mod message;
mod open;
mod tree;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use git2::{Commit, ErrorCode, Oid, Repository, Signature};

pub use error::RepositoryError;
pub use message::{Summary, message};

/// The result of everything done to a repository.
pub type Result<T, E = RepositoryError> = std::result::Result<T, E>;

/// Who a commit is by, where it is not whom the user's Git settings name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    pub name: String,
    pub email: String,
}

/// A commit that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    pub commit: String,
    pub branch: String,
    pub tree: String,
    /// Whether the branch was there already, with this very content: the run had got this far before.
    pub existed: bool,
}

/// Commits `files` as the folder `folder` on a new `branch` whose parent is the current commit, if there is one. Other
/// files of that commit are kept; the folder is replaced as a whole. The repository is created where there is none.
///
/// A branch of that name that holds the same content is the answer; one that holds other content is an error.
pub fn commit(
    repository: &Path,
    branch: &str,
    folder: &str,
    files: &BTreeMap<String, Vec<u8>>,
    message: &str,
    author: Option<&Author>,
) -> Result<Committed> {
    if files.is_empty() {
        return Err(RepositoryError::NothingToCommit {
            branch: branch.to_owned(),
        });
    }
    let reference = reference_name(branch)?;
    let root = tree::Folder::holding(folder, files)?;
    let path = repository;
    let repository = open::open_or_create(path)?;

    if let Some(existing) = existing(&repository, path, branch, &reference, &root)? {
        return Ok(existing);
    }
    let parent = current_commit(&repository, path)?;
    let tree = root.replace_in(&repository, path, parent.as_ref())?;
    let signature = signature(&repository, path, author)?;
    let parents: Vec<&Commit<'_>> = parent.iter().collect();
    let commit = repository
        .find_tree(tree)
        .and_then(|tree| repository.commit(None, &signature, &signature, message, &tree, &parents))
        .map_err(|source| error::typed("write the commit to", path, source))?;
    match create_branch(&repository, &reference, commit) {
        Ok(()) => Ok(committed(branch, commit, tree, false)),
        // Another process was faster with the same run.
        Err(error) if error.code() == ErrorCode::Exists => {
            match existing(&repository, path, branch, &reference, &root)? {
                Some(existing) => Ok(existing),
                None => Err(error::typed("create the branch in", path, error)),
            }
        }
        Err(error) if error.code() == ErrorCode::Locked => Err(RepositoryError::Locked {
            branch: branch.to_owned(),
            lock: repository.commondir().join(format!("{reference}.lock")),
        }),
        Err(error) => Err(error::typed("create the branch in", path, error)),
    }
}

/// Whether the repository at `path` holds this commit. A repository that is absent holds none.
pub fn contains(path: &Path, commit: &str) -> Result<bool> {
    let Some(repository) = open::open(path)? else {
        return Ok(false);
    };
    let Ok(id) = Oid::from_str(commit) else {
        return Ok(false);
    };
    match repository.find_commit(id) {
        Ok(_) => Ok(true),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(false),
        Err(error) => Err(error::typed("read", path, error)),
    }
}

/// How long a lock of another Git process is waited for. Git's own program waits in the same way; the lock of a
/// process that died stays for ever.
const PATIENCE: Duration = Duration::from_secs(1);

/// Points a new branch at the commit, in one step.
fn create_branch(
    repository: &Repository,
    reference: &str,
    commit: Oid,
) -> std::result::Result<(), git2::Error> {
    let began = Instant::now();
    loop {
        match repository.reference(reference, commit, false, "portwright: commit") {
            Err(error) if error.code() == ErrorCode::Locked && began.elapsed() < PATIENCE => {
                thread::sleep(Duration::from_millis(20));
            }
            outcome => return outcome.map(drop),
        }
    }
}

fn reference_name(branch: &str) -> Result<String> {
    let reference = format!("refs/heads/{branch}");
    if git2::Reference::is_valid_name(&reference) {
        return Ok(reference);
    }
    Err(RepositoryError::BadName {
        what: "a branch",
        name: branch.to_owned(),
    })
}

/// The commit that the branch holds, if it is what would be committed now; an error if it holds anything else.
fn existing(
    repository: &Repository,
    path: &Path,
    branch: &str,
    reference: &str,
    root: &tree::Folder<'_>,
) -> Result<Option<Committed>> {
    let failed = |source| error::typed("read the branch of", path, source);
    let commit = match repository.find_reference(reference) {
        Ok(found) => found.peel_to_commit().map_err(failed)?,
        Err(error) if error.code() == ErrorCode::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    // Compared on the parent that it has: the user may have moved on since.
    let parent = match commit.parent_count() {
        0 => None,
        _ => Some(commit.parent(0).map_err(failed)?),
    };
    let wanted = root.replace_in(repository, path, parent.as_ref())?;
    if wanted == commit.tree_id() {
        return Ok(Some(committed(branch, commit.id(), wanted, true)));
    }
    Err(RepositoryError::BranchTaken {
        branch: branch.to_owned(),
        commit: commit.id().to_string(),
    })
}

fn committed(branch: &str, commit: Oid, tree: Oid, existed: bool) -> Committed {
    Committed {
        commit: commit.to_string(),
        branch: branch.to_owned(),
        tree: tree.to_string(),
        existed,
    }
}

fn current_commit<'r>(repository: &'r Repository, path: &Path) -> Result<Option<Commit<'r>>> {
    let failed = |source| error::typed("read the current commit of", path, source);
    match repository.head() {
        Ok(head) => head.peel_to_commit().map(Some).map_err(failed),
        Err(error) if error.code() == ErrorCode::UnbornBranch => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

fn signature(
    repository: &Repository,
    path: &Path,
    author: Option<&Author>,
) -> Result<Signature<'static>> {
    let failed = |source| error::typed("sign a commit in", path, source);
    if let Some(author) = author {
        return Signature::now(&author.name, &author.email).map_err(failed);
    }
    match repository.signature() {
        Ok(signature) => Ok(signature),
        // The user has no name in Git's settings; a bot need not have one.
        Err(error) if error.code() == ErrorCode::NotFound => {
            Signature::now("Portwright", "portwright@localhost").map_err(failed)
        }
        Err(error) => Err(failed(error)),
    }
}
