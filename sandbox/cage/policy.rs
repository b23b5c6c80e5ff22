//! What a caged job may do, and the text in which it travels to the process that cages itself.

use std::path::{Path, PathBuf};

use super::CageError;

/// What a job may touch and use. Everything not granted here is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Folders and files that may be read and executed.
    pub read: Vec<PathBuf>,
    /// Folders (and files) that may also be written: the work folder.
    pub write: Vec<PathBuf>,
    /// Device files that may be opened, such as an accelerator's. `/dev/null`, `zero`, `random`, `urandom` are always.
    pub devices: Vec<PathBuf>,
    /// File descriptors that stay open beside 0, 1 and 2.
    pub keep_fds: Vec<i32>,
    /// CPU seconds after which the kernel ends a single process of the job (the watchdog counts the whole tree).
    pub cpu_seconds: Option<u64>,
    /// The largest file that may be written.
    pub file_bytes: Option<u64>,
    /// How many file descriptors a process may have open.
    pub open_files: Option<u64>,
    /// How many processes and threads the kernel grants (root is exempt); without namespaces, where the kernel
    /// counts all that the user runs, those and some room come on top. The watchdog counts exactly; this stops a
    /// fork bomb that is faster.
    pub processes: Option<u64>,
    /// The process that must be the caller's parent: closes the race in which it died before the cage watched it.
    pub parent_pid: Option<i32>,
    /// Go without namespaces although the kernel grants them.
    pub forbid_namespaces: bool,
    /// Go without Landlock although the kernel has it: how the refusal on old kernels is tested.
    pub forbid_landlock: bool,
    /// Run unprotected where the kernel has no walls (`--no-sandbox`), instead of refusing.
    pub allow_unprotected: bool,
}

impl Policy {
    /// A policy that grants nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets the job read and execute what is under `path`.
    pub fn read(mut self, path: impl Into<PathBuf>) -> Self {
        self.read.push(path.into());
        self
    }

    /// Lets the job read, execute and write what is under `path`.
    pub fn write(mut self, path: impl Into<PathBuf>) -> Self {
        self.write.push(path.into());
        self
    }

    /// Reads a policy from its text: one `key=value` per line, in any order; empty lines are skipped.
    ///
    /// | key | value | may repeat |
    /// |---|---|---|
    /// | `ro` | absolute path that may be read and executed | yes |
    /// | `rw` | absolute path that may also be written | yes |
    /// | `device` | absolute path of a device file | yes |
    /// | `keep_fd` | number of a file descriptor to leave open | yes |
    /// | `cpu_seconds`, `file_bytes`, `open_files`, `processes`, `parent_pid` | number | no |
    /// | `forbid_namespaces`, `forbid_landlock`, `allow_unprotected` | `1` or `0` | no |
    ///
    /// In a path, a backslash is written `\\` and a line feed `\n`. Every named path must exist. An unknown key is an
    /// error: a wall that one side believes in and the other never heard of would be worse than none.
    pub fn parse(text: &str) -> Result<Self, CageError> {
        let mut policy = Self::default();
        let mut seen = Vec::new();
        for line in text.split('\n').filter(|line| !line.is_empty()) {
            let (key, value) = line
                .split_once('=')
                .ok_or_else(|| CageError::Policy(format!("no `=` in the line `{line}`")))?;
            match key {
                "ro" => policy.read.push(path(key, value)?),
                "rw" => policy.write.push(path(key, value)?),
                "device" => policy.devices.push(path(key, value)?),
                "keep_fd" => policy.keep_fds.push(number(key, value)?),
                "cpu_seconds" => policy.cpu_seconds = Some(number(key, value)?),
                "file_bytes" => policy.file_bytes = Some(number(key, value)?),
                "open_files" => policy.open_files = Some(number(key, value)?),
                "processes" => policy.processes = Some(number(key, value)?),
                "parent_pid" => policy.parent_pid = Some(number(key, value)?),
                "forbid_namespaces" => policy.forbid_namespaces = flag(key, value)?,
                "forbid_landlock" => policy.forbid_landlock = flag(key, value)?,
                "allow_unprotected" => policy.allow_unprotected = flag(key, value)?,
                _ => return Err(CageError::Policy(format!("unknown key `{key}`"))),
            }
            if !matches!(key, "ro" | "rw" | "device" | "keep_fd") {
                if seen.contains(&key) {
                    return Err(CageError::Policy(format!("`{key}` is given twice")));
                }
                seen.push(key);
            }
        }
        Ok(policy)
    }

    /// Writes the policy as the text that [`Policy::parse`] reads.
    pub fn to_text(&self) -> Result<String, CageError> {
        let mut text = String::new();
        for (key, paths) in [
            ("ro", &self.read),
            ("rw", &self.write),
            ("device", &self.devices),
        ] {
            for path in paths {
                text.push_str(&format!("{key}={}\n", escape(path)?));
            }
        }
        for fd in &self.keep_fds {
            text.push_str(&format!("keep_fd={fd}\n"));
        }
        for (key, value) in [
            ("cpu_seconds", self.cpu_seconds),
            ("file_bytes", self.file_bytes),
            ("open_files", self.open_files),
            ("processes", self.processes),
        ] {
            if let Some(value) = value {
                text.push_str(&format!("{key}={value}\n"));
            }
        }
        if let Some(pid) = self.parent_pid {
            text.push_str(&format!("parent_pid={pid}\n"));
        }
        for (key, value) in [
            ("forbid_namespaces", self.forbid_namespaces),
            ("forbid_landlock", self.forbid_landlock),
            ("allow_unprotected", self.allow_unprotected),
        ] {
            if value {
                text.push_str(&format!("{key}=1\n"));
            }
        }
        Ok(text)
    }
}

fn escape(path: &Path) -> Result<String, CageError> {
    let text = path.to_str().ok_or_else(|| {
        CageError::Policy(format!(
            "the path {} is not UTF-8; choose another folder",
            path.display()
        ))
    })?;
    Ok(text.replace('\\', "\\\\").replace('\n', "\\n"))
}

fn path(key: &str, value: &str) -> Result<PathBuf, CageError> {
    let mut plain = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some('\\') => plain.push('\\'),
                Some('n') => plain.push('\n'),
                _ => {
                    return Err(CageError::Policy(format!(
                        "`{key}` has a backslash that escapes nothing: {value}"
                    )));
                }
            },
            other => plain.push(other),
        }
    }
    if !plain.starts_with('/') || plain.contains('\0') {
        return Err(CageError::Policy(format!(
            "`{key}` is not an absolute path: `{value}`"
        )));
    }
    Ok(PathBuf::from(plain))
}

fn number<N: std::str::FromStr>(key: &str, value: &str) -> Result<N, CageError> {
    value
        .parse()
        .map_err(|_| CageError::Policy(format!("`{key}` is not a number in range: `{value}`")))
}

fn flag(key: &str, value: &str) -> Result<bool, CageError> {
    match value {
        "1" => Ok(true),
        "0" => Ok(false),
        _ => Err(CageError::Policy(format!(
            "`{key}` is neither 0 nor 1: `{value}`"
        ))),
    }
}
