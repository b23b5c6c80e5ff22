//! From what the user typed to what is ported.

mod copied;
mod taken;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use portwright_agents::driver::{Session, Target};
use portwright_core::{Digest, ModelType, job::ModelSource, text};
use portwright_knowledge::catalogue::{self, ResolveError};
use serde_json::{Map, Value};

use crate::{error::CliError, session};

pub use copied::Copied;
use taken::{FolderError, Purpose, Taken};

/// The configuration of a folder.
const CONFIG: &str = "config.json";

/// Where a clone keeps models that the library does not hold.
const MODELS: &str = "evals/models";

/// A target, and the configuration overrides that a named variant carries.
pub struct Resolved {
    pub target: Target,
    pub overrides: Map<String, Value>,
}

/// A path, or the name of a folder with a `config.json`, is a folder; anything else is a name, even where a skillset's
/// folder has it too.
pub async fn resolve(text: &str, session: &Session, cache: &Path) -> Result<Resolved, CliError> {
    let path = Path::new(text);
    if !text.is_empty()
        && (path.join(CONFIG).is_file()
            || text.contains(std::path::MAIN_SEPARATOR)
            || text.starts_with('.'))
    {
        return folder(text, path, &session::models(session));
    }
    let known = session::catalogue(session, cache).await?;
    let found = catalogue::resolve(text, &known.names());
    if let Err(ResolveError::OutOfTree { folder: name, .. }) = &found
        && let Some(path) = outside(name)
    {
        return folder(text, &path, &session::models(session));
    }
    let resolved = found.map_err(|error| CliError::usage(&error, error.hint()))?;
    Ok(Resolved {
        target: Target {
            name: text.to_owned(),
            model_type: resolved.model_type,
            source: ModelSource::Library,
            source_digest: None,
            modelling: None,
        },
        overrides: resolved.variant,
    })
}

/// The folder of a model that the library does not hold, below `evals/models` of the working folder or of the nearest
/// of its parents that has it.
pub fn outside(name: &str) -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    here.ancestors()
        .map(|place| place.join(MODELS).join(name))
        .find(|folder| folder.join(CONFIG).is_file())
}

/// A local folder with modelling code of its own. Jobs are shown a copy of it below `models`.
pub fn folder(named: &str, path: &Path, models: &Path) -> Result<Resolved, CliError> {
    let hint = "a local folder holds config.json, with `model_type` and `auto_map`, beside its modelling code";
    let root = real("the folder", path, hint)?;
    let taken = taken::take(&root, Purpose::Modelling)?;
    let config = config(&root, &taken, hint)?;
    let config_path = root.join(CONFIG);
    let Some(model_type) = config
        .get("model_type")
        .and_then(Value::as_str)
        .filter(|name| !name.is_empty())
    else {
        return Err(CliError::usage(
            format!("{} names no `model_type`", config_path.display()),
            hint,
        ));
    };
    // It names folders, branches and rows of reports.
    if !text::is_word(model_type) {
        return Err(CliError::usage(
            format!(
                "the `model_type` of {} is no word: `{}`",
                config_path.display(),
                text::cut(&text::line(model_type), 60)
            ),
            "a model type has letters, digits, `_`, `-`, `.` and `+`, at most 100 of them",
        ));
    }
    if !config.get("auto_map").is_some_and(Value::is_object) {
        return Err(CliError::usage(
            format!("{} has no `auto_map`", config_path.display()),
            hint,
        ));
    }
    let modelling = taken
        .texts
        .iter()
        .filter(|(name, _)| name.ends_with(".py") || *name == CONFIG)
        .map(|(name, content)| {
            String::from_utf8(content.clone())
                .map(|text| (name.clone(), text))
                .map_err(|_| {
                    CliError::usage(format!("{name} is not UTF-8 text"), "save it as UTF-8")
                })
        })
        .collect::<Result<BTreeMap<_, _>, _>>()?;
    let copied = copied(&taken, &root, models)?;
    Ok(Resolved {
        target: Target {
            name: named.to_owned(),
            model_type: ModelType::new(model_type),
            source: ModelSource::Folder {
                path: copied.folder.to_string_lossy().into_owned(),
            },
            source_digest: Some(taken.digest().map_err(CliError::internal)?),
            modelling: Some(modelling),
        },
        overrides: Map::new(),
    })
}

/// A checkpoint folder of the type that was asked for, as its copy below `models`, with its digest.
pub fn checkpoint(
    path: &Path,
    asked: &ModelType,
    models: &Path,
) -> Result<(Copied, Digest), CliError> {
    let hint =
        "a checkpoint folder holds config.json and the weights, as `save_pretrained` writes them";
    let root = real("the checkpoint", path, hint)?;
    let taken = taken::take(&root, Purpose::Checkpoint)?;
    let config = config(&root, &taken, hint)?;
    let found = config
        .get("model_type")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if found != asked.as_str() {
        return Err(CliError::usage(
            format!(
                "the checkpoint {} is of the type `{found}`, not `{asked}`",
                root.display()
            ),
            format!("run `{found}`, or give a checkpoint of `{asked}`"),
        ));
    }
    let digest = taken.digest().map_err(CliError::internal)?;
    Ok((copied(&taken, &root, models)?, digest))
}

fn real(what: &str, path: &Path, hint: &str) -> Result<PathBuf, CliError> {
    path.canonicalize().map_err(|error| {
        CliError::usage(
            format!("cannot open {what} {}: {error}", path.display()),
            hint,
        )
    })
}

fn config(root: &Path, taken: &Taken, hint: &str) -> Result<Map<String, Value>, CliError> {
    let Some(config) = taken.texts.get(CONFIG) else {
        return Err(CliError::usage(
            format!("{} has no {CONFIG}", root.display()),
            hint,
        ));
    };
    serde_json::from_slice(config).map_err(|error| {
        CliError::usage(
            format!("{}/{CONFIG} is not a JSON object: {error}", root.display()),
            hint,
        )
    })
}

fn copied(taken: &Taken, root: &Path, models: &Path) -> Result<Copied, CliError> {
    copied::copy(taken, root, models).map_err(|error| session::storage(models, &error))
}

impl From<FolderError> for CliError {
    fn from(error: FolderError) -> Self {
        Self::usage(&error, error.hint())
    }
}
