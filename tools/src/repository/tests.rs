//! Commits in real repositories, compared with what Git's own program says of them.

use std::{fs, process::Command, sync::Once};

use git2::ConfigLevel;

use super::*;

const BRANCH: &str = "portwright/bert-20261122T033000-7f3a";

/// Runs Git with nothing of this machine's settings.
fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(["-c", "user.name=Someone", "-c", "user.email=some@one"])
        .args(arguments)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env_remove("GIT_DIR")
        .env_remove("GIT_INDEX_FILE")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "git {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn files() -> BTreeMap<String, Vec<u8>> {
    BTreeMap::from([
        ("skillset.py".to_owned(), b"print('hello')\n".to_vec()),
        ("modeling/model.py".to_owned(), b"x = 1\n".to_vec()),
    ])
}

/// Keeps this machine's Git settings out of the tests, as [`git`] does.
fn without_settings() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for level in [ConfigLevel::System, ConfigLevel::XDG, ConfigLevel::Global] {
            // SAFETY: `Once` makes this the only call, and every test comes through here before it uses Git's library.
            unsafe { git2::opts::set_search_path(level, "/dev/null") }.unwrap();
        }
    });
}

fn commit_files(repository: &Path, files: &BTreeMap<String, Vec<u8>>) -> Result<Committed> {
    without_settings();
    commit(repository, BRANCH, "bert", files, "bert: passes\n", None)
}

/// A repository with a commit, a staged change, an unstaged one and an untracked file.
fn dirty(folder: &Path) {
    fs::create_dir_all(folder.join("bert")).unwrap();
    git(folder, &["init", "-q", "-b", "trunk"]);
    fs::write(folder.join("kept.txt"), "kept").unwrap();
    fs::write(folder.join("bert/old.py"), "old").unwrap();
    git(folder, &["add", "."]);
    git(folder, &["commit", "-q", "-m", "first"]);
    fs::write(folder.join("staged.txt"), "staged").unwrap();
    git(folder, &["add", "staged.txt"]);
    fs::write(folder.join("kept.txt"), "changed").unwrap();
    fs::write(folder.join("untracked.txt"), "untracked").unwrap();
}

/// Everything of the user's that a commit must leave as it is.
fn of_the_user(folder: &Path) -> (String, Vec<u8>, Vec<u8>, String) {
    let status = git(
        folder,
        &[
            "--no-optional-locks",
            "status",
            "--porcelain=v2",
            "--branch",
        ],
    );
    (
        status,
        fs::read(folder.join(".git/index")).unwrap_or_default(),
        fs::read(folder.join(".git/HEAD")).unwrap(),
        fs::read_to_string(folder.join("kept.txt")).unwrap_or_default(),
    )
}

#[test]
fn a_repository_is_created_with_the_branch_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/skillsets");
    let done = commit_files(&path, &files()).unwrap();
    assert!(!done.existed);
    assert_eq!(
        fs::read_to_string(path.join(".git/HEAD")).unwrap(),
        "ref: refs/heads/main\n"
    );
    let branches = git(
        &path,
        &["for-each-ref", "--format=%(refname) %(objectname)"],
    );
    assert_eq!(branches, format!("refs/heads/{BRANCH} {}\n", done.commit));
    let listed = git(&path, &["ls-tree", "-r", "--name-only", BRANCH]);
    assert_eq!(listed, "bert/modeling/model.py\nbert/skillset.py\n");
    let text = git(&path, &["show", &format!("{BRANCH}:bert/skillset.py")]);
    assert_eq!(text, "print('hello')\n");
    git(&path, &["fsck", "--strict"]);
    assert_eq!(fs::read_dir(folder.path().join("new")).unwrap().count(), 1);
}

#[test]
fn nothing_of_a_dirty_repository_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    dirty(folder.path());
    let before = of_the_user(folder.path());
    let done = commit_files(folder.path(), &files()).unwrap();
    assert_eq!(of_the_user(folder.path()), before);
    let listed = git(folder.path(), &["ls-tree", "-r", "--name-only", BRANCH]);
    assert_eq!(
        listed,
        "bert/modeling/model.py\nbert/skillset.py\nkept.txt\n"
    );
    let parent = git(folder.path(), &["rev-parse", &format!("{}^", done.commit)]);
    assert_eq!(parent, git(folder.path(), &["rev-parse", "trunk"]));
    let kept = git(folder.path(), &["show", &format!("{BRANCH}:kept.txt")]);
    assert_eq!(kept, "kept");
}

