//! What can go wrong between a fresh machine and a Python environment, each with its cure.

use std::{fmt::Write as _, io, path::PathBuf};

/// Why there is no Python environment.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    #[error("no folder to keep environments in: neither HOME nor a cache folder is set")]
    NoCacheFolder,
    #[error("no usable Python: need 3.11 to 3.14, {}", tried_text(.tried))]
    NoPython {
        /// What was found on the search path, each with what is wrong with it.
        tried: Vec<String>,
    },
    #[error("no usable Node: need 20 or newer, {}", node_text(.tried))]
    NoNode {
        /// What was found on the search path, each with what is wrong with it.
        tried: Vec<String>,
    },
    #[error("the Python that was asked for cannot be used: `{}`: {reason}", path.display())]
    PythonUnusable { path: PathBuf, reason: String },
    #[error("`{}` cannot make virtual environments: its `venv` or `ensurepip` module is missing", python.display())]
    VenvMissing {
        python: PathBuf,
        /// Major and minor version, e.g. `3.11`.
        version: String,
        debian: bool,
    },
    #[error("the uv that was asked for cannot be used: `{}`: {reason}", path.display())]
    UvUnusable { path: PathBuf, reason: String },
    #[error("{step} needs the network, and no package index could be reached{}", tail_text(.output))]
    Offline { step: &'static str, output: String },
    #[error(
        "not enough disk space for a Python environment: `{}` has {} free, {} are needed",
        folder.display(), megabytes(*free), megabytes(*needed)
    )]
    NoSpace {
        folder: PathBuf,
        needed: u64,
        free: u64,
    },
    #[error("the disk filled up while {step} in `{}`{}", folder.display(), tail_text(.output))]
    DiskFull {
        step: &'static str,
        folder: PathBuf,
        output: String,
    },
    #[error("a downloaded package is not the one that the lock file names (hash mismatch){}", tail_text(.output))]
    HashMismatch { output: String },
    #[error("`{version}` is not a version of a Python package")]
    InvalidRelease { version: String },
    #[error("there is no transformers {version}{}", near_text(.near))]
    NoSuchRelease {
        version: String,
        /// The releases just below and just above, where there are some.
        near: Vec<String>,
    },
    #[error("transformers {version} cannot be installed together with the other locked packages{}", tail_text(.output))]
    Unresolvable { version: String, output: String },
    #[error("{step} failed: {program} ended with {status}{}", tail_text(.output))]
    ToolFailed {
        step: &'static str,
        program: &'static str,
        status: String,
        output: String,
    },
    #[error("cannot {what} `{}`: {source}", path.display())]
    Io {
        what: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("the environment `{}` holds no ONNX Runtime library", root.display())]
    NoOnnxruntime { root: PathBuf },
}

impl EnvironmentError {
    /// The next thing to do, in one sentence.
    pub fn hint(&self) -> String {
        match self {
            Self::NoCacheFolder => "set PORTWRIGHT_CACHE_DIR to a writable folder".into(),
            Self::NoNode { .. } => "install Node.js 20 or newer, with npm".into(),
            Self::NoPython { .. } => {
                "install Python 3.11 or newer, or set PORTWRIGHT_PYTHON (`environment.python`) to one"
                    .into()
            }
            Self::PythonUnusable { .. } => {
                "set PORTWRIGHT_PYTHON (`environment.python`) to a Python 3.11 to 3.14, or unset it".into()
            }
            Self::VenvMissing {
                version,
                debian: true,
                ..
            } => format!(
                "install it with `apt install python{version}-venv`, or install uv and put it on PATH"
            ),
            Self::VenvMissing { .. } => {
                "install Python's venv module, or install uv and put it on PATH".into()
            }
            Self::UvUnusable { .. } => {
                "set PORTWRIGHT_UV (`environment.uv`) to uv 0.5 or newer, or unset it and it is fetched".into()
            }
            Self::Offline { .. } => {
                "connect to the network once, or set the proxy or package index that uv and pip read \
                 (HTTPS_PROXY, UV_DEFAULT_INDEX, PIP_INDEX_URL); afterwards no network is needed"
                    .into()
            }
            Self::NoSpace { .. } | Self::DiskFull { .. } => {
                "free some space, or set PORTWRIGHT_CACHE_DIR (`environment.cache_dir`) to a folder on a larger disk"
                    .into()
            }
            Self::HashMismatch { .. } => {
                "run `uv cache clean` and try again; if it stays, the package index serves altered files".into()
            }
            Self::InvalidRelease { .. } => "give a release such as 5.20.2".into(),
            Self::NoSuchRelease { near, .. } if !near.is_empty() => {
                format!("try {}", near.join(" or "))
            }
            Self::NoSuchRelease { .. } => "give a release such as 5.20.2".into(),
            Self::Unresolvable { .. } => {
                "choose a release nearer to the default one, or leave `--transformers` out".into()
            }
            Self::ToolFailed { .. } => "the last lines above name the cause; run again when it is cured".into(),
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                "free some space, or set PORTWRIGHT_CACHE_DIR (`environment.cache_dir`) to a folder on a larger disk"
                    .into()
            }
            Self::Io { .. } => {
                "make the folder writable, or set PORTWRIGHT_CACHE_DIR (`environment.cache_dir`) to another one"
                    .into()
            }
            Self::NoOnnxruntime { root } => {
                format!("remove `{}`: it is built anew on the next run", root.display())
            }
        }
    }
}

/// Wraps an I/O error with what was being done to which path.
pub(super) fn io_error(
    what: &'static str,
    path: impl Into<PathBuf>,
) -> impl FnOnce(io::Error) -> EnvironmentError {
    let path = path.into();
    move |source| EnvironmentError::Io { what, path, source }
}

fn node_text(tried: &[String]) -> String {
    if tried.is_empty() {
        "and there is no `node` on PATH".into()
    } else {
        format!("found only {}", tried.join(", "))
    }
}

fn tried_text(tried: &[String]) -> String {
    if tried.is_empty() {
        "and there is no `python3` on PATH".into()
    } else {
        format!("found only {}", tried.join(", "))
    }
}

fn near_text(near: &[String]) -> String {
    if near.is_empty() {
        String::new()
    } else {
        format!("; the nearest are {}", near.join(" and "))
    }
}

fn tail_text(output: &str) -> String {
    let mut text = String::new();
    for line in output.lines() {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n    {line}");
    }
    text
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debian_users_are_told_the_package_that_holds_venv() {
        let error = EnvironmentError::VenvMissing {
            python: "/usr/bin/python3.12".into(),
            version: "3.12".into(),
            debian: true,
        };
        assert!(error.hint().contains("apt install python3.12-venv"));
    }

    #[test]
    fn a_missing_python_says_what_was_found_instead() {
        let error = EnvironmentError::NoPython {
            tried: vec!["/usr/bin/python3 (3.9.2)".into()],
        };
        assert!(
            error
                .to_string()
                .contains("found only /usr/bin/python3 (3.9.2)")
        );
        assert!(error.hint().contains("install Python 3.11"));
    }

    #[test]
    fn the_last_lines_of_a_tool_are_part_of_its_error() {
        let error = EnvironmentError::HashMismatch {
            output: "Expected: a\nComputed: b".into(),
        };
        assert!(
            error
                .to_string()
                .ends_with("\n    Expected: a\n    Computed: b")
        );
    }
}
