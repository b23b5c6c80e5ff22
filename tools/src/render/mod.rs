//! Skillsets rendered from plans: the Python that a user imports, and the documents beside it.
//!
//! Templates are in `tools/templates`: one base for the module and one for its tests, and a small child of each per
//! architecture family. What depends on the plan is laid out here as `ruff format` lays it out, so that nothing has
//! to run a formatter.

mod classes;
mod context;
mod documents;
mod inputs;
mod patches;
mod python;
mod web;

use std::{collections::BTreeMap, path::Path};

use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use portwright_core::{
    Format,
    plan::{PlanError, PortPlan},
};
use portwright_knowledge::guard::PatchRefused;
use portwright_sandbox::pool::{DECOMPOSED, SPELLED, WHOLE};
use thiserror::Error;

pub use documents::render_documents;

/// Contents by path, relative to the skillset's folder.
pub type Files = BTreeMap<String, String>;

/// Why a skillset cannot be rendered.
#[derive(Debug, Error)]
pub enum RenderError {
    #[error("the plan cannot be rendered: {0}")]
    Plan(#[from] PlanError),
    #[error("`{key}` of the plan holds `{text}`, which cannot stand in source text")]
    Text { key: String, text: String },
    #[error(
        "the plan's module `{module}` is in a local folder, and the folder has no file `{module}.py`"
    )]
    NoModelling { module: String },
    #[error("no file of the local folder defines the class `{class}`")]
    NoClass { class: String },
    #[error(transparent)]
    Patch(#[from] PatchRefused),
    #[error("the local folder's config.json is no JSON object: {0}")]
    Config(serde_json::Error),
    #[error("a template failed: {0}")]
    Template(#[from] minijinja::Error),
    #[error("the manifest cannot be written: {0}")]
    Manifest(#[from] serde_json::Error),
}

impl RenderError {
    /// Whether it is a fault of the templates, and not of what they were told.
    pub fn is_defect(&self) -> bool {
        matches!(self, RenderError::Template(_) | RenderError::Manifest(_))
    }

    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            RenderError::Plan(error) => error.hint(),
            RenderError::Text { .. } => "use letters, digits, `_`, `-` and `.` for this key",
            RenderError::NoModelling { .. } => {
                "name the file's stem in the plan's `module` key, and pass the folder's files"
            }
            RenderError::NoClass { .. } => {
                "check the plan's `class` and `config_class` against the folder's files"
            }
            RenderError::Patch(refused) => refused.refusal.hint(),
            RenderError::Config(_) => "repair the folder's config.json",
            RenderError::Template(_) | RenderError::Manifest(_) => {
                "this is a defect in Portwright: please report it with the plan"
            }
        }
    }
}

fn environment() -> Result<Environment<'static>, RenderError> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_filter("py", python::filter);
    minijinja_embed::load_templates!(&mut environment);
    Ok(environment)
}

/// Renders the module, its tests and the plan. `modelling` holds the Python files of a local folder by name; they go
/// into `modeling/`. `library` is the folder of the installed Transformers package: the guards read there what a torch
/// patch replaces.
pub fn render_code(
    plan: &PortPlan,
    modelling: Option<&BTreeMap<String, String>>,
    library: &Path,
) -> Result<Files, RenderError> {
    plan.validate()?;
    let patches = patches::of_plan(plan, modelling, library)?;
    let environment = environment()?;
    let context = context::code(plan, modelling)?;
    let render = |template: &str| -> Result<String, RenderError> {
        Ok(environment.get_template(template)?.render(&context)? + "\n")
    };
    let (module, tests) = context::family_templates(plan.family);
    let mut files = Files::from([
        ("__init__.py".into(), render("init.py.j2")?),
        ("skillset.py".into(), render(module)?),
        ("weights.py".into(), render("weights.py.j2")?),
        ("whole.py".into(), WHOLE.to_owned()),
        ("test_skillset.py".into(), render(tests)?),
        ("plan.toml".into(), plan.to_toml()?),
    ]);
    if context::backends(plan).len() > 1 {
        files.extend(patches::render(&environment, &patches)?);
    }
    if context::backends(plan).into_iter().any(web::is_web) {
        files.extend(web::render(&environment, &context)?);
    }
    if plan
        .export
        .get(&Format::Onnx)
        .is_some_and(|it| !it.rewrites.is_empty())
    {
        files.insert("rewrites.py".into(), render("rewrites.py.j2")?);
    }
    if context::is_decomposed(plan) {
        files.insert("decomposed.py".into(), DECOMPOSED.to_owned());
    }
    if context::is_spelled(plan) {
        files.insert("spelled.py".into(), SPELLED.to_owned());
    }
    if context::is_local(plan) {
        let own = modelling.into_iter().flatten();
        for (name, text) in own.filter(|(name, _)| *name != context::CONFIG_FILE) {
            files.insert(format!("modeling/{name}"), text.clone());
        }
        files.entry("modeling/__init__.py".into()).or_default();
    }
    Ok(files)
}
