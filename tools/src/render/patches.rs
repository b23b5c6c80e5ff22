//! Torch patches as files of the skillset: one for each, and a package that puts them in place while a model is exported.

use std::{collections::BTreeMap, fs, path::Path};

use minijinja::{Environment, Value, context};
use portwright_core::{
    PortPlan,
    plan::{AdaptationKind, PatchTarget, TorchPatch},
};
use portwright_knowledge::guard::{self, Admitted};

use super::{
    Files, RenderError,
    context::is_local,
    inputs::is_word,
    python::{Literal, wrap},
};

/// A patch that the guards admitted.
pub struct Patch<'p> {
    target: PatchTarget<'p>,
    source: &'p str,
    reason: &'p str,
    admitted: Admitted,
    /// Whether the target stands in a local folder's file.
    local: bool,
}

/// The torch patches among a plan's adaptations.
pub fn listed(plan: &PortPlan) -> impl Iterator<Item = (&TorchPatch, &str)> {
    plan.adaptations
        .iter()
        .filter_map(|adaptation| match &adaptation.kind {
            AdaptationKind::TorchPatch(patch) => {
                Some((patch, adaptation.provenance.reason.as_str()))
            }
            AdaptationKind::Setting { .. }
            | AdaptationKind::ExpertsImplementation { .. }
            | AdaptationKind::AntialiasAsProduct => None,
        })
}

/// The patches of a plan, each asked by every guard. The originals are read in `modelling`, the files of a local folder,
/// and below `library`, the folder of the Transformers package.
pub fn of_plan<'p>(
    plan: &'p PortPlan,
    modelling: Option<&BTreeMap<String, String>>,
    library: &Path,
) -> Result<Vec<Patch<'p>>, RenderError> {
    let local = |module: &str| is_local(plan) && !module.contains('.');
    let text_of = |module: &str| {
        if local(module) {
            return modelling?.get(&format!("{module}.py")).cloned();
        }
        let path = module.strip_prefix("transformers.")?.replace('.', "/");
        // A module that cannot be read defines nothing, and the guard says so.
        fs::read_to_string(library.join(path).with_extension("py")).ok()
    };
    listed(plan)
        .map(|(patch, reason)| {
            let admitted = guard::admit(plan, patch, text_of)?;
            let text = || RenderError::Text {
                key: "adaptations.kind.target".to_owned(),
                text: patch.target.clone(),
            };
            let target = patch.parts().ok_or_else(text)?;
            // The target becomes an import.
            if !patch.target.split('.').all(is_word) {
                return Err(text());
            }
            Ok(Patch {
                target,
                source: patch.source.trim(),
                reason,
                admitted,
                local: local(target.module),
            })
        })
        .collect()
}

/// The files of `patches`, by their paths in the skillset; none where there are none.
pub fn render(environment: &Environment<'_>, patches: &[Patch<'_>]) -> Result<Files, RenderError> {
    let mut files = Files::new();
    if patches.is_empty() {
        return Ok(files);
    }
    let each: Vec<Value> = patches.iter().map(one).collect();
    let mut imports: Vec<String> = patches
        .iter()
        .map(|patch| import(patch, module_name(patch)))
        .collect();
    imports.sort();
    imports.dedup();
    let modules: Vec<String> = (1..=patches.len()).map(|n| format!("patch_{n}")).collect();
    let modules: Vec<&str> = modules.iter().map(String::as_str).collect();
    let local = patches.iter().any(|patch| patch.local);
    let package = environment.get_template("patches.py.j2")?;
    let package = package.render(context! {
        imports,
        // What is local is one section of imports.
        gap => !local,
        modules => super::classes::import(".", &modules),
        table => table(patches),
    })? + "\n";
    files.insert("patches/__init__.py".into(), package);
    let template = environment.get_template("patch.py.j2")?;
    for (index, value) in each.iter().enumerate() {
        let path = format!("patches/patch_{}.py", index + 1);
        files.insert(path, template.render(value)? + "\n");
    }
    Ok(files)
}

/// What is replaced and by what, as Python.
fn table(patches: &[Patch<'_>]) -> String {
    let rows = patches.iter().enumerate().map(|(index, patch)| {
        let function = patch.target.function;
        Literal::Tuple(vec![
            Literal::Source(owner(patch)),
            Literal::text(function),
            Literal::Source(format!("patch_{}.{function}", index + 1)),
        ])
    });
    Literal::List(rows.collect()).after(0, "PATCHES = ", "")
}

/// The class or module that holds what is replaced.
fn owner(patch: &Patch<'_>) -> String {
    let module = module_name(patch);
    match patch.target.class {
        Some(class) => format!("{module}.{class}"),
        None => module.to_owned(),
    }
}

/// What the templates are told of one patch.
fn one(patch: &Patch<'_>) -> Value {
    let module = module_name(patch);
    let mut imports: Vec<String> = Vec::new();
    let uses = |name: &str| patch.admitted.libraries.contains(name);
    if uses("math") {
        imports.push("import math".into());
    }
    let mut libraries = Vec::new();
    if uses("torch") {
        libraries.push("import torch".to_owned());
    }
    if uses("F") {
        libraries.push("import torch.nn.functional as F".to_owned());
    }
    if uses("nn") {
        libraries.push("from torch import nn".to_owned());
    }
    let helpers: Vec<&str> = patch.admitted.helpers.iter().map(String::as_str).collect();
    let own = (!helpers.is_empty()).then(|| {
        let from = if patch.local {
            format!("..modeling.{module}")
        } else {
            patch.target.module.to_owned()
        };
        super::classes::import(&from, &helpers)
    });
    context! {
        standard => imports,
        libraries,
        own,
        gap => patch.local && !patch.admitted.libraries.iter().all(|name| name == "math"),
        target => [patch.target.class, Some(patch.target.function)].into_iter().flatten().collect::<Vec<_>>().join("."),
        reason => wrap(patch.reason, 86),
        source => patch.source,
    }
}

/// The last part of the module's name.
fn module_name<'p>(patch: &Patch<'p>) -> &'p str {
    let module = patch.target.module;
    module.rsplit_once('.').map_or(module, |(_, last)| last)
}

fn import(patch: &Patch<'_>, module: &str) -> String {
    match patch.target.module.rsplit_once('.') {
        Some((package, _)) if !patch.local => format!("from {package} import {module}"),
        _ => format!("from ..modeling import {module}"),
    }
}
