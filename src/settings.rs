//! Settings: the embedded defaults, the user's file and the project's file, one over the other.
//!
//! The defaults are a commented file that is the reference as well; a key that it does not hold is an error. So is one
//! that a file in a working folder may not choose: [`trust`] declares that of every setting.

mod error;
mod merge;
mod trust;

use std::{
    env, fs, io,
    num::{NonZeroU32, NonZeroU64},
    path::{Path, PathBuf},
};

use portwright_core::Backend;
use portwright_sandbox::{
    environment::{Asked, EnvironmentError, Options, Spec},
    plain,
};
use serde::{Deserialize, Deserializer};
use toml::Table;

pub use error::SettingsError;

/// The commented defaults.
pub const DEFAULTS: &str = include_str!("default-settings.toml");

/// The name of a settings file.
pub const FILE: &str = "portwright.toml";

/// No settings file in a working folder is larger; the defaults have a tenth of it.
const LARGEST: u64 = 64 << 10;

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
    pub disk_limit_mib: NonZeroU64,
    pub plans: NonZeroU32,
    pub analysis_seconds: NonZeroU64,
    pub attempts: NonZeroU32,
    pub repair_seconds: NonZeroU64,
}

/// What a sweep takes in the place of the settings of [`Run`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    pub memory_limit_mib: NonZeroU64,
    pub wall_seconds: NonZeroU64,
    pub disk_limit_mib: NonZeroU64,
    pub plans: NonZeroU32,
    pub analysis_seconds: NonZeroU64,
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
        run.disk_limit_mib = sweep.disk_limit_mib;
        run.plans = sweep.plans;
        run.analysis_seconds = sweep.analysis_seconds;
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

/// A settings file that is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    pub path: PathBuf,
    pub owner: Owner,
}

/// Whose word a settings file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The user's: the file in their configuration folder, or the one that the command line names.
    User,
    /// Whoever wrote what lies in the working folder.
    Folder,
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

    fn files(&self) -> Vec<File> {
        let user = self.user.iter().filter(|path| path.exists());
        let user = user.map(|path| File {
            path: path.clone(),
            owner: Owner::User,
        });
        let last = match (&self.explicit, &self.working_folder) {
            (Some(explicit), _) => Some(File {
                path: explicit.clone(),
                owner: Owner::User,
            }),
            (None, Some(folder)) => self.of_folder(folder),
            (None, None) => None,
        };
        user.chain(last).collect()
    }

    /// The file in a working folder, or in the nearest of its parents that has one. Who stands beside their own file is
    /// not given it a second time as somebody else's.
    fn of_folder(&self, folder: &Path) -> Option<File> {
        let own = self.user.as_ref().and_then(|path| path.canonicalize().ok());
        let mut places = folder.ancestors().map(|folder| folder.join(FILE));
        let path = places.find(|path| fs::symlink_metadata(path).is_ok())?;
        let is_own = own.is_some() && own == path.canonicalize().ok();
        (!is_own).then_some(File {
            path,
            owner: Owner::Folder,
        })
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
            settings = interpret(&table, Some(&file.path))?;
        }
        Ok(Self {
            settings,
            files: files.into_iter().map(|file| file.path).collect(),
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
    /// The ledger's folder: the one that an option names, or else that of the settings.
    pub fn ledger_folder<'a>(&'a self, named: Option<&'a Path>) -> Result<&'a Path, SettingsError> {
        chosen(named, &self.ledger.dir, "--ledger")
    }

    /// The skillset repository: the one that an option names, or else that of the settings.
    pub fn repository<'a>(&'a self, named: Option<&'a Path>) -> Result<&'a Path, SettingsError> {
        chosen(named, &self.run.repo, "--repo")
    }

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

/// A folder that is written to. The defaults are names in the working folder, and what lies there may be anybody's: a link
/// in its place would have something else written. Files of settings make their paths whole.
fn chosen<'a>(
    named: Option<&'a Path>,
    set: &'a Path,
    option: &'static str,
) -> Result<&'a Path, SettingsError> {
    match named {
        Some(named) => Ok(named),
        None if set.is_relative() && set.is_symlink() => Err(SettingsError::Link {
            folder: set.to_owned(),
            option,
        }),
        None => Ok(set),
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

/// Reads a settings file whole. One in a working folder is no link, pipe or device, and no giant.
fn read_text(file: &File) -> Result<String, SettingsError> {
    let failed = |source: io::Error| SettingsError::Read {
        file: file.path.clone(),
        source,
    };
    if file.owner == Owner::User {
        return fs::read_to_string(&file.path).map_err(failed);
    }
    let (folder, name) = (file.path.parent(), file.path.file_name());
    let folder = folder.unwrap_or(Path::new("."));
    plain::read_text(folder, Path::new(name.unwrap_or_default()), LARGEST)
        .map_err(SettingsError::NotPlain)
}

#[cfg(test)]
mod tests;
