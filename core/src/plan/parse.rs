//! Plans to and from TOML, and what makes a plan valid.

use std::collections::BTreeSet;

use serde_json::Value;
use thiserror::Error;

use super::{AdaptationKind, Axis, Export, PortPlan, SCHEMA, Values};
use crate::{
    format::Format,
    text::{cut, is_hidden, line},
};

/// What is wrong with a plan.
#[derive(Debug, Error)]
pub enum PlanError {
    #[error("the plan is not valid TOML of a port plan: {0}")]
    Parse(String),
    #[error("the plan has schema {found}; this version reads schema {SCHEMA}")]
    Schema { found: u32 },
    #[error("the plan contradicts itself at `{key}`: {why}")]
    Invalid { key: String, why: String },
    #[error("the plan cannot be written as TOML: {0}")]
    Write(String),
}

impl PlanError {
    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            PlanError::Parse(_) => {
                "docs/reference/plan.md lists every key; unknown keys are refused so that a typing error cannot pass in silence"
            }
            PlanError::Schema { .. } => "delete the plan and run again to have it found anew",
            PlanError::Invalid { .. } => {
                "edit the named key, or delete the plan and run again to have it found anew"
            }
            PlanError::Write(_) => "this is a defect in Portwright: please report it with the plan",
        }
    }
}

pub(super) fn from_toml(text: &str) -> Result<PortPlan, PlanError> {
    let plan: PortPlan =
        toml::from_str(text).map_err(|error| PlanError::Parse(error.to_string()))?;
    validate(&plan)?;
    Ok(plan)
}

pub(super) fn to_toml(plan: &PortPlan) -> Result<String, PlanError> {
    toml::to_string_pretty(plan).map_err(|error| PlanError::Write(error.to_string()))
}

pub(super) fn validate(plan: &PortPlan) -> Result<(), PlanError> {
    if plan.schema != SCHEMA {
        return Err(PlanError::Schema { found: plan.schema });
    }
    if plan.inputs.is_empty() {
        return Err(invalid("inputs", "a port needs at least one input"));
    }
    identifier("class", &plan.class)?;
    identifier("config_class", &plan.config_class)?;
    for part in plan.module.split('.') {
        identifier("module", part)?;
    }
    for part in plan
        .config_module
        .iter()
        .flat_map(|module| module.split('.'))
    {
        identifier("config_module", part)?;
    }
    for (name, dim) in &plan.dims {
        if dim.example == 0 || dim.other == Some(0) {
            return Err(invalid(&format!("dims.{name}"), "a size is at least 1"));
        }
        if dim.other == Some(dim.example) {
            return Err(invalid(
                &format!("dims.{name}"),
                "`other` must differ from `example`",
            ));
        }
    }
    validate_texts(plan)?;
    validate_inputs(plan)?;
    validate_methods(plan)?;
    validate_session(plan)?;
    validate_patches(plan)?;
    for (format, export) in &plan.export {
        validate_export(plan, *format, export)?;
    }
    for backend in &plan.backends {
        let format = backend.reads();
        if !backend.runs_module() && !plan.export.contains_key(&format) {
            return Err(invalid(
                "backends",
                &format!("`{backend}` reads {format}, which has no entry in `export`"),
            ));
        }
    }
    let mut followed = plan.clone();
    followed.follow_sources();
    let differs = |(format, export): &(&Format, &Export)| plan.export.get(*format) != Some(*export);
    if let Some((format, _)) = followed.export.iter().find(differs) {
        return Err(invalid(
            &format!("export.{format}.dynamic"),
            "what it is made from has fixed axes: say `dynamic = false`",
        ));
    }
    Ok(())
}

/// An artefact is made by somebody who can make it, from what the plan makes too.
fn validate_export(plan: &PortPlan, format: Format, export: &Export) -> Result<(), PlanError> {
    let key = |name: &str| format!("export.{format}.{name}");
    one_of(&key("attention"), &export.attention, &["eager", "sdpa"])?;
    if let Some(level) = &export.runtime_optimization {
        one_of(
            &key("runtime_optimization"),
            level,
            &["disable", "basic", "extended", "all"],
        )?;
    }
    if format != Format::Onnx && !export.rewrites.is_empty() {
        return Err(invalid(
            &key("rewrites"),
            "only an ONNX graph is rewritten: say it in `export.onnx`",
        ));
    }
    if export.rewrites.iter().collect::<BTreeSet<_>>().len() != export.rewrites.len() {
        return Err(invalid(&key("rewrites"), "one of them is named twice"));
    }
    let makers: Vec<&str> = format.makers().iter().map(|it| it.as_str()).collect();
    one_of(&key("strategy"), export.strategy.as_str(), &makers)?;
    let source = export.strategy.reads();
    if source != Format::Module && !plan.export.contains_key(&source) {
        return Err(invalid(
            &key("strategy"),
            &format!(
                "`{}` needs an `export.{source}` entry",
                export.strategy.as_str()
            ),
        ));
    }
    Ok(())
}

/// A plan is committed and read by people: none of its texts and keys may hold what acts instead of being seen.
fn validate_texts(plan: &PortPlan) -> Result<(), PlanError> {
    fn find(value: &Value) -> Option<&str> {
        let odd = |text: &str| text.contains(|c| is_hidden(c) && c != '\n' && c != '\t');
        match value {
            Value::String(text) => odd(text).then_some(text.as_str()),
            Value::Array(items) => items.iter().find_map(find),
            Value::Object(fields) => fields.iter().find_map(|(key, field)| {
                if odd(key) {
                    Some(key.as_str())
                } else {
                    find(field)
                }
            }),
            _ => None,
        }
    }
    let fields = match serde_json::to_value(plan) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) => return Ok(()),
        Err(error) => return Err(PlanError::Write(error.to_string())),
    };
    for (key, field) in &fields {
        if let Some(text) = find(field) {
            let shown = cut(&line(text), 60);
            let why = format!("`{shown}` holds characters that are not seen");
            return Err(invalid(key, &why));
        }
    }
    Ok(())
}

