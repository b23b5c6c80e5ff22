//! What a model may change: typed changes of a plan. The judge, its tolerances and seeds, the tests and the library are
//! not among them, and neither is leaving an input out or taking it away from the judge's probes.

use portwright_core::{
    Format, InterfaceCard, PortPlan,
    plan::{
        Adaptation, AdaptationKind, Axis, Dim, Dtype, InputSpec, Provenance, Source, Strategy,
        TorchPatch, Values,
    },
};
use portwright_knowledge::{guard, propose::refit};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use thiserror::Error;

/// Implementations of a mixture of experts that the library knows.
const EXPERTS: [&str; 3] = ["batched_mm", "eager", "grouped_mm"];

/// One change of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Change {
    /// A field of the configuration, by its dotted path.
    Config { path: String, value: Value },
    /// A keyword argument of `forward` that is no tensor.
    Call { name: String, value: Value },
    /// A named size: the one that the exporter traces, and another one that the judge tries.
    Size {
        name: String,
        example: u64,
        other: u64,
    },
    /// An input's tensor, changed or added.
    Input {
        name: String,
        dtype: Dtype,
        shape: Vec<Axis>,
        values: Values,
    },
    /// Another class of the same task.
    Class { name: String },
    /// The attention under which the model of an artefact is traced: `eager` or `sdpa`.
    Attention {
        format: Format,
        implementation: String,
    },
    /// Who makes an artefact.
    Exporter { format: Format, strategy: Strategy },
    /// Whether the axes of an artefact stay free.
    FreeAxes { format: Format, free: bool },
    /// Whether the exporter's own graph optimiser runs.
    GraphOptimizer { format: Format, on: bool },
    /// The opset of the ONNX file.
    Opset { version: u32 },
    /// ONNX Runtime's graph optimisation level: `disable`, `basic`, `extended` or `all`.
    RuntimeOptimization { level: String },
    /// The implementation of a mixture of experts before the export.
    Experts { implementation: String },
    /// Another function for one of the modelling code while the model is exported. What it may hold the guards say, which
    /// read it before it is rendered.
    Patch { target: String, source: String },
}

/// Why a change was not taken, in words for the model.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Refused(pub String);

fn refuse<T>(why: impl Into<String>) -> Result<T, Refused> {
    Err(Refused(why.into()))
}

/// The plan with all the changes made, each noted with where it comes from; checked as a person's plan is.
pub fn apply(
    card: &InterfaceCard,
    plan: &PortPlan,
    changes: &[Change],
    provenance: &Provenance,
) -> Result<PortPlan, Refused> {
    if changes.is_empty() {
        return refuse("the proposal changes nothing");
    }
    let mut changed = plan.clone();
    for change in changes {
        let kind = make(card, &mut changed, change)?;
        let adaptation = Adaptation {
            kind,
            provenance: provenance.clone(),
        };
        changed
            .adaptations
            .retain(|known| known.kind != adaptation.kind);
        changed.adaptations.push(adaptation);
    }
    // Inputs follow the sizes of the configuration where they depend on them.
    let changed = refit(card, changed, &plan.config);
    changed
        .validate()
        .map_err(|error| Refused(error.to_string()))?;
    if bare(&changed) == bare(plan) {
        return refuse("the proposal leaves the plan as it was: these settings hold already");
    }
    Ok(changed)
}

/// The plan without the notes of where its settings came from.
pub fn recipe(plan: &PortPlan) -> PortPlan {
    let mut plan = plan.clone();
    plan.adaptations
        .retain(|known| !matches!(known.kind, AdaptationKind::Setting { .. }));
    plan
}

/// The plan as what it does alone: nobody's reasons make another one of it.
pub fn bare(plan: &PortPlan) -> PortPlan {
    let mut plan = recipe(plan);
    for known in &mut plan.adaptations {
        known.provenance = Provenance {
            source: Source::Model,
            name: String::new(),
            answers: String::new(),
            reason: String::new(),
        };
    }
    plan
}

