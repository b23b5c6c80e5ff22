//! Settings: the embedded defaults, the user's file and the project's file, one over the other.
//!
//! The defaults are a commented file that is the reference as well; a key that it does not hold is an error.

mod error;
mod merge;

use std::{
    env, fs, io,
    num::{NonZeroU32, NonZeroU64},
    path::{Path, PathBuf},
};

use portwright_core::Backend;
use portwright_sandbox::environment::{Asked, EnvironmentError, Options, Spec};
use serde::{Deserialize, Deserializer};
use toml::Table;

pub use error::SettingsError;

/// The commented defaults.
pub const DEFAULTS: &str = include_str!("default-settings.toml");

/// The name of a settings file.
pub const FILE: &str = "portwright.toml";

/// All settings in force, before options of the command line.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub run: Run,
    pub sweep: Sweep,
    pub environment: Environment,
    pub sandbox: Sandbox,
    pub log: Log,
    pub ledger: Ledger,
    pub llm: Llm,
}

/// How a port is run; see `default-settings.toml` for each key here and below.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    pub backends: Vec<Backend>,
    pub repo: PathBuf,
    pub memory_limit_mib: NonZeroU64,
    pub wall_seconds: NonZeroU64,
    pub cpu_seconds: NonZeroU64,
    pub plans: NonZeroU32,
    pub attempts: NonZeroU32,
    pub repair_seconds: NonZeroU64,
}

/// What a sweep takes in the place of the settings of [`Run`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    pub memory_limit_mib: NonZeroU64,
    pub wall_seconds: NonZeroU64,
    pub plans: NonZeroU32,
    pub attempts: NonZeroU32,
    pub repair_seconds: NonZeroU64,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    #[serde(deserialize_with = "unless_empty")]
    pub transformers: Option<String>,
    #[serde(deserialize_with = "unless_empty")]
    pub python: Option<PathBuf>,
    #[serde(deserialize_with = "unless_empty")]
    pub uv: Option<PathBuf>,
    #[serde(deserialize_with = "unless_empty")]
    pub cache_dir: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sandbox {
    pub enabled: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    pub format: LogFormat,
    pub level: LogLevel,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    pub dir: PathBuf,
}

/// The language model; see `default-settings.toml` for each key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Llm {
    #[serde(rename = "use")]
    pub model_at: String,
    #[serde(deserialize_with = "unless_empty")]
    pub model: Option<String>,
    pub small: bool,
    pub questions: NonZeroU32,
    pub tokens: NonZeroU64,
    pub seconds: NonZeroU64,
    pub dollars: Dollars,
    #[serde(deserialize_with = "unless_empty")]
    pub prices: Option<PathBuf>,
}

/// An amount of money that is a number and not below 0; 0 sets no limit.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(try_from = "f64")]
pub struct Dollars(pub f64);

impl Eq for Dollars {}

impl TryFrom<f64> for Dollars {
    type Error = &'static str;

    fn try_from(amount: f64) -> Result<Self, Self::Error> {
        if amount.is_finite() && amount >= 0.0 {
            Ok(Self(amount))
        } else {
            Err("an amount of money is a number and not below 0")
        }
    }
}

impl Settings {
    /// These settings with those of a sweep in force.
    pub fn for_sweep(&self) -> Self {
        let mut settings = self.clone();
        let (run, sweep) = (&mut settings.run, &self.sweep);
        run.memory_limit_mib = sweep.memory_limit_mib;
        run.wall_seconds = sweep.wall_seconds;
        run.plans = sweep.plans;
        run.attempts = sweep.attempts;
        run.repair_seconds = sweep.repair_seconds;
        settings
    }
}

/// Where settings files may lie.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// The file that the command line names; it must exist, and no project's file is looked for.
    pub explicit: Option<PathBuf>,
    /// The user's file, which may be absent.
    pub user: Option<PathBuf>,
    /// The folder that a project's file is looked for in, and in its parents.
    pub working_folder: Option<PathBuf>,
}

