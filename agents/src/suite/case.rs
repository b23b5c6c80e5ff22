//! A case of the suite, and its folder.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use portwright_core::{Backend, Finding, PortPlan, Signature, Stage, SweepId, plan::PlanError};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The version of a case's file.
const SCHEMA: u32 = 1;
/// What was met, within the case's folder.
const CASE: &str = "case.toml";
/// The plan that met it, within the case's folder.
const PLAN: &str = "plan.toml";

/// Which half of the suite a case belongs to. All cases of one root cause are in one half.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// May be looked at while the ladder is worked on.
    Development,
    /// Measures only.
    HeldOut,
}

impl Split {
    pub const ALL: [Split; 2] = [Split::Development, Split::HeldOut];

    /// Its folder below the suite's.
    pub fn folder(self) -> &'static str {
        match self {
            Split::Development => "development",
            Split::HeldOut => "held-out",
        }
    }
}

/// A failure as it was met, before it was repaired.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Its folder's name.
    pub name: String,
    pub split: Split,
    /// What is ported: a model type, or a name of the catalogue.
    pub target: String,
    /// What has to pass for the case to be repaired.
    pub backend: Backend,
    pub met: About,
    pub plan: PortPlan,
}

/// What was met, and where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    schema: u32,
    pub stage: Stage,
    /// The normalised signature, which cases of one root cause share.
    pub cause: Signature,
    /// What the error said.
    pub message: String,
    pub sweep: SweepId,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseFile {
    target: String,
    backend: Backend,
    met: About,
}

/// Why a suite cannot be read or written.
#[derive(Debug, Error)]
pub enum CaseError {
    #[error("{path}: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error("{path}: {source}")]
    Case {
        path: PathBuf,
        source: Box<toml::de::Error>,
    },
    #[error("{path} cannot be written as TOML: {source}")]
    Write {
        path: PathBuf,
        source: toml::ser::Error,
    },
    #[error("{path}: {source}")]
    Plan { path: PathBuf, source: PlanError },
    #[error("{path} has schema {schema}, this program reads {SCHEMA}")]
    Schema { path: PathBuf, schema: u32 },
    #[error("{path} holds no case")]
    Empty { path: PathBuf },
}

impl CaseError {
    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            CaseError::File { .. } | CaseError::Write { .. } => {
                "check the folder and your right to it".to_owned()
            }
            CaseError::Case { .. } | CaseError::Schema { .. } => {
                "collect the suite again with this program".to_owned()
            }
            CaseError::Plan { source, .. } => source.hint().to_owned(),
            CaseError::Empty { .. } => {
                "name a folder that `portwright suite collect` has written".to_owned()
            }
        }
    }
}

impl Case {
    pub fn new(
        split: Split,
        target: &str,
        backend: Backend,
        plan: PortPlan,
        finding: &Finding,
        sweep: &SweepId,
    ) -> Self {
        Self {
            name: format!("{}-{backend}-{}", plan.model_type.slug(), finding.stage),
            split,
            target: target.to_owned(),
            backend,
            met: About {
                schema: SCHEMA,
                stage: finding.stage,
                cause: finding.signature.clone(),
                message: portable(&finding.message),
                sweep: sweep.clone(),
            },
            plan,
        }
    }

    /// Whether `finding` is what this case was collected for.
    pub fn is_met_by(&self, finding: &Finding) -> bool {
        finding.stage == self.met.stage && finding.signature == self.met.cause
    }

    /// Writes the case into its folder below `suite`.
    pub fn write(&self, suite: &Path) -> Result<(), CaseError> {
        let folder = suite.join(self.split.folder()).join(&self.name);
        fs::create_dir_all(&folder).map_err(|source| CaseError::File {
            path: folder.clone(),
            source,
        })?;
        let path = folder.join(CASE);
        let file = CaseFile {
            target: self.target.clone(),
            backend: self.backend,
            met: self.met.clone(),
        };
        let text = toml::to_string_pretty(&file).map_err(|source| CaseError::Write {
            path: path.clone(),
            source,
        })?;
        write(&path, &text)?;
        let path = folder.join(PLAN);
        let text = self.plan.to_toml().map_err(|source| CaseError::Plan {
            path: path.clone(),
            source,
        })?;
        write(&path, &text)
    }
}