#[test]
fn a_bare_repository_is_as_good() {
    let folder = tempfile::tempdir().unwrap();
    git(folder.path(), &["init", "-q", "--bare", "."]);
    let done = commit_files(folder.path(), &files()).unwrap();
    let tip = git(folder.path(), &["rev-parse", BRANCH]);
    assert_eq!(tip.trim(), done.commit);
}

#[test]
fn a_resumed_run_gets_the_commit_it_made_even_if_the_user_has_moved_on() {
    let folder = tempfile::tempdir().unwrap();
    dirty(folder.path());
    let first = commit_files(folder.path(), &files()).unwrap();
    git(folder.path(), &["commit", "-q", "-a", "-m", "second"]);
    let again = commit_files(folder.path(), &files()).unwrap();
    assert_eq!(
        again,
        Committed {
            existed: true,
            ..first
        }
    );
}

#[test]
fn two_processes_with_one_run_make_one_commit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("skillsets");
    let commits = thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| commit_files(&path, &files()).unwrap().commit))
            .collect();
        let commits: Vec<String> = threads.into_iter().map(|t| t.join().unwrap()).collect();
        commits
    });
    let tip = git(&path, &["rev-parse", BRANCH]);
    assert!(commits.iter().all(|commit| commit == tip.trim()));
}

#[test]
fn a_branch_with_other_content_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let first = commit_files(folder.path(), &files()).unwrap();
    let mut other = files();
    other.insert("README.md".to_owned(), b"other".to_vec());
    let error = commit_files(folder.path(), &other).unwrap_err();
    assert!(
        matches!(&error, RepositoryError::BranchTaken { commit, .. } if *commit == first.commit)
    );
    let tip = git(folder.path(), &["rev-parse", BRANCH]);
    assert_eq!(tip.trim(), first.commit);
}

#[test]
fn nothing_passes_nothing_is_committed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("skillsets");
    let error = commit_files(&path, &BTreeMap::new()).unwrap_err();
    assert!(matches!(error, RepositoryError::NothingToCommit { .. }));
    assert!(!path.exists());
}

#[test]
fn a_folder_with_files_that_is_no_repository_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.tex"), "…").unwrap();
    for path in [folder.path().to_owned(), folder.path().join("thesis.tex")] {
        let error = commit_files(&path, &files()).unwrap_err();
        assert!(
            matches!(error, RepositoryError::NotARepository { .. }),
            "{error:?}"
        );
        assert!(error.hint().contains("--repo"));
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_repository_further_up_is_not_the_one_meant() {
    let folder = tempfile::tempdir().unwrap();
    dirty(folder.path());
    let inner = folder.path().join("skillsets");
    commit_files(&inner, &files()).unwrap();
    assert!(inner.join(".git").is_dir());
    assert_eq!(
        git(folder.path(), &["branch", "--list", "portwright/*"]),
        ""
    );
}

#[test]
fn a_stale_lock_is_named() {
    let folder = tempfile::tempdir().unwrap();
    commit_files(folder.path(), &files()).unwrap();
    git(folder.path(), &["branch", "-q", "-D", BRANCH]);
    let lock = folder.path().join(format!(".git/refs/heads/{BRANCH}.lock"));
    fs::create_dir_all(lock.parent().unwrap()).unwrap();
    fs::write(&lock, "").unwrap();
    let error = commit_files(folder.path(), &files()).unwrap_err();
    assert!(matches!(error, RepositoryError::Locked { .. }), "{error:?}");
    let named = lock.file_name().unwrap().to_str().unwrap();
    assert!(error.hint().contains(named));
    fs::remove_file(&lock).unwrap();
    commit_files(folder.path(), &files()).unwrap();
}

#[test]
fn names_that_would_lead_elsewhere_on_checkout_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "../x",
        ".git/config",
        "/x",
        "a//b",
        "",
        "a/../b",
        ".GIT/config",
    ] {
        let files = BTreeMap::from([(name.to_owned(), vec![])]);
        let error = commit_files(folder.path(), &files).unwrap_err();
        assert!(
            matches!(error, RepositoryError::BadName { .. }),
            "{name}: {error:?}"
        );
    }
    for branch in ["", "a..b", "a b", "x.lock"] {
        let error = commit(folder.path(), branch, "bert", &files(), "m", None).unwrap_err();
        assert!(
            matches!(error, RepositoryError::BadName { .. }),
            "{branch}: {error:?}"
        );
    }
}

