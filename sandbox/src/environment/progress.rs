//! What a caller is told while an environment is being built. The library itself prints nothing.

use std::{fmt, path::PathBuf};

/// One step of building an environment; its text is fit for a progress line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    FoundPython {
        version: String,
        path: PathBuf,
    },
    /// Another process builds the same thing; this one waits for it.
    Waiting {
        /// The process that builds, where it has told its id.
        pid: Option<u32>,
    },
    FetchingUv {
        version: String,
    },
    FoundUv {
        version: String,
        path: PathBuf,
    },
    /// The versions are being worked out, because another release of transformers than the locked one was asked for.
    Resolving {
        transformers: String,
    },
    CreatingEnvironment {
        root: PathBuf,
    },
    /// Packages of a component come in.
    FetchingPackages {
        client: &'static str,
    },
    Resolved {
        packages: usize,
    },
    /// A large package has begun to come in.
    Downloading {
        package: String,
        /// As uv writes it, e.g. `502.2MiB`.
        size: String,
    },
    Downloaded {
        package: String,
    },
    /// Every package is at hand; they are linked into the environment next.
    Linking {
        packages: usize,
    },
    /// Every package is in place; its bytecode is compiled next, once for all sandboxed jobs.
    Compiling {
        packages: usize,
    },
    Done {
        root: PathBuf,
    },
}

impl Progress {
    /// Reads a line that uv writes to its standard error; `None` where it is of no interest.
    pub(super) fn from_uv(line: &str) -> Option<Self> {
        let line = line.trim();
        let (verb, rest) = line.split_once(' ')?;
        let count = || rest.split(' ').next()?.parse().ok();
        match verb {
            "Resolved" => Some(Self::Resolved { packages: count()? }),
            "Prepared" => Some(Self::Linking { packages: count()? }),
            "Installed" => Some(Self::Compiling { packages: count()? }),
            "Downloading" => {
                let (package, size) = rest.split_once(" (")?;
                Some(Self::Downloading {
                    package: package.into(),
                    size: size.trim_end_matches(')').into(),
                })
            }
            "Downloaded" => Some(Self::Downloaded {
                package: rest.into(),
            }),
            _ => None,
        }
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FoundPython { version, path } => {
                write!(f, "using Python {version} ({})", path.display())
            }
            Self::Waiting { pid: Some(pid) } => {
                write!(
                    f,
                    "waiting for process {pid}, which builds the Python environment"
                )
            }
            Self::Waiting { pid: None } => {
                f.write_str("waiting for another process, which builds the Python environment")
            }
            Self::FetchingUv { version } => write!(f, "fetching uv {version}"),
            Self::FoundUv { version, path } => write!(f, "using uv {version} ({})", path.display()),
            Self::Resolving { transformers } => {
                write!(f, "resolving packages for transformers {transformers}")
            }
            Self::CreatingEnvironment { root } => {
                write!(f, "creating the Python environment {}", root.display())
            }
            Self::FetchingPackages { client } => write!(f, "fetching packages with {client}"),
            Self::Resolved { packages } => write!(f, "installing {packages} packages"),
            Self::Downloading { package, size } => write!(f, "downloading {package} ({size})"),
            Self::Downloaded { package } => write!(f, "downloaded {package}"),
            Self::Linking { packages } => write!(f, "linking {packages} packages"),
            Self::Compiling { packages } => {
                write!(f, "compiling the bytecode of {packages} packages")
            }
            Self::Done { root } => write!(f, "the Python environment {} is ready", root.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_download_is_shown_with_its_size() {
        let progress = Progress::from_uv("Downloading torch (502.2MiB)").unwrap();
        assert_eq!(progress.to_string(), "downloading torch (502.2MiB)");
    }

    #[test]
    fn counts_are_read_in_singular_and_plural() {
        assert_eq!(
            Progress::from_uv("Resolved 1 package in 66ms"),
            Some(Progress::Resolved { packages: 1 })
        );
        assert_eq!(
            Progress::from_uv("Prepared 73 packages in 12.4s"),
            Some(Progress::Linking { packages: 73 })
        );
    }

    #[test]
    fn other_lines_of_uv_are_passed_over() {
        assert_eq!(Progress::from_uv(" + typer==0.29.2"), None);
        assert_eq!(
            Progress::from_uv("Using Python 3.11.2 environment at: v"),
            None
        );
        assert_eq!(Progress::from_uv(""), None);
    }
}
