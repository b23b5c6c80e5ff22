//! What an environment shall hold, and the key under which it is kept.

use portwright_core::Digest;

use super::error::EnvironmentError;

const REQUIREMENTS: &str = include_str!("../../python/requirements.in");
const LOCK: &str = include_str!("../../python/requirements.lock");

/// Goes into every key: another way of building gives other environments.
const FORM: u32 = 1;

/// What an environment shall hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// What is asked for, in the form of a `requirements.txt`.
    pub requirements: String,
    /// Everything that it brings in, pinned and hashed.
    pub lock: String,
    /// Another release of transformers than the locked one.
    pub transformers: Option<String>,
}

impl Spec {
    /// The committed lock file, as it is.
    pub fn locked() -> Self {
        Self {
            requirements: REQUIREMENTS.into(),
            lock: LOCK.into(),
            transformers: None,
        }
    }

    /// The committed lock file with another release of transformers, and with the other pins where they still fit.
    pub fn with_transformers(release: &str) -> Result<Self, EnvironmentError> {
        Self::locked().replace_transformers(release)
    }

    /// This specification with another release of transformers.
    pub fn replace_transformers(mut self, release: &str) -> Result<Self, EnvironmentError> {
        if !is_release(release) {
            return Err(EnvironmentError::InvalidRelease {
                version: release.into(),
            });
        }
        let same = self.locked_version("transformers") == Some(release);
        self.transformers = (!same).then(|| release.to_owned());
        Ok(self)
    }

    /// The version that the lock gives a package.
    pub fn locked_version(&self, package: &str) -> Option<&str> {
        self.lock.lines().find_map(|line| {
            let rest = line.strip_prefix(package)?.strip_prefix("==")?;
            rest.split_whitespace().next()
        })
    }

    /// The requirements with the release of transformers that was asked for in place of their own.
    ///
    /// With `relaxed`, the other exact pins become wishes, which the lock still states as preferences.
    pub(super) fn edited_requirements(&self, release: &str, relaxed: bool) -> String {
        let mut text = format!("transformers=={release}\n");
        for line in self.requirements.lines() {
            let name = line.split("==").next().unwrap_or(line).trim();
            if name == "transformers" || line.starts_with('#') {
                continue;
            }
            text.push_str(if relaxed { name } else { line });
            text.push('\n');
        }
        text
    }

    /// The name of the environment's folder: the same wherever lock, Python and platform are the same.
    pub(super) fn key(&self, python_minor: u32) -> String {
        let asked = match &self.transformers {
            Some(release) => format!("{}\ntransformers=={release}", self.requirements),
            None => String::new(),
        };
        let identity = [
            FORM.to_string(),
            self.lock.clone(),
            asked,
            format!("3.{python_minor}"),
            platform(),
        ];
        Digest::of(identity.join("\n\0\n")).as_str()[..16].to_owned()
    }
}

/// The platform whose wheels fit here, e.g. `linux-x86_64`.
pub(super) fn platform() -> String {
    format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH)
}

/// Whether a text can be a release number; anything else could be read as an option or another requirement.
fn is_release(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_digit())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '!'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_lock_pins_the_main_packages_with_hashes() {
        let spec = Spec::locked();
        assert_eq!(spec.locked_version("transformers"), Some("5.20.2"));
        assert_eq!(spec.locked_version("torch"), Some("2.13.0"));
        let pinned = spec.lock.lines().filter(|line| line.contains("==")).count();
        let hashed = spec.lock.matches("==").count();
        assert!(hashed >= pinned && spec.lock.matches("--hash=sha256:").count() >= pinned);
    }

    #[test]
    fn the_committed_files_name_no_package_index() {
        let spec = Spec::locked();
        for text in [&spec.requirements, &spec.lock] {
            assert!(!text.contains("://") && !text.contains("index-url"));
        }
    }

    #[test]
    fn every_line_of_the_requirements_is_in_the_lock() {
        let spec = Spec::locked();
        let lines = spec.requirements.lines();
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (name, version) = line
                .split_once("==")
                .map_or((line, None), |(n, v)| (n, Some(v)));
            let locked = spec.locked_version(name);
            assert!(locked.is_some(), "{name} is not locked");
            assert!(
                version.is_none() || version == locked,
                "{name} is locked at another version"
            );
        }
    }

    #[test]
    fn asking_for_the_locked_release_gives_the_locked_environment() {
        assert_eq!(Spec::with_transformers("5.20.2").unwrap(), Spec::locked());
    }

    #[test]
    fn another_release_has_an_environment_of_its_own() {
        let other = Spec::with_transformers("5.19.0").unwrap();
        assert_ne!(other.key(11), Spec::locked().key(11));
        assert_ne!(
            other.key(11),
            Spec::with_transformers("5.18.0").unwrap().key(11)
        );
        assert_ne!(other.key(11), other.key(12));
    }

    #[test]
    fn a_release_that_is_no_version_is_refused() {
        for bad in ["", "latest", "--help", "5.0; import os", "5.0\ntorch==1.0"] {
            let error = Spec::with_transformers(bad).unwrap_err();
            assert!(
                matches!(error, EnvironmentError::InvalidRelease { .. }),
                "{bad}"
            );
        }
    }

    #[test]
    fn the_other_pins_hold_until_they_are_relaxed() {
        let spec = Spec::locked();
        let strict = spec.edited_requirements("5.19.0", false);
        assert!(strict.starts_with("transformers==5.19.0\n"));
        assert!(strict.contains("torch==2.13.0\n") && !strict.contains("5.20.2"));
        let relaxed = spec.edited_requirements("5.19.0", true);
        assert!(relaxed.contains("torch\n"));
    }
}