#[test]
fn a_name_that_is_a_file_and_a_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let files = BTreeMap::from([("a".to_owned(), vec![]), ("a/b".to_owned(), vec![])]);
    let error = commit_files(folder.path(), &files).unwrap_err();
    assert!(matches!(error, RepositoryError::BadName { .. }));
}

#[test]
fn the_author_can_be_named() {
    let folder = tempfile::tempdir().unwrap();
    let bot = Author {
        name: "Bot".to_owned(),
        email: "bot@example.org".to_owned(),
    };
    without_settings();
    commit(folder.path(), BRANCH, "bert", &files(), "m", Some(&bot)).unwrap();
    let author = git(folder.path(), &["log", "-1", "--format=%an <%ae>", BRANCH]);
    assert_eq!(author, "Bot <bot@example.org>\n");
}

#[test]
fn the_repository_s_own_user_is_the_author_and_portwright_where_there_is_none() {
    let folder = tempfile::tempdir().unwrap();
    commit_files(folder.path(), &files()).unwrap();
    let author = |branch| git(folder.path(), &["log", "-1", "--format=%an <%ae>", branch]);
    assert_eq!(author(BRANCH), "Portwright <portwright@localhost>\n");
    git(folder.path(), &["config", "user.name", "Ada"]);
    git(folder.path(), &["config", "user.email", "ada@example.org"]);
    commit(folder.path(), "portwright/2", "bert", &files(), "m", None).unwrap();
    assert_eq!(author("portwright/2"), "Ada <ada@example.org>\n");
}

#[test]
fn a_damaged_repository_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    dirty(folder.path());
    fs::write(folder.path().join(".git/HEAD"), "nonsense").unwrap();
    let error = commit_files(folder.path(), &files()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains(&folder.path().display().to_string())
    );
    assert!(!error.hint().is_empty());
}

#[cfg(target_os = "linux")]
mod without_rights {
    use std::os::unix::fs::{PermissionsExt, chown};

    use super::*;

    fn is_root() -> bool {
        // SAFETY: geteuid has no preconditions and cannot fail.
        unsafe { libc::geteuid() == 0 }
    }

    fn set_mode(folder: &Path, mode: u32) {
        fs::set_permissions(folder, fs::Permissions::from_mode(mode)).unwrap();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                set_mode(&path, mode);
            }
        }
    }

    #[test]
    fn a_read_only_repository_is_named_with_the_cure() {
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().join("there");
        fs::create_dir(&there).unwrap();
        dirty(&there);
        set_mode(folder.path(), if is_root() { 0o755 } else { 0o555 });
        thread::scope(|scope| {
            scope.spawn(|| {
                if is_root() {
                    // SAFETY: setfsuid takes a plain number, and on Linux changes the calling thread only, which
                    // ends here.
                    unsafe { libc::setfsuid(65534) };
                }
                for name in ["there", "absent"] {
                    let error = commit_files(&folder.path().join(name), &files()).unwrap_err();
                    assert!(
                        matches!(error, RepositoryError::ReadOnly { .. }),
                        "{error:?}"
                    );
                    assert!(error.hint().contains("writable"));
                }
            });
        });
        set_mode(folder.path(), 0o755);
        assert_eq!(git(&there, &["branch", "--list", "portwright/*"]), "");
    }

    #[test]
    fn a_repository_of_another_user_is_not_trusted_unasked() {
        if !is_root() {
            // Only root can give a folder away; how the error reads is tested beside it.
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        git(folder.path(), &["init", "-q"]);
        for path in [folder.path().to_owned(), folder.path().join(".git")] {
            chown(path, Some(12345), None).unwrap();
        }
        let error = commit_files(folder.path(), &files()).unwrap_err();
        assert!(
            matches!(error, RepositoryError::NotYours { .. }),
            "{error:?}"
        );
    }
}