fn make(
    card: &InterfaceCard,
    plan: &mut PortPlan,
    change: &Change,
) -> Result<AdaptationKind, Refused> {
    let key = match change {
        Change::Config { path, value } => {
            config(card, plan, path, value)?;
            format!("config.{path}")
        }
        Change::Call { name, value } => {
            if !(value.is_boolean() || value.is_number() || value.is_string()) {
                return refuse("an argument of the call is a number, a text, true or false");
            }
            let known = card
                .class(&plan.class)
                .is_some_and(|class| class.inputs.iter().any(|i| i.name == *name));
            if !known || plan.input(name).is_some() {
                return refuse(format!(
                    "`forward` has no argument `{name}` that is no tensor"
                ));
            }
            plan.call.insert(name.clone(), value.clone());
            format!("call.{name}")
        }
        Change::Size {
            name,
            example,
            other,
        } => {
            if !plan.dims.contains_key(name) {
                let known: Vec<&str> = plan.dims.keys().map(String::as_str).collect();
                return refuse(format!(
                    "no size is called `{name}`; there are {}",
                    known.join(", ")
                ));
            }
            let dim = Dim {
                example: *example,
                other: Some(*other),
            };
            plan.dims.insert(name.clone(), dim);
            format!("dims.{name}")
        }
        Change::Input {
            name,
            dtype,
            shape,
            values,
        } => {
            input(card, plan, name, *dtype, shape, values)?;
            format!("inputs.{name}")
        }
        Change::Class { name } => {
            let class = card.class(name).filter(|class| class.task == plan.task);
            let Some(class) = class else {
                return refuse(format!(
                    "no class of the task `{}` is called `{name}`",
                    plan.task
                ));
            };
            plan.class = class.name.clone();
            plan.module = class.module.clone();
            "class".to_owned()
        }
        Change::Attention {
            format,
            implementation,
        } => {
            export(plan, *format)?.attention = implementation.clone();
            format!("export.{format}.attention")
        }
        Change::Exporter { format, strategy } => {
            export(plan, *format)?.strategy = *strategy;
            format!("export.{format}.strategy")
        }
        Change::FreeAxes { format, free } => {
            export(plan, *format)?.dynamic = *free;
            format!("export.{format}.dynamic")
        }
        Change::GraphOptimizer { format, on } => {
            export(plan, *format)?.optimize = *on;
            format!("export.{format}.optimize")
        }
        Change::Opset { version } => {
            export(plan, Format::Onnx)?.opset = Some(*version);
            "export.onnx.opset".to_owned()
        }
        Change::RuntimeOptimization { level } => {
            export(plan, Format::Onnx)?.runtime_optimization = Some(level.clone());
            "export.onnx.runtime_optimization".to_owned()
        }
        Change::Experts { implementation } => {
            if !EXPERTS.contains(&implementation.as_str()) {
                return refuse(format!(
                    "the implementations of experts are {}",
                    EXPERTS.join(", ")
                ));
            }
            plan.adaptations.retain(|known| {
                !matches!(known.kind, AdaptationKind::ExpertsImplementation { .. })
            });
            return Ok(AdaptationKind::ExpertsImplementation {
                name: implementation.clone(),
            });
        }
        Change::Patch { target, source } => return patch(plan, target, source),
    };
    Ok(AdaptationKind::Setting { key })
}

fn export(
    plan: &mut PortPlan,
    format: Format,
) -> Result<&mut portwright_core::plan::Export, Refused> {
    match plan.export.get_mut(&format) {
        Some(export) => Ok(export),
        None => refuse(format!("the plan makes no artefact of the format {format}")),
    }
}

fn config(
    card: &InterfaceCard,
    plan: &mut PortPlan,
    path: &str,
    value: &Value,
) -> Result<(), Refused> {
    let parts: Vec<&str> = path.split('.').collect();
    let first = parts[0];
    if card.field(first).is_none() && !card.sub_configs.contains_key(first) {
        return refuse(format!("the configuration has no field `{first}`"));
    }
    let before = held(&plan.config, &parts).or_else(|| default(card, &parts));
    let positive = |value: &Value| value.as_f64().is_some_and(|number| number > 0.0);
    let number = value.as_f64();
    if before.as_ref().is_some_and(positive) && number.is_some_and(|number| number <= 0.0) {
        // A model without layers or heads proves nothing.
        return refuse(format!("`{path}` is a size above 0 and has to stay one"));
    }
    let mut table = &mut plan.config;
    for part in &parts[..parts.len() - 1] {
        let inner = table
            .entry(*part)
            .or_insert_with(|| Value::Object(Map::new()));
        let Value::Object(inner) = inner else {
            return refuse(format!("`{part}` in `{path}` is no nested configuration"));
        };
        table = inner;
    }
    table.insert(parts[parts.len() - 1].to_owned(), value.clone());
    Ok(())
}

/// The value that the plan overrides a field with.
fn held(config: &Map<String, Value>, parts: &[&str]) -> Option<Value> {
    let (first, rest) = parts.split_first()?;
    match (config.get(*first)?, rest) {
        (value, []) => Some(value.clone()),
        (Value::Object(inner), rest) => held(inner, rest),
        _ => None,
    }
}

fn default(card: &InterfaceCard, parts: &[&str]) -> Option<Value> {
    match parts {
        [name] => Some(card.field(name)?.default.clone()),
        [sub, name] => {
            let fields = &card.sub_configs.get(*sub)?.fields;
            let field = fields.iter().find(|field| field.name == *name)?;
            Some(field.default.clone())
        }
        _ => None,
    }
}

/// Whether the judge moves an input of these values to see that the outputs follow.
fn probed(values: &Values) -> bool {
    !matches!(values, Values::Constant { .. } | Values::Listed { .. })
}