/// The methods are the whole of the model's interface: an input that none of them takes would be given to nothing.
fn validate_methods(plan: &PortPlan) -> Result<(), PlanError> {
    for (index, method) in plan.methods.iter().enumerate() {
        identifier(&format!("methods[{index}].name"), &method.name)?;
        for parameter in &method.parameters {
            identifier(&format!("methods[{index}].parameters"), parameter)?;
        }
    }
    let taken = |name: &String| plan.methods.iter().any(|it| it.parameters.contains(name));
    match plan.inputs.iter().find(|input| !taken(&input.name)) {
        Some(input) if !plan.methods.is_empty() => Err(invalid(
            "methods",
            &format!("none of them takes the input `{}`", input.name),
        )),
        _ => Ok(()),
    }
}

/// A session is made from inputs of the plan, and belongs to a class that has a `forward` to take it.
fn validate_session(plan: &PortPlan) -> Result<(), PlanError> {
    let Some(session) = &plan.session else {
        return Ok(());
    };
    for (key, name) in [
        ("parameter", &session.parameter),
        ("class", &session.class),
        ("method", &session.method),
    ] {
        identifier(&format!("session.{key}"), name)?;
    }
    if !plan.methods.is_empty() {
        return Err(invalid(
            "session",
            "a class whose methods are called has no `forward` to take it",
        ));
    }
    match session
        .inputs()
        .find(|name| plan.input(name.as_str()).is_none())
    {
        Some(name) => Err(invalid(
            "session",
            &format!("it is made from `{name}`, which is no input of the plan"),
        )),
        None => Ok(()),
    }
}

/// The target of a patch becomes an import, and two patches of one function would contradict each other. What its source
/// may hold is asked where it is parsed.
fn validate_patches(plan: &PortPlan) -> Result<(), PlanError> {
    let mut seen = BTreeSet::new();
    for (index, adaptation) in plan.adaptations.iter().enumerate() {
        let AdaptationKind::TorchPatch(patch) = &adaptation.kind else {
            continue;
        };
        let key = format!("adaptations[{index}].kind.target");
        if patch.parts().is_none() {
            return Err(invalid(
                &key,
                "a target is a module and a function of it, with dots",
            ));
        }
        for part in patch.target.split('.') {
            identifier(&key, part)?;
        }
        if !seen.insert(&patch.target) {
            return Err(invalid(&key, "two patches replace this function"));
        }
    }
    Ok(())
}

fn validate_inputs(plan: &PortPlan) -> Result<(), PlanError> {
    let mut seen = BTreeSet::new();
    for (index, input) in plan.inputs.iter().enumerate() {
        let key = format!("inputs[{index}]");
        identifier(&format!("{key}.name"), &input.name)?;
        if !seen.insert(&input.name) {
            return Err(invalid(&key, "two inputs have this name"));
        }
        for axis in &input.shape {
            match axis.named() {
                Some((name, _)) if !plan.dims.contains_key(name) => {
                    return Err(invalid(
                        &format!("{key}.shape"),
                        &format!("`{name}` is not in `dims`"),
                    ));
                }
                None if matches!(axis, Axis::Named(_)) => {
                    return Err(invalid(
                        &format!("{key}.shape"),
                        "an axis is a size, a name of `dims`, or a multiple such as `4*sequence`",
                    ));
                }
                _ => {}
            }
        }
        match &input.values {
            Values::Integer { low, high } | Values::Tokens { low, high, .. } if low >= high => {
                return Err(invalid(
                    &format!("{key}.values"),
                    "`low` must be below `high`",
                ));
            }
            Values::Listed { values } if values.is_empty() => {
                return Err(invalid(
                    &format!("{key}.values"),
                    "`values` must hold at least one number",
                ));
            }
            Values::Integer { .. }
            | Values::Tokens { .. }
            | Values::Listed { .. }
            | Values::Range
                if input.dtype.is_float() =>
            {
                return Err(invalid(
                    &format!("{key}.values"),
                    "whole numbers need an integer dtype",
                ));
            }
            Values::Normal { .. } | Values::Uniform { .. } if !input.dtype.is_float() => {
                return Err(invalid(
                    &format!("{key}.values"),
                    "real numbers need dtype float32",
                ));
            }
            Values::Normal { std, .. } if !(std.is_finite() && *std > 0.0) => {
                return Err(invalid(&format!("{key}.values"), "`std` must be above 0"));
            }
            Values::Uniform { low, high }
                if low >= high || !low.is_finite() || !high.is_finite() =>
            {
                return Err(invalid(
                    &format!("{key}.values"),
                    "`low` must be below `high`",
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

/// A plan is rendered into Python source, so the names in it must be identifiers and nothing else.
fn identifier(key: &str, text: &str) -> Result<(), PlanError> {
    let mut chars = text.chars();
    let starts = chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    if starts && chars.all(|c| c.is_ascii_alphanumeric() || c == '_') {
        Ok(())
    } else {
        Err(invalid(key, &format!("`{text}` is no Python identifier")))
    }
}

fn one_of(key: &str, text: &str, known: &[&str]) -> Result<(), PlanError> {
    if known.contains(&text) {
        return Ok(());
    }
    Err(invalid(
        key,
        &format!("`{text}` is none of {}", known.join(", ")),
    ))
}

fn invalid(key: &str, why: &str) -> PlanError {
    PlanError::Invalid {
        key: key.to_owned(),
        why: why.to_owned(),
    }
}

#[cfg(test)]
mod tests;
