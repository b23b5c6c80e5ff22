//! What can be wrong with a settings file.

use std::{io, path::PathBuf};

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
            Self::Syntax { .. } | Self::UnknownKey { .. } | Self::Value { .. } => {
                "`portwright config defaults` prints every setting with its meaning and default"
                    .into()
            }
            Self::Defaults { .. } => "this is a defect in Portwright: please report it".into(),
        }
    }
}
