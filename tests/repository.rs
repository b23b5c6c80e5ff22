//! The skillset repository may be in any state: the commit arrives on its branch, and what is the user's stays as it is.
#![allow(clippy::unwrap_used)]

mod support;

use std::{fs, path::Path};

use serde_json::Value;
use support::{Place, text};

const RUN: [&str; 3] = ["bert", "--backend", "torch-cpu"];

/// Everything in a repository that is the user's.
#[derive(Debug, PartialEq)]
struct Users {
    status: String,
    references: String,
    stash: String,
    head: Vec<u8>,
    index: Option<Vec<u8>>,
    files: Vec<(String, Vec<u8>)>,
}

impl Users {
    fn of(place: &Place) -> Self {
        let git = place.path("skillsets/.git");
        // Without optional locks, `git status` does not write the index.
        let look =
            |args: &[&str]| place.git("skillsets", &[&["--no-optional-locks"], args].concat());
        let references = look(&["for-each-ref"]);
        Self {
            status: look(&["status", "--porcelain=v2", "--branch", "--ignored"]),
            references: references
                .lines()
                .filter(|line| !line.contains("refs/heads/portwright/"))
                .collect(),
            stash: look(&["stash", "list"]),
            head: fs::read(git.join("HEAD")).unwrap(),
            index: fs::read(git.join("index")).ok(),
            files: files(&place.path("skillsets")),
        }
    }
}

/// The files of a work tree, with their content.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            found.push((path.display().to_string(), fs::read(&path).unwrap()));
        } else if !path.ends_with(".git") {
            found.extend(files(&path));
        }
    }
    found.sort();
    found
}

/// A repository with one commit on `main`.
fn repository(place: &Place) {
    place.git(
        ".",
        &["init", "--quiet", "--initial-branch=main", "skillsets"],
    );
    fs::write(place.path("skillsets/notes.txt"), "one\n").unwrap();
    place.git("skillsets", &["add", "notes.txt"]);
    place.git("skillsets", &["commit", "--quiet", "--message=notes"]);
}

/// Runs, and asserts that the commit is on its branch with `parents` and that nothing of the user's has changed.
fn commits_beside_the_users(place: &Place, parents: &[&str]) -> Value {
    let before = Users::of(place);
    let (code, document) = place.run(&RUN);
    assert_eq!(code, 0, "{document:#}");
    assert_eq!(Users::of(place), before);
    assert_on_branch(place, &document, parents);
    document
}

fn assert_on_branch(place: &Place, document: &Value, parents: &[&str]) {
    let branch = document["branch"].as_str().unwrap();
    let line = place.git("skillsets", &["rev-list", "--parents", "-1", branch]);
    let commit = document["commit"].as_str().unwrap();
    let expected: Vec<_> = [&[commit], parents].concat();
    assert_eq!(line.split_whitespace().collect::<Vec<_>>(), expected);
    let files = place.git("skillsets", &["ls-tree", "-r", "--name-only", branch]);
    assert!(files.contains("bert/skillset.py"), "{files}");
}

#[test]
fn changes_that_are_not_committed_stay_as_they_are() {
    let place = Place::new();
    repository(&place);
    place.git("skillsets", &["switch", "--quiet", "--create", "mine"]);
    fs::write(place.path("skillsets/staged.txt"), "staged\n").unwrap();
    place.git("skillsets", &["add", "staged.txt"]);
    fs::write(place.path("skillsets/staged.txt"), "and changed\n").unwrap();
    fs::write(place.path("skillsets/notes.txt"), "two\n").unwrap();
    fs::create_dir(place.path("skillsets/bert")).unwrap();
    fs::write(place.path("skillsets/bert/skillset.py"), "# mine\n").unwrap();

    let head = place.git("skillsets", &["rev-parse", "HEAD"]);
    let document = commits_beside_the_users(&place, &[head.trim()]);
    let branch = document["branch"].as_str().unwrap();
    let notes = place.git("skillsets", &["show", &format!("{branch}:notes.txt")]);
    assert_eq!(
        notes, "one\n",
        "what is committed is kept, what is not is not taken"
    );
    let names = place.git("skillsets", &["ls-tree", "-r", "--name-only", branch]);
    assert!(!names.contains("staged.txt"), "{names}");
}

#[test]
fn a_detached_head_stays_where_it_is() {
    let place = Place::new();
    repository(&place);
    let first = place.git("skillsets", &["rev-parse", "HEAD"]);
    place.git(
        "skillsets",
        &["commit", "--quiet", "--allow-empty", "--message=more"],
    );
    place.git(
        "skillsets",
        &["switch", "--quiet", "--detach", first.trim()],
    );
    commits_beside_the_users(&place, &[first.trim()]);
}

#[test]
fn a_repository_with_no_commit_gets_one_on_the_run_s_branch_only() {
    let place = Place::new();
    place.git(
        ".",
        &["init", "--quiet", "--initial-branch=main", "skillsets"],
    );
    fs::write(place.path("skillsets/staged.txt"), "staged\n").unwrap();
    place.git("skillsets", &["add", "staged.txt"]);
    commits_beside_the_users(&place, &[]);
}

#[test]
fn a_bare_repository_takes_the_commit() {
    let place = Place::new();
    place.git(".", &["init", "--quiet", "--bare", "skillsets"]);
    let head = fs::read(place.path("skillsets/HEAD")).unwrap();
    let (code, document) = place.run(&RUN);
    assert_eq!(code, 0, "{document:#}");
    assert_on_branch(&place, &document, &[]);
    assert_eq!(fs::read(place.path("skillsets/HEAD")).unwrap(), head);
    assert!(!place.path("skillsets/index").exists());
}

#[test]
fn a_repository_that_cannot_be_written_is_named_and_the_work_is_kept() {
    let place = Place::new();
    repository(&place);
    place.git(".", &["-C", "skillsets", "gc", "--quiet"]);
    place.shell("chmod -R a-w skillsets/.git");
    let before = Users::of(&place);
    // Root may write anywhere unless the right to do so is taken away.
    let output = place.shell(
        r#"if [ "$(id -u)" = 0 ]; then set -- setpriv --bounding-set=-dac_override; fi
        exec "$@" "$0" run bert --backend torch-cpu --json"#,
    );
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{}", text(&output));
    assert!(output.stdout.is_empty(), "{}", text(&output));
    assert!(stderr.contains("cannot be written"), "{stderr}");
    assert!(stderr.contains("hint: make"), "{stderr}");
    assert!(stderr.contains("--repo"), "{stderr}");
    assert_eq!(Users::of(&place), before);

    place.shell("chmod -R u+w skillsets/.git");
    let done = place.events().len();
    let (code, document) = place.run(&RUN);
    assert_eq!(code, 0, "{document:#}");
    let repeated = place.events()[done..]
        .iter()
        .filter(|record| {
            matches!(&record.event, portwright_core::event::Event::StepFinished { step, reused: false, .. } if step != "commit" && step != "outcome")
        })
        .count();
    assert_eq!(repeated, 0, "all that was left to do is the commit");
}

#[test]
fn a_folder_that_is_no_repository_is_refused_and_kept() {
    let place = Place::new();
    fs::create_dir(place.path("skillsets")).unwrap();
    fs::write(place.path("skillsets/letter.txt"), "dear\n").unwrap();
    let output = place
        .command()
        .args(["run"])
        .args(RUN)
        .arg("--json")
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{}", text(&output));
    assert!(output.stdout.is_empty(), "{}", text(&output));
    assert!(stderr.contains("git init"), "{stderr}");
    assert_eq!(files(&place.path("skillsets")).len(), 1);
}