fn input(
    card: &InterfaceCard,
    plan: &mut PortPlan,
    name: &str,
    dtype: Dtype,
    shape: &[Axis],
    values: &Values,
) -> Result<(), Refused> {
    if !probed(values) {
        return refuse("an input of constant or listed values would not be probed by the judge");
    }
    let spec = |modality: &str| InputSpec {
        name: name.to_owned(),
        dtype,
        shape: shape.to_vec(),
        values: values.clone(),
        modality: modality.to_owned(),
    };
    if let Some(known) = plan.inputs.iter_mut().find(|known| known.name == name) {
        if !probed(&known.values) || matches!(known.values, Values::Tokens { .. }) {
            return refuse(format!(
                "the values of `{name}` agree with other inputs and stay as they are"
            ));
        }
        *known = spec(&known.modality.clone());
        return Ok(());
    }
    let takes = card
        .class(&plan.class)
        .is_some_and(|class| class.inputs.iter().any(|i| i.name == name));
    if !takes {
        return refuse(format!("`forward` of {} takes no `{name}`", plan.class));
    }
    plan.inputs.push(spec("control"));
    Ok(())
}

/// A patch in place of another one of the same function.
fn patch(plan: &mut PortPlan, target: &str, source: &str) -> Result<AdaptationKind, Refused> {
    let patch = TorchPatch {
        target: target.trim().to_owned(),
        source: source.to_owned(),
    };
    if plan.export.is_empty() {
        return refuse("the plan exports nothing, and a patch stands in while a model is exported");
    }
    // The other guards have to read what it replaces, and are asked before it is rendered.
    guard::well_formed(plan, &patch)
        .map_err(|refused| Refused(format!("{refused}: {}", refused.refusal.hint())))?;
    plan.adaptations.retain(
        |known| !matches!(&known.kind, AdaptationKind::TorchPatch(known) if known.target == patch.target),
    );
    Ok(AdaptationKind::TorchPatch(patch))
}

/// The JSON schema of a [`Change`].
pub fn schema() -> Value {
    let text = || json!({ "type": "string" });
    let flag = || json!({ "type": "boolean" });
    let whole = || json!({ "type": "integer", "minimum": 1 });
    let one_of = |values: &[&str]| json!({ "type": "string", "enum": values });
    let made: Vec<&str> = (Format::ALL.iter())
        .filter(|format| !format.makers().is_empty())
        .map(|format| format.as_str())
        .collect();
    let format = || one_of(&made);
    let scalar = json!({ "anyOf": [
        { "type": "integer" }, { "type": "number" }, { "type": "boolean" }, { "type": "string" },
        { "type": "array", "items": { "type": "integer" } },
    ]});
    let kinds = json!({ "anyOf": [
        object("kind", "integer", &[("low", json!({ "type": "integer" })), ("high", json!({ "type": "integer" }))]),
        object("kind", "normal", &[("mean", json!({ "type": "number" })), ("std", json!({ "type": "number" }))]),
        object("kind", "uniform", &[("low", json!({ "type": "number" })), ("high", json!({ "type": "number" }))]),
        object("kind", "mask", &[]),
        object("kind", "range", &[]),
    ]});
    let shape = json!({ "type": "array", "items": { "anyOf": [{ "type": "integer" }, { "type": "string" }] } });
    let change = |name: &str, fields: &[(&str, Value)]| object("change", name, fields);
    json!({ "anyOf": [
        change("config", &[("path", text()), ("value", scalar.clone())]),
        change("call", &[("name", text()), ("value", scalar)]),
        change("size", &[("name", text()), ("example", whole()), ("other", whole())]),
        change("input", &[
            ("name", text()),
            ("dtype", one_of(&["int64", "float32", "int32", "bool"])),
            ("shape", shape),
            ("values", kinds),
        ]),
        change("class", &[("name", text())]),
        change("attention", &[("format", format()), ("implementation", one_of(&["eager", "sdpa"]))]),
        change("exporter", &[
            ("format", format()),
            ("strategy", one_of(&["transformers", "torch-dynamo", "torch-script", "from-onnx"])),
        ]),
        change("free-axes", &[("format", format()), ("free", flag())]),
        change("graph-optimizer", &[("format", format()), ("on", flag())]),
        change("opset", &[("version", whole())]),
        change("runtime-optimization", &[("level", one_of(&["disable", "basic", "extended", "all"]))]),
        change("experts", &[("implementation", one_of(&EXPERTS))]),
        change("patch", &[("target", text()), ("source", text())]),
    ]})
}

/// The schema of an object that has a tag and these fields, all of them required.
fn object(tag: &str, value: &str, fields: &[(&str, Value)]) -> Value {
    let mut properties = Map::new();
    properties.insert(tag.to_owned(), json!({ "const": value }));
    properties.extend(
        fields
            .iter()
            .map(|(name, schema)| ((*name).to_owned(), schema.clone())),
    );
    let required: Vec<String> = properties.keys().cloned().collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

#[cfg(test)]
mod tests;
