//! Lays one settings file over another.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use toml::{Table, Value};

use super::{
    File, Owner, SettingsError, read_text,
    trust::{self, Form},
};

/// Which file set a key, by dotted key.
pub(super) type Origins = BTreeMap<String, PathBuf>;

/// A near match is at least this alike, from 0 to 1.
const ALIKE: f64 = 0.8;

pub(super) fn read(file: &File) -> Result<Table, SettingsError> {
    read_text(file)?
        .parse()
        .map_err(|error: toml::de::Error| SettingsError::Syntax {
            file: file.path.clone(),
            message: error.to_string().trim_end().to_owned(),
        })
}

/// Lays `layer`, read from a file, over `base`, which holds every known key. What the file may not choose is an error.
pub(super) fn over(
    base: &mut Table,
    layer: Table,
    File { path: file, owner }: &File,
    origins: &mut Origins,
) -> Result<(), SettingsError> {
    let known: Vec<String> = flatten(base).into_iter().map(|(key, _)| key).collect();
    let mut refused = Vec::new();
    for (section, content) in layer {
        let Some(Value::Table(known_keys)) = base.get_mut(&section) else {
            return Err(unknown(section, file, &known));
        };
        let Value::Table(content) = content else {
            return Err(SettingsError::Value {
                file: file.to_owned(),
                message: format!("`{section}` is a section: write `[{section}]`"),
            });
        };
        for (name, value) in content {
            let key = format!("{section}.{name}");
            let Some(slot) = known_keys.get_mut(&name) else {
                return Err(unknown(key, file, &known));
            };
            if *owner == Owner::Folder
                && let Some(why) = trust::refusal(&key, slot, &value, file)
            {
                refused.push((key, why));
                continue;
            }
            *slot = anchored(&key, value, file);
            origins.insert(key, file.to_owned());
        }
    }
    if !refused.is_empty() {
        return Err(SettingsError::Trust {
            file: file.to_owned(),
            refused,
        });
    }
    Ok(())
}

/// Every setting with its dotted key, in the order of the defaults.
pub(super) fn flatten(table: &Table) -> Vec<(String, &Value)> {
    let mut flat = Vec::new();
    for (section, content) in table {
        for (name, value) in content.as_table().into_iter().flatten() {
            flat.push((format!("{section}.{name}"), value));
        }
    }
    flat
}

/// Makes a relative path whole: it is meant from the folder of the file that it stands in.
fn anchored(key: &str, value: Value, file: &Path) -> Value {
    let Value::String(text) = &value else {
        return value;
    };
    let is_path = match trust::declared(key).map(|setting| setting.form) {
        Some(Form::Path) => true,
        Some(Form::Program) => text.contains('/'),
        Some(Form::Plain) | None => false,
    };
    if !is_path || text.is_empty() {
        return value;
    }
    let folder = file.parent().unwrap_or(Path::new(""));
    match folder.join(text).into_os_string().into_string() {
        Ok(path) => Value::String(path),
        // A folder whose name is not Unicode cannot stand in TOML: the path stays as it was written.
        Err(_) => value,
    }
}

fn unknown(key: String, file: &Path, known: &[String]) -> SettingsError {
    let sections = known.iter().filter_map(|known| known.split('.').next());
    let mut candidates: Vec<&str> = match key.contains('.') {
        true => known.iter().map(String::as_str).collect(),
        false => sections.collect(),
    };
    candidates.dedup();
    // Names are compared without their sections: a right name in the wrong section is near.
    let name = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let mut near: Vec<(f64, &str)> = candidates
        .into_iter()
        .map(|known| (strsim::jaro_winkler(&name(&key), &name(known)), known))
        .filter(|(alike, _)| *alike >= ALIKE)
        .collect();
    near.sort_by(|one, other| other.0.total_cmp(&one.0));
    let near = near
        .into_iter()
        .take(2)
        .map(|(_, key)| key.to_owned())
        .collect();
    SettingsError::UnknownKey {
        key,
        file: file.to_owned(),
        near,
    }
}