/// Settings, and where each of them comes from.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub settings: Settings,
    /// The files that were read, the strongest last.
    pub files: Vec<PathBuf>,
    table: Table,
    origins: merge::Origins,
}

impl Places {
    /// The places of this process; `explicit` is what `--config` names.
    pub fn of_process(explicit: Option<PathBuf>) -> Self {
        let folder = |name: &str| {
            let value = env::var_os(name).filter(|value| !value.is_empty())?;
            Some(PathBuf::from(value))
        };
        let config = folder("XDG_CONFIG_HOME")
            .filter(|path| path.is_absolute())
            .or_else(|| Some(folder("HOME")?.join(".config")));
        Self {
            explicit,
            user: config.map(|config| config.join("portwright").join(FILE)),
            working_folder: env::current_dir().ok(),
        }
    }

    fn files(&self) -> Vec<PathBuf> {
        let user = self.user.iter().filter(|path| path.exists()).cloned();
        let project = match (&self.explicit, &self.working_folder) {
            (Some(explicit), _) => Some(explicit.clone()),
            (None, Some(folder)) => folder
                .ancestors()
                .map(|folder| folder.join(FILE))
                .find(|path| path.exists()),
            (None, None) => None,
        };
        user.chain(project).collect()
    }
}

impl Loaded {
    /// Reads the defaults and every file of `places`.
    pub fn read(places: &Places) -> Result<Self, SettingsError> {
        let mut table = defaults()?;
        let mut origins = merge::Origins::new();
        let mut settings = interpret(&table, None)?;
        let files = places.files();
        for file in &files {
            let layer = merge::read(file)?;
            merge::over(&mut table, layer, file, &mut origins)?;
            // The files before it were right, so what does not fit now comes from this one.
            settings = interpret(&table, Some(file))?;
        }
        Ok(Self {
            settings,
            files,
            table,
            origins,
        })
    }

    /// Every setting in force, one a line, each with where it comes from.
    pub fn show(&self) -> String {
        merge::flatten(&self.table)
            .into_iter()
            .map(|(key, value)| match self.origins.get(&key) {
                Some(file) => format!("{key} = {value}  # {}\n", file.display()),
                None => format!("{key} = {value}  # default\n"),
            })
            .collect()
    }
}

impl Settings {
    /// What a build of the Python environment may use, with the variables of this process over these settings.
    pub fn environment_options(&self) -> Result<Options, EnvironmentError> {
        Options::new(Asked {
            cache_dir: self.environment.cache_dir.clone(),
            python: self.environment.python.clone(),
            uv: self.environment.uv.clone(),
        })
    }

    /// The environment to run in; `release` is what `--transformers` names.
    pub fn environment_spec(&self, release: Option<&str>) -> Result<Spec, EnvironmentError> {
        match release.or(self.environment.transformers.as_deref()) {
            Some(release) => Spec::with_transformers(release),
            None => Ok(Spec::locked()),
        }
    }
}

fn defaults() -> Result<Table, SettingsError> {
    DEFAULTS.parse().map_err(|error| SettingsError::Defaults {
        message: format!("{error}"),
    })
}

fn interpret(table: &Table, file: Option<&Path>) -> Result<Settings, SettingsError> {
    Settings::deserialize(table.clone()).map_err(|error| {
        let message = error.to_string().trim_end().to_owned();
        match file {
            Some(file) => SettingsError::Value {
                file: file.to_owned(),
                message,
            },
            None => SettingsError::Defaults { message },
        }
    })
}

fn unless_empty<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: From<String>,
{
    let text = String::deserialize(deserializer)?;
    Ok((!text.is_empty()).then(|| text.into()))
}

/// Reads a settings file whole.
fn read_text(file: &Path) -> Result<String, SettingsError> {
    fs::read_to_string(file).map_err(|source: io::Error| SettingsError::Read {
        file: file.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests;
