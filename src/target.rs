//! From what the user typed to what is ported.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use portwright_agents::driver::{Session, Target};
use portwright_core::{Digest, ModelType, job::ModelSource, text};
use portwright_knowledge::catalogue::{self, ResolveError};
use serde_json::{Map, Value};

use crate::{error::CliError, session};

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
        && (path.join("config.json").is_file()
            || text.contains(std::path::MAIN_SEPARATOR)
            || text.starts_with('.'))
    {
        return folder(text, path);
    }
    let known = session::catalogue(session, cache).await?;
    let found = catalogue::resolve(text, &known.names());
    if let Err(ResolveError::OutOfTree { folder: name, .. }) = &found
        && let Some(path) = outside(name)
    {
        return folder(text, &path);
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
        .find(|folder| folder.join("config.json").is_file())
}

/// A local folder with modelling code of its own.
pub fn folder(named: &str, path: &Path) -> Result<Resolved, CliError> {
    let hint = "a local folder holds config.json, with `model_type` and `auto_map`, beside its modelling code";
    let root = path.canonicalize().map_err(|error| {
        CliError::usage(format!("cannot open the folder {named}: {error}"), hint)
    })?;
    let config_path = root.join("config.json");
    let config = fs::read_to_string(&config_path).map_err(|error| {
        CliError::usage(
            format!("cannot read {}: {error}", config_path.display()),
            hint,
        )
    })?;
    let config: Map<String, Value> = serde_json::from_str(&config).map_err(|error| {
        CliError::usage(
            format!("{} is not a JSON object: {error}", config_path.display()),
            hint,
        )
    })?;
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
    let files = files(&root)?;
    let modelling = files
        .iter()
        .filter(|(name, _)| name.ends_with(".py") || *name == "config.json")
        .map(|(name, content)| {
            String::from_utf8(content.clone())
                .map(|text| (name.clone(), text))
                .map_err(|_| {
                    CliError::usage(format!("{name} is not UTF-8 text"), "save it as UTF-8")
                })
        })
        .collect::<Result<BTreeMap<_, _>, _>>()?;
    Ok(Resolved {
        target: Target {
            name: named.to_owned(),
            model_type: ModelType::new(model_type),
            source: ModelSource::Folder {
                path: root.to_string_lossy().into_owned(),
            },
            source_digest: Some(digest(&files)?),
            modelling: Some(modelling),
        },
        overrides: Map::new(),
    })
}

/// A checkpoint folder of the type that was asked for, with its digest.
pub fn checkpoint(path: &Path, asked: &ModelType) -> Result<(PathBuf, Digest), CliError> {
    let hint =
        "a checkpoint folder holds config.json and the weights, as `save_pretrained` writes them";
    let root = path.canonicalize().map_err(|error| {
        CliError::usage(
            format!("cannot open the checkpoint {}: {error}", path.display()),
            hint,
        )
    })?;
    let files = files(&root)?;
    let Some(config) = files.get("config.json") else {
        return Err(CliError::usage(
            format!("{} has no config.json", root.display()),
            hint,
        ));
    };
    let config: Map<String, Value> = serde_json::from_slice(config).map_err(|error| {
        CliError::usage(
            format!(
                "{}/config.json is not a JSON object: {error}",
                root.display()
            ),
            hint,
        )
    })?;
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
    let digest = digest(&files)?;
    Ok((root, digest))
}

/// The folder's own files, by name; subfolders are not part of a model's code.
fn files(root: &Path) -> Result<BTreeMap<String, Vec<u8>>, CliError> {
    let read = |error: std::io::Error| {
        CliError::usage(
            format!("cannot read {}: {error}", root.display()),
            "check its permissions",
        )
    };
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(root).map_err(read)? {
        let entry = entry.map_err(read)?;
        if entry.path().is_file() {
            files.insert(
                entry.file_name().to_string_lossy().into_owned(),
                fs::read(entry.path()).map_err(read)?,
            );
        }
    }
    Ok(files)
}

fn digest(files: &BTreeMap<String, Vec<u8>>) -> Result<Digest, CliError> {
    let digests: BTreeMap<_, _> = files
        .iter()
        .map(|(name, content)| (name, Digest::of(content)))
        .collect();
    Digest::of_json(&digests).map_err(CliError::internal)
}