/// The text with the end of each absolute path only, which is the same on every machine.
fn portable(text: &str) -> String {
    let of_path = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let mut shown = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('/') {
        let (before, path) = rest.split_at(at);
        shown.push_str(before);
        let end = path.find(|c| !of_path(c)).unwrap_or(path.len());
        let (path, after) = path.split_at(end);
        let parts: Vec<&str> = path.split('/').collect();
        let inside = before.chars().next_back().is_some_and(of_path);
        if inside || parts.len() < 4 {
            shown.push_str(path);
        } else {
            shown.push_str(&parts[parts.len() - 2..].join("/"));
        }
        rest = after;
    }
    shown + rest
}

/// The cases of a suite, by split and name.
pub fn read_all(suite: &Path) -> Result<Vec<Case>, CaseError> {
    let mut cases = Vec::new();
    for split in Split::ALL {
        let folder = suite.join(split.folder());
        if !folder.is_dir() {
            continue;
        }
        let failed = |source| CaseError::File {
            path: folder.clone(),
            source,
        };
        let mut names = Vec::new();
        for entry in fs::read_dir(&folder).map_err(failed)? {
            names.push(entry.map_err(failed)?.file_name());
        }
        names.sort();
        for name in names {
            cases.push(read(
                split,
                &folder.join(&name),
                name.to_string_lossy().into(),
            )?);
        }
    }
    if cases.is_empty() {
        return Err(CaseError::Empty {
            path: suite.to_owned(),
        });
    }
    Ok(cases)
}

fn read(split: Split, folder: &Path, name: String) -> Result<Case, CaseError> {
    let path = folder.join(CASE);
    let file: CaseFile = toml::from_str(&text(&path)?).map_err(|source| CaseError::Case {
        path: path.clone(),
        source: Box::new(source),
    })?;
    if file.met.schema != SCHEMA {
        return Err(CaseError::Schema {
            path,
            schema: file.met.schema,
        });
    }
    let path = folder.join(PLAN);
    let plan =
        PortPlan::from_toml(&text(&path)?).map_err(|source| CaseError::Plan { path, source })?;
    Ok(Case {
        name,
        split,
        target: file.target,
        backend: file.backend,
        met: file.met,
        plan,
    })
}

fn text(path: &Path) -> Result<String, CaseError> {
    fs::read_to_string(path).map_err(|source| CaseError::File {
        path: path.to_owned(),
        source,
    })
}

fn write(path: &Path, text: &str) -> Result<(), CaseError> {
    fs::write(path, text).map_err(|source| CaseError::File {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use portwright_knowledge::propose::{ProposeOptions, propose};

    use super::*;
    use crate::testing;

    fn case(split: Split) -> Case {
        let plan = propose(&testing::card(), &ProposeOptions::default()).unwrap();
        let finding = testing::finding(Stage::Export, Some(Backend::ONNXRUNTIME), "guard");
        let sweep = SweepId::new("sweep");
        Case::new(split, "tiny", Backend::ONNXRUNTIME, plan, &finding, &sweep)
    }

    #[test]
    fn a_case_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let written = [case(Split::Development), case(Split::HeldOut)];
        for case in &written {
            case.write(folder.path()).unwrap();
        }
        assert_eq!(read_all(folder.path()).unwrap(), written);
    }

    #[test]
    fn a_message_keeps_the_ends_of_its_paths() {
        assert_eq!(
            portable("no X in 'm' (/a/user/envs/1/m/modeling_m.py), 2/3 of a/b/c/d"),
            "no X in 'm' (m/modeling_m.py), 2/3 of a/b/c/d"
        );
    }

    #[test]
    fn a_folder_without_a_case_is_no_suite() {
        let folder = tempfile::tempdir().unwrap();
        let error = read_all(folder.path()).unwrap_err();
        assert!(matches!(error, CaseError::Empty { .. }), "{error}");
        assert!(error.hint().contains("suite collect"));
    }

    #[test]
    fn a_case_with_a_key_that_is_unknown_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let case = case(Split::HeldOut);
        case.write(folder.path()).unwrap();
        let path = folder.path().join("held-out").join(&case.name).join(CASE);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("expected = \"a pass\"\n{text}")).unwrap();
        let error = read_all(folder.path()).unwrap_err();
        assert!(matches!(error, CaseError::Case { .. }), "{error}");
    }

    #[test]
    fn a_case_is_met_by_its_own_finding_only() {
        let case = case(Split::HeldOut);
        let finding = |stage, phrase| testing::finding(stage, None, phrase);
        assert!(case.is_met_by(&finding(Stage::Export, "guard")));
        assert!(!case.is_met_by(&finding(Stage::Export, "another")));
        assert!(!case.is_met_by(&finding(Stage::Load, "guard")));
    }
}
