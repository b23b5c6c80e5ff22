//! What can be wrong with a settings file.

use std::{io, path::PathBuf};

use portwright_sandbox::plain::PlainError;

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("cannot read the settings file `{}`: {source}", file.display())]
    Read { file: PathBuf, source: io::Error },
    #[error("the settings file `{}` is not TOML: {message}", file.display())]
    Syntax { file: PathBuf, message: String },
    #[error("unknown setting `{key}` in `{}`", file.display())]
    UnknownKey {
        key: String,
        file: PathBuf,
        /// Known keys that look like it, the nearest first.
        near: Vec<String>,
    },
    #[error("a settings file in a working folder may not choose this: {} (`{}`)", reasons(refused), file.display())]
    Trust {
        file: PathBuf,
        /// Each key, with the reason.
        refused: Vec<(String, String)>,
    },
    #[error("the settings file of this folder is not read: {0}")]
    NotPlain(#[source] PlainError),
    #[error("`{}` in this folder is a link, and nothing is written through one", folder.display())]
    Link {
        folder: PathBuf,
        option: &'static str,
    },
    #[error("a setting in `{}` has a value that does not fit: {message}", file.display())]
    Value { file: PathBuf, message: String },
    #[error("the built-in default settings are broken: {message}")]
    Defaults { message: String },
}

impl SettingsError {
    /// The next thing to do, in one sentence.
    pub fn hint(&self) -> String {
        match self {
            Self::Read { .. } => "make the file readable, or name another one with --config".into(),
            Self::UnknownKey { near, .. } if !near.is_empty() => {
                let near: Vec<_> = near.iter().map(|key| format!("`{key}`")).collect();
                format!("did you mean {}?", near.join(" or "))
            }
            Self::Trust { .. } => {
                "such a file may be anybody's: take this out of it, and set it with an option or a variable, or in your own \
                 file (portwright/portwright.toml in ~/.config); if the file is yours, name it with --config"
                    .into()
            }
            Self::NotPlain(_) => {
                "a settings file in a working folder is a plain file; name it with --config if you mean it".into()
            }
            Self::Link { option, .. } => format!("name the folder that you mean with {option}"),
            Self::Syntax { .. } | Self::UnknownKey { .. } | Self::Value { .. } => {
                "`portwright config defaults` prints every setting with its meaning and default"
                    .into()
            }
            Self::Defaults { .. } => "this is a defect in Portwright: please report it".into(),
        }
    }
}

fn reasons(refused: &[(String, String)]) -> String {
    let reasons: Vec<_> = refused
        .iter()
        .map(|(key, why)| format!("`{key}`, for {why}"))
        .collect();
    reasons.join("; ")
}
