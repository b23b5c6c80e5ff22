//! What a build may use of this machine.

use std::{env, ffi::OsString, path::PathBuf};

use super::error::EnvironmentError;

/// The space that a fresh environment and what uv keeps of it take on one disk: 5.6 GB measured, and some to spare.
const NEEDED_BYTES: u64 = 6_500_000_000;

/// What a build may use of this machine.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where environments and fetched tools are kept.
    pub cache_dir: PathBuf,
    /// A Python to use instead of the first good one.
    pub python: Option<PathBuf>,
    /// A uv to use instead of the first good one.
    pub uv: Option<PathBuf>,
    /// Where programs are looked for, in the form of `PATH`.
    pub search_path: OsString,
    /// A build does not start with less free space than this.
    pub needed_bytes: u64,
    /// Variables for uv and pip besides those of this process, e.g. a package index.
    pub variables: Vec<(OsString, OsString)>,
}

/// What the settings ask for; variables of the process come before them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    pub cache_dir: Option<PathBuf>,
    pub python: Option<PathBuf>,
    pub uv: Option<PathBuf>,
}

impl Options {
    /// What the variables of this process say, and what was `asked` where they say nothing.
    ///
    /// The variables are `PORTWRIGHT_CACHE_DIR`, `PORTWRIGHT_PYTHON`, `PORTWRIGHT_UV` and `PATH`.
    pub fn new(asked: Asked) -> Result<Self, EnvironmentError> {
        let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
        Ok(Self {
            cache_dir: cache_dir(asked.cache_dir, variable, cfg!(target_os = "macos"))
                .ok_or(EnvironmentError::NoCacheFolder)?,
            python: variable("PORTWRIGHT_PYTHON")
                .map(PathBuf::from)
                .or(asked.python),
            uv: variable("PORTWRIGHT_UV").map(PathBuf::from).or(asked.uv),
            search_path: variable("PATH").unwrap_or_default(),
            needed_bytes: NEEDED_BYTES,
            variables: Vec::new(),
        })
    }

    /// The folder of all environments.
    pub fn environments(&self) -> PathBuf {
        self.cache_dir.join("envs")
    }
}

fn cache_dir(
    asked: Option<PathBuf>,
    variable: impl Fn(&str) -> Option<OsString>,
    macos: bool,
) -> Option<PathBuf> {
    let folder = |name: &str| variable(name).map(PathBuf::from);
    if let Some(asked) = folder("PORTWRIGHT_CACHE_DIR").or(asked) {
        // Tools run in another folder than the user's, so a relative path must be made whole first.
        return std::path::absolute(asked).ok();
    }
    // The XDG rules say to pass over a relative path.
    if let Some(xdg) = folder("XDG_CACHE_HOME").filter(|path| path.is_absolute()) {
        return Some(xdg.join("portwright"));
    }
    let caches = if macos { "Library/Caches" } else { ".cache" };
    Some(folder("HOME")?.join(caches).join("portwright"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variables: &[(&str, &str)], macos: bool) -> Option<PathBuf> {
        asked(None, variables, macos)
    }

    fn asked(asked: Option<&str>, variables: &[(&str, &str)], macos: bool) -> Option<PathBuf> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name)?;
            Some(OsString::from(found.1))
        };
        cache_dir(asked.map(PathBuf::from), variable, macos)
    }

    #[test]
    fn the_cache_folder_that_was_asked_for_wins() {
        let variables = [
            ("PORTWRIGHT_CACHE_DIR", "/big/cache"),
            ("XDG_CACHE_HOME", "/xdg"),
            ("HOME", "/home/me"),
        ];
        assert_eq!(found(&variables, false), Some("/big/cache".into()));
        assert_eq!(
            found(&variables[1..], false),
            Some("/xdg/portwright".into())
        );
        assert_eq!(
            found(&variables[2..], false),
            Some("/home/me/.cache/portwright".into())
        );
    }

    #[test]
    fn macos_has_its_own_place_for_caches() {
        assert_eq!(
            found(&[("HOME", "/Users/me")], true),
            Some("/Users/me/Library/Caches/portwright".into())
        );
    }

    #[test]
    fn without_a_home_there_is_no_cache_folder() {
        assert_eq!(found(&[], false), None);
    }

    #[test]
    fn a_variable_comes_before_a_setting_and_a_setting_before_the_default() {
        let variables = [("PORTWRIGHT_CACHE_DIR", "/variable"), ("HOME", "/home/me")];
        assert_eq!(
            asked(Some("/setting"), &variables, false),
            Some("/variable".into())
        );
        assert_eq!(
            asked(Some("/setting"), &variables[1..], false),
            Some("/setting".into())
        );
    }
}
