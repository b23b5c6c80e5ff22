//! House rules for the text of the repository, as tests. Each rule is a function from a file to complaints, and has a
//! test in which it complains of a planted file.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// What people write; catalogues, lock files and snapshots are data.
const WRITTEN: [&str; 7] = ["rs", "py", "j2", "md", "sql", "sh", "mjs"];

/// What a command writes, with a row per model type: data too, though it reads as a page.
const WRITTEN_BY_COMMANDS: [&str; 1] = ["docs/coverage.md"];

/// Where a file is a smell. Most are a third of it.
const LONGEST: usize = 600;

/// Parts of paths that mean something on one machine only.
const MACHINE_PATHS: [&str; 4] = [concat!("/wo", "rk/"), "/tmp/", "/root/", "/home/"];

/// Where packages come from is the user's setting, not the project's.
const REGISTRY_HOSTS: [&str; 4] = [
    "pypi.org",
    "pythonhosted.org",
    "static.crates.io",
    "index.crates.io",
];

/// A file, its path relative to the root of the repository.
struct Text {
    path: PathBuf,
    content: String,
}

impl Text {
    fn extension(&self) -> &str {
        self.path
            .extension()
            .and_then(|end| end.to_str())
            .unwrap_or("")
    }

    /// Tests may name paths and hosts: they attack them.
    fn is_test(&self) -> bool {
        let under_tests = self
            .path
            .components()
            .any(|part| part.as_os_str() == "tests");
        under_tests || self.path.file_name().is_some_and(|name| name == "tests.rs")
    }

    /// The lines before the unit tests, with their numbers.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.content
            .lines()
            .take_while(|line| line.trim_end() != "#[cfg(test)]")
            .enumerate()
            .map(|(index, line)| (index + 1, line))
    }
}

fn too_long(text: &Text) -> Vec<String> {
    let lines = text.content.lines().count();
    let written_by_command = WRITTEN_BY_COMMANDS
        .iter()
        .any(|path| text.path == Path::new(path));
    if lines <= LONGEST || !WRITTEN.contains(&text.extension()) || written_by_command {
        return Vec::new();
    }
    vec![format!(
        "{} has {lines} lines, more than {LONGEST}: divide it",
        text.path.display()
    )]
}

fn names_a_machine_path(text: &Text) -> Vec<String> {
    lines_with(text, &MACHINE_PATHS, "names a path of one machine")
}

fn names_a_registry(text: &Text) -> Vec<String> {
    lines_with(
        text,
        &REGISTRY_HOSTS,
        "names the host of a package registry",
    )
}

fn lines_with(text: &Text, needles: &[&str], what: &str) -> Vec<String> {
    if text.is_test() {
        return Vec::new();
    }
    text.lines()
        .filter_map(|(number, line)| {
            let needle = needles.iter().find(|needle| line.contains(**needle))?;
            let place = text.path.display();
            Some(format!("{place}:{number} {what}: {needle}"))
        })
        .collect()
}

fn ignores_a_test(text: &Text) -> Vec<String> {
    if text.extension() != "rs" {
        return Vec::new();
    }
    text.content
        .lines()
        .enumerate()
        .filter(|(_, line)| line.trim_start().starts_with(concat!("#[", "ignore")))
        .map(|(index, _)| {
            let place = text.path.display();
            format!("{place}:{} ignores a test", index + 1)
        })
        .collect()
}

/// Every text file of the repository: nothing built, downloaded or hidden, but `.ci`.
fn texts(root: &Path) -> Vec<Text> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let built = ["target", "__pycache__", "node_modules", "skillsets"];
            if built.contains(&name.as_str()) || (name.starts_with('.') && name != ".ci") {
                continue;
            }
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if !name.ends_with(".lock") {
                // What is not UTF-8 is no text.
                if let Ok(content) = String::from_utf8(fs::read(&path).unwrap()) {
                    found.push(Text {
                        path: path.strip_prefix(root).unwrap().to_owned(),
                        content,
                    });
                }
            }
        }
    }
    found
}

fn assert_none(rule: impl Fn(&Text) -> Vec<String>) {
    let texts = texts(Path::new(env!("CARGO_MANIFEST_DIR")));
    assert!(
        texts
            .iter()
            .any(|text| text.path == Path::new("tests/tidy.rs"))
    );
    let complaints: Vec<String> = texts.iter().flat_map(rule).collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

fn planted(path: &str, content: &str) -> Text {
    Text {
        path: path.into(),
        content: content.to_owned(),
    }
}

#[test]
fn no_file_is_too_long() {
    assert_none(too_long);
}

#[test]
fn a_long_file_is_found() {
    let lines = "x\n".repeat(LONGEST + 1);
    assert_eq!(too_long(&planted("core/src/plan.rs", &lines)).len(), 1);
    assert_eq!(too_long(&planted("docs/tutorial.md", &lines)).len(), 1);
    assert!(too_long(&planted("docs/coverage.md", &lines)).is_empty());
    assert!(too_long(&planted("core/seeds.toml", &lines)).is_empty());
    assert!(too_long(&planted("core/src/a.rs", &lines[2..])).is_empty());
}

#[test]
fn nothing_names_a_path_of_one_machine() {
    assert_none(names_a_machine_path);
}

#[test]
fn a_path_of_one_machine_is_found() {
    let line = "let cache = \"/home/somebody/.cache\";\n";
    let code = format!("{line}#[cfg(test)]\nmod tests {{ {line} }}\n");
    assert_eq!(names_a_machine_path(&planted("src/a.rs", &code)).len(), 1);
    assert!(names_a_machine_path(&planted("sandbox/tests/a.py", line)).is_empty());
}

#[test]
fn nothing_names_a_package_registry() {
    assert_none(names_a_registry);
}

#[test]
fn a_package_registry_is_found() {
    let line = "--index-url https://pypi.org/simple\n";
    assert_eq!(names_a_registry(&planted("requirements.in", line)).len(), 1);
}

#[test]
fn no_test_is_ignored() {
    assert_none(ignores_a_test);
}

#[test]
fn an_ignored_test_is_found() {
    let code = concat!("#[test]\n#[", "ignore = \"slow\"]\nfn f() {}\n");
    assert_eq!(ignores_a_test(&planted("src/a.rs", code)).len(), 1);
}

#[test]
fn built_and_hidden_folders_are_not_read() {
    let folder = tempfile::tempdir().unwrap();
    for path in [
        "target/a.rs",
        ".venv/a.py",
        ".ci/run",
        "src/main.rs",
        "a.lock",
    ] {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }
    let mut paths: Vec<_> = texts(folder.path())
        .into_iter()
        .map(|text| text.path)
        .collect();
    paths.sort();
    assert_eq!(paths, [Path::new(".ci/run"), Path::new("src/main.rs")]);
}
