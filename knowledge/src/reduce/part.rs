//! The settings that a plan may do without.

use portwright_core::{Finding, Format, InterfaceCard, PortPlan, plan::Export};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    difference::{Difference, between},
    propose::{put, refit, take},
};

/// A setting, and what the plan is without it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "part", rename_all = "kebab-case")]
pub enum Part {
    /// An optional input, which is left out.
    Input { name: String },
    /// A keyword argument of `forward`, which is left out.
    Call { name: String },
    /// An override of the configuration by its dotted path, which goes back to this value, or to the library's own.
    Config { path: String, to: Option<Value> },
    /// A setting of an artefact, which goes back to the plainest.
    Export { format: Format, setting: Setting },
}

/// A setting of an artefact. Who exports is none of them: without an exporter there is no artefact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Setting {
    Dynamic,
    Optimize,
    Attention,
    RuntimeOptimization,
    Rewrites,
    Opset,
}

impl Setting {
    const ALL: [Setting; 6] = [
        Setting::Dynamic,
        Setting::Optimize,
        Setting::Attention,
        Setting::RuntimeOptimization,
        Setting::Rewrites,
        Setting::Opset,
    ];

    /// The setting's name in a plan.
    fn name(self) -> &'static str {
        match self {
            Setting::Dynamic => "dynamic",
            Setting::Optimize => "optimize",
            Setting::Attention => "attention",
            Setting::RuntimeOptimization => "runtime_optimization",
            Setting::Rewrites => "rewrites",
            Setting::Opset => "opset",
        }
    }

    /// Fixed axes, no optimiser, the attention of the reference, and otherwise the exporter's and the runtime's own.
    fn reset(self, export: &mut Export) {
        match self {
            Setting::Dynamic => export.dynamic = false,
            Setting::Optimize => export.optimize = false,
            Setting::Attention => "eager".clone_into(&mut export.attention),
            Setting::RuntimeOptimization => export.runtime_optimization = None,
            Setting::Rewrites => export.rewrites.clear(),
            Setting::Opset => export.opset = None,
        }
    }

    fn is_plain(self, export: &Export) -> bool {
        let mut plain = export.clone();
        self.reset(&mut plain);
        plain == *export
    }
}

impl Part {
    /// The setting's key for people, e.g. `inputs.attention_mask` or `export.onnx.dynamic`.
    pub fn key(&self) -> String {
        match self {
            Part::Input { name } => format!("inputs.{name}"),
            Part::Call { name } => format!("call.{name}"),
            Part::Config { path, .. } => format!("config.{path}"),
            Part::Export { format, setting } => format!("export.{format}.{}", setting.name()),
        }
    }

    fn take_from(&self, plan: &mut PortPlan) {
        match self {
            Part::Input { name } => plan.inputs.retain(|input| input.name != *name),
            Part::Call { name } => {
                plan.call.shift_remove(name);
            }
            Part::Config { path, to: None } => {
                take(&mut plan.config, path);
            }
            Part::Config {
                path,
                to: Some(value),
            } => put(&mut plan.config, path, value.clone()),
            Part::Export { format, setting } => {
                if let Some(export) = plan.export.get_mut(format) {
                    setting.reset(export);
                }
            }
        }
    }
}

/// What may be taken from `plan`, one sort a group: those first that cost least to try, since they leave the
/// configuration as it is.
pub fn groups(
    card: &InterfaceCard,
    plan: &PortPlan,
    reference: &PortPlan,
    finding: &Finding,
) -> [Vec<Part>; 4] {
    let call = plan
        .call
        .keys()
        .map(|name| Part::Call { name: name.clone() });
    [
        inputs(card, plan),
        call.collect(),
        exports(plan, finding),
        config(plan, reference),
    ]
}

/// Inputs that the class takes and does not ask for, but for the one that it is about.
fn inputs(card: &InterfaceCard, plan: &PortPlan) -> Vec<Part> {
    let Some(class) = card.class(&plan.class) else {
        return Vec::new();
    };
    let optional = |name: &str| {
        let mut takes = class.inputs.iter();
        name != class.main_input && takes.any(|input| input.name == name && !input.required)
    };
    plan.inputs
        .iter()
        .filter(|input| optional(&input.name))
        .map(|input| Part::Input {
            name: input.name.clone(),
        })
        .collect()
}

/// Settings of the artefact on whose way the failure lies; none where nothing was exported.
fn exports(plan: &PortPlan, finding: &Finding) -> Vec<Part> {
    let of = |format: Format| {
        let export = plan.export.get(&format);
        let settings = Setting::ALL.into_iter();
        settings
            .filter(move |setting| export.is_some_and(|export| !setting.is_plain(export)))
            .map(move |setting| Part::Export { format, setting })
    };
    let Some(backend) = finding.backend else {
        return Vec::new();
    };
    let way = plan.made_on_the_way_to(backend.reads());
    way.into_iter().flat_map(of).collect()
}

/// Overrides that the reference has not, or has otherwise.
fn config(plan: &PortPlan, reference: &PortPlan) -> Vec<Part> {
    let changes = between(plan, reference);
    changes
        .into_iter()
        .filter_map(|change| match change {
            Difference::Value { path, to } => match path.split_first() {
                Some((table, path)) if table == "config" && !path.is_empty() => {
                    let path = path.join(".");
                    Some(Part::Config { path, to })
                }
                _ => None,
            },
            Difference::Act(_) => None,
        })
        .collect()
}

/// The plan without these settings; `None` where no valid plan remains. Inputs follow the configuration.
pub fn without(card: &InterfaceCard, plan: &PortPlan, parts: &[Part]) -> Option<PortPlan> {
    let mut next = plan.clone();
    for part in parts {
        part.take_from(&mut next);
    }
    next.follow_sources();
    let next = refit(card, next, &plan.config);
    next.validate().ok()?;
    Some(next)
}
